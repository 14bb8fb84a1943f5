//! From an image to service: two commits, and an erasure between them.
//!
//! ```text
//! image accepted -> commit 1 written -> earlier owner's data erased -> payload replayed -> commit 2 written
//!   old channels end                     (again after a power cut)      or: owned, unconfigured; ask again
//! ```
//! Source: TS-H2, TS-H3, TS-M5, TS-M13, TS-M14; D-04; ADR 0080.

use alloc::vec::Vec;

use assure_proto::{
    AcceptedImage, Advance, Circumstances, KeyStore, OwnDevice, OwnershipRecord, validate_image,
};
use clock::Now;
use crypto::Secret;
use wire::DecodeError;

use crate::agent::Agent;
use crate::api::{Desk, Principal};
use crate::bootstrap::{BootstrapFailure, Fetched};
use crate::goodbye::Goodbye;
use crate::limits::KEY_COUNT_MAX;
use crate::replay::replay;
use crate::state::DeviceState;
use crate::{AgentEvent, Output};

/// The stored messages of an image; `None` after a reset, which has none.
type Payload = Option<Result<Vec<Secret>, DecodeError>>;

/// How far the device is between two states of service.
pub(crate) enum Phase {
    /// The first commit is being written.
    Committing { number: u64, payload: Payload, is_new_owner: bool },
    /// Data of an earlier owner is being erased; no channel opens.
    Erasing { payload: Payload },
    /// The second commit is being written.
    Configuring { number: u64 },
    /// Nothing is under way.
    Settled,
    /// Switched off or about to start again.
    Stopped,
}

impl Phase {
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self, Self::Settled)
    }
}

impl Agent {
    /// What comes first after power-on: an erasure that was cut off, before any channel opens.
    pub(crate) fn boot(&mut self, now: Now) {
        self.means.tell(AgentEvent::Started {
            sequence_number: self.state.record.sequence_number,
            configured: self.state.is_configured,
        });
        if self.state.record.erase_pending {
            self.means.outputs.push_back(Output::Erase);
            self.phase = Phase::Erasing { payload: None };
        } else {
            self.settle(now);
        }
        self.drive(now);
    }

    fn settle(&mut self, now: Now) {
        self.phase = Phase::Settled;
        if self.state.is_configured {
            self.channels.open_all(&self.state, &mut self.means, now);
        }
        self.bootstrap.order(now);
    }

    pub(crate) fn persist(&mut self) -> u64 {
        self.written += 1;
        let bytes = self.snapshot();
        self.means.outputs.push_back(Output::Persist { number: self.written, bytes });
        self.written
    }

    /// Judges an image; whatever is wrong with it changes nothing but the timer.
    pub(crate) fn judge(&mut self, fetched: &Fetched, now: Now) {
        let own = &self.means.own;
        let device =
            OwnDevice { uuid: own.uuid(), key: own.held(), roots: &own.roots, record: &self.state.record };
        let circumstances = Circumstances {
            session: fetched.proof.session(),
            time: self.clock.for_images(now),
            garden: fetched.garden,
        };
        match validate_image(&*self.means.provider, &device, &fetched.image, &circumstances) {
            Err(refusal) => {
                self.means.tell(AgentEvent::ImageRefused(refusal));
                self.nothing_changed(now);
            }
            Ok(accepted) if accepted.bootstrap_key.0 != fetched.server_name => {
                self.bootstrap_failed(BootstrapFailure::NameDiffers, now);
            }
            Ok(accepted) if accepted.advance == Advance::SameImage && self.state.is_configured => {
                self.means.tell(AgentEvent::ImageUnchanged);
                self.bootstrap.rest(&mut self.means, now);
                self.come_back(now);
            }
            Ok(accepted) => self.commit(accepted, now),
        }
    }

    pub(crate) fn bootstrap_failed(&mut self, failure: BootstrapFailure, now: Now) {
        self.means.tell(AgentEvent::BootstrapFailed(failure));
        self.nothing_changed(now);
    }

    fn nothing_changed(&mut self, now: Now) {
        self.bootstrap.try_later(self.state.is_configured, &mut self.means, now);
        self.come_back(now);
    }

    /// Goodbye was said, but the device stays: its management systems are told.
    fn come_back(&mut self, now: Now) {
        if core::mem::take(&mut self.must_return) {
            for (channel, association) in self.channels.open_management(&self.state) {
                self.announce(channel, association, now);
            }
        }
    }

