//! What the device asks of its management systems: to note its presence, and what time it is.
//!
//! Source: aSSURE 11.3.1, 11.4.1; rulings A-ASSURE-84, A-ASSURE-89, A-ASSURE-90.

use alloc::collections::BTreeMap;
use alloc::format;
use core::time::Duration;

use assure_proto::{ChannelId, DeviceInfo, PreciseTime};
use clock::{Deadlines, Moment, Now};
use coap_proto::{Code, ContentFormat, Failure, Request, RequestId, Response};
use coaps::AssociationId;

use crate::AgentEvent;
use crate::means::Means;
use crate::schedule::around;
use crate::time::DeviceClock;

#[derive(Clone, Copy, Debug)]
enum Errand {
    Presence,
    Time { asked_at: Moment },
}

/// What must follow an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Followup {
    Nothing,
    /// The owner knows what presence told.
    Acknowledged,
    /// Nobody is there any more: the channel must be opened anew.
    PeerIsGone(AssociationId),
}

/// Requests under way, and when presence is told again.
pub(crate) struct Errands {
    pending: BTreeMap<RequestId, (ChannelId, AssociationId, Errand)>,
    due: Deadlines<ChannelId>,
    every: Duration,
}

impl Errands {
    pub(crate) fn new(every: Duration) -> Self {
        Self { pending: BTreeMap::new(), due: Deadlines::new(), every }
    }

    /// Tells a management system that the device is there, with `info` about it.
    pub(crate) fn announce(
        &mut self,
        channel: ChannelId,
        association: AssociationId,
        info: &DeviceInfo,
        means: &mut Means,
        now: Now,
    ) {
        let path = format!("v1/devices/{}/info", means.own.uuid());
        let request = Request::new(Code::PUT, &path).with_payload(ContentFormat::CBOR, info.encode());
        self.send(channel, association, Errand::Presence, request, means, now);
        self.due.set(channel, now.moment + around(self.every, &mut means.dice));
    }

    fn send(
        &mut self,
        channel: ChannelId,
        association: AssociationId,
        errand: Errand,
        request: Request,
        means: &mut Means,
        now: Now,
    ) {
        // when too much is under way already, the next round does it
        if let Ok(id) = means.lines.request(association, request, now) {
            self.pending.insert(id, (channel, association, errand));
        }
    }

    pub(crate) fn take_due(&mut self, now: Now) -> Option<ChannelId> {
        self.due.take_due(now.moment)
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.due.next()
    }

    /// A channel is not open any more.
    pub(crate) fn forget(&mut self, channel: ChannelId) {
        self.due.clear(&channel);
        self.pending.retain(|_, (of, ..)| *of != channel);
    }

    pub(crate) fn forget_all(&mut self) {
        self.due = Deadlines::new();
        self.pending.clear();
    }

    pub(crate) fn owns(&self, request: RequestId) -> bool {
        self.pending.contains_key(&request)
    }

    pub(crate) fn answered(
        &mut self,
        request: RequestId,
        outcome: Result<Response, Failure>,
        clock: &mut DeviceClock,
        means: &mut Means,
        now: Now,
    ) -> Followup {
        let Some((channel, association, errand)) = self.pending.remove(&request) else {
            return Followup::Nothing;
        };
        let response = match outcome {
            Ok(response) => response,
            Err(Failure::NotAcknowledged | Failure::NotAnswered) => return Followup::PeerIsGone(association),
            Err(_) => return Followup::Nothing,
        };
        match errand {
            Errand::Presence if response.code == Code::CHANGED => {
                means.tell(AgentEvent::InService { channel });
                let request = Request::new(Code::GET, "v1/timestamp");
                let errand = Errand::Time { asked_at: now.moment };
                self.send(channel, association, errand, request, means, now);
                return Followup::Acknowledged;
            }
            Errand::Presence => {
                means.tell(AgentEvent::PresenceRefused { channel, code: response.code });
            }
            Errand::Time { asked_at } => {
                let told = PreciseTime::decode(&response.payload).ok();
                if let Some(time) = told.filter(|_| response.code == Code::CONTENT) {
                    let went_back = clock.tell(time, now.moment.since(asked_at), now);
                    means.tell(AgentEvent::TimeSet { went_back });
                }
            }
        }
        Followup::Nothing
    }
}
