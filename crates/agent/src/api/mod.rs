//! The device management API, for live requests and for replayed ones alike.
//!
//! A call changes the state it is given and reports what must follow; it sends and opens nothing itself.
//! Source: aSSURE 10; rulings A-ASSURE-71 to A-ASSURE-85.

mod channels;
mod keys;
mod parameters;
mod system;

use alloc::vec::Vec;

use assure_proto::{ChannelId, Privileges, TimeTrust};
use clock::Dice;
use coap_proto::{Code, ContentFormat, Found, Response, Route, Router, StoredRequest};
use crypto::Provider;

use crate::channels::Channels;
use crate::factory::Own;
use crate::state::DeviceState;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// The payload of an image.
    Image,
    /// The peer of a channel.
    Peer { channel: ChannelId, privileges: Privileges },
}

impl Principal {
    const fn privileges(self) -> Privileges {
        match self {
            Self::Image => Privileges::ALL,
            Self::Peer { privileges, .. } => privileges,
        }
    }
}

/// What must follow once the answer is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Open(ChannelId),
    Close(ChannelId),
    /// The definition is another, or gone.
    Redefined(ChannelId),
    Reboot,
    PowerOff,
    Bootstrap,
}

/// The outcome of a call.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) effects: Vec<Effect>,
    /// Whether the state changed and must be written before the answer goes out.
    pub(crate) has_changed: bool,
}

impl Reply {
    const fn new(code: Code) -> Self {
        Self { response: Response::new(code), effects: Vec::new(), has_changed: false }
    }

    fn content(payload: Vec<u8>) -> Self {
        Self { response: Response::content(ContentFormat::CBOR, payload), ..Self::new(Code::CONTENT) }
    }

    fn changed(self) -> Self {
        Self { has_changed: true, ..self }
    }

