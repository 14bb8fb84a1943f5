//! How channels end: closed on purpose, failed, or broken off.

use assure_proto::{ChannelId, ChannelState};
use clock::Now;
use coaps::{AssociationId, End};
use dtls_proto::{Alert, Closing as SessionEnd};

use super::{Afterwards, CLOSING_DURATION, Channels, Closing, set_state};
use crate::means::Means;
use crate::state::DeviceState;

impl Channels {
    /// Closes a channel: one that is open stays for a short while, so that answers under way arrive.
    pub(crate) fn close(
        &mut self,
        id: ChannelId,
        then: Afterwards,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.is_wanted = then == Afterwards::OpenAgain;
        line.try_at = None;
        if line.state == ChannelState::Open {
            line.closing = Some(Closing { until: now.moment + CLOSING_DURATION, then });
            set_state(line, id, ChannelState::Closing, means);
            return;
        }
        if let Some(closing) = &mut line.closing {
            closing.then = then;
            return;
        }
        if let Some(calling) = line.association.take() {
            self.seats.remove(&calling);
            means.lines.close(calling, now);
        }
        self.settle_closed(id, then, state, means, now);
    }

    pub(super) fn finish_closing(&mut self, id: ChannelId, state: &DeviceState, means: &mut Means, now: Now) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let Some(closing) = line.closing.take() else { return };
        if let Some(association) = line.association.take() {
            self.seats.remove(&association);
            means.lines.close(association, now);
        }
        self.settle_closed(id, closing.then, state, means, now);
    }

    fn settle_closed(
        &mut self,
        id: ChannelId,
        then: Afterwards,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.opened = None;
        set_state(line, id, ChannelState::Closed, means);
        if !state.channels.contains_key(&id) {
            self.lines.remove(&id);
        } else if then == Afterwards::OpenAgain {
            self.open(id, means, now);
        }
    }

    /// An association is over. Gives the channel that was open on it.
    pub(crate) fn ended(
        &mut self,
        association: AssociationId,
        end: &End,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) -> Option<ChannelId> {
        let seat = self.seats.remove(&association)?;
        let (id, _) = seat.channel?;
        let line = self.lines.get_mut(&id)?;
        if line.association != Some(association) {
            // a stranger's attempt; it says something only about a channel that nothing else is known of
            if line.association.is_none() && line.closing.is_none() {
                self.fail(id, seat.cause.unwrap_or_else(|| meaning(end)), means, now);
            }
            return None;
        }
        line.association = None;
        let was_open = line.opened.take().is_some();
        if let Some(closing) = line.closing.take() {
            self.settle_closed(id, closing.then, state, means, now);
            return was_open.then_some(id);
        }
        let orderly = was_open && matches!(end, End::Closed(SessionEnd::ByPeer(Alert::CloseNotify)));
        let next = if orderly { ChannelState::Closed } else { seat.cause.unwrap_or_else(|| meaning(end)) };
        self.fail(id, next, means, now);
        was_open.then_some(id)
    }

    /// The channel is not open; it is tried again when it is wanted.
    pub(super) fn fail(&mut self, id: ChannelId, state: ChannelState, means: &mut Means, now: Now) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        set_state(line, id, state, means);
        if line.is_wanted {
            let wait = line.waits.next(&mut means.dice);
            line.try_at = Some(now.moment + wait);
        }
    }
}

/// What the end of a handshake says in a channel's state. Source: aSSURE 10.1.11.
fn meaning(end: &End) -> ChannelState {
    let alert = match end {
        End::Closed(SessionEnd::TimedOut) => return ChannelState::NoAnswer,
        End::Closed(closing) => closing.alert(),
        End::Replaced | End::Discarded => None,
    };
    match alert {
        Some(Alert::UnknownPskIdentity) => ChannelState::WrongKeyId,
        Some(
            Alert::AccessDenied
            | Alert::BadRecordMac
            | Alert::DecryptError
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCa,
        ) => ChannelState::AuthenticationFailed,
        Some(_) | None => ChannelState::OtherError,
    }
}
