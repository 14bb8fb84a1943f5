//! What a session does with each record it receives.
//!
//! | | handshaking | connected |
//! |---|---|---|
//! | clear handshake | reassembly | noise |
//! | clear alert | ends, until something protected was heard | noise |
//! | protected, no keys yet | kept for later | - |
//! | protected handshake | reassembly | a repeated Finished repeats our last flight; hellos are refused |
//! | protected alert | ends | ends |
//! | protected data | held until Finished | plaintext |

use alloc::vec::Vec;

use clock::Moment;
use wire::Cursor;

use crate::alert::{Level, Stop};
use crate::client::ClientState;
use crate::codec::{Fragment, MessageType};
use crate::handshake::Role;
use crate::reassembly::Stored;
use crate::record::{ContentType, Epoch, Opened, RawRecord};
use crate::session::{Arrival, Handshaking, Phase, Session};
use crate::{Alert, Closing, Noise, Output};

impl Session {
    /// # Errors
    /// The noise to count when the record was dropped.
    pub(crate) fn on_record(&mut self, record: &RawRecord<'_>, now: Moment) -> Result<Arrival, Noise> {
        if matches!(self.phase, Phase::Closed) {
            return Err(Noise::Unexpected);
        }
        if record.epoch == Epoch::Clear.code() {
            return self.on_clear(record, now).map(|()| Arrival::Useful);
        }
        if record.epoch != Epoch::Protected.code() {
            return Err(Noise::WrongEpoch);
        }
        if !self.line.records.can_read_protected() {
            return self.keep_early(record);
        }
        let opened = self.line.records.open(record);
        self.note_record(now);
        let opened = opened?;
        let arrival = if opened.newest { Arrival::Newest } else { Arrival::Useful };
        self.on_protected(opened, now).map(|()| arrival)
    }

    fn keep_early(&mut self, record: &RawRecord<'_>) -> Result<Arrival, Noise> {
        let Phase::Handshaking(state) = &mut self.phase else { return Err(Noise::WrongEpoch) };
        if state.early.len() >= state.tools.limits.early_record_count_max {
            return Err(Noise::OverLimit);
        }
        state.early.push(record.whole.to_vec());
        Ok(Arrival::Useful)
    }

    fn on_clear(&mut self, record: &RawRecord<'_>, now: Moment) -> Result<(), Noise> {
        let Phase::Handshaking(state) = &self.phase else { return Err(Noise::WrongEpoch) };
        match record.kind {
            ContentType::Handshake => self.on_fragments(record.fragment, Epoch::Clear, now),
            ContentType::ChangeCipherSpec if record.fragment == [1] => Ok(()),
            ContentType::ChangeCipherSpec => Err(Noise::Malformed),
            ContentType::Alert if state.heard_protected => Err(Noise::WrongEpoch),
            ContentType::Alert => self.on_alert(record.fragment),
            ContentType::ApplicationData | ContentType::ConnectionId => Err(Noise::WrongEpoch),
        }
    }

    fn on_protected(&mut self, opened: Opened, now: Moment) -> Result<(), Noise> {
        if let Phase::Handshaking(state) = &mut self.phase {
            state.heard_protected = true;
        }
        match (opened.kind, &mut self.phase) {
            (ContentType::Handshake, Phase::Handshaking(_)) => {
                self.on_fragments(&opened.plaintext, Epoch::Protected, now)
            }
            (ContentType::Handshake, _) => self.on_late_handshake(&opened.plaintext, now),
            (ContentType::Alert, _) => self.on_alert(&opened.plaintext),
            (ContentType::ApplicationData, Phase::Handshaking(state)) => hold(state, opened.plaintext),
            (ContentType::ApplicationData, Phase::Connected { last_flight, .. }) => {
                // Who sends data has heard our Finished.
                *last_flight = None;
                if !opened.plaintext.is_empty() {
                    self.line.put(Output::Data(opened.plaintext));
                }
                Ok(())
            }
            (ContentType::ApplicationData, Phase::Closed)
            | (ContentType::ChangeCipherSpec | ContentType::ConnectionId, _) => Err(Noise::Unexpected),
        }
    }

