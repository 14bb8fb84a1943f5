//! Who owns a device, and which changes of that are allowed.
//!
//! ```text
//! Unowned(n) --claim--------------> Owned(n+1, caller)
//! Unowned(n) --claim and transfer-> Owned(n+1, receiver)
//! Owned(n, A) --transfer by A-----> Owned(n+1, receiver)      (receiver A itself: re-key)
//! Owned(n, A) --release by A------> Unowned(n)
//! Owned(n, A) --claim by A--------> Owned(n, A), nothing changes
//! everything else ----------------> refused, nothing changes
//! ```
//! Every arrow passes through *pending*: the change is stored here first, then made known to the bootstrap
//! server, then completed. Until then nobody else gets anything but a refusal.
//! Source: aSSURE 9.3.2 to 9.3.5 with rulings A-ASSURE-28, -34, -36, -99, decisions H5, H6, M7 and G 31.

use core::time::Duration;

use clock::Timestamp;
use minicbor::{Decode, Encode};
use model::ManagementId;

use crate::stored;

/// Owner changes of one device within [`CHANGE_WINDOW`].
/// Source: decision H6.
pub const CHANGE_COUNT_MAX: usize = 4;
/// The window of [`CHANGE_COUNT_MAX`].
pub const CHANGE_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Names one attempt to change an owner; the bootstrap server does each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub [u8; 16]);

/// What a management system asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerRequest {
    /// Take the device over; `proof` says whether the case string was right.
    Claim {
        /// The case string hashes to what the identity server issued.
        proof: bool,
    },
    /// Take it over and pass it on at once.
    ClaimAndTransfer {
        /// As in [`OwnerRequest::Claim`].
        proof: bool,
        /// The receiver.
        to: Receiver,
    },
    /// Pass it on.
    Transfer {
        /// The receiver.
        to: Receiver,
    },
    /// Give it up to nobody.
    Release,
}

/// Whoever is to own the device next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A registered management system that takes the device.
    Willing(ManagementId),
    /// Not registered, or takes only transfers that it announced.
    /// Source: ruling A-ASSURE-35, decision D-05.
    Unwilling,
}

/// What kind of change is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ChangeKind {
    /// An unowned device got an owner.
    #[n(0)]
    Claim,
    /// The owner named another.
    #[n(1)]
    Transfer,
    /// The owner named itself: new secret, next number.
    #[n(2)]
    Rekey,
    /// The owner gave it up.
    #[n(3)]
    Release,
    /// The number was raised after a restore; the owner stays.
    #[n(4)]
    Recovery,
}

impl ChangeKind {
    /// The operation as it stands in the audit log.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::Claim => "owner.claim",
            Self::Transfer => "owner.transfer",
            Self::Rekey => "owner.rekey",
            Self::Release => "owner.release",
            Self::Recovery => "authority.raise",
        }
    }
}

/// A change that the bootstrap server has not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PendingChange {
    /// The attempt.
    #[cbor(n(0), with = "stored::id16")]
    pub operation: OperationId,
    /// The management system that asked for it; nobody when the operator did.
    #[cbor(n(1), with = "stored::owner")]
    pub by: Option<ManagementId>,
    /// The owner sequence number that it brings.
    #[n(2)]
    pub seq: u32,
    /// The owner that it brings.
    #[cbor(n(3), with = "stored::owner")]
    pub owner: Option<ManagementId>,
    /// What kind of change it is.
    #[n(4)]
    pub kind: ChangeKind,
}

/// Who owns one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ownership {
    /// How many owners the device has had.
    #[n(0)]
    pub seq: u32,
    /// The present owner.
    #[cbor(n(1), with = "stored::owner")]
    pub owner: Option<ManagementId>,
    /// The change on its way.
    #[n(2)]
    pub pending: Option<PendingChange>,
    /// When owners changed last, oldest first; at most [`CHANGE_COUNT_MAX`].
    #[cbor(n(3), with = "stored::times")]
    pub changes: Vec<Timestamp>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Granted; nothing changes.
    AsItIs,
    /// Granted: store this pending change, with a new owner secret when it brings an owner.
    Begin(PendingChange),
    /// The same request is already on its way: drive it on.
    Continue(PendingChange),
    /// Refused, whatever the cause.
    Refused,
    /// Refused for now: too many changes; try again after so long.
    TooMany {
        /// When the oldest change leaves the window.
        retry_after: Duration,
    },
}

