//! How messages are sealed and opened on a connection.

use std::sync::Arc;

use clock::Moment;
use crypto::Provider;
use osap_proto::compat::{CompatGeneral, open_compat, seal_compat};
use osap_proto::{General, Unopened};
use osap_things::{UpMessage, decode_up, decode_up_compat};

use super::line::Cover;

/// Messages that do not open, until the connection is closed.
/// Source: OSAP secure profile section 13.
const BAD_COUNT_MAX: u8 = 3;
/// What stands as version before messages to devices of type 1; all generations take it.
const COMPAT_VERSION: &str = "v3";

/// Whether a message to a device asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Answer,
}

/// A message that was opened.
pub(super) struct Unsealed {
    pub(super) general: General,
    /// `None` for what is no part of the thing model; an error for what cannot be read.
    pub(super) said: Result<Option<UpMessage>, ()>,
}

impl Cover {
    /// Opens a message of the device. Type 1 tells no time: it is `now_millis`.
    pub(super) fn open(
        &mut self,
        provider: &Arc<dyn Provider>,
        (topic, payload): (&str, &[u8]),
        now_millis: u64,
        now: Moment,
    ) -> Result<Unsealed, Unopened> {
        match self {
            Self::Sealed(session) => {
                let opened = session.opener.receive(topic.as_bytes(), payload, now)?;
                let said = decode_up(topic, opened.application()).map(Some).map_err(drop);
                Ok(Unsealed { general: opened.general, said })
            }
            Self::Compat { key, bad } => {
                let Some(opened) = open_compat(provider.as_ref(), key, payload) else {
                    *bad = bad.saturating_add(1);
                    return Err(if *bad >= BAD_COUNT_MAX { Unopened::Closed } else { Unopened::Bad });
                };
                let general = General { seq: opened.general.seq, ts: now_millis };
                let said = decode_up_compat(topic, &opened.application).map_err(drop);
                Ok(Unsealed { general, said })
            }
        }
    }

    /// Seals a message to the device; `None` when this connection can seal no more.
    pub(super) fn seal(
        &mut self,
        provider: &Arc<dyn Provider>,
        topic: &str,
        (general, way): (General, Way),
        body: &[u8],
        now: Moment,
    ) -> Option<Vec<u8>> {
        match self {
            Self::Sealed(session) => session.sealer.seal(topic.as_bytes(), general, body, now).ok(),
            Self::Compat { key, .. } => {
                let message_type = if way == Way::Request { 1 } else { 2 };
                let version = Some(COMPAT_VERSION.to_owned());
                let general = CompatGeneral { version, seq: general.seq, message_type };
                seal_compat(provider.as_ref(), key, &general, body)
            }
        }
    }

    /// Whether a repetition is known by number and time. Type 1 counts anew with each start of the device, so that it
    /// is not: values may repeat, and events are known by their UUID.
    pub(super) const fn tells_repetitions(&self) -> bool {
        matches!(self, Self::Sealed(_))
    }
}