    fn then(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    fn with_cbor(self, payload: Vec<u8>) -> Self {
        let code = self.response.code;
        Self { response: Response { code, ..Response::content(ContentFormat::CBOR, payload) }, ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    PutKey,
    GenerateKey,
    ReadKey,
    DeleteKey,
    ListKeys,
    AddChannel,
    PutChannel,
    OpenChannel,
    CloseChannel,
    DeleteChannel,
    ReadChannel,
    ListChannels,
    Reboot,
    PowerOff,
    Bootstrap,
    Ping,
    Info,
    PutParameter,
    ReadParameter,
    DeleteParameter,
    WalledGarden,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    Keys,
    Channels,
    System,
}

impl Call {
    const fn need(self) -> Need {
        match self {
            Self::PutKey | Self::GenerateKey | Self::ReadKey | Self::DeleteKey | Self::ListKeys => Need::Keys,
            Self::AddChannel
            | Self::PutChannel
            | Self::OpenChannel
            | Self::CloseChannel
            | Self::DeleteChannel
            | Self::ReadChannel
            | Self::ListChannels => Need::Channels,
            Self::Reboot
            | Self::PowerOff
            | Self::Bootstrap
            | Self::PutParameter
            | Self::ReadParameter
            | Self::DeleteParameter
            | Self::WalledGarden => Need::System,
            Self::Ping | Self::Info => Need::Nothing,
        }
    }
}

/// What a call works on.
pub(crate) struct Desk<'a> {
    pub(crate) provider: &'a dyn Provider,
    pub(crate) own: &'a Own,
    pub(crate) state: &'a mut DeviceState,
    pub(crate) channels: &'a Channels,
    pub(crate) time: TimeTrust,
    pub(crate) dice: &'a mut Dice,
    pub(crate) principal: Principal,
}

/// The routes.
pub(crate) struct Api {
    router: Router<Call>,
}

impl Api {
    pub(crate) fn new() -> Self {
        let cbor = &[ContentFormat::CBOR];
        let taking = |method, path: &str, call| Route::new(method, path, call).taking(cbor).producing(cbor);
        let giving = |path: &str, call| Route::new(Code::GET, path, call).producing(cbor);
        let plain = |method, path: &str, call| Route::new(method, path, call);
        let router = Router::new()
            .with(taking(Code::PUT, "v1/keys/{key}", Call::PutKey))
            .with(plain(Code::POST, "v1/keys/generate", Call::GenerateKey).producing(cbor))
            .with(giving("v1/keys/{key}", Call::ReadKey))
            .with(plain(Code::DELETE, "v1/keys/{key}", Call::DeleteKey))
            .with(giving("v1/keys", Call::ListKeys))
            .with(taking(Code::PUT, "v1/channels", Call::AddChannel))
            .with(taking(Code::POST, "v1/channels", Call::AddChannel))
            .with(taking(Code::PUT, "v1/channels/{channel}", Call::PutChannel))
            .with(plain(Code::PUT, "v1/channels/{channel}/open", Call::OpenChannel))
            .with(plain(Code::PUT, "v1/channels/{channel}/close", Call::CloseChannel))
            .with(plain(Code::DELETE, "v1/channels/{channel}", Call::DeleteChannel))
            .with(giving("v1/channels/{channel}", Call::ReadChannel))
            .with(giving("v1/channels", Call::ListChannels))
            .with(plain(Code::PUT, "v1/reboot", Call::Reboot))
            .with(plain(Code::PUT, "v1/shutdown", Call::PowerOff))
            .with(plain(Code::PUT, "v1/bootstrap", Call::Bootstrap))
            .with(plain(Code::GET, "v1/ping", Call::Ping))
            .with(giving("v1/info", Call::Info))
            .with(plain(Code::PUT, "v1/parameters/{name}", Call::PutParameter))
            .with(plain(Code::GET, "v1/parameters/{name}", Call::ReadParameter))
            .with(plain(Code::DELETE, "v1/parameters/{name}", Call::DeleteParameter))
            .with(taking(Code::PUT, "v1/walled-garden", Call::WalledGarden));
        Self { router }
    }

    /// Carries out one request.
    pub(crate) fn serve(&self, desk: &mut Desk<'_>, request: &StoredRequest<'_>) -> Reply {
        let found = match self.router.find(request.method, request.options) {
            Ok(found) => found,
            Err(response) => return Reply { response, ..Reply::new(Code::NOT_FOUND) },
        };
        let held = desk.principal.privileges();
        let allowed = match found.id.need() {
            Need::Nothing => true,
            Need::Keys => held.key_management,
            Need::Channels => held.channel_management,
            Need::System => held.system_management,
        };
        if !allowed {
            return Reply::new(Code::UNAUTHORIZED);
        }
        answer(desk, &found, request)
    }
}

fn answer(desk: &mut Desk<'_>, found: &Found<'_, '_, Call>, request: &StoredRequest<'_>) -> Reply {
    let named = |name| found.parameter(name).unwrap_or_default();
    match found.id {
        Call::PutKey => keys::put(desk, named("key"), request.payload),
        Call::GenerateKey => keys::generate(desk, request.options),
        Call::ReadKey => keys::read(desk, named("key")),
        Call::DeleteKey => keys::delete(desk, named("key")),
        Call::ListKeys => keys::list(desk),
        Call::AddChannel => channels::add(desk, request.payload),
        Call::PutChannel => channels::put(desk, named("channel"), request.payload),
        Call::OpenChannel => channels::open(desk, named("channel")),
        Call::CloseChannel => channels::close(desk, named("channel")),
        Call::DeleteChannel => channels::delete(desk, named("channel")),
        Call::ReadChannel => channels::read(desk, named("channel")),
        Call::ListChannels => channels::list(desk),
        Call::Reboot => system::act(desk.principal, Effect::Reboot),
        Call::PowerOff => system::act(desk.principal, Effect::PowerOff),
        Call::Bootstrap => system::act(desk.principal, Effect::Bootstrap),
        Call::Ping => system::ping(request),
        Call::Info => Reply::content(desk.own.factory.info.encode()),
        Call::PutParameter => parameters::put(desk, named("name"), request.payload),
        Call::ReadParameter => parameters::read(desk, named("name")),
        Call::DeleteParameter => parameters::delete(desk, named("name")),
        Call::WalledGarden => system::walled_garden(desk, request.payload),
    }
}
