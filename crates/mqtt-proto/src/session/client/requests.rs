//! Subscriptions and authentication of a client.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use clock::Moment;

use super::{Client, ClientOutput, Phase, Turn};
use crate::session::flow::not_sent;
use crate::session::violation::Stop;
use crate::{
    Auth, FilterList, Kind, NotAsked, NotSent, Packet, PacketId, Property, PropertyList, ReasonCode, SubAck,
    Subscribe, SubscriptionList, SubscriptionOptions, TopicFilter, UnsubAck, Unsubscribe, Version, Violation,
};

impl Client {
    fn draw_request_id(&mut self) -> Result<PacketId, NotSent> {
        if !self.is_open() {
            return Err(NotSent::NotConnected);
        }
        if self.requests.len() >= self.limits.request_count_max {
            return Err(NotSent::NoQuota);
        }
        self.flow.outgoing.draw_id().ok_or(NotSent::NoQuota)
    }

    fn send_request(
        &mut self,
        packet: &Packet<'_>,
        id: PacketId,
        count: usize,
        now: Moment,
    ) -> Result<(), NotSent> {
        let sent = self.flow.send(packet, self.outbox.bytes());
        self.outbox.take_wrote();
        if let Err(error) = sent {
            self.flow.outgoing.free_id(id);
            return Err(not_sent(error));
        }
        self.last_sent = now;
        self.requests.insert(id, (packet.kind(), count));
        Ok(())
    }

    /// Asks for messages. [`ClientOutput::Subscribed`] is the answer.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub fn subscribe(
        &mut self,
        subscriptions: &[(&str, SubscriptionOptions)],
        identifier: Option<NonZeroU32>,
        now: Moment,
    ) -> Result<PacketId, NotSent> {
        let version = self.flow.version;
        let mut list = SubscriptionList::new();
        for (text, options) in subscriptions {
            let filter = TopicFilter::parse(text, version);
            let is_shared = filter.is_some_and(|filter| filter.share().is_some());
            let is_wild = filter.is_some_and(|filter| filter.has_wildcard());
            if is_shared && !self.offered.shared_subscriptions || is_wild && !self.offered.wildcards {
                return Err(NotSent::SubscriptionNotSupported);
            }
            list.push(text, *options).map_err(NotSent::Invalid)?;
        }
        let mut properties = PropertyList::new();
        if let Some(identifier) = identifier {
            if !self.offered.subscription_identifiers || version == Version::V3_1_1 {
                return Err(NotSent::SubscriptionNotSupported);
            }
            properties.push(Property::SubscriptionIdentifier(identifier)).map_err(NotSent::Invalid)?;
        }
        let id = self.draw_request_id()?;
        let subscribe =
            Subscribe { id, properties: properties.as_properties(), subscriptions: list.as_subscriptions() };
        self.send_request(&Packet::Subscribe(subscribe), id, subscriptions.len(), now)?;
        Ok(id)
    }

    /// Ends subscriptions. [`ClientOutput::Unsubscribed`] is the answer.
    ///
    /// # Errors
    /// See [`NotSent`].
    pub fn unsubscribe(&mut self, filters: &[&str], now: Moment) -> Result<PacketId, NotSent> {
        let mut list = FilterList::new();
        for filter in filters {
            list.push(filter).map_err(NotSent::Invalid)?;
        }
        let id = self.draw_request_id()?;
        let properties = PropertyList::new();
        let unsubscribe =
            Unsubscribe { id, properties: properties.as_properties(), filters: list.as_filters() };
        self.send_request(&Packet::Unsubscribe(unsubscribe), id, filters.len(), now)?;
        Ok(id)
    }

    fn take_request(&mut self, id: PacketId, asked: (Kind, usize), answer: Kind) -> Result<(), Stop> {
        if self.requests.get(&id) != Some(&asked) {
            return Err(Violation::NotAsked(answer).into());
        }
        self.requests.remove(&id);
        self.flow.outgoing.free_id(id);
        Ok(())
    }

    pub(super) fn on_suback(&mut self, suback: &SubAck<'_>) -> Result<(), Stop> {
        self.take_request(suback.id, (Kind::Subscribe, suback.codes.len()), Kind::SubAck)?;
        self.outbox.event(ClientOutput::Subscribed { id: suback.id, reasons: reasons(suback.codes) });
        Ok(())
    }

    pub(super) fn on_unsuback(&mut self, unsuback: &UnsubAck<'_>) -> Result<(), Stop> {
        let known = self.requests.get(&unsuback.id).map_or(0, |(_, count)| *count);
        let count = if self.flow.version == Version::V5 { unsuback.codes.len() } else { known };
        self.take_request(unsuback.id, (Kind::Unsubscribe, count), Kind::UnsubAck)?;
        self.outbox.event(ClientOutput::Unsubscribed { id: unsuback.id, reasons: reasons(unsuback.codes) });
        Ok(())
    }

    /// Goes on with an authentication that the server challenged.
    ///
    /// # Errors
    /// [`NotAsked`] when it is not the client's turn, or `data` cannot be written.
    pub fn authenticate(&mut self, data: Option<&[u8]>, now: Moment) -> Result<(), NotAsked> {
        if self.phase == Phase::Over || self.turn != Turn::Application {
            return Err(NotAsked);
        }
        self.send_auth(ReasonCode::CONTINUE_AUTHENTICATION, data, now)
    }

    /// Authenticates once more, with the method of CONNECT.
    ///
    /// # Errors
    /// [`NotAsked`] when there is no connection or no method, an authentication is under way, or `data` cannot be
    /// written.
    pub fn reauthenticate(&mut self, data: Option<&[u8]>, now: Moment) -> Result<(), NotAsked> {
        if self.phase != Phase::Open || self.turn != Turn::Nobody {
            return Err(NotAsked);
        }
        self.rounds = 0;
        self.send_auth(ReasonCode::RE_AUTHENTICATE, data, now)
    }

    fn send_auth(&mut self, reason: ReasonCode, data: Option<&[u8]>, now: Moment) -> Result<(), NotAsked> {
        let method = self.method.as_deref().ok_or(NotAsked)?;
        let mut list = PropertyList::new();
        list.push(Property::AuthenticationMethod(method)).map_err(|_| NotAsked)?;
        if let Some(data) = data {
            list.push(Property::AuthenticationData(data)).map_err(|_| NotAsked)?;
        }
        let auth = Packet::Auth(Auth { reason, properties: list.as_properties() });
        self.flow.send(&auth, self.outbox.bytes()).map_err(|_| NotAsked)?;
        self.turn = Turn::Server;
        self.note_sent(now);
        Ok(())
    }
}

fn reasons(codes: &[u8]) -> Vec<ReasonCode> {
    codes.iter().copied().map(ReasonCode).collect()
}
