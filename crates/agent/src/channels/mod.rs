//! The channels as they stand: who is connected, who is called, what is tried again when.
//!
//! ```text
//! Closed --open--> OpenRequested --peer answers--> Handshaking --proven--> Open --close--> Closing --> Closed
//!                        ^                              |                    |
//!                        +--------- after a wait -------+--- 10 to 13 <------+
//! ```
//! Definitions live in the device's state; here is what ends with the power. A stranger's hello takes the
//! same way from `Handshaking` on. Source: aSSURE 8.3, 8.4, 10.1.8 to 10.1.12; rulings A-ASSURE-80, -107.

mod calling;
mod ending;
mod listening;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use assure_proto::{ChannelDefinition, ChannelId, ChannelState, ChannelStatus};
use clock::{Moment, Now};
use coaps::AssociationId;
use dtls_proto::{Alert, Answer, Question};
use model::KeyId;

use crate::api::Principal;
use crate::keyring::is_management;
use crate::means::Means;
use crate::schedule::Backoff;
use crate::state::DeviceState;
use crate::{AgentEvent, Settings};

/// How long a channel that is being closed still answers what is under way on it.
const CLOSING_DURATION: Duration = Duration::from_secs(2);

/// What follows when a channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    StayClosed,
    OpenAgain,
}

struct Closing {
    until: Moment,
    then: Afterwards,
}

/// One channel.
struct Line {
    state: ChannelState,
    /// Whether it is to be open: it was told to open and not told to close.
    is_wanted: bool,
    /// Our call, or the connected association.
    association: Option<AssociationId>,
    /// The definition under which the peer was proven.
    opened: Option<ChannelDefinition>,
    waits: Backoff,
    try_at: Option<Moment>,
    closing: Option<Closing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// What an association is for.
struct Seat {
    /// `None` while a stranger without a name has not proven a key.
    channel: Option<(ChannelId, ChannelDefinition)>,
    role: Role,
    /// Why we ended the handshake, when we did.
    cause: Option<ChannelState>,
}

/// All channels of the device.
pub(crate) struct Channels {
    lines: BTreeMap<ChannelId, Line>,
    seats: BTreeMap<AssociationId, Seat>,
    waits: Backoff,
}

impl Channels {
    pub(crate) fn new(settings: &Settings) -> Self {
        let waits = Backoff::new(settings.reconnect_after, settings.reconnect_after_max);
        Self { lines: BTreeMap::new(), seats: BTreeMap::new(), waits }
    }

    /// Opens what its definition says is to be open.
    pub(crate) fn open_all(&mut self, state: &DeviceState, means: &mut Means, now: Now) {
        for (id, channel) in &state.channels {
            if channel.definition.open_immediately {
                self.open(*id, means, now);
            }
        }
    }

    /// Tries to open a channel, now or when it is closed.
    pub(crate) fn open(&mut self, id: ChannelId, means: &mut Means, now: Now) {
        let line = line(&mut self.lines, &self.waits, id);
        line.is_wanted = true;
        line.waits.reset();
        if let Some(closing) = &mut line.closing {
            closing.then = Afterwards::OpenAgain;
        } else if line.association.is_none() {
            line.try_at = Some(now.moment);
            set_state(line, id, ChannelState::OpenRequested, means);
        }
    }

    /// What every channel of a state that is gone deserves: its end, at once.
    pub(crate) fn end_all(&mut self, means: &mut Means, now: Now) {
        self.lines.clear();
        for association in core::mem::take(&mut self.seats).into_keys() {
            means.lines.close(association, now);
        }
    }

