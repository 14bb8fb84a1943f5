//! Orders, answers and addresses in JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use assure_proto::{Address, AuthenticatedKey, ChannelDefinition, ChannelId, ChannelStatus, Privileges};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coap_proto::Code;
use crypto::Secret;
use management::{Answer, Command, GeneratedKind, OrderState, OrderView, Outcome};
use model::{KeyId, Uuid};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::registration_api::info_json;

/// What is asked of a device: `{"command":"ping"}` and so on; see [`super::platform`].
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Command)]
pub(crate) enum CommandJson {
    Ping {
        #[serde(default)]
        payload: String,
    },
    ReadInfo,
    ListKeys,
    ReadKey {
        id: String,
    },
    PutKey {
        key: String,
    },
    DeleteKey {
        id: String,
    },
    GenerateKey {
        kind: KindJson,
        #[serde(default)]
        persistent: bool,
    },
    ListChannels,
    ReadChannel {
        channel: u32,
    },
    PutChannel {
        #[serde(default)]
        channel: Option<u32>,
        definition: DefinitionJson,
    },
    OpenChannel {
        channel: u32,
    },
    CloseChannel {
        channel: u32,
    },
    DeleteChannel {
        channel: u32,
    },
    Reboot,
    Shutdown,
    Bootstrap,
}

/// The kind of a key to generate.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[schema(as = KeyKind)]
pub(crate) enum KindJson {
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "p-256")]
    P256,
    #[serde(rename = "p-384")]
    P384,
    #[serde(rename = "p-521")]
    P521,
}

/// A channel definition; addresses are `ip:port`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChannelDefinition)]
pub(crate) struct DefinitionJson {
    local_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer_key: Option<String>,
    #[serde(default)]
    persistent: bool,
    #[serde(default)]
    open_immediately: bool,
    #[serde(default)]
    privileges: PrivilegesJson,
    address: String,
}

/// What a device says of itself, in a form that can be described.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct InfoJson(assure_json::DeviceInfo);

impl PartialSchema for InfoJson {
    fn schema() -> RefOr<Schema> {
        // Source: aSSURE 11.2.4.
        const TEXTS: [&str; 9] = [
            "device_id",
            "device_mac_address",
            "device_manufacturer",
            "device_product_code",
            "device_serial_number",
            "device_build_date",
            "software_manufacturer",
            "software_product_code",
            "software_version",
        ];
        let object = TEXTS.iter().fold(ObjectBuilder::new(), |object, name| {
            object.property(*name, String::schema()).required(*name)
        });
        object.into()
    }
}

impl ToSchema for InfoJson {
    fn name() -> Cow<'static, str> {
        "DeviceInfo".into()
    }
}

/// The methods that a message of an image may have.
#[derive(ToSchema)]
#[schema(as = Method, rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "it only describes what `assure_json::Method` reads")]
pub(crate) enum MethodJson {
    Get,
    Post,
    Put,
    Delete,
}

/// What the peer may do.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Privileges)]
pub(crate) struct PrivilegesJson {
    #[serde(default)]
    channel_management: bool,
    #[serde(default)]
    system_management: bool,
    #[serde(default)]
    key_management: bool,
}

impl From<PrivilegesJson> for Privileges {
    fn from(json: PrivilegesJson) -> Self {
        Self {
            channel_management: json.channel_management,
            system_management: json.system_management,
            key_management: json.key_management,
        }
    }
}

impl From<Privileges> for PrivilegesJson {
    fn from(privileges: Privileges) -> Self {
        Self {
            channel_management: privileges.channel_management,
            system_management: privileges.system_management,
            key_management: privileges.key_management,
        }
    }
}

/// JSON that names no command, key, channel or address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadOrder;

fn key_id(text: &str) -> Result<KeyId, BadOrder> {
    text.parse::<Uuid>().map(KeyId::from).map_err(|_| BadOrder)
}

fn channel(number: u32) -> Result<ChannelId, BadOrder> {
    ChannelId::new(number).ok_or(BadOrder)
}

