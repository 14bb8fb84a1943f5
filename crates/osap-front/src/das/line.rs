//! One connection of an access service.

use std::collections::{BTreeMap, BTreeSet};

use clock::Moment;
use crypto::Secret;
use mqtt_proto::{ConnectRequest, PacketId, QoS, Server, Version};
use osap_proto::{Admitted, Connect, ConnectHeader, Devid, Serial, Session};

use super::words::Token;

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not said who it is.
    New,
    /// The owner is asked about the device of its ticket.
    Asked(Box<ConnectRequest>),
    /// At the door of type 1: what has come of its CONNECT.
    Registering(Vec<u8>),
    /// At the door of type 1: the owner is asked; the packet, and what came behind it.
    Registered(Box<(Vec<u8>, Vec<u8>)>),
    /// The device proved itself.
    Live(Box<Live>),
}

/// How messages of a device are sealed.
#[derive(Debug)]
pub(super) enum Cover {
    /// Envelopes of the profile.
    Sealed(Box<Session>),
    /// CBC of type 1, which proves nothing.
    Compat {
        /// 16 bytes.
        key: Secret,
        /// Messages that were none.
        bad: u8,
    },
}

/// A device that is there.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) serial: Serial,
    pub(super) devid: Devid,
    /// Of its ticket, Unix milliseconds; 0 for type 1, which has none.
    pub(super) issued: u64,
    pub(super) cover: Cover,
    /// The end of its ticket or session.
    pub(super) expiry: Moment,
    /// Topic of the will, and its application part.
    pub(super) will: Option<(String, Vec<u8>)>,
    /// Numbers of orders that wait for PUBACK.
    pub(super) sent: BTreeMap<PacketId, u64>,
    /// What waits for the owner.
    pub(super) tokens: BTreeSet<Token>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) mqtt: Server,
    pub(super) is_tls: bool,
    pub(super) stage: Stage,
}

impl Line {
    pub(super) fn live(&mut self) -> Option<&mut Live> {
        match &mut self.stage {
            Stage::Live(live) => Some(live),
            Stage::New | Stage::Asked(_) | Stage::Registering(_) | Stage::Registered(_) => None,
        }
    }
}

/// The fields of a CONNECT that its password covers.
pub(super) fn header_of(request: &ConnectRequest) -> ConnectHeader {
    let will = request.will.as_ref().map_or(0, |will| {
        let qos = match will.publication.qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
            QoS::ExactlyOnce => 2,
        };
        0x04 | qos << 3 | u8::from(will.publication.retain) << 5
    });
    ConnectHeader {
        level: match request.version {
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        },
        flags: u8::from(request.clean_start) << 1
            | will
            | u8::from(request.password.is_some()) << 6
            | u8::from(request.user_name.is_some()) << 7,
        keep_alive: request.keep_alive_secs,
    }
}

/// A CONNECT as the table judges it.
pub(super) fn connect_of(request: &ConnectRequest) -> Connect<'_> {
    Connect {
        client_id: request.client_id.as_bytes(),
        user_name: request.user_name.as_deref().unwrap_or_default().as_bytes(),
        password: request.password.as_ref().map_or(&[], |password| password.as_bytes()),
        header: header_of(request),
        will: request.will.as_ref().map(|will| {
            let message = &will.publication.message;
            (message.topic.as_bytes(), &message.payload[..])
        }),
    }
}

/// The will of an admitted CONNECT: its topic, and what stands in its envelope.
pub(super) fn will_of(request: &ConnectRequest, admitted: &Admitted) -> Option<(String, Vec<u8>)> {
    let topic = &request.will.as_ref()?.publication.message.topic;
    let plain = admitted.will.as_ref()?;
    Some((topic.clone(), super::words::application_of(plain).to_vec()))
}
