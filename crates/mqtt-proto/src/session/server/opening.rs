//! From CONNECT to CONNACK, and authentication.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::num::{NonZeroU16, NonZeroU32};
use core::time::Duration;

use clock::Moment;

use super::events::{ConnectRequest, ServerOutput};
use super::{Again, Open, Phase, Server};
use crate::session::flow::{Flow, PeerLimits};
use crate::session::violation::Stop;
use crate::{
    Auth, ConnAck, Connect, DecodeError, EncodeError, End, Flaw, Frame, Kind, LastWill, NotAsked, Packet,
    Properties, Property, PropertyList, QoS, ReasonCode, SavedSession, Version, Violation,
};

/// What is remembered of CONNECT until it is answered.
#[derive(Debug)]
pub(super) struct Opening {
    clean_start: bool,
    has_client_id: bool,
    asked_expiry_secs: u32,
    session_expiry_secs: u32,
    keep_alive_secs: u16,
    wants_response_information: bool,
    will: Option<LastWill>,
    method: Option<String>,
    rounds: u32,
}

/// How a client is accepted. The default goes on without a session.
#[derive(Clone, Debug, Default)]
pub struct Accept<'a> {
    /// The stored session; never with a clean start.
    pub session: Option<SavedSession>,
    /// The name of a client that gave none.
    pub assigned_client_id: Option<&'a str>,
    /// What the authentication method says at last.
    pub authentication_data: Option<&'a [u8]>,
    /// Base of response topics; said to clients that ask.
    pub response_information: Option<&'a str>,
    /// The reason in words; left out when it does not fit.
    pub why: Option<&'a str>,
    /// User properties only; left out when they do not fit.
    pub user_properties: Properties<'a>,
}

/// Why an answer to CONNECT was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAccepted {
    /// No client waits for an answer.
    NotAsked,
    /// The client gave no name and the answer has none, or the client gave one and the answer has another.
    ClientIdentifier,
    /// A stored session for a client that wants none.
    CleanStart,
    /// A field of the answer breaks a rule.
    Invalid(Flaw),
}

impl From<Flaw> for NotAccepted {
    fn from(flaw: Flaw) -> Self {
        Self::Invalid(flaw)
    }
}

impl Server {
    /// Answers a CONNECT that cannot be read, where the texts have an answer.
    pub(super) fn answer_broken_connect(&mut self, frame: Frame<'_>, error: DecodeError) {
        let version = match error.flaw {
            Flaw::ProtocolName => return,
            Flaw::ProtocolLevel(level) if level < 5 => Version::V3_1_1,
            Flaw::ProtocolLevel(_) => Version::V5,
            // 3.1.1 closes without CONNACK.
            _ if frame.body.get(6) == Some(&5) => Version::V5,
            _ => return,
        };
        self.flow.version = version;
        self.say_refusal(error.reason_code(), None);
    }

    pub(super) fn on_connect(&mut self, connect: &Connect<'_>) -> Result<(), Stop> {
        let limits = self.settings.limits;
        let offered = self.settings.capabilities;
        let properties = connect.properties;
        self.flow = Flow::new(connect.version, &limits, PeerLimits::of(properties));
        let request = ConnectRequest::of(connect, self.settings.session_expiry_max_secs);
        self.phase = Phase::Deciding(Box::new(Opening {
            clean_start: connect.clean_start,
            has_client_id: !connect.client_id.is_empty(),
            asked_expiry_secs: properties.session_expiry_secs().unwrap_or(0),
            session_expiry_secs: request.session_expiry_secs,
            keep_alive_secs: connect.keep_alive_secs,
            wants_response_information: request.wants_response_information,
            will: request.will.clone(),
            method: request.method.clone(),
            rounds: 0,
        }));
        if connect.version == Version::V3_1_1 && connect.client_id.is_empty() && !connect.clean_start {
            return Err(Violation::NoClientIdentifier.into());
        }
        match &connect.will {
            Some(will) if will.qos > offered.maximum_qos => Err(Violation::QosNotSupported.into()),
            Some(will) if will.retain && !offered.retain => Err(Violation::RetainNotSupported.into()),
            _ => {
                self.outbox.event(ServerOutput::Connect(Box::new(request)));
                Ok(())
            }
        }
    }

