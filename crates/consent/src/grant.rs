//! A grant: who may do what with which thing, and when.

use std::collections::BTreeSet;

use clock::{Now, Timestamp};
use ledger::BadRecord;
use minicbor::{Decode, Encode};
use model::Uuid;

use crate::act::{Act, Acts};
use crate::party::Party;

/// Names of properties, actions and events that one grant lists.
pub const NAMES_PER_GRANT_MAX: usize = 64;

/// Which properties, actions and events a grant is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Every one, also those that the thing gets later.
    All,
    /// These alone.
    Set(BTreeSet<String>),
}

impl Names {
    /// Whether `name` is among them.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Set(names) => names.contains(name),
        }
    }
}

/// That `party` may do `acts` with `names` of `thing`, from `from` on and before `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its own id.
    pub id: Uuid,
    /// Who may.
    pub party: Party,
    /// With which thing.
    pub thing: Uuid,
    /// What.
    pub acts: Acts,
    /// With which properties, actions and events.
    pub names: Names,
    /// From then on; `None`: from the beginning.
    pub from: Option<Timestamp>,
    /// Before then; `None`: until it is revoked.
    pub until: Option<Timestamp>,
    /// When it was made.
    pub made: Timestamp,
    /// By whom, as in the audit log.
    pub made_by: String,
}

impl Grant {
    /// Whether it holds now. Without a clock only a grant without times does.
    #[must_use]
    pub fn holds(&self, now: Now) -> bool {
        match (now.utc, self.from, self.until) {
            (_, None, None) => true,
            (None, _, _) => false,
            (Some(at), from, until) => {
                from.is_none_or(|from| from <= at) && until.is_none_or(|until| at < until)
            }
        }
    }

    /// Whether it is over for good.
    #[must_use]
    pub fn is_over(&self, now: Now) -> bool {
        self.until.zip(now.utc).is_some_and(|(until, at)| until <= at)
    }

    pub(crate) fn allows(&self, act: Act, name: &str) -> bool {
        self.acts.contains(act) && self.names.contains(name)
    }

    pub(crate) fn to_value(&self) -> Vec<u8> {
        ledger::to_bytes(&Stored {
            party: self.party.to_bytes(),
            acts: self.acts.byte(),
            names: match &self.names {
                Names::All => None,
                Names::Set(names) => Some(names.iter().cloned().collect()),
            },
            from_unix_millis: self.from.map(Timestamp::as_unix_millis),
            until_unix_millis: self.until.map(Timestamp::as_unix_millis),
            made_unix_millis: self.made.as_unix_millis(),
            made_by: self.made_by.clone(),
        })
    }

    pub(crate) fn from_value(thing: Uuid, id: Uuid, stored: &[u8]) -> Result<Self, BadRecord> {
        let stored: Stored = ledger::from_bytes(stored)?;
        Ok(Self {
            id,
            thing,
            party: Party::from_bytes(&stored.party)?,
            acts: Acts::from_byte(stored.acts).ok_or(BadRecord)?,
            names: stored.names.map_or(Names::All, |names| Names::Set(names.into_iter().collect())),
            from: stored.from_unix_millis.map(Timestamp::from_unix_millis),
            until: stored.until_unix_millis.map(Timestamp::from_unix_millis),
            made: Timestamp::from_unix_millis(stored.made_unix_millis),
            made_by: stored.made_by,
        })
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[cbor(n(0), with = "minicbor::bytes")]
    party: Vec<u8>,
    #[n(1)]
    acts: u8,
    #[n(2)]
    names: Option<Vec<String>>,
    #[n(3)]
    from_unix_millis: Option<u64>,
    #[n(4)]
    until_unix_millis: Option<u64>,
    #[n(5)]
    made_unix_millis: u64,
    #[n(6)]
    made_by: String,
}
