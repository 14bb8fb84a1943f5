//! CONNECT at an access service: the password, and the table that takes each CONNECT once.
//!
//! Source: OSAP secure profile section 12.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crypto::{Provider, Secret};
use subtle::ConstantTimeEq;

use crate::envelope::open_will;
use crate::key_schedule::{Hash, expand, hmac};
use crate::{DasTicket, Devid, Serial, ServerId, TicketKeyRing, base64url};

/// Seconds after its issue at which no ticket opens any more.
const TICKET_LIFE_SECS: u64 = 86_400;

/// What tells one connection to an access service from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionNumbers {
    /// Of the run that gave the ticket.
    pub epoch: u32,
    /// Begins at 1 in each epoch and rises with every CONNECT.
    pub conn_no: u32,
    /// Random for each CONNECT.
    pub conn_nonce: [u8; 16],
}

impl ConnectionNumbers {
    /// `epoch ‖ conn_no ‖ conn_nonce`.
    pub(crate) fn bytes(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..4].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.conn_no.to_be_bytes());
        bytes[8..].copy_from_slice(&self.conn_nonce);
        bytes
    }
}

/// The bytes of a CONNECT that its password covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectHeader {
    /// Protocol level: 4 or 5.
    pub level: u8,
    /// Connect flags.
    pub flags: u8,
    /// Keep alive, in seconds.
    pub keep_alive: u16,
}

/// The password of a CONNECT.
#[must_use]
pub fn connect_password(
    provider: &dyn Provider,
    das_secret: &Secret,
    server_id: &ServerId,
    serial: &Serial,
    numbers: &ConnectionNumbers,
    header: ConnectHeader,
) -> Vec<u8> {
    let proof = proof(provider, das_secret, server_id, serial, numbers, header);
    base64url::encode(&[&numbers.bytes()[4..], &proof].concat())
}

fn proof(
    provider: &dyn Provider,
    das_secret: &Secret,
    server_id: &ServerId,
    serial: &Serial,
    numbers: &ConnectionNumbers,
    header: ConnectHeader,
) -> Hash {
    let key = expand(provider, das_secret.expose(), &[b"osap-h1 das auth"], 32);
    let parts: [&[u8]; 8] = [
        b"osap-h1 connect\0",
        server_id.as_bytes(),
        &[0],
        serial.as_bytes(),
        &[0],
        &numbers.bytes(),
        &[header.level, header.flags],
        &header.keep_alive.to_be_bytes(),
    ];
    hmac(provider, key.expose(), &parts)
}

/// A CONNECT as it came.
#[derive(Clone, Copy, Debug)]
pub struct Connect<'a> {
    /// The device id, as text.
    pub client_id: &'a [u8],
    /// The ticket, as text.
    pub user_name: &'a [u8],
    /// The password, as text.
    pub password: &'a [u8],
    /// What the password covers besides.
    pub header: ConnectHeader,
    /// Topic and payload of the will.
    pub will: Option<(&'a [u8], &'a [u8])>,
}

/// Why a CONNECT is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectRefusal {
    /// Names or password cannot be read, or prove nothing.
    Password,
    /// The ticket is not good (any more), or this CONNECT was here before: back to the load balancer.
    Session,
    /// The device, its name or its will is not allowed.
    NotAuthorized,
}

impl ConnectRefusal {
    /// The return code of MQTT 3.1.1; 11 is the profile's own.
    #[must_use]
    pub const fn return_code(self) -> u8 {
        match self {
            Self::Password => 4,
            Self::Session => 11,
            Self::NotAuthorized => 5,
        }
    }

    /// The reason code of MQTT 5.0.
    #[must_use]
    pub const fn reason_code(self) -> u8 {
        match self {
            Self::Password => 0x86,
            Self::Session => 0x9C,
            Self::NotAuthorized => 0x87,
        }
    }
}

/// A CONNECT that was taken. The device's earlier connection is to be closed.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What the ticket says.
    pub ticket: DasTicket,
    /// The numbers that the keys of the connection hang on.
    pub numbers: ConnectionNumbers,
    /// The plaintext of the will.
    pub will: Option<Secret>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    issued: u64,
    epoch: u32,
    conn_no: u32,
}

/// The last connection of each device at one access service.
///
/// In memory only, as the ticket keys are: a table that forgets keeps a floor instead. Holds at most
/// `entry_count_max` devices; beyond that the one of the oldest ticket goes and its issue becomes the floor.
#[derive(Debug)]
pub struct ConnectTable {
    server_id: ServerId,
    entries: BTreeMap<Devid, Entry>,
    by_issue: BTreeSet<(u64, Devid)>,
    floor: u64,
    entry_count_max: usize,
}

impl ConnectTable {
    /// The empty table of the access service `server_id`.
    #[must_use]
    pub fn new(server_id: ServerId, entry_count_max: usize) -> Self {
        let (entries, by_issue) = (BTreeMap::new(), BTreeSet::new());
        Self { server_id, entries, by_issue, floor: 0, entry_count_max }
    }