    /// A step of authentication before CONNACK.
    pub(super) fn on_early_auth(&mut self, auth: &Auth<'_>) -> Result<(), Stop> {
        let round_max = self.settings.limits.authentication_round_max;
        let Phase::Challenged(opening) = core::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(Violation::NotConnected(Kind::Auth).into());
        };
        let mut opening = opening;
        opening.rounds += 1;
        let is_same = opening.method.as_deref() == auth.properties.authentication_method();
        let rounds = opening.rounds;
        self.phase = Phase::Deciding(opening);
        if !is_same {
            return Err(Violation::AuthenticationMethod.into());
        }
        if auth.reason != ReasonCode::CONTINUE_AUTHENTICATION {
            return Err(Violation::Unexpected(Kind::Auth).into());
        }
        if rounds > round_max {
            return Err(Violation::TooManyRounds.into());
        }
        let data = auth.properties.authentication_data().map(<[u8]>::to_vec);
        self.outbox.event(ServerOutput::Authenticate { data });
        Ok(())
    }

    /// Accepts the client: CONNACK, then what its stored session has under way, then what it sent meanwhile.
    ///
    /// A client whose maximum packet size does not hold CONNACK is closed with `End::Unsendable` instead; its session
    /// comes back as after every connection, without its will.
    ///
    /// # Errors
    /// [`NotAccepted`]; the client still waits for an answer.
    pub fn accept(&mut self, accept: Accept<'_>, now: Moment) -> Result<(), NotAccepted> {
        let Phase::Deciding(opening) = &self.phase else { return Err(NotAccepted::NotAsked) };
        let is_v5 = self.flow.version == Version::V5;
        if opening.has_client_id == accept.assigned_client_id.is_some() {
            return Err(NotAccepted::ClientIdentifier);
        }
        if opening.clean_start && accept.session.is_some() {
            return Err(NotAccepted::CleanStart);
        }
        let (keep_alive_secs, is_own) = self.keep_alive(opening);
        let list = match is_v5 {
            true => self.connack_properties(opening, &accept, is_own.then_some(keep_alive_secs))?,
            false => PropertyList::new(),
        };
        let session_present = accept.session.is_some();
        let sent = self.send_connack(
            session_present,
            ReasonCode::SUCCESS,
            &list,
            accept.why,
            accept.user_properties,
        );
        let Phase::Deciding(opening) = core::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(NotAccepted::NotAsked);
        };
        self.phase = Phase::Open(Open {
            session_expiry_secs: opening.session_expiry_secs,
            // Nobody who got no CONNACK was ever there.
            will: opening.will.filter(|_| sent.is_ok()),
            method: opening.method,
            again: Again::No,
            keep_alive: (keep_alive_secs > 0).then(|| Duration::from_secs(u64::from(keep_alive_secs))),
            requests: BTreeMap::new(),
        });
        self.last_heard = now;
        let is_resumed = accept.session.is_some();
        accept.session.into_iter().for_each(|session| self.flow.restore(session));
        if let Err(error) = sent {
            // Whoever gave it the session gets it back, as after every connection.
            self.end(Stop::from(error).end(), now);
            return Ok(());
        }
        if is_resumed {
            self.resume(now);
        }
        let early = core::mem::take(&mut self.early);
        self.receive(&early, now);
        Ok(())
    }

    fn resume(&mut self, now: Moment) {
        match self.flow.resume(self.outbox.bytes()) {
            Ok(steps) => steps.into_iter().for_each(|step| self.outbox.event(step.into())),
            Err(error) => self.end(Stop::from(error).end(), now),
        }
    }

    /// Seconds of the keep alive that holds, and whether the client must be told.
    fn keep_alive(&self, opening: &Opening) -> (u16, bool) {
        let asked = opening.keep_alive_secs;
        match self.settings.keep_alive_max_secs.map(NonZeroU16::get) {
            Some(most) if self.flow.version == Version::V5 && (asked == 0 || asked > most) => (most, true),
            _ => (asked, false),
        }
    }

    /// Everything of CONNACK that may not be left out.
    fn connack_properties(
        &self,
        opening: &Opening,
        accept: &Accept<'_>,
        own_keep_alive: Option<u16>,
    ) -> Result<PropertyList, Flaw> {
        let (limits, offered) = (&self.settings.limits, self.settings.capabilities);
        let mut list = PropertyList::new();
        if opening.session_expiry_secs != opening.asked_expiry_secs {
            list.push(Property::SessionExpiryInterval(opening.session_expiry_secs))?;
        }
        if limits.receive_maximum != NonZeroU16::MAX {
            list.push(Property::ReceiveMaximum(limits.receive_maximum))?;
        }
        if offered.maximum_qos < QoS::ExactlyOnce {
            list.push(Property::MaximumQos(offered.maximum_qos))?;
        }
        if let Some(size) = NonZeroU32::new(limits.packet_size_max) {
            list.push(Property::MaximumPacketSize(size))?;
        }
        if limits.topic_alias_maximum > 0 {
            list.push(Property::TopicAliasMaximum(limits.topic_alias_maximum))?;
        }
        for (is_offered, absent) in [
            (offered.retain, Property::RetainAvailable(false)),
            (offered.wildcards, Property::WildcardSubscriptionAvailable(false)),
            (offered.subscription_identifiers, Property::SubscriptionIdentifierAvailable(false)),
            (offered.shared_subscriptions, Property::SharedSubscriptionAvailable(false)),
        ] {
            if !is_offered {
                list.push(absent)?;
            }
        }
        let said = [
            accept.assigned_client_id.map(Property::AssignedClientIdentifier),
            own_keep_alive.map(Property::ServerKeepAlive),
            accept
                .response_information
                .filter(|_| opening.wants_response_information)
                .map(Property::ResponseInformation),
            opening.method.as_deref().map(Property::AuthenticationMethod),
            accept.authentication_data.filter(|_| opening.method.is_some()).map(Property::AuthenticationData),
        ];
        for property in said.into_iter().flatten() {
            list.push(property)?;
        }
        Ok(list)
    }

    /// CONNACK with reason and user properties as far as they fit.
    fn send_connack(
        &mut self,
        session_present: bool,
        reason: ReasonCode,
        needed: &PropertyList,
        why: Option<&str>,
        users: Properties<'_>,
    ) -> Result<(), EncodeError> {
        let mut full = needed.clone();
        if self.flow.version == Version::V5 {
            full.extend(users);
            // A reason that cannot be written is left out.
            let _unsaid = why.map(|why| full.push(Property::ReasonString(why)));
        }
        let connack = |list: &PropertyList, flow: &Flow, out: &mut alloc::vec::Vec<u8>| {
            let properties = list.as_properties();
            flow.send(&Packet::ConnAck(ConnAck { session_present, reason, properties }), out)
        };
        connack(&full, &self.flow, self.outbox.bytes())
            .or_else(|_| connack(needed, &self.flow, self.outbox.bytes()))
    }

    /// CONNACK of a refusal where the version has one for it.
    pub(super) fn say_refusal(&mut self, reason: ReasonCode, why: Option<&str>) {
        let reason = match self.flow.version {
            Version::V3_1_1 => {
                let Some(code) = reason.to_return_code() else { return };
                ReasonCode::from_return_code(code).unwrap_or(reason)
            }
            Version::V5 if reason.is_of(Kind::ConnAck, Version::V5) => reason,
            Version::V5 => ReasonCode::UNSPECIFIED_ERROR,
        };
        // What does not fit is left unsaid; the connection is closed all the same.
        let _unsaid = self.send_connack(false, reason, &PropertyList::new(), why, Properties::NONE);
    }

    /// Refuses the client and ends the connection; 3.1.1 has the return code that comes nearest, or none.
    /// `reference` names another server, for 0x9c and 0x9d.
    ///
    /// # Errors
    /// [`NotAsked`] when no client waits for an answer, or `reason` is no failure.
    pub fn refuse(
        &mut self,
        reason: ReasonCode,
        why: Option<&str>,
        reference: Option<&str>,
        now: Moment,
    ) -> Result<(), NotAsked> {
        if !matches!(self.phase, Phase::Deciding(_)) || !reason.is_failure() {
            return Err(NotAsked);
        }
        match reference {
            Some(reference) if self.flow.version == Version::V5 => {
                let list = PropertyList::new().with(Property::ServerReference(reference));
                let sent = self.send_connack(false, reason, &list.unwrap_or_default(), why, Properties::NONE);
                if sent.is_err() {
                    self.say_refusal(reason, why);
                }
            }
            _ => self.say_refusal(reason, why),
        }
        self.end(End::Refused(reason), now);
        Ok(())
    }

    /// Asks the client to go on with its authentication, the first or a later one.
    ///
    /// # Errors
    /// [`NotAsked`] when no client with an authentication method waits for an answer.
    pub fn challenge(&mut self, data: Option<&[u8]>, now: Moment) -> Result<(), NotAsked> {
        let method = self.method_waiting().ok_or(NotAsked)?;
        self.send_auth(ReasonCode::CONTINUE_AUTHENTICATION, &method, data, now)?;
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Deciding(opening) => {
                self.phase = Phase::Challenged(opening);
                let early = core::mem::take(&mut self.early);
                self.receive(&early, now);
            }
            Phase::Open(mut open) => {
                if let Again::Deciding { rounds } = open.again {
                    open.again = Again::Challenged { rounds };
                }
                self.phase = Phase::Open(open);
            }
            other @ (Phase::AwaitingConnect | Phase::Challenged(_) | Phase::Over) => self.phase = other,
        }
        Ok(())
    }

    /// Ends a later authentication well. One that fails is ended with [`Server::disconnect`].
    ///
    /// # Errors
    /// [`NotAsked`] when no client authenticates again.
    pub fn reauthenticated(&mut self, data: Option<&[u8]>, now: Moment) -> Result<(), NotAsked> {
        if !self.is_open() {
            return Err(NotAsked);
        }
        let method = self.method_waiting().ok_or(NotAsked)?;
        self.send_auth(ReasonCode::SUCCESS, &method, data, now)?;
        if let Phase::Open(open) = &mut self.phase {
            open.again = Again::No;
        }
        Ok(())
    }

    /// The method of a client whose authentication waits for the application.
    fn method_waiting(&self) -> Option<String> {
        match &self.phase {
            Phase::Deciding(opening) => opening.method.clone(),
            Phase::Open(open) if matches!(open.again, Again::Deciding { .. }) => open.method.clone(),
            Phase::AwaitingConnect | Phase::Challenged(_) | Phase::Open(_) | Phase::Over => None,
        }
    }

    fn send_auth(
        &mut self,
        reason: ReasonCode,
        method: &str,
        data: Option<&[u8]>,
        now: Moment,
    ) -> Result<(), NotAsked> {
        let mut list = PropertyList::new();
        let pushed = [Some(Property::AuthenticationMethod(method)), data.map(Property::AuthenticationData)]
            .into_iter()
            .flatten()
            .try_for_each(|property| list.push(property));
        pushed.map_err(|_| NotAsked)?;
        let auth = Packet::Auth(Auth { reason, properties: list.as_properties() });
        if let Err(error) = self.flow.send(&auth, self.outbox.bytes()) {
            self.end(Stop::from(error).end(), now);
        }
        Ok(())
    }
}
