//! Commands of the centre as they travel.

use std::time::Duration;

use clock::Moment;
use crypto::Secret;
use minicbor::{Decode, Encode};
use osap_proto::TicketKey;
use osap_things::{decode_down, encode_down};
use zeroize::Zeroizing;

use super::events::{bytes_of, child_of, devid_of, node_of, serial_of};
use super::frame::{Unreadable, Unsendable};
use crate::LineId;
use crate::das::{DasCommand, DasOrder, Token};

/// The longest time that an order may have left.
const LEFT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Encode, Decode)]
pub(super) enum CommandFrame {
    #[n(0)]
    Known {
        #[n(0)]
        line: u64,
        #[n(1)]
        is_welcome: bool,
    },
    #[n(1)]
    CouldNotLookUp(#[n(0)] u64),
    #[n(2)]
    Taken(#[n(0)] u64),
    #[n(3)]
    Refused(#[n(0)] u64),
    #[n(4)]
    Unable(#[n(0)] u64),
    #[n(5)]
    Order {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(1)]
        order: u64,
        #[n(2)]
        topic: String,
        #[cbor(n(3), with = "minicbor::bytes")]
        body: Vec<u8>,
        #[n(4)]
        left_millis: u64,
    },
    #[n(6)]
    Withdraw {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(1)]
        order: u64,
    },
    #[n(7)]
    Answer {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        #[n(1)]
        seq: u64,
        #[n(2)]
        topic: String,
        #[cbor(n(3), with = "minicbor::bytes")]
        body: Vec<u8>,
    },
    #[n(8)]
    Close(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    #[n(9)]
    Replaced {
        #[cbor(n(0), with = "minicbor::bytes")]
        devid: [u8; 32],
        #[n(1)]
        issued: u64,
        #[n(2)]
        epoch: u32,
    },
    #[n(10)]
    TicketKey {
        #[cbor(n(0), with = "minicbor::bytes")]
        id: [u8; 8],
        #[cbor(n(1), with = "minicbor::bytes")]
        key: Vec<u8>,
    },
    #[n(11)]
    Forget {
        #[cbor(n(0), with = "minicbor::bytes")]
        serial: Vec<u8>,
        /// The sub-device; absent for the device itself.
        #[cbor(n(1), with = "minicbor::bytes")]
        child: Option<Vec<u8>>,
    },
}

pub(super) fn written(command: &DasCommand, now: Moment) -> Result<CommandFrame, Unsendable> {
    Ok(match command {
        DasCommand::Known { line, is_welcome } => {
            CommandFrame::Known { line: line.0, is_welcome: *is_welcome }
        }
        // Type 1 is served beside the load balancer alone.
        DasCommand::KnownCompat { .. } => return Err(Unsendable),
        DasCommand::CouldNotLookUp { line } => CommandFrame::CouldNotLookUp(line.0),
        DasCommand::Taken(token) => CommandFrame::Taken(token.0),
        DasCommand::Refused(token) => CommandFrame::Refused(token.0),
        DasCommand::Unable(token) => CommandFrame::Unable(token.0),
        DasCommand::Order(order) => {
            let DasOrder { serial, id, message, deadline } = &**order;
            let (topic, body) = encode_down(message, serial).map_err(|_| Unsendable)?;
            let left_millis = u64::try_from((*deadline - now).as_millis()).unwrap_or(u64::MAX);
            CommandFrame::Order { serial: bytes_of(serial), order: *id, topic, body, left_millis }
        }
        DasCommand::Withdraw { serial, id } => {
            CommandFrame::Withdraw { serial: bytes_of(serial), order: *id }
        }
        DasCommand::Answer { serial, seq, message } => {
            let (topic, body) = encode_down(message, serial).map_err(|_| Unsendable)?;
            CommandFrame::Answer { serial: bytes_of(serial), seq: *seq, topic, body }
        }
        DasCommand::Close { serial } => CommandFrame::Close(bytes_of(serial)),
        DasCommand::Forget { serial, node } => {
            CommandFrame::Forget { serial: bytes_of(serial), child: child_of(node) }
        }
        DasCommand::Replaced { devid, issued, epoch } => {
            CommandFrame::Replaced { devid: *devid.as_bytes(), issued: *issued, epoch: *epoch }
        }
        DasCommand::TicketKey(TicketKey { id, key }) => {
            CommandFrame::TicketKey { id: *id, key: key.expose().to_vec() }
        }
    })
}

pub(super) fn read(frame: CommandFrame, now: Moment) -> Result<DasCommand, Unreadable> {
    Ok(match frame {
        CommandFrame::Known { line, is_welcome } => DasCommand::Known { line: LineId(line), is_welcome },
        CommandFrame::CouldNotLookUp(line) => DasCommand::CouldNotLookUp { line: LineId(line) },
        CommandFrame::Taken(token) => DasCommand::Taken(Token(token)),
        CommandFrame::Refused(token) => DasCommand::Refused(Token(token)),
        CommandFrame::Unable(token) => DasCommand::Unable(Token(token)),
        CommandFrame::Order { serial, order, topic, body, left_millis } => {
            let message = decode_down(&topic, &body).map_err(|_| Unreadable)?;
            let deadline = now + Duration::from_millis(left_millis).min(LEFT_MAX);
            DasCommand::Order(Box::new(DasOrder {
                serial: serial_of(&serial)?,
                id: order,
                message,
                deadline,
            }))
        }
        CommandFrame::Withdraw { serial, order } => {
            DasCommand::Withdraw { serial: serial_of(&serial)?, id: order }
        }
        CommandFrame::Answer { serial, seq, topic, body } => {
            let message = Box::new(decode_down(&topic, &body).map_err(|_| Unreadable)?);
            DasCommand::Answer { serial: serial_of(&serial)?, seq, message }
        }
        CommandFrame::Close(serial) => DasCommand::Close { serial: serial_of(&serial)? },
        CommandFrame::Forget { serial, child } => {
            DasCommand::Forget { serial: serial_of(&serial)?, node: node_of(child)? }
        }
        CommandFrame::Replaced { devid, issued, epoch } => {
            DasCommand::Replaced { devid: devid_of(devid)?, issued, epoch }
        }
        CommandFrame::TicketKey { id, key } => {
            let key = Zeroizing::new(key);
            if key.len() != 32 {
                return Err(Unreadable);
            }
            DasCommand::TicketKey(TicketKey { id, key: Secret::from(&key[..]) })
        }
    })
}