    /// Commit 1: owner and keys. Everything that the earlier image or its owner gave is gone.
    fn commit(&mut self, accepted: AcceptedImage, now: Now) {
        let AcceptedImage { keys, record, advance, messages, .. } = accepted;
        let is_new_owner = advance == Advance::NewOwner;
        if is_new_owner {
            self.clock.forget_owner();
        }
        let image_keys = keys.iter().map(assure_proto::StoredKey::id).collect();
        let keys = KeyStore::restored(keys.iter().cloned().collect(), KEY_COUNT_MAX);
        let must_report_erasure = self.state.must_report_erasure;
        let state = DeviceState { keys, image_keys, must_report_erasure, ..DeviceState::bare(record) };
        self.replace_state(state, Some(messages), is_new_owner, now);
    }

    /// Forgets everything but the memory of owners.
    ///
    /// Source: TS-M13, TS-M14.
    pub(crate) fn reset(&mut self, now: Now) {
        let record = OwnershipRecord { erase_pending: true, ..self.state.record };
        self.clock.forget_owner();
        self.means.tell(AgentEvent::FactoryReset);
        self.replace_state(DeviceState::bare(record), None, false, now);
    }

    fn replace_state(&mut self, state: DeviceState, payload: Payload, is_new_owner: bool, now: Now) {
        self.channels.end_all(&mut self.means, now);
        self.bootstrap.stop(&mut self.means, now);
        self.bootstrap.forget_owner();
        self.errands.forget_all();
        self.goodbye = Goodbye::default();
        self.awaiting.clear();
        self.must_return = false;
        self.state = state;
        let number = self.persist();
        self.phase = Phase::Committing { number, payload, is_new_owner };
        self.drain_lines(now);
    }

    /// A state is safe; what waited for it goes on.
    pub(crate) fn written_through(&mut self, number: u64, now: Now) {
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Committing { number: awaited, payload, is_new_owner } if awaited <= number => {
                self.after_commit(payload, is_new_owner, now);
            }
            Phase::Configuring { number: awaited } if awaited <= number => {
                let sequence_number = self.state.record.sequence_number;
                self.means.tell(AgentEvent::Bootstrapped { sequence_number });
                self.channels.open_all(&self.state, &mut self.means, now);
                self.bootstrap.rest(&mut self.means, now);
            }
            waiting => self.phase = waiting,
        }
    }

    fn after_commit(&mut self, payload: Payload, is_new_owner: bool, now: Now) {
        if payload.is_some() {
            let record = &self.state.record;
            let (generation, sequence_number) = (record.generation, record.sequence_number);
            self.means.tell(AgentEvent::Owned { generation, sequence_number, is_new_owner });
        }
        if self.state.record.erase_pending {
            self.means.outputs.push_back(Output::Erase);
            self.phase = Phase::Erasing { payload };
        } else {
            self.configure(payload, now);
        }
    }

    pub(crate) fn erasure_done(&mut self, now: Now) {
        match core::mem::replace(&mut self.phase, Phase::Settled) {
            Phase::Erasing { payload } => {
                self.state.record.erase_pending = false;
                self.state.must_report_erasure = true;
                self.means.tell(AgentEvent::Erased);
                self.configure(payload, now);
            }
            other => self.phase = other,
        }
    }

    /// Commit 2: the payload, all or nothing.
    fn configure(&mut self, payload: Payload, now: Now) {
        let Some(messages) = payload else {
            self.persist();
            return self.settle(now);
        };
        let time = self.clock.for_images(now);
        let mut staged = self.state.clone();
        let mut desk = Desk {
            provider: &*self.means.provider,
            own: &self.means.own,
            state: &mut staged,
            channels: &self.channels,
            time,
            dice: &mut self.means.dice,
            principal: Principal::Image,
        };
        match replay(&self.api, &mut desk, &messages) {
            Ok(()) => {
                self.state = DeviceState { is_configured: true, ..staged };
                let number = self.persist();
                self.phase = Phase::Configuring { number };
            }
            Err(failure) => {
                self.persist();
                self.means.tell(AgentEvent::ConfigurationFailed(failure));
                self.phase = Phase::Settled;
                self.bootstrap.try_later(false, &mut self.means, now);
            }
        }
    }
}