/// `ip:port`, IPv6 in brackets.
pub(super) fn address(text: &str) -> Result<Address, BadOrder> {
    let socket: std::net::SocketAddr = text.parse().map_err(|_| BadOrder)?;
    if socket.port() == 0 {
        return Err(BadOrder);
    }
    Ok(Address::Ip { remote: socket.ip(), local_port: 0, remote_port: socket.port() })
}

/// IP as `ip:port`, others as what they are.
pub(super) fn address_text(address: &Address) -> String {
    match address {
        Address::Ip { remote: IpAddr::V4(ip), remote_port, .. } => format!("{ip}:{remote_port}"),
        Address::Ip { remote: IpAddr::V6(ip), remote_port, .. } => format!("[{ip}]:{remote_port}"),
        Address::Bacnet { network, address } => {
            format!("bacnet:{}:{}", network.unwrap_or_default(), model::hex(address))
        }
        Address::Bluetooth { mac } => format!("bluetooth:{}", model::hex(mac)),
    }
}

impl TryFrom<DefinitionJson> for ChannelDefinition {
    type Error = BadOrder;

    fn try_from(json: DefinitionJson) -> Result<Self, BadOrder> {
        Ok(Self {
            local_key: key_id(&json.local_key)?,
            peer_key: json.peer_key.as_deref().map(key_id).transpose()?,
            persistent_across_reboots: json.persistent,
            open_immediately: json.open_immediately,
            privileges: json.privileges.into(),
            further_flags: Vec::new(),
            address: address(&json.address)?,
        })
    }
}

impl From<&ChannelDefinition> for DefinitionJson {
    fn from(definition: &ChannelDefinition) -> Self {
        Self {
            local_key: definition.local_key.to_string(),
            peer_key: definition.peer_key.map(|id| id.to_string()),
            persistent: definition.persistent_across_reboots,
            open_immediately: definition.open_immediately,
            privileges: definition.privileges.into(),
            address: address_text(&definition.address),
        }
    }
}

impl TryFrom<CommandJson> for Command {
    type Error = BadOrder;

    fn try_from(json: CommandJson) -> Result<Self, BadOrder> {
        Ok(match json {
            CommandJson::Ping { payload } => Self::Ping { payload: payload.into_bytes() },
            CommandJson::ReadInfo => Self::ReadInfo,
            CommandJson::ListKeys => Self::ListKeys,
            CommandJson::ReadKey { id } => Self::ReadKey { id: key_id(&id)? },
            CommandJson::PutKey { key } => {
                let key = Secret::new(STANDARD.decode(key).map_err(|_| BadOrder)?);
                let id = AuthenticatedKey::decode(key.expose()).map_err(|_| BadOrder)?.id();
                Self::PutKey { id, key }
            }
            CommandJson::DeleteKey { id } => Self::DeleteKey { id: key_id(&id)? },
            CommandJson::GenerateKey { kind, persistent } => {
                let kind = match kind {
                    KindJson::Rsa2048 => GeneratedKind::Rsa2048,
                    KindJson::P256 => GeneratedKind::P256,
                    KindJson::P384 => GeneratedKind::P384,
                    KindJson::P521 => GeneratedKind::P521,
                };
                Self::GenerateKey { kind, persistent }
            }
            CommandJson::ListChannels => Self::ListChannels,
            CommandJson::ReadChannel { channel: number } => Self::ReadChannel { id: channel(number)? },
            CommandJson::PutChannel { channel: None, definition } => {
                Self::CreateChannel { definition: definition.try_into()? }
            }
            CommandJson::PutChannel { channel: Some(number), definition } => {
                Self::PutChannel { id: channel(number)?, definition: definition.try_into()? }
            }
            CommandJson::OpenChannel { channel: number } => Self::OpenChannel { id: channel(number)? },
            CommandJson::CloseChannel { channel: number } => Self::CloseChannel { id: channel(number)? },
            CommandJson::DeleteChannel { channel: number } => Self::DeleteChannel { id: channel(number)? },
            CommandJson::Reboot => Self::Reboot,
            CommandJson::Shutdown => Self::Shutdown,
            CommandJson::Bootstrap => Self::Bootstrap,
        })
    }
}