    pub(crate) fn expire(&mut self, state: &DeviceState, means: &mut Means, now: Now) {
        let is_due = |at: Option<Moment>| at.is_some_and(|at| at <= now.moment);
        let due: Vec<ChannelId> =
            self.lines.iter().filter(|(_, line)| is_due(line.try_at)).map(|(id, _)| *id).collect();
        for id in due {
            self.call(id, state, means, now);
        }
        let over = |line: &Line| is_due(line.closing.as_ref().map(|closing| closing.until));
        let closed: Vec<ChannelId> =
            self.lines.iter().filter(|(_, line)| over(line)).map(|(id, _)| *id).collect();
        for id in closed {
            self.finish_closing(id, state, means, now);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let of = |line: &Line| [line.try_at, line.closing.as_ref().map(|closing| closing.until)];
        self.lines.values().flat_map(of).flatten().min()
    }

    /// Decides a question of a handshake; one that nobody else has begun is a stranger's.
    pub(crate) fn decide(
        &mut self,
        association: AssociationId,
        question: Question,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) {
        let answer = match question {
            Question::Hello(offer) => match self.greet(association, &offer, state, means, now) {
                Some(answer) => answer,
                None => return,
            },
            // no tickets are issued here, so none can come back
            Question::Ticket { .. } => Answer::FullHandshake,
            Question::ServerNamed { peer_name, hint } => {
                self.judge_hint(association, peer_name, hint.as_deref(), state, means)
            }
            Question::PskIdentity { identity, .. } => {
                self.judge_identity(association, &identity, state, means)
            }
            Question::PeerKey { key, peer_name } => {
                self.judge_key(association, &key, peer_name, state, means)
            }
        };
        if means.lines.answer(association, answer, now).is_err() {
            means.lines.abort(association, Alert::InternalError, now);
        }
    }

    /// A peer has proven itself. Gives the channel that is open now.
    pub(crate) fn connected(
        &mut self,
        association: AssociationId,
        state: &DeviceState,
        means: &mut Means,
        now: Now,
    ) -> Option<ChannelId> {
        let seated = self.seats.get(&association).and_then(|seat| seat.channel.clone());
        let Some((id, definition)) = seated else {
            means.lines.abort(association, Alert::AccessDenied, now);
            return None;
        };
        // the definition may have changed while the handshake went on
        if state.channels.get(&id).map(|channel| &channel.definition) != Some(&definition) {
            means.lines.abort(association, Alert::AccessDenied, now);
            return None;
        }
        let line = line(&mut self.lines, &self.waits, id);
        let before = line.association.replace(association).filter(|before| *before != association);
        line.opened = Some(definition);
        line.try_at = None;
        line.closing = None;
        line.waits.reset();
        set_state(line, id, ChannelState::Open, means);
        if let Some(before) = before {
            self.seats.remove(&before);
            means.lines.close(before, now);
        }
        Some(id)
    }

    /// Who asks over an association, and whether it may still change anything.
    pub(crate) fn principal(&self, association: AssociationId) -> Option<(Principal, Serving)> {
        let (id, _) = self.seats.get(&association)?.channel.as_ref()?;
        let line = self.lines.get(id).filter(|line| line.association == Some(association))?;
        let privileges = line.opened.as_ref()?.privileges;
        let serving = if line.closing.is_some() { Serving::ReadingOnly } else { Serving::All };
        Some((Principal::Peer { channel: *id, privileges }, serving))
    }

    /// The open channels to management systems.
    pub(crate) fn open_management(&self, state: &DeviceState) -> Vec<(ChannelId, AssociationId)> {
        let open = self.lines.iter().filter(|(_, line)| line.state == ChannelState::Open);
        let managing =
            open.filter(|(_, line)| line.opened.as_ref().is_some_and(|def| is_management(state, def)));
        managing.filter_map(|(id, line)| Some((*id, line.association?))).collect()
    }

    /// The association of an open channel.
    pub(crate) fn association(&self, id: ChannelId) -> Option<AssociationId> {
        self.lines.get(&id).filter(|line| line.state == ChannelState::Open)?.association
    }

    pub(crate) fn is_open(&self, id: ChannelId) -> bool {
        self.lines.get(&id).is_some_and(|line| line.state == ChannelState::Open || line.closing.is_some())
    }

    pub(crate) fn is_closing(&self, id: ChannelId) -> bool {
        self.lines.get(&id).is_some_and(|line| line.closing.is_some())
    }

    /// Whether an association that is not over yet rests on the key.
    pub(crate) fn uses(&self, key: KeyId) -> bool {
        let mut opened = self.lines.values().filter_map(|line| line.opened.as_ref());
        opened.any(|definition| definition.local_key == key || definition.peer_key == Some(key))
    }

    /// A channel and where it stands; one that was deleted is there until it is closed.
    pub(crate) fn status(&self, id: ChannelId, state: &DeviceState) -> Option<ChannelStatus> {
        let line = self.lines.get(&id);
        let stored = state.channels.get(&id).map(|channel| &channel.definition);
        let leaving = line.filter(|line| line.closing.is_some()).and_then(|line| line.opened.as_ref());
        let definition = stored.or(leaving)?.clone();
        Some(ChannelStatus { definition, id, state: line.map_or(ChannelState::Closed, |line| line.state) })
    }

    pub(crate) fn statuses(&self, state: &DeviceState) -> Vec<ChannelStatus> {
        let leaving = self.lines.iter().filter(|(_, line)| line.closing.is_some()).map(|(id, _)| *id);
        let mut ids: Vec<ChannelId> = state.channels.keys().copied().chain(leaving).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| self.status(id, state)).collect()
    }
}

/// What may still be asked over a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serving {
    All,
    /// It is being closed: who deleted it may watch it go.
    ReadingOnly,
}

fn line<'a>(lines: &'a mut BTreeMap<ChannelId, Line>, waits: &Backoff, id: ChannelId) -> &'a mut Line {
    lines.entry(id).or_insert_with(|| Line {
        state: ChannelState::Closed,
        is_wanted: false,
        association: None,
        opened: None,
        waits: waits.clone(),
        try_at: None,
        closing: None,
    })
}

fn set_state(line: &mut Line, id: ChannelId, state: ChannelState, means: &mut Means) {
    if line.state != state {
        line.state = state;
        means.tell(AgentEvent::ChannelChanged { channel: id, state });
    }
}

/// The address of a channel that this device can reach.
fn socket_address(definition: &ChannelDefinition) -> Option<SocketAddr> {
    match definition.address {
        assure_proto::Address::Ip { remote, remote_port, .. } => Some(SocketAddr::new(remote, remote_port)),
        assure_proto::Address::Bacnet { .. } | assure_proto::Address::Bluetooth { .. } => None,
    }
}
