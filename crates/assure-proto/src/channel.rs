//! Channels as a device is told of them and reports on them.
//!
//! Source: aSSURE 10.1.6, 10.1.11, 10.1.12; rulings A-ASSURE-80, A-ASSURE-81, A-ASSURE-83, A-ASSURE-106.

use alloc::vec::Vec;

use model::KeyId;
use wire::{DecodeError, Reason};

use crate::address::Address;
use crate::cbor::{Reader, Writer};

/// Channels in one list that is read.
pub const CHANNEL_LIST_MAX: usize = 1024;
/// Flags of one channel that are read, those unknown here included.
pub const CHANNEL_FLAGS_MAX: usize = 16;

const KNOWN_FLAGS: usize = 5;

/// The number of a channel; never zero.
///
/// Source: ruling A-ASSURE-106.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(u32);

impl ChannelId {
    /// The first number that a device assigns itself; below it are those named by `PUT /v1/channels/<id>`.
    pub const FIRST_ASSIGNED: Self = Self(0x1_0000);

    /// A channel's number; `None` for zero.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// A number that a request may name, 1 to 0xFFFF; `None` for others.
    #[must_use]
    pub const fn explicit(number: u32) -> Option<Self> {
        if number < Self::FIRST_ASSIGNED.0 { Self::new(number) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Writes one INTEGER, the answer to the request that made the channel.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Writer::new();
        out.uint(self.0);
        out.finish()
    }

    /// Reads one INTEGER.
    ///
    /// # Errors
    /// [`DecodeError`] on anything else, and on zero.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let id = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(id)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let zero = reader.error(Reason::OutOfRange);
        Self::new(reader.u32()?).ok_or(zero)
    }
}

impl core::fmt::Display for ChannelId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

/// What the peer may do on a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Privileges {
    /// It may create, change and delete channels.
    pub channel_management: bool,
    /// It may reboot, shut down and bootstrap the device.
    pub system_management: bool,
    /// It may create, change and delete keys.
    pub key_management: bool,
}

impl Privileges {
    /// All of them: what the replay of a bootstrap payload has.
    pub const ALL: Self = Self { channel_management: true, system_management: true, key_management: true };
    /// None of them.
    pub const NONE: Self =
        Self { channel_management: false, system_management: false, key_management: false };

    /// Whether the holder of these may grant `asked`: nobody grants what he lacks.
    ///
    /// Source: ruling A-ASSURE-81.
    #[must_use]
    pub const fn covers(self, asked: Self) -> bool {
        (self.channel_management || !asked.channel_management)
            && (self.system_management || !asked.system_management)
            && (self.key_management || !asked.key_management)
    }
}

/// What a channel is: its keys, what its peer may do, and where the peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelDefinition {
    /// The device's own key on this channel, or the secret that both ends share.
    pub local_key: KeyId,
    /// The peer's key; `None` when both ends share `local_key`.
    pub peer_key: Option<KeyId>,
    /// Whether the channel survives a reboot.
    pub persistent_across_reboots: bool,
    /// Whether the device opens it at once, and so is the DTLS client.
    pub open_immediately: bool,
    /// What the peer may do.
    pub privileges: Privileges,
    /// Flags that were sent after the known five, in their order; kept, without effect.
    pub further_flags: Vec<bool>,
    /// Where the peer is.
    pub address: Address,
}

impl ChannelDefinition {
    /// Writes the ARRAY of 4 items.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads the ARRAY of 4 items.
    ///
    /// # Errors
    /// [`DecodeError`] on another form; flags after the fifth are tolerated when they are BOOLEANs.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let definition = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(definition)
    }

    fn write(&self, out: &mut Writer) {
        out.array(4).bytes(&self.local_key.0);
        out.bytes(self.peer_key.as_ref().map_or(&[], |id| &id.0[..]));
        out.array(KNOWN_FLAGS + self.further_flags.len());
        let known: [bool; KNOWN_FLAGS] = [
            self.persistent_across_reboots,
            self.open_immediately,
            self.privileges.channel_management,
            self.privileges.system_management,
            self.privileges.key_management,
        ];
        for flag in known.iter().chain(&self.further_flags) {
            out.bool(*flag);
        }
        self.address.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(4)?;
        let local_key = KeyId(reader.bytes_of()?);
        let bad_id = reader.error(Reason::OutOfRange);
        let peer_key = match reader.bytes()? {
            [] => None,
            id => Some(KeyId(id.try_into().map_err(|_| bad_id)?)),
        };
        let flags_at = reader.position();
        let further = match reader.array()? {
            0..KNOWN_FLAGS => return Err(DecodeError::new(flags_at, Reason::OutOfRange)),
            count @ KNOWN_FLAGS..=CHANNEL_FLAGS_MAX => count - KNOWN_FLAGS,
            _ => return Err(DecodeError::new(flags_at, Reason::OverLimit)),
        };
        Ok(Self {
            local_key,
            peer_key,
            persistent_across_reboots: reader.bool()?,
            open_immediately: reader.bool()?,
            privileges: Privileges {
                channel_management: reader.bool()?,
                system_management: reader.bool()?,
                key_management: reader.bool()?,
            },
            further_flags: (0..further).map(|_| reader.bool()).collect::<Result<_, _>>()?,
            address: Address::read(reader)?,
        })
    }
}