/// An order as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderJson {
    /// `waiting`, `sent`, `answered`, `late`, `no-answer`, `skipped`, `too-long`, `withdrawn`.
    state: &'static str,
    placed_unix_millis: u64,
    deadline_unix_millis: u64,
    /// The code of the answer as `class.detail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The body of the answer, read.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerJson>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = OrderAnswer)]
pub(crate) enum AnswerJson {
    Done,
    Pong(String),
    Info(InfoJson),
    Keys(Vec<KeyJson>),
    Channels(Vec<ChannelJson>),
    Created(u32),
    /// Not what the command is answered with, in Base64.
    Unreadable(String),
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyOfDevice)]
pub(crate) struct KeyJson {
    id: String,
    class: u8,
    device: Option<String>,
    signed_by: String,
    /// The structure of 7.4 in Base64, private part masked by the device.
    key: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChannelOfDevice)]
pub(crate) struct ChannelJson {
    channel: u32,
    state: u8,
    definition: DefinitionJson,
}

impl From<&AuthenticatedKey> for KeyJson {
    fn from(key: &AuthenticatedKey) -> Self {
        Self {
            id: key.id().to_string(),
            class: key.class().number(),
            device: key.metadata().device.map(|device| device.to_string()),
            signed_by: key.signature().key_id.to_string(),
            key: STANDARD.encode(key.encode_masked()),
        }
    }
}

impl From<&ChannelStatus> for ChannelJson {
    fn from(channel: &ChannelStatus) -> Self {
        Self {
            channel: channel.id.number(),
            state: channel.state.number(),
            definition: DefinitionJson::from(&channel.definition),
        }
    }
}

fn answer_json(command: &Command, payload: &[u8]) -> AnswerJson {
    match command.read_answer(payload) {
        Ok(Answer::Done) => AnswerJson::Done,
        Ok(Answer::Pong(bytes)) => AnswerJson::Pong(String::from_utf8_lossy(&bytes).into_owned()),
        Ok(Answer::Info(info)) => AnswerJson::Info(InfoJson(info_json(&info))),
        Ok(Answer::Keys(keys)) => AnswerJson::Keys(keys.iter().map(KeyJson::from).collect()),
        Ok(Answer::Channels(channels)) => {
            AnswerJson::Channels(channels.iter().map(ChannelJson::from).collect())
        }
        Ok(Answer::Created(id)) => AnswerJson::Created(id.number()),
        Err(_) => AnswerJson::Unreadable(STANDARD.encode(payload)),
    }
}

impl From<&OrderView> for OrderJson {
    fn from(view: &OrderView) -> Self {
        let (mut code, mut answer) = (None, None);
        let state = match &view.state {
            OrderState::Waiting => "waiting",
            OrderState::Sent => "sent",
            OrderState::Done { outcome: Outcome::Late } => "late",
            OrderState::Done { outcome: Outcome::NoAnswer } => "no-answer",
            OrderState::Done { outcome: Outcome::Skipped } => "skipped",
            OrderState::Done { outcome: Outcome::TooLong } => "too-long",
            OrderState::Done { outcome: Outcome::Withdrawn } => "withdrawn",
            OrderState::Done { outcome: Outcome::Answered { code: byte, payload } } => {
                let given = Code::from_byte(*byte);
                code = Some(format!("{}.{:02}", given.class(), given.detail()));
                answer = given.is_success().then(|| answer_json(&view.command, payload));
                "answered"
            }
        };
        Self {
            state,
            placed_unix_millis: view.placed.as_unix_millis(),
            deadline_unix_millis: view.deadline.as_unix_millis(),
            code,
            answer,
        }
    }
}
