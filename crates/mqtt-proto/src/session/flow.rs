//! Messages in both directions: what server and client share.

use alloc::vec::Vec;

use super::aliases::{AliasesOfPeer, OwnAliases, Spelling};
use super::incoming::{Answer, Arrival, Inbox};
use super::outbox::Outbox;
use super::outgoing::{Acked, Outgoing};
use super::violation::Stop;
use super::{Incoming, Limits, NotAsked, NotSent, Publication, SavedSession};
use crate::{
    Ack, Delivery, EncodeError, Kind, PACKET_SIZE_MAX, Packet, PacketId, Properties, Property, PropertyList,
    Publish, QoS, ReasonCode, Version,
};

/// A step in the life of a message with an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The peer has our message of QoS 2.
    Received(PacketId),
    /// Our message is at its end.
    Delivered(PacketId, ReasonCode),
    /// The peer's message of QoS 2 is at its end.
    Released(PacketId),
}

/// What the peer takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerLimits {
    pub(crate) packet_size_max: usize,
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
    /// Whether reasons in words are welcome in acknowledgements.
    pub(crate) wants_reasons: bool,
}

impl PeerLimits {
    /// Of a peer that has said nothing.
    pub(crate) const NONE: Self = Self {
        packet_size_max: PACKET_SIZE_MAX,
        receive_maximum: u16::MAX,
        topic_alias_maximum: 0,
        wants_reasons: true,
    };

    /// As the properties of CONNECT or CONNACK say.
    pub(crate) fn of(properties: Properties<'_>) -> Self {
        Self {
            packet_size_max: properties
                .maximum_packet_size()
                .map_or(PACKET_SIZE_MAX, |size| usize::try_from(size.get()).unwrap_or(PACKET_SIZE_MAX)),
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, core::num::NonZeroU16::get),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            wants_reasons: properties.request_problem_information().unwrap_or(true),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) version: Version,
    pub(crate) peer: PeerLimits,
    pub(crate) outgoing: Outgoing,
    inbox: Inbox,
    aliases_of_peer: AliasesOfPeer,
    own_aliases: OwnAliases,
    scratch: PropertyList,
}

impl Flow {
    pub(crate) fn new(version: Version, limits: &Limits, peer: PeerLimits) -> Self {
        let (receive_maximum, aliases) = match version {
            Version::V3_1_1 => (limits.receive_maximum_untold, 0),
            Version::V5 => (limits.receive_maximum, limits.topic_alias_maximum),
        };
        let mut flow = Self {
            version,
            peer,
            outgoing: Outgoing::new(0),
            inbox: Inbox::new(version, usize::from(receive_maximum.get())),
            aliases_of_peer: AliasesOfPeer::new(aliases, limits.alias_bytes_max),
            own_aliases: OwnAliases::new(0),
            scratch: PropertyList::new(),
        };
        flow.set_peer(peer, limits);
        flow
    }

    /// Takes note of what the peer takes.
    pub(crate) fn set_peer(&mut self, peer: PeerLimits, limits: &Limits) {
        self.peer = peer;
        self.outgoing.set_quota(limits.inflight_max.min(peer.receive_maximum));
        let aliases = match self.version {
            Version::V3_1_1 => 0,
            Version::V5 => limits.own_alias_count_max.min(peer.topic_alias_maximum),
        };
        self.own_aliases = OwnAliases::new(aliases);
    }

    /// Puts a stored session in place; [`Flow::resume`] sends what is due.
    pub(crate) fn restore(&mut self, session: SavedSession) {
        self.outgoing.restore(session.unacknowledged, session.unreleased, session.last_id);
        self.inbox.restore(session.received);
    }

    /// What outlives the connection.
    pub(crate) fn save(self) -> SavedSession {
        let (unacknowledged, unreleased, last_id) = self.outgoing.save();
        SavedSession { unacknowledged, unreleased, received: self.inbox.save(), last_id }
    }

    pub(crate) fn send(&self, packet: &Packet<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        packet.encode(self.version, self.peer.packet_size_max, out)
    }

