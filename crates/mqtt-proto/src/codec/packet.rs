//! Any packet.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use super::field::{Fields, Length, Sink, VAR_INT_MAX};
use super::{
    Ack, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, Flaw, Frame, PACKET_SIZE_MAX, Publish,
    SubAck, Subscribe, UnsubAck, Unsubscribe,
};

/// Which text a connection follows. CONNECT says it, every other packet is read and written by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Protocol level 4.
    V3_1_1,
    /// Protocol level 5.
    V5,
}

/// How often a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// 0: at most once.
    AtMostOnce,
    /// 1: at least once.
    AtLeastOnce,
    /// 2: exactly once.
    ExactlyOnce,
}

impl QoS {
    /// 0, 1 or 2.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }

    /// Of 0, 1 or 2.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// Ties an answer to its packet; unique among what one end has under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

impl PacketId {
    /// The id of this number; `None` for zero.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number, never zero.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// The types of packets, in the order of their numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 1, client to server.
    Connect,
    /// 2, server to client.
    ConnAck,
    /// 3.
    Publish,
    /// 4: the end of QoS 1.
    PubAck,
    /// 5: the second step of QoS 2.
    PubRec,
    /// 6: the third step of QoS 2.
    PubRel,
    /// 7: the end of QoS 2.
    PubComp,
    /// 8, client to server.
    Subscribe,
    /// 9, server to client.
    SubAck,
    /// 10, client to server.
    Unsubscribe,
    /// 11, server to client.
    UnsubAck,
    /// 12, client to server.
    PingReq,
    /// 13, server to client.
    PingResp,
    /// 14; in 3.1.1 client to server.
    Disconnect,
    /// 15, 5.0 only.
    Auth,
}

impl Kind {
    const fn number(self) -> u8 {
        self as u8 + 1
    }

    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The flags every packet of this type has; PUBLISH has flags of its own.
    const fn flags(self) -> u8 {
        match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 2,
            _ => 0,
        }
    }
}

