//! What a client says in CONNECT.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::{
    Connect, EncodeError, Flaw, LastWill, Limits, PACKET_SIZE_MAX, Packet, Password, Properties, Property,
    PropertyList, Version, Will,
};

/// Who the client says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignIn<'a> {
    /// Its user name.
    pub user_name: &'a str,
    /// What only they know.
    pub password: Option<Password<'a>>,
}

/// Enhanced authentication, 5.0 only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Authentication<'a> {
    /// Its name; said in every step.
    pub method: &'a str,
    /// Its first data.
    pub data: Option<&'a [u8]>,
}

impl core::fmt::Debug for Authentication<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Authentication({:?}, ..)", self.method)
    }
}

/// Everything of CONNECT that is not a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions<'a> {
    /// Which text the connection follows.
    pub version: Version,
    /// May be empty: the server gives one, in 3.1.1 with a clean start only.
    pub client_id: &'a str,
    /// Whether a stored session is discarded.
    pub clean_start: bool,
    /// Seconds; zero for never.
    pub keep_alive_secs: u16,
    /// Seconds the session outlives the connection, in 5.0. In 3.1.1 `clean_start` alone decides.
    pub session_expiry_secs: u32,
    /// What the server publishes when the connection ends without farewell.
    pub will: Option<LastWill>,
    /// Who it is.
    pub sign_in: Option<SignIn<'a>>,
    /// Enhanced authentication.
    pub authentication: Option<Authentication<'a>>,
    /// Whether to ask for response information.
    pub wants_response_information: bool,
    /// Whether reasons in words are welcome in every packet.
    pub wants_reasons: bool,
    /// User properties only.
    pub user_properties: Properties<'a>,
}

impl<'a> ConnectOptions<'a> {
    /// A clean start that keeps nothing, with a keep alive of a minute.
    #[must_use]
    pub const fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean_start: true,
            keep_alive_secs: 60,
            session_expiry_secs: 0,
            will: None,
            sign_in: None,
            authentication: None,
            wants_response_information: false,
            wants_reasons: true,
            user_properties: Properties::NONE,
        }
    }

    /// Seconds the session outlives the connection.
    pub(super) const fn kept_secs(&self) -> u32 {
        match self.version {
            Version::V3_1_1 if self.clean_start => 0,
            Version::V3_1_1 => u32::MAX,
            Version::V5 => self.session_expiry_secs,
        }
    }

    fn properties(&self, limits: &Limits) -> Result<PropertyList, Flaw> {
        let mut list = PropertyList::new();
        if self.version == Version::V3_1_1 {
            return Ok(list);
        }
        let packet_size_max = NonZeroU32::new(limits.packet_size_max);
        let said = [
            (self.session_expiry_secs > 0)
                .then_some(Property::SessionExpiryInterval(self.session_expiry_secs)),
            Some(Property::ReceiveMaximum(limits.receive_maximum)),
            packet_size_max.map(Property::MaximumPacketSize),
            (limits.topic_alias_maximum > 0)
                .then_some(Property::TopicAliasMaximum(limits.topic_alias_maximum)),
            self.wants_response_information.then_some(Property::RequestResponseInformation(true)),
            (!self.wants_reasons).then_some(Property::RequestProblemInformation(false)),
            self.authentication.map(|authentication| Property::AuthenticationMethod(authentication.method)),
            self.authentication
                .and_then(|authentication| authentication.data)
                .map(Property::AuthenticationData),
        ];
        for property in said.into_iter().flatten() {
            list.push(property)?;
        }
        list.extend(self.user_properties);
        Ok(list)
    }

    pub(super) fn write(&self, limits: &Limits, out: &mut Vec<u8>) -> Result<(), NotConnectable> {
        let is_v5 = self.version == Version::V5;
        if !is_v5 && self.client_id.is_empty() && !self.clean_start {
            return Err(NotConnectable::ClientIdentifier);
        }
        let has_5_0_only = self.authentication.is_some() || !self.user_properties.is_empty();
        if !is_v5 && has_5_0_only {
            return Err(NotConnectable::Invalid(Flaw::NotInVersion));
        }
        let properties = self.properties(limits)?;
        let mut will_properties = PropertyList::new();
        if let Some(will) = &self.will
            && is_v5
        {
            will.publication.write_properties(&mut will_properties)?;
            if will.delay_secs > 0 {
                will_properties.push(Property::WillDelayInterval(will.delay_secs))?;
            }
        }
        let will = self.will.as_ref().map(|will| Will {
            qos: will.publication.qos,
            retain: will.publication.retain,
            topic: &will.publication.message.topic,
            payload: &will.publication.message.payload,
            properties: will_properties.as_properties(),
        });
        let connect = Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive_secs: self.keep_alive_secs,
            properties: properties.as_properties(),
            client_id: self.client_id,
            will,
            user_name: self.sign_in.map(|sign_in| sign_in.user_name),
            password: self.sign_in.and_then(|sign_in| sign_in.password),
        };
        Packet::Connect(connect).encode(self.version, PACKET_SIZE_MAX, out).map_err(|error| match error {
            EncodeError::TooLarge => NotConnectable::Invalid(Flaw::TooLarge),
            EncodeError::Invalid(flaw) => NotConnectable::Invalid(flaw),
        })
    }
}

/// Why no connection was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotConnectable {
    /// A stored session together with a clean start.
    CleanStart,
    /// 3.1.1 without a name and without a clean start.
    ClientIdentifier,
    /// CONNECT would break a rule.
    Invalid(Flaw),
}

impl From<Flaw> for NotConnectable {
    fn from(flaw: Flaw) -> Self {
        Self::Invalid(flaw)
    }
}