    /// Who a CONNECT is from, as far as ticket and password prove it: all checks that need no more than these.
    ///
    /// # Errors
    /// See [`ConnectRefusal`].
    pub fn claimed(
        &self,
        provider: &dyn Provider,
        ring: &TicketKeyRing,
        connect: &Connect<'_>,
        now_secs: u64,
    ) -> Result<(DasTicket, ConnectionNumbers), ConnectRefusal> {
        let ticket = base64url::decode(connect.user_name).ok_or(ConnectRefusal::Password)?;
        let given = base64url::decode(connect.password).ok_or(ConnectRefusal::Password)?;
        let given = <[u8; 52]>::try_from(given).map_err(|_| ConnectRefusal::Password)?;
        let client = Devid::new(connect.client_id).ok_or(ConnectRefusal::Password)?;
        let ticket = DasTicket::open(provider, ring, &self.server_id, &ticket)
            .ok()
            .filter(|ticket| now_secs < ticket.expiry)
            .ok_or(ConnectRefusal::Session)?;
        if client != ticket.devid {
            return Err(ConnectRefusal::NotAuthorized);
        }
        let mut numbers = ConnectionNumbers { epoch: ticket.epoch, conn_no: 0, conn_nonce: [0; 16] };
        let [a, b, c, d] = [given[0], given[1], given[2], given[3]];
        numbers.conn_no = u32::from_be_bytes([a, b, c, d]);
        numbers.conn_nonce.copy_from_slice(&given[4..20]);
        let expected =
            proof(provider, &ticket.das_secret, &self.server_id, &ticket.serial, &numbers, connect.header);
        if bool::from(expected.ct_eq(&given[20..])) {
            Ok((ticket, numbers))
        } else {
            Err(ConnectRefusal::Password)
        }
    }

    /// Judges a CONNECT; `now_secs` is Unix time, `is_blocked` tells about the device of the client id.
    ///
    /// # Errors
    /// See [`ConnectRefusal`]; a refused CONNECT leaves the table as it was.
    pub fn admit(
        &mut self,
        provider: &dyn Provider,
        ring: &TicketKeyRing,
        connect: &Connect<'_>,
        is_blocked: bool,
        now_secs: u64,
    ) -> Result<Admitted, ConnectRefusal> {
        let (ticket, numbers) = self.claimed(provider, ring, connect, now_secs)?;
        self.forget(now_secs);
        if !self.is_new(&ticket, numbers.conn_no) {
            return Err(ConnectRefusal::Session);
        }
        if is_blocked {
            return Err(ConnectRefusal::NotAuthorized);
        }
        let will = judge_will(provider, &ticket, &numbers, connect.will)?;
        self.put(
            ticket.devid,
            Entry { issued: ticket.issued, epoch: ticket.epoch, conn_no: numbers.conn_no },
        );
        Ok(Admitted { ticket, numbers, will })
    }

    /// The load balancer gave out a newer ticket, for this access service or another one: earlier ones are
    /// done. The device's connection is to be closed.
    ///
    /// A notice that comes after a CONNECT with that ticket changes nothing, so that it reopens no number.
    pub fn replaced(&mut self, devid: Devid, issued: u64, epoch: u32) {
        if self.entries.get(&devid).is_none_or(|entry| entry.issued < issued) {
            self.put(devid, Entry { issued, epoch, conn_no: 0 });
        }
    }

    fn is_new(&self, ticket: &DasTicket, conn_no: u32) -> bool {
        match self.entries.get(&ticket.devid) {
            Some(entry) if entry.issued == ticket.issued && entry.epoch == ticket.epoch => {
                conn_no > entry.conn_no
            }
            Some(entry) => ticket.issued > entry.issued,
            None => ticket.issued > self.floor && conn_no > 0,
        }
    }

    fn put(&mut self, devid: Devid, entry: Entry) {
        if let Some(before) = self.entries.insert(devid, entry) {
            self.by_issue.remove(&(before.issued, devid));
        }
        self.by_issue.insert((entry.issued, devid));
        while self.entries.len() > self.entry_count_max {
            let Some((issued, oldest)) = self.by_issue.pop_first() else { break };
            self.entries.remove(&oldest);
            self.floor = self.floor.max(issued);
        }
    }

    /// Drops entries whose tickets, and all before them, have ended.
    fn forget(&mut self, now_secs: u64) {
        while let Some(&(issued, devid)) = self.by_issue.first() {
            if now_secs < (issued / 1000).saturating_add(TICKET_LIFE_SECS) {
                break;
            }
            self.by_issue.remove(&(issued, devid));
            self.entries.remove(&devid);
        }
    }
}

fn judge_will(
    provider: &dyn Provider,
    ticket: &DasTicket,
    numbers: &ConnectionNumbers,
    will: Option<(&[u8], &[u8])>,
) -> Result<Option<Secret>, ConnectRefusal> {
    let Some((topic, payload)) = will else { return Ok(None) };
    if !is_below(&ticket.serial, topic) {
        return Err(ConnectRefusal::NotAuthorized);
    }
    let plain = open_will(provider, &ticket.das_secret, numbers, topic, payload);
    plain.map(Some).ok_or(ConnectRefusal::NotAuthorized)
}

/// Whether a topic is below `/iot/<serial>/`: a device may publish nowhere else.
#[must_use]
pub fn is_below(serial: &Serial, topic: &[u8]) -> bool {
    topic
        .strip_prefix(b"/iot/")
        .and_then(|rest| rest.strip_prefix(serial.as_bytes()))
        .is_some_and(|rest| rest.starts_with(b"/"))
}
