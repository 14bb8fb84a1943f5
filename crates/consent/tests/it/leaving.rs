//! Whoever goes takes nothing along, and leaves nothing to who is called the same later.

use clock::Now;
use consent::{Act, AddGrant, GRANTS_PER_COMMIT_MAX, GRANTS_PER_THING_MAX, Leave, Left, ListGrants, Party};
use model::Uuid;
use store::{Decision, Key, Operation, ReadSet, Snapshot, Space, Table as _, decided, run};

use crate::{DOOR, House, PUMP, person};

/// Ends an account, which is one record here; or is refused.
#[derive(Clone, Copy, Debug)]
struct End {
    is_refused: bool,
}

fn account() -> Key {
    Key::new(Space(0x01), *b"birch")
}

impl Operation for End {
    type Reply = Result<bool, ()>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([account()])
    }

    fn decide(&self, _: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            batch.delete(account());
            if self.is_refused { Ok(false) } else { Ok(true) }
        })
    }
}

/// The answer, and whose use of what is judged again.
type Said = (Left<Result<bool, ()>>, Vec<(Party, Uuid)>);

fn leave(house: &House, party: Party, end: End) -> Said {
    let is_gone: fn(&_) -> bool = |reply| *reply == Ok(true);
    let leave = Leave { change: end, is_gone, party, origin: house.origin() };
    let done = run(&house.table, &leave, house.now()).unwrap();
    (done.reply, done.effects.into_iter().map(|effect| (effect.party, effect.thing)).collect())
}

#[test]
fn whoever_goes_loses_every_grant_in_the_same_commit_and_others_keep_theirs() {
    let house = House::new();
    let birch = person("birch");
    let others = [person("birch2"), person("birc"), Party::Client("birch".into())];
    for thing in [PUMP, DOOR] {
        for party in others.iter().chain([&birch, &birch]) {
            house.run(&AddGrant { thing, ..house.wanted(party.clone(), &[Act::Read], &[]) }).unwrap();
        }
    }
    let (reply, effects) = leave(&house, birch.clone(), End { is_refused: true });
    assert_eq!((reply, effects.len()), (Left::Answered(Ok(false)), 0));
    assert!(house.may(&birch, Act::Read, "outlet"), "who stays keeps what was granted");
    let (reply, effects) = leave(&house, birch.clone(), End { is_refused: false });
    assert_eq!(reply, Left::Answered(Ok(true)));
    assert_eq!(effects, [(birch.clone(), PUMP), (birch.clone(), DOOR)], "each thing is judged again once");
    assert!(!house.may(&birch, Act::Read, "outlet"), "whoever is called so later has nothing");
    assert!(others.iter().all(|other| house.may(other, Act::Read, "outlet")));
    assert_eq!(house.record_count(), 18, "six grants of others, each under three names");
    assert_eq!(house.audit().iter().filter(|entry| entry.starts_with("grant.revoke")).count(), 1);
    assert!(house.audit().contains(&"grant.revoke root person:birch, all: 4".to_owned()));
    // Nothing to take back leaves nothing in the log.
    let (reply, effects) = leave(&house, person("cedar"), End { is_refused: false });
    assert_eq!((reply, effects.len()), (Left::Answered(Ok(true)), 0));
    assert_eq!(house.audit().iter().filter(|entry| entry.starts_with("grant.revoke")).count(), 1);
}

#[test]
fn more_grants_than_fit_a_commit_are_taken_back_before_the_party_ends() {
    let house = House::new();
    let birch = person("birch");
    let count = GRANTS_PER_COMMIT_MAX + 2;
    for number in 0..count {
        let thing = Uuid([u8::try_from(number / GRANTS_PER_THING_MAX).unwrap() + 10; 16]);
        let mut add = AddGrant { thing, ..house.wanted(birch.clone(), &[Act::Read], &[]) };
        add.origin.seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
        house.run(&add).unwrap();
    }
    let reads = ReadSet::of([account()]);
    let snapshot = house.table.snapshot(&reads).unwrap();
    let mut batch = store::Batch::default();
    batch.put(account(), [1]);
    house.table.commit(&snapshot, &batch).unwrap();
    let is_there = || house.table.snapshot(&reads).unwrap().value(&account()).is_some();
    let left = || house.run(&ListGrants { thing: None, after: None, limit: 2_000 }).unwrap().grants.len();
    assert_eq!(leave(&house, birch.clone(), End { is_refused: false }).0, Left::More);
    assert_eq!((left(), is_there()), (2, true));
    assert_eq!(leave(&house, birch, End { is_refused: false }).0, Left::Answered(Ok(true)));
    assert_eq!((left(), is_there(), house.record_count()), (0, false, 0));
}