impl Ownership {
    /// Rules on `request` by `caller`. `fresh` names the attempt if it begins one.
    #[must_use]
    pub fn rule(
        &self,
        caller: &ManagementId,
        request: &OwnerRequest,
        fresh: OperationId,
        now: Timestamp,
    ) -> Ruling {
        let Some(wanted) = self.wanted_owner(caller, request) else { return Ruling::Refused };
        if let Some(pending) = &self.pending {
            let same = pending.by.as_ref() == Some(caller) && pending.owner == wanted;
            return if same { Ruling::Continue(pending.clone()) } else { Ruling::Refused };
        }
        let brings_an_owner = wanted.is_some();
        if matches!(request, OwnerRequest::Claim { .. }) && wanted == self.owner {
            return Ruling::AsItIs;
        }
        if brings_an_owner && let Some(retry_after) = self.too_many(now) {
            return Ruling::TooMany { retry_after };
        }
        let Some(seq) = self.seq.checked_add(u32::from(brings_an_owner)) else { return Ruling::Refused };
        let (kind, by) = (self.kind_of(wanted.as_ref()), Some(caller.clone()));
        Ruling::Begin(PendingChange { operation: fresh, by, seq, owner: wanted, kind })
    }

    fn kind_of(&self, wanted: Option<&ManagementId>) -> ChangeKind {
        match (&self.owner, wanted) {
            (None, _) => ChangeKind::Claim,
            (Some(_), None) => ChangeKind::Release,
            (Some(owner), Some(next)) if owner == next => ChangeKind::Rekey,
            (Some(_), Some(_)) => ChangeKind::Transfer,
        }
    }

    /// The owner that `request` would bring, if `caller` may ask for it at all. While a change is on its
    /// way only the one who asked for it may ask again.
    fn wanted_owner(&self, caller: &ManagementId, request: &OwnerRequest) -> Option<Option<ManagementId>> {
        let holds = self.owner.as_ref() == Some(caller);
        let began = self.pending.as_ref().is_some_and(|pending| pending.by.as_ref() == Some(caller));
        let open = self.owner.is_none();
        match request {
            OwnerRequest::Claim { proof } => {
                (*proof && (holds || open || began)).then(|| Some(caller.clone()))
            }
            OwnerRequest::ClaimAndTransfer { proof, to: Receiver::Willing(to) } => {
                (*proof && (holds || open || began)).then(|| Some(to.clone()))
            }
            OwnerRequest::Transfer { to: Receiver::Willing(to) } => {
                (holds || began).then(|| Some(to.clone()))
            }
            OwnerRequest::Release => (holds || began).then_some(None),
            OwnerRequest::ClaimAndTransfer { to: Receiver::Unwilling, .. }
            | OwnerRequest::Transfer { to: Receiver::Unwilling } => None,
        }
    }

    /// How long to wait when the window is full. Changes that seem to lie ahead, because the clock was set
    /// back, count as just made: a clock set back opens no second window.
    fn too_many(&self, now: Timestamp) -> Option<Duration> {
        let age =
            |at: &Timestamp| Duration::from_millis(now.as_unix_millis().saturating_sub(at.as_unix_millis()));
        let recent: Vec<Duration> = self.changes.iter().map(age).filter(|age| *age < CHANGE_WINDOW).collect();
        let oldest = recent.iter().max()?;
        (recent.len() >= CHANGE_COUNT_MAX).then(|| CHANGE_WINDOW.saturating_sub(*oldest))
    }

    /// The state while `change` is on its way.
    #[must_use]
    pub fn begun(mut self, change: PendingChange, now: Timestamp) -> Self {
        if change.owner.is_some() {
            if self.changes.len() >= CHANGE_COUNT_MAX {
                self.changes.remove(0);
            }
            self.changes.push(now);
        }
        self.pending = Some(change);
        self
    }

