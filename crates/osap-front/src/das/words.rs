//! What an access service tells and is told.

use clock::{Moment, Timestamp};
use crypto::Secret;
use osap_proto::compat::CompatSession;
use osap_proto::{Devid, General, ProtocolType, Serial, TicketKey};
use osap_things::{DownMessage, Failure, Node, UpMessage};
use serde_json::Value;

use crate::LineId;

/// Names what a device sent and waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A request of the platform to a device.
#[derive(Clone, Debug, PartialEq)]
pub struct DasOrder {
    /// To whom.
    pub serial: Serial,
    /// The owner's name for it, unique for the device, or for the sub-device that the message is for.
    pub id: u64,
    /// Set, operate or query.
    pub message: DownMessage,
    /// After this it is not sent (again).
    pub deadline: Moment,
}

/// Why an order will not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFailure {
    /// The device is not here.
    NotHere,
    /// Too many orders wait for it.
    Busy,
    /// It is larger than what is sent to devices, or than this one takes.
    TooLarge,
}

/// Why a device is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfflineReason {
    /// It said goodbye.
    Left,
    /// Its connection broke, or it said nothing for one and a half times its keep alive.
    Lost,
    /// It broke a rule.
    Expelled,
    /// Its ticket ended, or a newer one was given out.
    TicketOver,
    /// The owner closed it, or the process stops.
    Closed,
}

/// What a device says, as far as it is an answer to an order.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderResult {
    /// The order.
    pub id: u64,
    /// Who was asked: ids of orders are unique for the device and for each sub-device behind it.
    pub node: Node,
    /// Done, with the output of a call or the value of a query; or the device's own code and words.
    pub result: Result<Option<Value>, Failure>,
}

/// What an access service tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum DasEvent {
    /// A device shows a ticket. Answer with [`DasCommand::Known`].
    WhoIs {
        /// The connection.
        line: LineId,
        /// Who the ticket is for.
        serial: Serial,
        /// Its id.
        devid: Devid,
    },
    /// A device of type 1 shows its registration. Answer with [`DasCommand::KnownCompat`].
    WhoIsCompat {
        /// The connection.
        line: LineId,
        /// Who it says it is.
        serial: Serial,
    },
    /// A device is there, perhaps on another connection than before.
    Online {
        /// Who.
        serial: Serial,
        /// Its id.
        devid: Devid,
        /// The type of the run that it has its ticket or session from.
        protocol: ProtocolType,
        /// Whether the connection is TLS.
        is_tls: bool,
    },
    /// A device is not there any more.
    Offline {
        /// Who.
        serial: Serial,
        /// Why.
        reason: OfflineReason,
    },
    /// A device said something of its own accord, or its will did. With a token: answer with
    /// [`DasCommand::Taken`], [`DasCommand::Refused`] or [`DasCommand::Unable`].
    Up {
        /// For the acknowledgement.
        token: Option<Token>,
        /// Who.
        serial: Serial,
        /// What.
        message: Box<UpMessage>,
        /// Its number and time.
        general: General,
    },
    /// A device answered an order. Tokens as for [`DasEvent::Up`].
    Answered {
        /// For the acknowledgement.
        token: Option<Token>,
        /// Who.
        serial: Serial,
        /// The order and its result.
        result: Box<OrderResult>,
    },
    /// An order will not be done.
    OrderFailed {
        /// To whom it was.
        serial: Serial,
        /// The device itself, or the sub-device that was asked.
        node: Node,
        /// Which.
        id: u64,
        /// Why.
        why: OrderFailure,
    },
}

/// What the owner asks of an access service. What concerns something that is gone has no effect.
#[derive(Clone, Debug)]
pub enum DasCommand {
    /// Answers [`DasEvent::WhoIs`].
    Known {
        /// The connection.
        line: LineId,
        /// Whether the device is on record and not blocked.
        is_welcome: bool,
    },
    /// Answers [`DasEvent::WhoIsCompat`].
    KnownCompat {
        /// The connection.
        line: LineId,
        /// The session of this serial here, and when it ends; `None` when there is none.
        standing: Option<Box<(CompatSession, Timestamp)>>,
    },
    /// [`DasEvent::WhoIs`] or [`DasEvent::WhoIsCompat`] could not be found out: the device comes again.
    CouldNotLookUp {
        /// The connection.
        line: LineId,
    },
    /// It is stored: acknowledge it.
    Taken(Token),
    /// It is refused for good: acknowledge it, in 5.0 with a reason.
    Refused(Token),
    /// It could not be stored: the connection is closed, and the device sends it again on the next one.
    Unable(Token),
    /// Send this.
    Order(Box<DasOrder>),
    /// Send an order to the device itself not (again).
    Withdraw {
        /// To whom it was.
        serial: Serial,
        /// Which.
        id: u64,
    },
    /// Answer what a device asked.
    Answer {
        /// Whom.
        serial: Serial,
        /// The number of its request.
        seq: u64,
        /// The answer.
        message: Box<DownMessage>,
    },
    /// The device is not to be here now. What it is to do is kept.
    Close {
        /// Who.
        serial: Serial,
    },
    /// The thing of the device or sub-device is no more: nothing that it was to do is sent or answered any more. A
    /// device itself is not to be here either.
    Forget {
        /// Whose connection it is or was.
        serial: Serial,
        /// Who.
        node: Node,
    },
    /// The load balancer gave out a newer ticket.
    Replaced {
        /// The id in the ticket before.
        devid: Devid,
        /// Of the newer ticket, Unix milliseconds.
        issued: u64,
        /// Of the newer ticket.
        epoch: u32,
    },
    /// The newest ticket key.
    TicketKey(TicketKey),
}

/// The application's part of a plaintext, and what stands before it.
pub(super) fn application_of(plain: &Secret) -> &[u8] {
    let bytes = plain.expose();
    let Some((size, rest)) = bytes.split_first_chunk() else { return &[] };
    rest.get(usize::from(u16::from_be_bytes(*size))..).unwrap_or_default()
}
