//! Operations from the queue to their end.

use consent::RevokeGrant;
use hub::{
    Act, Answer, Answered, CALLS_KEPT_MAX, DesiredOf, DesiredState, Effect, Invoke, OperationState,
    OperationView, Order, Outcome, Party, ReadDesired, ReadOperation, Refusal, TakePending, What, Withdraw,
    Write,
};
use serde_json::{Value, json};

use crate::house::{House, LOCK, birch};

fn invoke(house: &House, name: &str, input: Value, is_deliverable: bool) -> Invoke {
    let asked = house.asked(Party::Owner);
    Invoke { thing: LOCK, name: name.into(), input, deadline_millis: 30_000, is_deliverable, asked }
}

fn ring(house: &House, is_deliverable: bool) -> OperationView {
    house.run(&invoke(house, "ring", Value::Null, is_deliverable)).unwrap()
}

fn look(house: &House, number: u64) -> OperationView {
    house.run(&ReadOperation { thing: LOCK, name: "ring".into(), number, party: Party::Owner }).unwrap()
}

fn answer(house: &House, number: u64, result: Result<Option<Value>, (i64, String)>) -> Answered {
    house.run(&Answer { thing: LOCK, outcome: Outcome { id: number << 2, result } }).unwrap()
}

fn take(house: &House, room: usize) -> Vec<Order> {
    house.run(&TakePending { thing: LOCK, room, desired_behind: None }).unwrap()
}

#[test]
fn an_operation_for_a_device_that_is_there_leaves_with_its_commit() {
    let house = House::new();
    let done = house.commit(&invoke(&house, "unlock", json!({"seconds": 3}), true));
    let view = done.reply.unwrap();
    assert_eq!(view.state, OperationState::Sent);
    let [Effect::Order(order)] = &done.effects[..] else { panic!("{:?}", done.effects) };
    assert!(
        matches!(&order.what, What::Call { name, input, .. } if name == "unlock" && *input == json!({"seconds": 3}))
    );
    assert!(take(&house, 10).is_empty(), "it is not sent again");
    let output = Some(json!("open"));
    assert_eq!(answer(&house, view.number, Ok(output.clone())), Answered::Stored);
    assert_eq!(answer(&house, view.number, Ok(None)), Answered::NotAwaited, "the first answer counts");
    let read = ReadOperation { thing: LOCK, name: "unlock".into(), number: view.number, party: Party::Owner };
    assert_eq!(house.run(&read).unwrap().state, OperationState::Done { output });
}

#[test]
fn queued_operations_are_taken_once_and_in_order() {
    let house = House::new();
    let numbers: Vec<u64> = (0..3).map(|_| ring(&house, false).number).collect();
    let ids = |orders: Vec<Order>| orders.into_iter().map(|order| order.id >> 2).collect::<Vec<_>>();
    assert_eq!(ids(take(&house, 2)), numbers[..2]);
    assert_eq!(look(&house, numbers[1]).state, OperationState::Sent);
    assert_eq!(look(&house, numbers[2]).state, OperationState::Queued);
    assert_eq!(ids(take(&house, 2)), numbers[2..]);
    assert!(take(&house, 2).is_empty());
    assert_eq!(answer(&house, 99, Ok(None)), Answered::NotAwaited, "never asked");
}

#[test]
fn a_deadline_ends_what_waits_and_a_late_answer_is_still_an_answer() {
    let house = House::new();
    let (queued, sent) = (ring(&house, false).number, ring(&house, true).number);
    house.later(29_999);
    assert_eq!(look(&house, queued).state, OperationState::Queued);
    house.later(1);
    assert_eq!(look(&house, queued).state, OperationState::NoAnswer { was_sent: false });
    assert_eq!(look(&house, sent).state, OperationState::NoAnswer { was_sent: true });
    assert!(take(&house, 10).is_empty(), "nobody wants it any more");
    assert_eq!(answer(&house, queued, Ok(None)), Answered::NotAwaited, "the device never got it");
    assert_eq!(answer(&house, sent, Err((2, "jammed".into()))), Answered::Stored);
    let ended = OperationState::Refused { code: 2, message: "jammed".into() };
    assert_eq!(look(&house, sent).state, ended);
}

#[test]
fn an_operation_is_withdrawn_from_the_queue_by_who_asked_for_it() {
    let house = House::new();
    house.grant(birch(), &[Act::Call], &["ring"]);
    let withdraw = |number, party| {
        house.run(&Withdraw { thing: LOCK, name: "ring".into(), number, asked: house.asked(party) })
    };
    let own =
        house.run(&Invoke { asked: house.asked(birch()), ..invoke(&house, "ring", Value::Null, false) });
    let (own, other) = (own.unwrap().number, ring(&house, false).number);
    assert_eq!(withdraw(other, birch()).unwrap_err(), Refusal::NoSuchName, "the owner's is not told of");
    assert_eq!(withdraw(own, birch()).unwrap().state, OperationState::Withdrawn);
    assert_eq!(withdraw(own, birch()).unwrap_err(), Refusal::NotOpen);
    let sent = ring(&house, true).number;
    assert_eq!(withdraw(sent, Party::Owner).unwrap_err(), Refusal::NotOpen);
    assert_eq!(take(&house, 10).len(), 1, "the owner's alone is left");
}

