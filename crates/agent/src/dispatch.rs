//! What associations put out finds the part it concerns; what is due is done.

use alloc::vec::Vec;
use core::net::SocketAddr;

use assure_proto::{ChannelId, GoodbyeReason};
use clock::Now;
use coap_proto::{Code, ExchangeId, Failure, Incoming, RequestId, Response, StoredRequest};
use coaps::{AssociationId, Output as LineOutput};
use dtls_proto::{Alert, Answer, Question};

use crate::Output;
use crate::agent::{Agent, Awaiting};
use crate::api::{Desk, Effect, Reply};
use crate::channels::{Afterwards, Serving};
use crate::errands::Followup;
use crate::goodbye::Act;
use crate::ownership::Phase;

/// Answers that wait for states to be written. Beyond: 5.03, nothing is done.
const AWAITING_COUNT_MAX: usize = 32;
/// Behind the software's version in the first presence of a new owner. Source: TS-M14.
const ERASED_SUFFIX: &str = " (earlier data erased)";

impl Agent {
    /// Does what is due in every part, and passes on what follows.
    pub(crate) fn drive(&mut self, now: Now) {
        self.channels.expire(&self.state, &mut self.means, now);
        if self.phase.is_settled()
            && let Some(failure) = self.bootstrap.expire(&mut self.means, now)
        {
            self.bootstrap_failed(failure, now);
        }
        while let Some(channel) = self.errands.take_due(now) {
            if let Some(association) = self.channels.association(channel) {
                self.announce(channel, association, now);
            }
        }
        self.conclude_goodbye(now);
        self.drain_lines(now);
    }

    /// Takes everything out of the associations.
    pub(crate) fn drain_lines(&mut self, now: Now) {
        while let Some(output) = self.means.lines.next_output() {
            self.take(output, now);
        }
    }

    fn take(&mut self, output: LineOutput<SocketAddr>, now: Now) {
        match output {
            LineOutput::Transmit { to, datagram } => {
                self.means.outputs.push_back(Output::Transmit { to, datagram });
            }
            LineOutput::Ask { association, question, .. } => self.decide(association, question, now),
            LineOutput::Connected { association, .. } if self.bootstrap.owns(association) => {
                self.bootstrap.connected(association, &mut self.means, now);
            }
            LineOutput::Connected { association, .. } => self.channel_opened(association, now),
            LineOutput::Ended { association, end } if self.bootstrap.owns(association) => {
                if let Some(failure) = self.bootstrap.ended(association, &end) {
                    self.bootstrap_failed(failure, now);
                }
            }
            LineOutput::Ended { association, end } => {
                let ended = self.channels.ended(association, &end, &self.state, &mut self.means, now);
                if let Some(channel) = ended {
                    self.errands.forget(channel);
                }
            }
            // sessions are never resumed by a device: none outlives an ownership (TS-M5)
            LineOutput::Ticket { .. } => {}
            LineOutput::Coap(coap_proto::Output::Request(incoming)) => self.on_request(&incoming, now),
            LineOutput::Coap(coap_proto::Output::Answer { request, response }) => {
                self.on_answer(request, Ok(response), now);
            }
            LineOutput::Coap(coap_proto::Output::Failed { request, reason }) => {
                self.on_answer(request, Err(reason), now);
            }
            // nothing is observed or pinged here, and associations end by themselves
            LineOutput::Coap(
                coap_proto::Output::Transmit { .. }
                | coap_proto::Output::Notification { .. }
                | coap_proto::Output::Pong { .. }
                | coap_proto::Output::ObserverGone { .. }
                | coap_proto::Output::ObserverDue { .. }
                | coap_proto::Output::Idle { .. },
            ) => {}
        }
    }

    fn decide(&mut self, association: AssociationId, question: Question, now: Now) {
        if self.bootstrap.owns(association) {
            self.bootstrap.decide(association, question, &mut self.means, now);
        } else if self.phase.is_settled() && self.state.is_configured {
            self.channels.decide(association, question, &self.state, &mut self.means, now);
        } else if self.means.lines.answer(association, Answer::Refuse(Alert::AccessDenied), now).is_err() {
            self.means.lines.abort(association, Alert::AccessDenied, now);
        }
    }

    fn channel_opened(&mut self, association: AssociationId, now: Now) {
        let opened = self.channels.connected(association, &self.state, &mut self.means, now);
        let managed = self.channels.open_management(&self.state);
        if let Some(channel) = opened.filter(|id| managed.contains(&(*id, association))) {
            self.announce(channel, association, now);
        }
    }

    /// Tells presence; behind the software's version stands that an earlier owner's data was erased, until
    /// a management system acknowledged it.
    /// Source: D-04, TS-M14.
    pub(crate) fn announce(&mut self, channel: ChannelId, association: AssociationId, now: Now) {
        let mut info = self.means.own.factory.info.clone();
        if self.state.must_report_erasure {
            info.software_version.push_str(ERASED_SUFFIX);
        }
        self.errands.announce(channel, association, &info, &mut self.means, now);
    }