    /// The state after the bootstrap server confirmed `operation`; `None` when it is not the pending one.
    #[must_use]
    pub fn completed(mut self, operation: OperationId) -> Option<Self> {
        let change = self.pending.take_if(|pending| pending.operation == operation)?;
        self.seq = change.seq;
        self.owner = change.owner;
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Dice;

    const HOUR: u64 = 3_600_000;

    fn id(text: &str) -> ManagementId {
        text.parse().unwrap()
    }

    fn to(text: &str) -> OwnerRequest {
        OwnerRequest::Transfer { to: Receiver::Willing(id(text)) }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000 + millis)
    }

    const CLAIM: OwnerRequest = OwnerRequest::Claim { proof: true };

    /// Rules and, when that begins a change, completes it at once.
    fn apply(state: &mut Ownership, caller: &str, request: &OwnerRequest, now: Timestamp) -> Ruling {
        let ruling = state.rule(&id(caller), request, OperationId([1; 16]), now);
        if let Ruling::Begin(change) = &ruling {
            let begun = state.clone().begun(change.clone(), now);
            *state = begun.completed(change.operation).unwrap();
        }
        ruling
    }

    // verifies: ASSURE-14.4-02, ASSURE-15.5-06
    #[test]
    fn each_new_owner_raises_the_sequence_number_and_release_does_not() {
        let mut state = Ownership::default();
        let steps = [
            ("a", CLAIM, 1, Some("a")),
            ("a", to("b"), 2, Some("b")),
            ("b", OwnerRequest::Release, 2, None),
            (
                "c",
                OwnerRequest::ClaimAndTransfer { proof: true, to: Receiver::Willing(id("a")) },
                3,
                Some("a"),
            ),
            ("a", to("a"), 4, Some("a")),
        ];
        for (caller, request, seq, owner) in steps {
            assert!(matches!(apply(&mut state, caller, &request, at(0)), Ruling::Begin(_)), "{request:?}");
            assert_eq!((state.seq, state.owner.clone()), (seq, owner.map(id)), "{request:?}");
        }
    }

    // verifies: ASSURE-9.3.2-06, ASSURE-9.3.3-04, ASSURE-9.3.4-05, ASSURE-9.3.5-04, TS-L2
    #[test]
    fn only_the_owner_and_the_holder_of_the_case_string_change_anything() {
        let owned = Ownership { seq: 3, owner: Some(id("a")), ..Ownership::default() };
        let wrong = OwnerRequest::Claim { proof: false };
        let both = |proof| OwnerRequest::ClaimAndTransfer { proof, to: Receiver::Willing(id("b")) };
        let refused = [
            ("b", CLAIM),
            ("a", wrong.clone()),
            ("b", to("b")),
            ("b", OwnerRequest::Release),
            ("a", both(false)),
            ("b", both(true)),
            ("a", OwnerRequest::Transfer { to: Receiver::Unwilling }),
            ("a", OwnerRequest::ClaimAndTransfer { proof: true, to: Receiver::Unwilling }),
        ];
        for (caller, request) in refused {
            let mut state = owned.clone();
            assert_eq!(apply(&mut state, caller, &request, at(0)), Ruling::Refused, "{caller} {request:?}");
            assert_eq!(state, owned, "a refusal changes nothing");
        }
        let mut unowned = Ownership { seq: 3, ..Ownership::default() };
        for request in [wrong, to("b"), OwnerRequest::Release, both(false)] {
            assert_eq!(apply(&mut unowned, "a", &request, at(0)), Ruling::Refused, "{request:?}");
        }
        let mut state = owned.clone();
        assert_eq!(apply(&mut state, "a", &CLAIM, at(0)), Ruling::AsItIs);
        assert_eq!(state, owned);
        assert!(matches!(apply(&mut state, "a", &both(true), at(0)), Ruling::Begin(_)), "that is a transfer");
    }

