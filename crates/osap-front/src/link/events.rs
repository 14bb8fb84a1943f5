//! Events of the access service as they travel.

use minicbor::{Decode, Encode};
use osap_proto::{Devid, General, ProtocolType, Serial};
use osap_things::{Failure, Node, decode_up, encode_up};

use super::frame::{Unreadable, Unsendable};
use crate::LineId;
use crate::das::{DasEvent, OfflineReason, OrderFailure, OrderResult, Token};

#[derive(Encode, Decode)]
pub(super) enum EventFrame {
    #[n(0)]
    WhoIs {
        #[n(0)]
        line: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        devid: [u8; 32],
    },
    #[n(1)]
    Online {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[cbor(n(1), with = "minicbor::bytes")]
        devid: [u8; 32],
        #[n(2)]
        protocol: u8,
        #[n(3)]
        is_tls: bool,
    },
    #[n(2)]
    Offline {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(1)]
        reason: u8,
    },
    /// The message as the device wrote it: topic and body.
    #[n(3)]
    Up {
        #[n(0)]
        token: Option<u64>,
        #[cbor(n(1), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(2)]
        topic: String,
        #[cbor(n(3), with = "minicbor::bytes")]
        body: Vec<u8>,
        #[n(4)]
        seq: u64,
        #[n(5)]
        ts: u64,
    },
    #[n(4)]
    Answered {
        #[n(0)]
        token: Option<u64>,
        #[cbor(n(1), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(2)]
        order: u64,
        #[n(3)]
        result: ResultFrame,
        /// The sub-device that was asked; absent for the device itself.
        #[cbor(n(4), with = "minicbor::bytes")]
        child: Option<Vec<u8>>,
    },
    #[n(5)]
    OrderFailed {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(1)]
        order: u64,
        #[n(2)]
        why: u8,
        /// The sub-device that was asked; absent for the device itself.
        #[cbor(n(3), with = "minicbor::bytes")]
        child: Option<Vec<u8>>,
    },
}

