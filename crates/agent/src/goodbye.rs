//! Saying goodbye to every connected management system before going offline on purpose.
//!
//! Source: aSSURE 11.3.2; ruling A-ASSURE-102.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use assure_proto::{ChannelId, GoodbyeReason};
use clock::{Moment, Now};
use coap_proto::{Code, ContentFormat, Request, RequestId};
use coaps::AssociationId;

use crate::AgentEvent;
use crate::means::Means;

/// How long answers are waited for.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// What the device does once goodbye is said; a later one takes the place of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Bootstrap,
    Reboot,
    PowerOff,
}

struct Farewell {
    reason: GoodbyeReason,
    act: Act,
    waiting: BTreeSet<RequestId>,
    told: usize,
    acknowledged: usize,
    until: Moment,
}

/// At most one goodbye at a time.
#[derive(Default)]
pub(crate) struct Goodbye {
    under_way: Option<Farewell>,
}

impl Goodbye {
    /// Says goodbye; gives the act at once when there is nobody to tell.
    ///
    /// While one is under way, a stronger act replaces what follows it and nothing is said twice.
    pub(crate) fn say(
        &mut self,
        reason: GoodbyeReason,
        act: Act,
        open: &[(ChannelId, AssociationId)],
        means: &mut Means,
        now: Now,
    ) -> Option<Act> {
        if let Some(farewell) = &mut self.under_way {
            farewell.act = farewell.act.max(act);
            return None;
        }
        let path = format!("v1/devices/{}/goodbye", means.own.uuid());
        let tell = |(_, association): &(ChannelId, AssociationId)| {
            let request = Request::new(Code::PUT, &path).with_payload(ContentFormat::CBOR, reason.encode());
            means.lines.request(*association, request, now).ok()
        };
        let asked: Vec<RequestId> = open.iter().filter_map(tell).collect();
        let farewell = Farewell {
            reason,
            act,
            told: asked.len(),
            waiting: asked.into_iter().collect(),
            acknowledged: 0,
            until: now.moment + WAIT_MAX,
        };
        self.under_way = Some(farewell);
        self.conclude(means, now)
    }

    /// Whether the request is one of these; `acknowledged` tells how it went.
    pub(crate) fn settle(&mut self, request: RequestId, outcome: Option<Code>) -> bool {
        let Some(farewell) = &mut self.under_way else { return false };
        let was_waiting = farewell.waiting.remove(&request);
        farewell.acknowledged += usize::from(was_waiting && outcome == Some(Code::CHANGED));
        was_waiting
    }

    /// Gives the act when everybody answered or the time is up.
    pub(crate) fn conclude(&mut self, means: &mut Means, now: Now) -> Option<Act> {
        let is_over = |farewell: &Farewell| farewell.waiting.is_empty() || farewell.until <= now.moment;
        let Farewell { reason, act, waiting, told, acknowledged, .. } =
            self.under_way.take_if(|f| is_over(f))?;
        for request in waiting {
            means.lines.cancel(request, now);
        }
        means.tell(AgentEvent::SaidGoodbye { reason, told, acknowledged });
        Some(act)
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.under_way.as_ref().map(|farewell| farewell.until)
    }
}