#[test]
fn operations_are_refused_that_do_not_fit() {
    let house = House::new();
    let refused = |operation: Invoke| house.run(&operation).unwrap_err();
    assert!(matches!(refused(invoke(&house, "unlock", json!({}), true)), Refusal::BadValue(_)));
    assert!(matches!(refused(invoke(&house, "unlock", Value::Null, true)), Refusal::BadValue(_)));
    assert!(matches!(refused(invoke(&house, "ring", json!(1), true)), Refusal::BadValue(_)), "it takes none");
    assert_eq!(refused(invoke(&house, "nothing", json!(1), true)), Refusal::NoSuchName);
    for deadline_millis in [0, 999, hub::CALL_DEADLINE_MAX + 1] {
        let at = Invoke { deadline_millis, ..invoke(&house, "ring", Value::Null, true) };
        assert_eq!(refused(at), Refusal::BadDeadline, "{deadline_millis}");
    }
    assert!(house.audit().iter().all(|entry| !entry.starts_with("things.call")));
}

#[test]
fn the_oldest_ended_operation_makes_room_and_an_open_one_does_not() {
    let house = House::new();
    let first = ring(&house, true).number;
    for _ in 1..CALLS_KEPT_MAX {
        ring(&house, false);
    }
    let one_more = invoke(&house, "ring", Value::Null, false);
    assert_eq!(house.run(&one_more).unwrap_err(), Refusal::Full, "none has ended");
    answer(&house, first, Ok(None));
    let last = house.run(&one_more).unwrap().number;
    let gone = ReadOperation { thing: LOCK, name: "ring".into(), number: first, party: Party::Owner };
    assert_eq!(house.run(&gone).unwrap_err(), Refusal::NoSuchName);
    assert_eq!(look(&house, last).state, OperationState::Queued);
    assert_eq!(house.record_counts()[5], CALLS_KEPT_MAX + 1, "with the head");
}

#[test]
fn an_open_operation_does_not_keep_ended_ones_from_making_room() {
    let house = House::new();
    let first = ring(&house, true).number;
    let second = ring(&house, true).number;
    for _ in 2..CALLS_KEPT_MAX {
        ring(&house, false);
    }
    answer(&house, second, Ok(None));
    ring(&house, false);
    assert_eq!(look(&house, first).state, OperationState::Sent);
    let gone = ReadOperation { thing: LOCK, name: "ring".into(), number: second, party: Party::Owner };
    assert_eq!(house.run(&gone).unwrap_err(), Refusal::NoSuchName);
    assert_eq!(house.record_counts()[5], CALLS_KEPT_MAX + 1, "with the head");
    let one_more = invoke(&house, "ring", Value::Null, false);
    assert_eq!(house.run(&one_more).unwrap_err(), Refusal::Full, "no other has ended");
}

#[test]
fn what_was_asked_for_by_a_party_whose_grant_is_gone_never_goes_out() {
    let house = House::new();
    let grant = house.grant(birch(), &[Act::Call, Act::Write], &["ring", "volume"]);
    let of_birch = Invoke { asked: house.asked(birch()), ..invoke(&house, "ring", Value::Null, false) };
    let of_birch = house.run(&of_birch).unwrap().number;
    let of_owner = ring(&house, false).number;
    let wants = |party| {
        let asked = house.asked(party);
        house.run(&Write { thing: LOCK, name: "volume".into(), value: json!(4), asked }).unwrap()
    };
    wants(birch());
    let all = || house.run(&TakePending { thing: LOCK, room: 10, desired_behind: Some(0) }).unwrap();
    let desired = || {
        let read = ReadDesired { thing: LOCK, name: "volume".into(), party: Party::Owner };
        house.run(&read).unwrap().state
    };
    assert_eq!(house.run(&DesiredOf { thing: LOCK }).unwrap().len(), 1);
    house.run(&RevokeGrant { id: grant, origin: house.origin() });
    assert_eq!(house.run(&DesiredOf { thing: LOCK }).unwrap(), [], "nor is it told to a device that asks");
    assert_eq!(desired(), DesiredState::Wanted);
    assert_eq!(all().iter().map(|order| order.id >> 2).collect::<Vec<_>>(), [of_owner]);
    assert_eq!(
        (look(&house, of_birch).state, desired()),
        (OperationState::Withdrawn, DesiredState::Withdrawn)
    );
    house.grant(birch(), &[Act::Call, Act::Write], &["ring", "volume"]);
    assert_eq!(all(), [], "another grant does not bring it back");
    wants(birch());
    assert_eq!((all().len(), all().len()), (1, 1), "a value goes again with every connection");
    wants(Party::Owner);
    assert_eq!(desired(), DesiredState::Wanted);
}
