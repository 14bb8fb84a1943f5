//! The calls of section 10 as typed commands.

use assure_proto::{
    AuthenticatedKey, CHANNEL_LIST_MAX, ChannelDefinition, ChannelId, ChannelStatus, DeviceInfo,
    cbor::Reader, decode_channel_list,
};
use coap_proto::Code;
use crypto::Secret;
use ledger::fields;
use minicbor::{Decode, Encode};
use model::KeyId;
use wire::{DecodeError, Reason};

/// Keys in one list that is read.
const KEY_LIST_MAX: usize = CHANNEL_LIST_MAX;

/// The kind of a key that a device generates.
/// Source: aSSURE 10.1.2 with ruling A-ASSURE-76.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum GeneratedKind {
    /// RSA of 2048 bits.
    #[n(0)]
    Rsa2048,
    /// EC on P-256.
    #[n(1)]
    P256,
    /// EC on P-384.
    #[n(2)]
    P384,
    /// EC on P-521.
    #[n(3)]
    P521,
}

impl GeneratedKind {
    const fn number(self) -> u8 {
        match self {
            Self::Rsa2048 => 0,
            Self::P256 => 1,
            Self::P384 => 2,
            Self::P521 => 3,
        }
    }
}

/// A call of the device management API.
/// Source: aSSURE 10.1.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// 10.1.16: answers with what is sent.
    #[n(0)]
    Ping {
        /// At most 64 bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        payload: Vec<u8>,
    },
    /// 10.1.17.
    #[n(1)]
    ReadInfo,
    /// 10.1.5.
    #[n(2)]
    ListKeys,
    /// 10.1.3.
    #[n(3)]
    ReadKey {
        /// The key.
        #[cbor(n(0), with = "fields::id16")]
        id: KeyId,
    },
    /// 10.1.1.
    #[n(4)]
    PutKey {
        /// The key.
        #[cbor(n(0), with = "fields::id16")]
        id: KeyId,
        /// The authenticated key (7.4), perhaps with its private part.
        #[cbor(n(1), with = "fields::secret")]
        key: Secret,
    },
    /// 10.1.4.
    #[n(5)]
    DeleteKey {
        /// The key.
        #[cbor(n(0), with = "fields::id16")]
        id: KeyId,
    },
    /// 10.1.2.
    #[n(6)]
    GenerateKey {
        /// What kind of key.
        #[n(0)]
        kind: GeneratedKind,
        /// Whether it survives a reboot.
        #[n(1)]
        persistent: bool,
    },
    /// 10.1.12.
    #[n(7)]
    ListChannels,
    /// 10.1.11.
    #[n(8)]
    ReadChannel {
        /// The channel.
        #[cbor(n(0), with = "channel_id")]
        id: ChannelId,
    },
    /// 10.1.6: the device picks the number.
    #[n(9)]
    CreateChannel {
        /// What it is.
        #[cbor(n(0), with = "channel_definition")]
        definition: ChannelDefinition,
    },
    /// 10.1.7.
    #[n(10)]
    PutChannel {
        /// Its number, 1 to 0xFFFF.
        #[cbor(n(0), with = "channel_id")]
        id: ChannelId,
        /// What it is.
        #[cbor(n(1), with = "channel_definition")]
        definition: ChannelDefinition,
    },
    /// 10.1.8.
    #[n(11)]
    OpenChannel {
        /// The channel.
        #[cbor(n(0), with = "channel_id")]
        id: ChannelId,
    },
    /// 10.1.9.
    #[n(12)]
    CloseChannel {
        /// The channel.
        #[cbor(n(0), with = "channel_id")]
        id: ChannelId,
    },
    /// 10.1.10.
    #[n(13)]
    DeleteChannel {
        /// The channel.
        #[cbor(n(0), with = "channel_id")]
        id: ChannelId,
    },
    /// 10.1.13.
    #[n(14)]
    Reboot,
    /// 10.1.14.
    #[n(15)]
    Shutdown,
    /// 10.1.15.
    #[n(16)]
    Bootstrap,
}

/// Channel numbers in stored commands.
mod channel_id {
    use assure_proto::ChannelId;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        id: &ChannelId,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.u32(id.number())?.ok()
    }

    pub(super) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<ChannelId, BadField> {
        ChannelId::new(from.u32()?).ok_or(BadField::message("no channel has the number zero"))
    }
}

/// Channel definitions in stored commands, in the form that devices read.
mod channel_definition {
    use assure_proto::ChannelDefinition;
    use minicbor::decode::Error as BadField;
    use minicbor::encode::{Error as Unwritten, Write};
    use minicbor::{Decoder, Encoder};

