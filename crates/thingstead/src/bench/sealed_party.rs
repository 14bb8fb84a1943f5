//! Devices of the benchmarks of sealed messages: their names, tickets and sessions, by hand as far as that is MQTT.

use std::io;
use std::sync::Arc;

use clock::{Moment, Timestamp};
use crypto::{Provider, Secret};
use osap_proto::{
    ConnectHeader, ConnectionNumbers, DasTicket, Devid, General, ProtocolType, Serial, ServerId, Session,
    TicketKey, connect_password, open_greeting,
};
use osap_things::{Node, Place, Resource, UpMessage, encode_up};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::mqtt_load::{packet, publish, text};

/// Seconds of silence that a device may keep; a benchmark does not take so long.
const KEEP_ALIVE_SECS: u16 = 3600;
/// The life of a ticket.
const TICKET_SECS: u64 = 80_000;
/// Characters of the value that a report carries: its body has 64 bytes then.
const VALUE_SIZE: usize = 43;

/// One end of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Party {
    /// Whether it hears what its peer says.
    pub(super) is_reader: bool,
    /// The same for both ends of a pair, and for no other.
    pub(super) number: u32,
}

impl Party {
    /// The party of an id that [`Self::devid`] gave.
    pub(super) fn of_devid(devid: &str) -> Option<Self> {
        let number = u32::from_str_radix(devid.get(24..)?, 16).ok()?;
        Some(Self { is_reader: devid.starts_with("01"), number })
    }

    /// The party of a serial that [`Self::serial`] gave.
    pub(super) fn of_serial(serial: &Serial) -> Option<Self> {
        let (role, number) = serial.as_bytes().split_first()?;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some(Self { is_reader: *role == b'R', number })
    }

    pub(super) const fn peer(self) -> Self {
        Self { is_reader: !self.is_reader, number: self.number }
    }

    pub(super) fn serial(self) -> Serial {
        let role = if self.is_reader { 'R' } else { 'P' };
        Serial::new(format!("{role}{:08}", self.number).as_bytes()).expect("letters and digits")
    }

    pub(super) fn devid(self) -> Devid {
        let mut bytes = [0; 16];
        bytes[0] = u8::from(self.is_reader);
        bytes[12..].copy_from_slice(&self.number.to_be_bytes());
        Devid::from_random(bytes)
    }

    /// Of its one connection.
    pub(super) const fn numbers(self) -> ConnectionNumbers {
        ConnectionNumbers { epoch: 1, conn_no: 1, conn_nonce: [7; 16] }
    }

    /// Topic and body of what it reports: 64 bytes.
    pub(super) fn report(self) -> (String, Vec<u8>) {
        let place = Place::new(Resource::global(), "Bench", "value").expect("plain names");
        let value = Value::String("7".repeat(VALUE_SIZE));
        let report = UpMessage::Attribute { node: Node::Device, place, value };
        encode_up(&report, &self.serial()).expect("a short report")
    }

    /// CONNECT as an access service wants it: MQTT 3.1.1, with ticket and password.
    pub(super) fn connect(self, provider: &dyn Provider, now: Timestamp, protocol: ProtocolType) -> Vec<u8> {
        let millis = now.as_unix_millis();
        let ticket = DasTicket {
            devid: self.devid(),
            serial: self.serial(),
            protocol,
            das_secret: das_secret(),
            epoch: self.numbers().epoch,
            issued: millis,
            expiry: millis / 1000 + TICKET_SECS,
            server_id: server_id(),
        };
        let ticket = ticket.seal(provider, &ticket_key(), [3; 16]);
        let header = ConnectHeader { level: 4, flags: 0xC2, keep_alive: KEEP_ALIVE_SECS };
        let (secret, id, numbers) = (das_secret(), server_id(), self.numbers());
        let password = connect_password(provider, &secret, &id, &self.serial(), &numbers, header);
        let mut body = [&text("MQTT")[..], &[header.level, header.flags]].concat();
        body.extend(header.keep_alive.to_be_bytes());
        for field in [&self.devid().as_bytes()[..], &ticket, &password] {
            body.extend(u16::try_from(field.len()).expect("a short field").to_be_bytes());
            body.extend_from_slice(field);
        }
        packet(0x10, &body)
    }

    /// Connects, and waits for the greeting where messages are sealed.
    pub(super) async fn join(
        self,
        provider: &Arc<dyn Provider>,
        protocol: Option<ProtocolType>,
        input: &mut (impl AsyncRead + Unpin),
        output: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Speaker> {
        let now = Timestamp::from_unix_millis(unix_millis());
        let connect = self.connect(&**provider, now, protocol.unwrap_or(ProtocolType::PLAIN));
        output.write_all(&connect).await?;
        output.flush().await?;
        let mut answer = [0; 4];
        input.read_exact(&mut answer).await?;
        if answer != [0x20, 2, 0, 0] {
            return Err(io::Error::other(format!("CONNACK says no: {answer:?}")));
        }
        let mut session = None;
        if protocol.is_some() {
            let body = read_body(input).await?;
            let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
            let (secret, serial, numbers) = (das_secret(), self.serial(), self.numbers());
            let (topic, payload) = (&body[2..topic], &body[topic..]);
            session = open_greeting(provider, &secret, &serial, &numbers, topic, payload, Moment::START);
            if session.is_none() {
                return Err(io::Error::other("the greeting does not open"));
            }
        }
        let (topic, body) = self.report();
        Ok(Speaker { session, topic, body, seq: 0 })
    }
}

/// The body of one packet; the rest of the stream stays where it is.
async fn read_body(input: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    input.read_u8().await?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = input.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).await?;
    if length < 2 { Err(io::Error::other("an empty packet")) } else { Ok(body) }
}

/// A device that is connected.
pub(super) struct Speaker {
    session: Option<Session>,
    topic: String,
    body: Vec<u8>,
    seq: u64,
}

impl Speaker {
    /// Writes its report once more.
    pub(super) fn say(&mut self, id: Option<u16>, out: &mut Vec<u8>) {
        let Self { session, topic, body, seq } = self;
        *seq += 1;
        match session {
            None => out.extend(publish(topic, id, body)),
            Some(session) => {
                let general = General { seq: *seq, ts: 1_790_000_000_000 + *seq };
                let sealed = session.sealer.seal(topic.as_bytes(), general, body, Moment::START);
                out.extend(publish(topic, id, &sealed.expect("a benchmark does not use up its phases")));
            }
        }
    }

    /// Opens what came; a benchmark ends where something does not open.
    pub(super) fn hear(&mut self, topic: &[u8], payload: &[u8]) {
        if let Some(session) = &mut self.session {
            session.opener.receive(topic, payload, Moment::START).expect("what was sealed for it opens");
        }
    }
}

pub(super) fn unix_millis() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The access service of the benchmarks.
pub(super) fn server_id() -> ServerId {
    ServerId::new(b"das-bench").expect("a name")
}

/// What it opens tickets with.
pub(super) fn ticket_key() -> TicketKey {
    TicketKey { id: [1; 8], key: Secret::from(&[2; 32][..]) }
}

/// What all devices of the benchmarks have from their runs.
pub(super) fn das_secret() -> Secret {
    Secret::from(&[5; 32][..])
}