#[derive(Encode, Decode)]
pub(super) enum ResultFrame {
    #[n(0)]
    Done,
    /// JSON.
    #[n(1)]
    Value(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(2)]
    Failed(#[n(0)] i64, #[n(1)] String),
}

pub(super) fn bytes_of(serial: &Serial) -> Vec<u8> {
    serial.as_bytes().to_vec()
}

pub(super) fn serial_of(bytes: &[u8]) -> Result<Serial, Unreadable> {
    Serial::new(bytes).ok_or(Unreadable)
}

/// The sub-device; `None` for the device itself.
pub(super) fn child_of(node: &Node) -> Option<Vec<u8>> {
    match node {
        Node::Device => None,
        Node::Child(serial) => Some(bytes_of(serial)),
    }
}

pub(super) fn node_of(child: Option<Vec<u8>>) -> Result<Node, Unreadable> {
    let Some(serial) = child else { return Ok(Node::Device) };
    Node::child(serial_of(&serial)?).ok_or(Unreadable)
}

pub(super) fn devid_of(text: [u8; 32]) -> Result<Devid, Unreadable> {
    Devid::new(&text).ok_or(Unreadable)
}

pub(super) fn written(event: &DasEvent) -> Result<EventFrame, Unsendable> {
    Ok(match event {
        DasEvent::WhoIs { line, serial, devid } => {
            EventFrame::WhoIs { line: line.0, serial: bytes_of(serial), devid: *devid.as_bytes() }
        }
        // Type 1 is served beside the load balancer alone.
        DasEvent::WhoIsCompat { .. } => return Err(Unsendable),
        DasEvent::Online { serial, devid, protocol, is_tls } => EventFrame::Online {
            serial: bytes_of(serial),
            devid: *devid.as_bytes(),
            protocol: protocol.0,
            is_tls: *is_tls,
        },
        DasEvent::Offline { serial, reason } => {
            EventFrame::Offline { serial: bytes_of(serial), reason: reason_code(*reason) }
        }
        DasEvent::Up { token, serial, message, general } => {
            let (topic, body) = encode_up(message, serial).map_err(|_| Unsendable)?;
            let (seq, ts) = (general.seq, general.ts);
            EventFrame::Up { token: token.map(|it| it.0), serial: bytes_of(serial), topic, body, seq, ts }
        }
        DasEvent::Answered { token, serial, result } => EventFrame::Answered {
            token: token.map(|it| it.0),
            serial: bytes_of(serial),
            order: result.id,
            result: match &result.result {
                Ok(None) => ResultFrame::Done,
                Ok(Some(value)) => ResultFrame::Value(serde_json::to_vec(value).map_err(|_| Unsendable)?),
                Err(failure) => ResultFrame::Failed(failure.code, failure.message.clone()),
            },
            child: child_of(&result.node),
        },
        DasEvent::OrderFailed { serial, node, id, why } => EventFrame::OrderFailed {
            serial: bytes_of(serial),
            order: *id,
            why: failure_code(*why),
            child: child_of(node),
        },
    })
}

pub(super) fn read(frame: EventFrame) -> Result<DasEvent, Unreadable> {
    Ok(match frame {
        EventFrame::WhoIs { line, serial, devid } => {
            DasEvent::WhoIs { line: LineId(line), serial: serial_of(&serial)?, devid: devid_of(devid)? }
        }
        EventFrame::Online { serial, devid, protocol, is_tls } => DasEvent::Online {
            serial: serial_of(&serial)?,
            devid: devid_of(devid)?,
            protocol: ProtocolType(protocol),
            is_tls,
        },
        EventFrame::Offline { serial, reason } => {
            DasEvent::Offline { serial: serial_of(&serial)?, reason: reason_of(reason)? }
        }
        EventFrame::Up { token, serial, topic, body, seq, ts } => DasEvent::Up {
            token: token.map(Token),
            serial: serial_of(&serial)?,
            message: Box::new(decode_up(&topic, &body).map_err(|_| Unreadable)?),
            general: General { seq, ts },
        },
        EventFrame::Answered { token, serial, order, result, child } => {
            let result = match result {
                ResultFrame::Done => Ok(None),
                ResultFrame::Value(json) => Ok(Some(serde_json::from_slice(&json).map_err(|_| Unreadable)?)),
                ResultFrame::Failed(code, message) => Err(Failure { code, message }),
            };
            let result = Box::new(OrderResult { id: order, node: node_of(child)?, result });
            DasEvent::Answered { token: token.map(Token), serial: serial_of(&serial)?, result }
        }
        EventFrame::OrderFailed { serial, order, why, child } => DasEvent::OrderFailed {
            serial: serial_of(&serial)?,
            node: node_of(child)?,
            id: order,
            why: failure_of(why)?,
        },
    })
}

const fn reason_code(reason: OfflineReason) -> u8 {
    match reason {
        OfflineReason::Left => 0,
        OfflineReason::Lost => 1,
        OfflineReason::Expelled => 2,
        OfflineReason::TicketOver => 3,
        OfflineReason::Closed => 4,
    }
}

fn reason_of(code: u8) -> Result<OfflineReason, Unreadable> {
    [
        OfflineReason::Left,
        OfflineReason::Lost,
        OfflineReason::Expelled,
        OfflineReason::TicketOver,
        OfflineReason::Closed,
    ]
    .into_iter()
    .find(|reason| reason_code(*reason) == code)
    .ok_or(Unreadable)
}

const fn failure_code(why: OrderFailure) -> u8 {
    match why {
        OrderFailure::NotHere => 0,
        OrderFailure::Busy => 1,
        OrderFailure::TooLarge => 2,
    }
}

fn failure_of(code: u8) -> Result<OrderFailure, Unreadable> {
    [OrderFailure::NotHere, OrderFailure::Busy, OrderFailure::TooLarge]
        .into_iter()
        .find(|why| failure_code(*why) == code)
        .ok_or(Unreadable)
}