    pub(super) fn encode<C, W: Write>(
        definition: &ChannelDefinition,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), Unwritten<W::Error>> {
        to.bytes(&definition.encode())?.ok()
    }

    pub(super) fn decode<C>(from: &mut Decoder<'_>, _: &mut C) -> Result<ChannelDefinition, BadField> {
        ChannelDefinition::decode(from.bytes()?).map_err(|_| BadField::message("no channel definition"))
    }
}

/// A command as a CoAP request on the device's management channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// The method.
    pub method: Code,
    /// The path, parted by `/`, without one in front.
    pub path: String,
    /// Single arguments such as `type=1`.
    pub queries: Vec<String>,
    /// The body, CBOR; perhaps a secret one.
    pub payload: Secret,
}

impl Command {
    /// The request.
    #[must_use]
    pub fn request(&self) -> OrderRequest {
        let none = || Secret::new(Vec::new());
        let with =
            |method, path: String, payload| OrderRequest { method, path, queries: Vec::new(), payload };
        let plain = |method, path: &str| with(method, path.to_owned(), none());
        match self {
            Self::Ping { payload } => with(Code::GET, "v1/ping".into(), Secret::from(&payload[..])),
            Self::ReadInfo => plain(Code::GET, "v1/info"),
            Self::ListKeys => plain(Code::GET, "v1/keys"),
            Self::ReadKey { id } => plain(Code::GET, &format!("v1/keys/{id}")),
            Self::PutKey { id, key } => with(Code::PUT, format!("v1/keys/{id}"), key.clone()),
            Self::DeleteKey { id } => plain(Code::DELETE, &format!("v1/keys/{id}")),
            Self::GenerateKey { kind, persistent } => OrderRequest {
                queries: vec![format!("type={}", kind.number()), format!("persistent={persistent}")],
                ..plain(Code::POST, "v1/keys/generate")
            },
            Self::ListChannels => plain(Code::GET, "v1/channels"),
            Self::ReadChannel { id } => plain(Code::GET, &format!("v1/channels/{id}")),
            Self::CreateChannel { definition } => {
                with(Code::PUT, "v1/channels".into(), Secret::new(definition.encode()))
            }
            Self::PutChannel { id, definition } => {
                with(Code::PUT, format!("v1/channels/{id}"), Secret::new(definition.encode()))
            }
            Self::OpenChannel { id } => plain(Code::PUT, &format!("v1/channels/{id}/open")),
            Self::CloseChannel { id } => plain(Code::PUT, &format!("v1/channels/{id}/close")),
            Self::DeleteChannel { id } => plain(Code::DELETE, &format!("v1/channels/{id}")),
            Self::Reboot => plain(Code::PUT, "v1/reboot"),
            Self::Shutdown => plain(Code::PUT, "v1/shutdown"),
            Self::Bootstrap => plain(Code::PUT, "v1/bootstrap"),
        }
    }

    /// Whether doing it twice is the same as once; others are sent once, whatever becomes of the answer.
    #[must_use]
    pub const fn may_be_repeated(&self) -> bool {
        match self {
            Self::Ping { .. }
            | Self::ReadInfo
            | Self::ListKeys
            | Self::ReadKey { .. }
            | Self::PutKey { .. }
            | Self::DeleteKey { .. }
            | Self::ListChannels
            | Self::ReadChannel { .. }
            | Self::PutChannel { .. }
            | Self::OpenChannel { .. }
            | Self::CloseChannel { .. }
            | Self::DeleteChannel { .. } => true,
            Self::GenerateKey { .. }
            | Self::CreateChannel { .. }
            | Self::Reboot
            | Self::Shutdown
            | Self::Bootstrap => false,
        }
    }