    fn on_request(&mut self, incoming: &Incoming, now: Now) {
        let reply = self.serve(incoming, now);
        if !reply.has_changed {
            return self.respond(incoming.exchange, reply.response, &reply.effects, now);
        }
        let number = self.persist();
        let Reply { response, effects, .. } = reply;
        self.awaiting.push_back(Awaiting { number, exchange: incoming.exchange, response, effects });
    }

    /// Only the peer of a channel is served; the bootstrap session is for one request of ours.
    fn serve(&mut self, incoming: &Incoming, now: Now) -> Reply {
        let refused = |response| Reply { response, effects: Vec::new(), has_changed: false };
        let Some((principal, serving)) = self.channels.principal(incoming.peer.into()) else {
            return refused(Response::new(Code::UNAUTHORIZED));
        };
        let reads = incoming.method.is_safe();
        if !reads && (serving == Serving::ReadingOnly || self.awaiting.len() >= AWAITING_COUNT_MAX) {
            return refused(Response::busy(1));
        }
        let time = self.clock.for_pushed_keys(now);
        let request = StoredRequest {
            method: incoming.method,
            options: incoming.options(),
            payload: &incoming.payload,
        };
        let means = &mut self.means;
        let mut desk = Desk {
            provider: &*means.provider,
            own: &means.own,
            state: &mut self.state,
            channels: &self.channels,
            time,
            dice: &mut means.dice,
            principal,
        };
        self.api.serve(&mut desk, &request)
    }

    /// Answers first, then does what follows.
    pub(crate) fn respond(&mut self, exchange: ExchangeId, response: Response, effects: &[Effect], now: Now) {
        // who asked may be gone; what was done stays done
        let _gone = self.means.lines.respond(exchange, response, now);
        self.drain_lines(now);
        for effect in effects {
            self.follow(*effect, now);
        }
        if !effects.is_empty() {
            self.drive(now);
        }
    }

    fn follow(&mut self, effect: Effect, now: Now) {
        match effect {
            Effect::Open(id) => self.channels.open(id, &mut self.means, now),
            Effect::Close(id) => {
                self.channels.close(id, Afterwards::StayClosed, &self.state, &mut self.means, now);
            }
            Effect::Redefined(id) => {
                self.channels.close(id, Afterwards::StayClosed, &self.state, &mut self.means, now);
            }
            Effect::Reboot => self.say_goodbye(GoodbyeReason::RebootByManagement, Act::Reboot, now),
            Effect::PowerOff => self.say_goodbye(GoodbyeReason::ShuttingDown, Act::PowerOff, now),
            Effect::Bootstrap => self.say_goodbye(GoodbyeReason::BootstrapByManagement, Act::Bootstrap, now),
        }
    }

    fn on_answer(&mut self, request: RequestId, outcome: Result<Response, Failure>, now: Now) {
        if self.bootstrap.owns_request(request) {
            match self.bootstrap.answered(outcome, &mut self.means, now) {
                Ok(fetched) => self.judge(&fetched, now),
                Err(failure) => self.bootstrap_failed(failure, now),
            }
            return;
        }
        let code = outcome.as_ref().ok().map(|response| response.code);
        if self.goodbye.settle(request, code) {
            return self.conclude_goodbye(now);
        }
        if self.errands.owns(request) {
            let followup = self.errands.answered(request, outcome, &mut self.clock, &mut self.means, now);
            match followup {
                Followup::PeerIsGone(association) => self.means.lines.close(association, now),
                Followup::Acknowledged if self.state.must_report_erasure => {
                    self.state.must_report_erasure = false;
                    self.persist();
                }
                Followup::Acknowledged => {}
                Followup::Nothing => {}
            }
        }
    }

    pub(crate) fn say_goodbye(&mut self, reason: GoodbyeReason, act: Act, now: Now) {
        let open = self.channels.open_management(&self.state);
        if let Some(act) = self.goodbye.say(reason, act, &open, &mut self.means, now) {
            self.carry_out(act, now);
        }
    }

    fn conclude_goodbye(&mut self, now: Now) {
        if let Some(act) = self.goodbye.conclude(&mut self.means, now) {
            self.carry_out(act, now);
        }
    }

    fn carry_out(&mut self, act: Act, now: Now) {
        match act {
            Act::Bootstrap => {
                self.must_return = true;
                self.bootstrap.order(now);
                if self.phase.is_settled()
                    && let Some(failure) = self.bootstrap.expire(&mut self.means, now)
                {
                    self.bootstrap_failed(failure, now);
                }
            }
            Act::Reboot => self.stop(Output::Reboot, now),
            Act::PowerOff => self.stop(Output::PowerOff, now),
        }
    }

    fn stop(&mut self, last: Output, now: Now) {
        self.channels.end_all(&mut self.means, now);
        self.bootstrap.stop(&mut self.means, now);
        self.drain_lines(now);
        self.phase = Phase::Stopped;
        self.means.outputs.push_back(last);
    }
}