    // verifies: ASSURE-9.3.2-08, ASSURE-9.3.3-03, ASSURE-9.3.4-02
    #[test]
    fn the_fifth_owner_within_a_day_has_to_wait() {
        let mut state = Ownership::default();
        assert!(matches!(apply(&mut state, "a", &CLAIM, at(0)), Ruling::Begin(_)));
        for hour in 1..4 {
            let (from, receiver) = if hour % 2 == 1 { ("a", "b") } else { ("b", "a") };
            assert!(matches!(apply(&mut state, from, &to(receiver), at(hour * HOUR)), Ruling::Begin(_)));
        }
        let before = state.clone();
        let wait = |hours| Ruling::TooMany { retry_after: Duration::from_millis(hours * HOUR) };
        assert_eq!(apply(&mut state, "b", &to("a"), at(10 * HOUR)), wait(14));
        assert_eq!(apply(&mut state, "b", &to("b"), at(10 * HOUR)), wait(14), "a re-key counts too");
        let clock_set_back = Timestamp::from_unix_millis(1_000);
        assert_eq!(
            apply(&mut state, "b", &to("a"), clock_set_back),
            wait(24),
            "a clock set back opens no window"
        );
        assert_eq!(state, before);
        assert!(matches!(apply(&mut state, "b", &OwnerRequest::Release, at(10 * HOUR)), Ruling::Begin(_)));
        assert!(matches!(apply(&mut state, "c", &CLAIM, at(24 * HOUR)), Ruling::Begin(_)));
    }

    #[test]
    fn a_pending_change_belongs_to_the_one_who_asked() {
        let unowned = Ownership::default();
        let Ruling::Begin(change) = unowned.rule(&id("a"), &CLAIM, OperationId([1; 16]), at(0)) else {
            panic!("an unowned device is there to be claimed");
        };
        let pending = unowned.begun(change.clone(), at(0));
        let again = pending.rule(&id("a"), &CLAIM, OperationId([2; 16]), at(1));
        assert_eq!(again, Ruling::Continue(change.clone()), "the same attempt, not a second one");
        assert_eq!(pending.rule(&id("b"), &CLAIM, OperationId([3; 16]), at(1)), Ruling::Refused);
        assert_eq!(pending.rule(&id("a"), &to("b"), OperationId([3; 16]), at(1)), Ruling::Refused);
        assert_eq!(pending.clone().completed(OperationId([9; 16])), None);
        let done = pending.completed(change.operation).unwrap();
        assert_eq!((done.seq, done.owner, done.pending), (1, Some(id("a")), None));
    }

    #[test]
    fn the_last_sequence_number_is_the_last_owner() {
        let worn = Ownership { seq: u32::MAX, ..Ownership::default() };
        assert_eq!(worn.rule(&id("a"), &CLAIM, OperationId([1; 16]), at(0)), Ruling::Refused);
    }

    // verifies: ASSURE-14.4-01
    #[test]
    fn random_histories_agree_with_the_table() {
        let mut dice = Dice::numbered(144);
        let names = ["a", "b", "c"];
        for _ in 0..2_000 {
            let (mut state, mut owner, mut seq) = (Ownership::default(), None::<&str>, 0);
            for step in 0..12_u64 {
                let pick = |dice: &mut Dice| names[usize::try_from(dice.below(3)).unwrap()];
                let (caller, receiver, proof) = (pick(&mut dice), pick(&mut dice), dice.below(4) > 0);
                let willing = Receiver::Willing(id(receiver));
                let (request, next) = match dice.below(4) {
                    0 => (OwnerRequest::Claim { proof }, proof.then_some(Some(caller))),
                    1 => (
                        OwnerRequest::ClaimAndTransfer { proof, to: willing },
                        proof.then_some(Some(receiver)),
                    ),
                    2 => (
                        OwnerRequest::Transfer { to: willing },
                        (owner == Some(caller)).then_some(Some(receiver)),
                    ),
                    _ => (OwnerRequest::Release, (owner == Some(caller)).then_some(None)),
                };
                let foreign = owner.is_some_and(|owner| owner != caller);
                let claim_of_own = matches!(request, OwnerRequest::Claim { .. }) && owner == Some(caller);
                if let Some(next) = next.filter(|_| !foreign)
                    && !claim_of_own
                {
                    seq += u32::from(next.is_some());
                    owner = next;
                }
                apply(&mut state, caller, &request, at(step * 25 * HOUR));
                assert_eq!(
                    (state.seq, state.owner.as_ref().map(ManagementId::as_str)),
                    (seq, owner),
                    "{request:?}"
                );
            }
        }
    }
}