    /// The verb of the audit log.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Ping { .. } => "device.ping",
            Self::ReadInfo => "device.info",
            Self::ListKeys | Self::ReadKey { .. } => "device.keys",
            Self::PutKey { .. } => "device.put-key",
            Self::DeleteKey { .. } => "device.delete-key",
            Self::GenerateKey { .. } => "device.generate-key",
            Self::ListChannels | Self::ReadChannel { .. } => "device.channels",
            Self::CreateChannel { .. } | Self::PutChannel { .. } => "device.put-channel",
            Self::OpenChannel { .. } => "device.open-channel",
            Self::CloseChannel { .. } => "device.close-channel",
            Self::DeleteChannel { .. } => "device.delete-channel",
            Self::Reboot => "device.reboot",
            Self::Shutdown => "device.shutdown",
            Self::Bootstrap => "device.bootstrap",
        }
    }

    /// Reads the payload of a success.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not what this command is answered with.
    pub fn read_answer(&self, payload: &[u8]) -> Result<Answer, DecodeError> {
        match self {
            Self::Ping { .. } => Ok(Answer::Pong(payload.to_vec())),
            Self::ReadInfo => DeviceInfo::decode(payload).map(Answer::Info),
            Self::ListKeys => read_keys(payload).map(Answer::Keys),
            Self::ReadKey { .. } | Self::GenerateKey { .. } => {
                AuthenticatedKey::decode(payload).map(|key| Answer::Keys(vec![key]))
            }
            Self::ListChannels => decode_channel_list(payload).map(Answer::Channels),
            Self::ReadChannel { .. } => {
                ChannelStatus::decode(payload).map(|channel| Answer::Channels(vec![channel]))
            }
            Self::CreateChannel { .. } => ChannelId::decode(payload).map(Answer::Created),
            Self::PutKey { .. }
            | Self::DeleteKey { .. }
            | Self::PutChannel { .. }
            | Self::OpenChannel { .. }
            | Self::CloseChannel { .. }
            | Self::DeleteChannel { .. }
            | Self::Reboot
            | Self::Shutdown
            | Self::Bootstrap => Ok(Answer::Done),
        }
    }
}

/// What a device answers to a command that it carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing but that it did.
    Done,
    /// What was sent, or as much of it as the device could return.
    Pong(Vec<u8>),
    /// What it says of itself.
    Info(DeviceInfo),
    /// Its keys, private parts masked; a generated key is whole and public.
    Keys(Vec<AuthenticatedKey>),
    /// Its channels.
    Channels(Vec<ChannelStatus>),
    /// The number of the channel that it made.
    Created(ChannelId),
}

fn read_keys(payload: &[u8]) -> Result<Vec<AuthenticatedKey>, DecodeError> {
    let mut reader = Reader::whole(payload)?;
    let count = reader.array()?;
    if count > KEY_LIST_MAX {
        return Err(DecodeError::new(0, Reason::OverLimit));
    }
    let mut keys = Vec::new();
    for _ in 0..count {
        let start = reader.position();
        let item = reader.item()?;
        keys.push(AuthenticatedKey::decode(item).map_err(|error| DecodeError::new(start, error.reason))?);
    }
    reader.finish()?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: ASSURE-10.1.2-01, ASSURE-10.1.7-01, ASSURE-10.1.8-01
    #[test]
    fn commands_are_the_calls_of_section_10() {
        let channel = ChannelId::new(9).unwrap();
        let id = KeyId([0xab; 16]);
        let key = "abababab-abab-abab-abab-abababababab";
        let cases: [(Command, Code, String, &[&str]); 9] = [
            (Command::Ping { payload: vec![1] }, Code::GET, "v1/ping".into(), &[]),
            (Command::ListKeys, Code::GET, "v1/keys".into(), &[]),
            (Command::DeleteKey { id }, Code::DELETE, format!("v1/keys/{key}"), &[]),
            (
                Command::GenerateKey { kind: GeneratedKind::P521, persistent: true },
                Code::POST,
                "v1/keys/generate".into(),
                &["type=3", "persistent=true"],
            ),
            (Command::OpenChannel { id: channel }, Code::PUT, "v1/channels/9/open".into(), &[]),
            (Command::CloseChannel { id: channel }, Code::PUT, "v1/channels/9/close".into(), &[]),
            (Command::DeleteChannel { id: channel }, Code::DELETE, "v1/channels/9".into(), &[]),
            (Command::Shutdown, Code::PUT, "v1/shutdown".into(), &[]),
            (Command::Bootstrap, Code::PUT, "v1/bootstrap".into(), &[]),
        ];
        for (command, method, path, queries) in cases {
            let request = command.request();
            assert_eq!((request.method, &request.path), (method, &path), "{command:?}");
            assert_eq!(request.queries, queries, "{command:?}");
            let stored = ledger::to_bytes(&command);
            assert_eq!(ledger::from_bytes(&stored), Ok(command));
        }
    }

    #[test]
    fn answers_are_read_strictly() {
        assert_eq!(Command::ListKeys.read_answer(&[0x80]), Ok(Answer::Keys(vec![])));
        assert!(Command::ListKeys.read_answer(&[0x81, 0x01]).is_err());
        assert!(Command::ListKeys.read_answer(&[0x80, 0x00]).is_err());
        assert!(Command::ReadInfo.read_answer(&[]).is_err());
        assert_eq!(Command::Reboot.read_answer(&[]), Ok(Answer::Done));
    }
}