/// One packet; topics, payloads and all else are borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client asks to be connected.
    Connect(Connect<'a>),
    /// The server's answer.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// A message of QoS 1 is with the receiver.
    PubAck(Ack<'a>),
    /// A message of QoS 2 is with the receiver.
    PubRec(Ack<'a>),
    /// The sender has forgotten the message.
    PubRel(Ack<'a>),
    /// The receiver has forgotten its identifier.
    PubComp(Ack<'a>),
    /// A client wants messages.
    Subscribe(Subscribe<'a>),
    /// The server's answer.
    SubAck(SubAck<'a>),
    /// A client no longer wants messages.
    Unsubscribe(Unsubscribe<'a>),
    /// The server's answer.
    UnsubAck(UnsubAck<'a>),
    /// A client is there.
    PingReq,
    /// So is the server.
    PingResp,
    /// The connection ends.
    Disconnect(Disconnect<'a>),
    /// A step of authentication.
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet. CONNECT is read as the version it names, every other as `version`.
    ///
    /// # Errors
    /// [`DecodeError`] for everything the texts forbid in one packet by itself.
    pub fn decode(frame: Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        let unknown = DecodeError { offset: 0, flaw: Flaw::UnknownType };
        let kind = Kind::from_number(frame.first >> 4).ok_or(unknown)?;
        let flags = frame.first & 0x0f;
        if kind == Kind::Auth && version == Version::V3_1_1 {
            return Err(unknown);
        }
        if kind != Kind::Publish && flags != kind.flags() {
            return Err(DecodeError { offset: 0, flaw: Flaw::ReservedBits });
        }
        let mut fields = Fields::new(frame.body, frame.header_size);
        let f = &mut fields;
        let packet = match kind {
            Kind::Connect => Self::Connect(Connect::read(f)?),
            Kind::ConnAck => Self::ConnAck(ConnAck::read(f, version)?),
            Kind::Publish => Self::Publish(Publish::read(f, flags, version)?),
            Kind::PubAck => Self::PubAck(Ack::read(f, kind, version)?),
            Kind::PubRec => Self::PubRec(Ack::read(f, kind, version)?),
            Kind::PubRel => Self::PubRel(Ack::read(f, kind, version)?),
            Kind::PubComp => Self::PubComp(Ack::read(f, kind, version)?),
            Kind::Subscribe => Self::Subscribe(Subscribe::read(f, version)?),
            Kind::SubAck => Self::SubAck(SubAck::read(f, version)?),
            Kind::Unsubscribe => Self::Unsubscribe(Unsubscribe::read(f, version)?),
            Kind::UnsubAck => Self::UnsubAck(UnsubAck::read(f, version)?),
            Kind::PingReq => Self::PingReq,
            Kind::PingResp => Self::PingResp,
            Kind::Disconnect => Self::Disconnect(Disconnect::read(f, version)?),
            Kind::Auth => Self::Auth(Auth::read(f)?),
        };
        fields.finish()?;
        Ok(packet)
    }

    /// Which type it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Connect(_) => Kind::Connect,
            Self::ConnAck(_) => Kind::ConnAck,
            Self::Publish(_) => Kind::Publish,
            Self::PubAck(_) => Kind::PubAck,
            Self::PubRec(_) => Kind::PubRec,
            Self::PubRel(_) => Kind::PubRel,
            Self::PubComp(_) => Kind::PubComp,
            Self::Subscribe(_) => Kind::Subscribe,
            Self::SubAck(_) => Kind::SubAck,
            Self::Unsubscribe(_) => Kind::Unsubscribe,
            Self::UnsubAck(_) => Kind::UnsubAck,
            Self::PingReq => Kind::PingReq,
            Self::PingResp => Kind::PingResp,
            Self::Disconnect(_) => Kind::Disconnect,
            Self::Auth(_) => Kind::Auth,
        }
    }

    /// Appends the packet to `out`; acknowledgements, DISCONNECT and AUTH in their shortest form.
    ///
    /// # Errors
    /// [`EncodeError`] when the receiver would refuse it, or it takes more than `size_max` bytes. Then `out` is
    /// as it was.
    pub fn encode(&self, version: Version, size_max: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.check(version)?;
        let mut length = Length::default();
        self.write_body(version, &mut length);
        let body_size =
            u32::try_from(length.0).ok().filter(|size| *size <= VAR_INT_MAX).ok_or(EncodeError::TooLarge)?;
        let mut header = Length::default();
        header.var_int(body_size);
        let size = 1 + header.0 + length.0;
        if size > size_max.min(PACKET_SIZE_MAX) {
            return Err(EncodeError::TooLarge);
        }
        out.reserve(size);
        let flags = match self {
            Self::Publish(publish) => publish.flags(),
            _ => self.kind().flags(),
        };
        out.u8(self.kind().number() << 4 | flags);
        out.var_int(body_size);
        self.write_body(version, out);
        Ok(())
    }

    fn check(&self, version: Version) -> Result<(), Flaw> {
        match self {
            Self::Connect(connect) => connect.check(),
            Self::ConnAck(connack) => connack.check(version),
            Self::Publish(publish) => publish.check(version),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.check(self.kind(), version)
            }
            Self::Subscribe(subscribe) => subscribe.check(version),
            Self::SubAck(suback) => suback.check(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.check(version),
            Self::UnsubAck(unsuback) => unsuback.check(version),
            Self::PingReq | Self::PingResp => Ok(()),
            Self::Disconnect(disconnect) => disconnect.check(version),
            Self::Auth(auth) => auth.check(version),
        }
    }

    fn write_body(&self, version: Version, out: &mut impl Sink) {
        match self {
            Self::Connect(connect) => connect.write(out),
            Self::ConnAck(connack) => connack.write(version, out),
            Self::Publish(publish) => publish.write(version, out),
            Self::PubAck(ack) | Self::PubRec(ack) | Self::PubRel(ack) | Self::PubComp(ack) => {
                ack.write(version, out)
            }
            Self::Subscribe(subscribe) => subscribe.write(version, out),
            Self::SubAck(suback) => suback.write(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.write(version, out),
            Self::UnsubAck(unsuback) => unsuback.write(version, out),
            Self::PingReq | Self::PingResp => {}
            Self::Disconnect(disconnect) => disconnect.write(version, out),
            Self::Auth(auth) => auth.write(out),
        }
    }
}