    /// Sends with the reason in words, or without when these are unwelcome or do not fit.
    pub(crate) fn explain(
        &self,
        why: Option<&str>,
        out: &mut Vec<u8>,
        send: impl Fn(&Self, Properties<'_>, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let why = why.filter(|_| self.version == Version::V5);
        let list = why.and_then(|why| PropertyList::new().with(Property::ReasonString(why)).ok());
        if let Some(list) = list
            && send(self, list.as_properties(), out).is_ok()
        {
            return Ok(());
        }
        send(self, Properties::NONE, out)
    }

    fn acknowledge_kind(
        &self,
        kind: Kind,
        (id, reason): (PacketId, ReasonCode),
        why: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let reason = if self.version == Version::V5 { reason } else { ReasonCode::SUCCESS };
        self.explain(why.filter(|_| self.peer.wants_reasons), out, |flow, properties, out| {
            let ack = Ack { id, reason, properties };
            let packet = match kind {
                Kind::PubAck => Packet::PubAck(ack),
                Kind::PubRec => Packet::PubRec(ack),
                Kind::PubRel => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            };
            flow.send(&packet, out)
        })
    }

    /// Sends what a stored session has under way, as far as the peer takes it; says what had to be dropped.
    pub(crate) fn resume(&mut self, out: &mut Vec<u8>) -> Result<Vec<Step>, EncodeError> {
        let unreleased: Vec<_> = self.outgoing.unreleased().collect();
        for id in unreleased {
            self.acknowledge_kind(Kind::PubRel, (id, ReasonCode::SUCCESS), None, out)?;
        }
        Ok(self.pump(out))
    }

    /// Sends messages of an earlier connection while there is room.
    fn pump(&mut self, out: &mut Vec<u8>) -> Vec<Step> {
        let mut dropped = Vec::new();
        while let Some((id, publication)) = self.outgoing.next_unsent() {
            let publication = publication.clone();
            match self.write(&publication, delivery(publication.qos, Some(id), true), out) {
                Ok(()) => self.outgoing.mark_sent(id),
                Err(_) => {
                    self.outgoing.drop_entry(id);
                    dropped.push(Step::Delivered(id, ReasonCode::PACKET_TOO_LARGE));
                }
            }
        }
        dropped
    }

    fn write(
        &mut self,
        publication: &Publication,
        delivery: Delivery,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let topic = publication.message.topic.as_str();
        let mut list = core::mem::take(&mut self.scratch);
        list.clear();
        let mut spelling = Spelling::Plain;
        if self.version == Version::V5 {
            publication.write_properties(&mut list)?;
            spelling = self.own_aliases.spell(topic);
            if let Spelling::Introduced(alias) | Spelling::Known(alias) = spelling {
                list.push(Property::TopicAlias(alias))?;
            }
        }
        let publish = Publish {
            delivery,
            retain: publication.retain,
            topic: if matches!(spelling, Spelling::Known(_)) { "" } else { topic },
            properties: list.as_properties(),
            payload: &publication.message.payload,
        };
        let sent = self.send(&Packet::Publish(publish), out);
        if sent.is_ok()
            && let Spelling::Introduced(alias) = spelling
        {
            self.own_aliases.introduce(topic, alias);
        }
        self.scratch = list;
        sent
    }

    pub(crate) fn publish(
        &mut self,
        publication: Publication,
        out: &mut Vec<u8>,
    ) -> Result<Option<PacketId>, NotSent> {
        if publication.qos == QoS::AtMostOnce {
            self.write(&publication, Delivery::AtMostOnce, out).map_err(not_sent)?;
            return Ok(None);
        }
        if self.outgoing.room() == 0 {
            return Err(NotSent::NoQuota);
        }
        let id = self.outgoing.draw_id().ok_or(NotSent::NoQuota)?;
        if let Err(error) = self.write(&publication, delivery(publication.qos, Some(id), false), out) {
            self.outgoing.free_id(id);
            return Err(not_sent(error));
        }
        self.outgoing.keep(id, publication);
        Ok(Some(id))
    }

    /// A message from the peer; `None` when it is a repetition.
    pub(crate) fn on_publish(
        &mut self,
        publish: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Incoming>, Stop> {
        let topic = match publish.properties.topic_alias() {
            Some(alias) => self.aliases_of_peer.resolve(alias, publish.topic)?,
            None => publish.topic,
        };
        let incoming = |id| Incoming {
            publication: Publication::of(publish, topic),
            id,
            is_dup: publish.delivery.is_dup(),
        };
        let Some(id) = publish.delivery.id() else { return Ok(Some(incoming(None))) };
        match self.inbox.on_publish(id, publish.delivery.qos())? {
            Arrival::New => Ok(Some(incoming(Some(id)))),
            Arrival::Waiting => Ok(None),
            Arrival::Owned => {
                self.acknowledge_kind(Kind::PubRec, (id, ReasonCode::SUCCESS), None, out)?;
                Ok(None)
            }
        }
    }

    /// The application's answer to a message; acknowledgements leave in the order of the messages.
    pub(crate) fn acknowledge(
        &mut self,
        id: PacketId,
        reason: ReasonCode,
        why: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), NotAsked>, EncodeError> {
        // 3.1.1 has no refusal: what is answered is owned.
        let known = match self.version {
            Version::V3_1_1 => ReasonCode::SUCCESS,
            Version::V5 if reason.is_of(Kind::PubAck, Version::V5) => reason,
            Version::V5 => ReasonCode::UNSPECIFIED_ERROR,
        };
        if self.inbox.answer(id, Answer { reason: known, why: why.map(Into::into) }).is_err() {
            return Ok(Err(NotAsked));
        }
        self.send_due(out)?;
        Ok(Ok(()))
    }

    /// A message that gets no answer in this connection; what is behind it does not wait for one.
    pub(crate) fn pass_over(
        &mut self,
        id: PacketId,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), NotAsked>, EncodeError> {
        if self.inbox.pass_over(id).is_err() {
            return Ok(Err(NotAsked));
        }
        self.send_due(out)?;
        Ok(Ok(()))
    }

    fn send_due(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        while let Some(due) = self.inbox.next_due() {
            let kind = if due.qos == QoS::ExactlyOnce { Kind::PubRec } else { Kind::PubAck };
            self.acknowledge_kind(kind, (due.id, due.answer.reason), due.answer.why.as_deref(), out)?;
        }
        Ok(())
    }

    /// What became of our messages is told first; what may follow is sent behind it.
    pub(crate) fn on_ack<E: From<Step>>(
        &mut self,
        kind: Kind,
        ack: &Ack<'_>,
        outbox: &mut Outbox<E>,
    ) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        for step in self.acked(kind, ack, &mut bytes)? {
            outbox.event(step.into());
        }
        outbox.bytes().extend(bytes);
        Ok(())
    }

    /// An acknowledgement from the peer. The step is to be handed up before what was written to `out`.
    fn acked(&mut self, kind: Kind, ack: &Ack<'_>, out: &mut Vec<u8>) -> Result<Vec<Step>, Stop> {
        let acked = match kind {
            Kind::PubRel => return self.on_pubrel(ack.id, out),
            Kind::PubAck => self.outgoing.on_puback(ack.id, ack.reason)?,
            Kind::PubRec => self.outgoing.on_pubrec(ack.id, ack.reason)?,
            _ => self.outgoing.on_pubcomp(ack.id)?,
        };
        match acked {
            Acked::Done(reason) => {
                let mut steps = alloc::vec![Step::Delivered(ack.id, reason)];
                steps.extend(self.pump(out));
                Ok(steps)
            }
            Acked::Release => {
                self.acknowledge_kind(Kind::PubRel, (ack.id, ReasonCode::SUCCESS), None, out)?;
                Ok(alloc::vec![Step::Received(ack.id)])
            }
            Acked::ReleaseAgain => {
                self.acknowledge_kind(Kind::PubRel, (ack.id, ReasonCode::SUCCESS), None, out)?;
                Ok(Vec::new())
            }
            Acked::Unknown => {
                if kind == Kind::PubRec && !ack.reason.is_failure() {
                    let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                    self.acknowledge_kind(Kind::PubRel, (ack.id, not_found), None, out)?;
                }
                Ok(Vec::new())
            }
        }
    }

    fn on_pubrel(&mut self, id: PacketId, out: &mut Vec<u8>) -> Result<Vec<Step>, Stop> {
        let is_known = self.inbox.on_pubrel(id)?;
        let not_found = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let reason = if is_known { ReasonCode::SUCCESS } else { not_found };
        self.acknowledge_kind(Kind::PubComp, (id, reason), None, out)?;
        Ok(if is_known { alloc::vec![Step::Released(id)] } else { Vec::new() })
    }
}

fn delivery(qos: QoS, id: Option<PacketId>, dup: bool) -> Delivery {
    match (qos, id) {
        (QoS::AtLeastOnce, Some(id)) => Delivery::AtLeastOnce { id, dup },
        (QoS::ExactlyOnce, Some(id)) => Delivery::ExactlyOnce { id, dup },
        (QoS::AtMostOnce, _) | (_, None) => Delivery::AtMostOnce,
    }
}

pub(crate) fn not_sent(error: EncodeError) -> NotSent {
    match error {
        EncodeError::TooLarge => NotSent::TooLarge,
        EncodeError::Invalid(flaw) => NotSent::Invalid(flaw),
    }
}
