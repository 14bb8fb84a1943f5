//! How a device names one of its properties or events.

use ledger::BadRecord;
use model::Uuid;
use store::Snapshot;

use crate::model::{AffordanceKind, Place};
use crate::spaces::place_key;

/// A property, action or event as a device names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// By the name in the model.
    Named(String),
    /// By the place that the model gives it (`osap:place`).
    Placed(Place),
}

/// What a spot leads to so far.
pub(crate) enum Found {
    /// This name; whether the model has it is asked of its affordance.
    Name(String),
    /// The index must be read first.
    Unread(store::Key),
    /// The model has nothing at that place.
    Nothing,
}

impl Spot {
    pub(crate) fn find(
        &self,
        snapshot: &Snapshot,
        thing: Uuid,
        kind: AffordanceKind,
    ) -> Result<Found, BadRecord> {
        match self {
            Self::Named(name) => Ok(Found::Name(name.clone())),
            Self::Placed(place) => {
                let key = place_key(thing, kind, place);
                if !snapshot.covers(&key) {
                    return Ok(Found::Unread(key));
                }
                match snapshot.value(&key) {
                    None => Ok(Found::Nothing),
                    Some([1, name @ ..]) => {
                        let name = std::str::from_utf8(name).map_err(|_| BadRecord)?;
                        Ok(Found::Name(name.to_owned()))
                    }
                    Some(_) => Err(BadRecord),
                }
            }
        }
    }
}