/// Where a channel stands.
///
/// Source: aSSURE 10.1.11; 5 to 9 are reserved (ruling A-ASSURE-83).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelState {
    /// 0: closed.
    Closed,
    /// 1: asked to be opened.
    OpenRequested,
    /// 2: the handshake is under way.
    Handshaking,
    /// 3: open.
    Open,
    /// 4: being closed.
    Closing,
    /// 10: the peer did not answer.
    NoAnswer,
    /// 11: the peer named the wrong key.
    WrongKeyId,
    /// 12: the peer did not authenticate.
    AuthenticationFailed,
    /// 13: another error.
    OtherError,
}

impl ChannelState {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Closed,
        Self::OpenRequested,
        Self::Handshaking,
        Self::Open,
        Self::Closing,
        Self::NoAnswer,
        Self::WrongKeyId,
        Self::AuthenticationFailed,
        Self::OtherError,
    ];

    /// The number that is sent.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::OpenRequested => 1,
            Self::Handshaking => 2,
            Self::Open => 3,
            Self::Closing => 4,
            Self::NoAnswer => 10,
            Self::WrongKeyId => 11,
            Self::AuthenticationFailed => 12,
            Self::OtherError => 13,
        }
    }
}

/// A channel and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStatus {
    /// What the channel is.
    pub definition: ChannelDefinition,
    /// Its number.
    pub id: ChannelId,
    /// Where it stands.
    pub state: ChannelState,
}

impl ChannelStatus {
    /// Writes the ARRAY of two ARRAYs.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads the ARRAY of two ARRAYs; further items after the state are tolerated.
    ///
    /// # Errors
    /// [`DecodeError`] on another form or a reserved state.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let status = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(status)
    }

    fn write(&self, out: &mut Writer) {
        out.array(2);
        self.definition.write(out);
        out.array(2).uint(self.id.0).uint(self.state.number());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(2)?;
        let definition = ChannelDefinition::read(reader)?;
        let too_few = reader.error(Reason::OutOfRange);
        let further = reader.array()?.checked_sub(2).ok_or(too_few)?;
        let id = ChannelId::read(reader)?;
        let reserved = reader.error(Reason::OutOfRange);
        let number = reader.u64()?;
        let state = ChannelState::ALL.into_iter().find(|state| u64::from(state.number()) == number);
        for _ in 0..further {
            reader.item()?;
        }
        Ok(Self { definition, id, state: state.ok_or(reserved)? })
    }
}

/// Writes the ARRAY of all channels.
#[must_use]
pub fn encode_channel_list(channels: &[ChannelStatus]) -> Vec<u8> {
    let mut out = Writer::new();
    out.array(channels.len());
    for channel in channels {
        channel.write(&mut out);
    }
    out.finish()
}

/// Reads the ARRAY of all channels.
///
/// # Errors
/// [`DecodeError`] as for one channel, and on more than [`CHANNEL_LIST_MAX`].
pub fn decode_channel_list(bytes: &[u8]) -> Result<Vec<ChannelStatus>, DecodeError> {
    let mut reader = Reader::whole(bytes)?;
    let over_limit = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > CHANNEL_LIST_MAX {
        return Err(over_limit);
    }
    let channels = (0..count).map(|_| ChannelStatus::read(&mut reader)).collect::<Result<_, _>>()?;
    reader.finish()?;
    Ok(channels)
}