    /// Feeds the fragments of a record to the reassembly.
    fn on_fragments(&mut self, bytes: &[u8], epoch: Epoch, now: Moment) -> Result<(), Noise> {
        let mut cursor = Cursor::new(bytes);
        let mut useful = Err(Noise::Unexpected);
        while !cursor.is_empty() {
            let fragment = Fragment::read(&mut cursor).map_err(|_| Noise::Malformed)?;
            match self.on_fragment(&fragment, epoch, now) {
                Ok(()) => useful = Ok(()),
                Err(noise) if useful.is_err() => useful = Err(noise),
                Err(noise) => self.line.count(noise),
            }
        }
        useful
    }

    fn on_fragment(&mut self, fragment: &Fragment<'_>, epoch: Epoch, now: Moment) -> Result<(), Noise> {
        let Phase::Handshaking(state) = &mut self.phase else { return Err(Noise::Unexpected) };
        if let Role::Client(ClientState::Hello(hello)) = &state.role {
            if fragment.code == MessageType::HelloVerifyRequest.code() {
                return self.on_verify_request(fragment, now);
            }
            let may_start = fragment.message_seq <= hello.server_seq_max();
            if fragment.code == MessageType::ServerHello.code() && may_start {
                state.tools.reassembly.start_at(fragment.message_seq);
            }
        }
        let is_belied = state.tools.taken.as_ref().is_some_and(|taken| taken.is_belied_by(fragment));
        if is_belied && !state.heard_protected {
            self.fail(Stop::rule(Alert::UnexpectedMessage, "RFC6347-4.2.1"));
            return Ok(());
        }
        if fragment.code == MessageType::HelloRequest.code() {
            return Err(Noise::Unexpected);
        }
        match state.tools.reassembly.store(fragment, epoch)? {
            Stored::Kept => Ok(()),
            Stored::RepeatsLast => {
                if !state.role.is_asking() && state.tools.flight.may_repeat(now) {
                    self.repeat_flight(now);
                }
                Ok(())
            }
            Stored::RepeatsEarlier => Ok(()),
        }
    }

    fn on_verify_request(&mut self, fragment: &Fragment<'_>, now: Moment) -> Result<(), Noise> {
        if !fragment.is_whole() {
            return Err(Noise::Unexpected);
        }
        self.take_step(now, |role, step| match role {
            Role::Client(ClientState::Hello(mut hello)) => {
                hello.verify(fragment.body, step)?;
                Ok(Role::Client(ClientState::Hello(hello)))
            }
            other => Ok(other),
        });
        Ok(())
    }

    /// A handshake message when there is nothing left to shake hands about.
    fn on_late_handshake(&mut self, bytes: &[u8], now: Moment) -> Result<(), Noise> {
        let fragment = Fragment::read(&mut Cursor::new(bytes)).map_err(|_| Noise::Malformed)?;
        match MessageType::from_code(fragment.code) {
            Some(MessageType::Finished) => self.repeat_last_flight(now),
            Some(MessageType::ClientHello | MessageType::HelloRequest) => {
                self.line.alert(Level::Warning, Alert::NoRenegotiation);
                Ok(())
            }
            _ => Err(Noise::Unexpected),
        }
    }

    fn repeat_last_flight(&mut self, now: Moment) -> Result<(), Noise> {
        let Phase::Connected { last_flight: Some(last), .. } = &mut self.phase else {
            return Err(Noise::Unexpected);
        };
        if !last.flight.may_repeat(now) {
            return Err(Noise::Unexpected);
        }
        let size = self.line.datagram_size_max;
        let datagrams: Vec<Vec<u8>> =
            last.flight.transmit(&mut self.line.records, size, now).map_err(|_| Noise::OverLimit)?;
        self.line.transmit_all(datagrams);
        Ok(())
    }

    fn on_alert(&mut self, bytes: &[u8]) -> Result<(), Noise> {
        let [level, code] = *bytes else { return Err(Noise::Malformed) };
        let alert = Alert::from_code(code);
        if alert == Alert::CloseNotify {
            self.line.alert(Level::Warning, Alert::CloseNotify);
        } else if level != Level::Fatal.code() {
            return Ok(());
        }
        self.end(Closing::ByPeer(alert));
        Ok(())
    }
}

/// Keeps plaintext until Finished; more than the limit is dropped, as if the network had lost it.
fn hold(state: &mut Handshaking, plaintext: Vec<u8>) -> Result<(), Noise> {
    if state.held.len() >= state.tools.limits.early_record_count_max {
        return Err(Noise::OverLimit);
    }
    state.held.push(plaintext);
    Ok(())
}
