//! What a smart device wants done, and what it tells.

use alloc::string::String;
use alloc::vec::Vec;

use crypto::Secret;
use model::Uuid;
use osap_proto::compat::CompatDeviceEnd;
use osap_proto::{DeviceEnd, Devid, ProtocolType, SetupError};
use osap_things::{DesiredValue, Node, Resource};

use super::credential::CredentialKind;
use super::orders::Order;

/// Where a stream leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To the load balancer, wherever the platform knows it is.
    Lbs {
        /// Whether it is TLS 1.3 from the first byte.
        is_tls: bool,
        /// SHA-256 of the SubjectPublicKeyInfo that its key must have; any key is taken without it.
        tls_key: Option<[u8; 32]>,
    },
    /// To an access service.
    Das {
        /// A name or an address.
        address: String,
        /// Its port.
        port: u16,
        /// TLS 1.3 to the key with this SHA-256 and to no other; plain TCP without it.
        tls_key: Option<[u8; 32]>,
    },
}

/// One effect of an input. Drain with [`crate::osap::SmartDevice::next_output`] after every input.
#[derive(Clone, Debug, PartialEq)]
pub enum SmartOutput {
    /// Open a stream, then say so with `opened`; or `closed` when that fails.
    Open {
        /// Names the stream from now on; rises with every one.
        stream: u64,
        /// Where to.
        target: Target,
    },
    /// Send these bytes.
    Transmit {
        /// On which stream.
        stream: u64,
        /// In their order.
        bytes: Vec<u8>,
    },
    /// Close the stream when all before is sent. Nothing more is said about it.
    Close {
        /// Which.
        stream: u64,
    },
    /// Write the state in one piece over the one before; say `persisted` when it survives a power cut.
    Persist {
        /// Rises with every write; writes are done in their order.
        write: u64,
        /// The whole state, secrets included: store it sealed.
        bytes: Secret,
    },
    /// Keep an event; say `persisted` when it survives a power cut.
    KeepEvent {
        /// Rises with every write; writes are done in their order.
        write: u64,
        /// Names the event.
        number: u64,
        /// What to keep.
        bytes: Vec<u8>,
    },
    /// An event need not be kept any longer. One that is found again all the same does no harm.
    ForgetEvent {
        /// Which.
        number: u64,
    },
    /// The platform wants something: say `answer` with the order's number.
    Order(Order),
    /// What the platform wants the attributes of a resource to be, all at once.
    Desired {
        /// Whose.
        node: Node,
        /// Which resource.
        resource: Resource,
        /// All that is wanted of it.
        values: Vec<DesiredValue>,
    },
    /// Something happened that a log or a person may want to know.
    Event(SmartEvent),
    /// The device was switched off. The last output.
    Off,
}

/// Why an attempt led to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No stream to the load balancer could be opened, or it broke without an answer.
    NotReached,
    /// The run ended like this.
    Run(DeviceEnd),
    /// The run of the old protocol ended like this.
    OldRun(CompatDeviceEnd),
    /// The device has nothing to run with.
    Setup(SetupError),
    /// The provider cannot do what the run needs.
    Provider,
}

/// Why a session at an access service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// The stream could not be opened, broke, or was silent for too long.
    LinkLost,
    /// The access service refused the connection with this reason code of MQTT 5.0.
    Refused(u8),
    /// It did not prove itself, or sent three messages that were not genuine.
    NotGenuine,
    /// Its ticket is at its end, or the keys are used up.
    Expired,
    /// Somebody at the device.
    Local,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SmartEvent {
    /// The device runs.
    Started {
        /// Whether a run was ever complete.
        has_enrolled: bool,
        /// Events that wait from before.
        waiting_events: usize,
    },
    /// A run begins.
    Attempting {
        /// Its type.
        protocol: ProtocolType,
        /// The credential.
        credential: CredentialKind,
    },
    /// An attempt led to nothing.
    Failed {
        /// Why.
        trouble: Trouble,
        /// Milliseconds to the next one.
        wait_millis: u64,
    },
    /// A run is complete: the device has an id and a session.
    Admitted {
        /// Its id.
        devid: Devid,
        /// The type of the run.
        protocol: ProtocolType,
        /// The credential.
        credential: CredentialKind,
        /// The name of the access service.
        server_id: String,
    },
    /// The stored floor of types rose.
    FloorRaised(ProtocolType),
    /// The access service proved itself: what waits goes out.
    Online {
        /// Of the connection within the run.
        conn_no: u32,
    },
    /// The session has no connection any more.
    Offline {
        /// Why.
        why: Offline,
        /// Milliseconds to the next try.
        wait_millis: u64,
    },
    /// An event is safe.
    Raised {
        /// Its own name.
        id: Uuid,
    },
    /// The platform has an event.
    Delivered {
        /// Its own name.
        id: Uuid,
    },
    /// The platform does not want an event; it is forgotten.
    EventRefused {
        /// Its own name.
        id: Uuid,
        /// The reason code of MQTT 5.0.
        reason: u8,
    },
    /// An event was dropped for want of room.
    EventDropped {
        /// How many so far.
        total: u64,
    },
    /// An operation of the platform answered, or did not in time.
    CallEnded {
        /// Which call.
        call: u64,
        /// Its output, or what went wrong; `None` for no answer in time.
        result: Option<Result<serde_json::Value, osap_things::Failure>>,
    },
    /// A message of the access service was not delivered: repeated, late or not genuine.
    MessageDropped,
}
