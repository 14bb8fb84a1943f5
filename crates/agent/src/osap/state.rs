//! What a smart device keeps without power, in one piece; its events are kept beside it.
//!
//! `ARRAY [1, factory, min_type, seen_h1, psk, devid, ticket, pending, first event, dropped]`, and of a device that
//! speaks type 1 and nothing else an eleventh, its master key, once it has one; psk, devid and
//! ticket are NULL where there is none, a ticket is `[id, secret]`, pending is NULL or
//! `[devid, ticket, [psk, ..]]`.
//! Source: sections 7 to 9; ADR 0272.

use alloc::vec::Vec;

use assure_proto::cbor::{Kind, Reader, Writer};
use crypto::Secret;
use osap_proto::{Devid, ProtocolType, Ticket};
use wire::{DecodeError, Reason};

use super::factory::SmartFactory;

const VERSION: u8 = 1;
/// Keys of enrolments that were cut off, the newest first.
const PENDING_PSK_COUNT_MAX: usize = 4;

/// What a record 82 brought whose record B2 has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingEnrolment {
    pub(crate) devid: Devid,
    pub(crate) ticket: Ticket,
    /// Keys that this enrolment or ones cut off before it made, the newest first. One of them is on record at
    /// the load balancer, or none.
    pub(crate) psks: Vec<Secret>,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Types below it are never sent.
    pub(crate) min_type: ProtocolType,
    /// Whether a run of this profile was ever complete.
    pub(crate) has_seen_h1: bool,
    /// The key of the enrolment.
    pub(crate) psk: Option<Secret>,
    pub(crate) devid: Option<Devid>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) pending: Option<PendingEnrolment>,
    /// Events below this number are gone, also when they are found again.
    pub(crate) first_event: u64,
    /// Events that were dropped for want of room.
    pub(crate) dropped: u64,
    /// The master key of a device that speaks type 1 and nothing else.
    pub(crate) old_master_key: Option<Secret>,
}

impl Stored {
    pub(crate) const fn new() -> Self {
        Self {
            min_type: ProtocolType::PLAIN,
            has_seen_h1: false,
            psk: None,
            devid: None,
            ticket: None,
            pending: None,
            first_event: 0,
            dropped: 0,
            old_master_key: None,
        }
    }

    /// Takes in what a record 82 brought. `proven` is the key of the pending ones that this run used.
    pub(crate) fn begin(
        &mut self,
        devid: Devid,
        ticket: Ticket,
        made: Option<Secret>,
        proven: Option<&Secret>,
    ) {
        let before = self.pending.take().map(|pending| pending.psks).unwrap_or_default();
        let kept = before.into_iter().filter(|psk| Some(psk) != proven);
        let mut psks: Vec<Secret> = made.into_iter().chain(proven.cloned()).chain(kept).collect();
        psks.truncate(PENDING_PSK_COUNT_MAX);
        self.pending = Some(PendingEnrolment { devid, ticket, psks });
    }

    /// A run with the pending ticket came to record 82: it is the one on record, and stands until the next.
    pub(crate) fn promote_ticket(&mut self) {
        if let Some(pending) = &self.pending {
            self.ticket = Some(pending.ticket.clone());
        }
    }

    /// Makes final what is pending: record B2 came, and `floor` with it.
    pub(crate) fn complete(&mut self, floor: ProtocolType, is_enrolment: bool) {
        if let Some(pending) = self.pending.take() {
            (self.devid, self.ticket) = (Some(pending.devid), Some(pending.ticket));
            if is_enrolment && let Some(psk) = pending.psks.into_iter().next() {
                self.psk = Some(psk);
            }
        }
        self.min_type = floor;
        self.has_seen_h1 = true;
    }

    pub(crate) fn write(&self, factory: &SmartFactory) -> Secret {
        let mut out = Writer::new();
        out.array(if self.old_master_key.is_some() { 11 } else { 10 });
        out.uint(VERSION).bytes(factory.write().expose());
        out.uint(self.min_type.0).bool(self.has_seen_h1);
        write_or_null(&mut out, self.psk.as_ref().map(Secret::expose));
        write_or_null(&mut out, self.devid.as_ref().map(|devid| &devid.as_bytes()[..]));
        match &self.ticket {
            Some(ticket) => write_ticket(&mut out, ticket),
            None => {
                out.null();
            }
        }
        match &self.pending {
            Some(pending) => {
                out.array(3).bytes(pending.devid.as_bytes());
                write_ticket(&mut out, &pending.ticket);
                out.array(pending.psks.len());
                for psk in &pending.psks {
                    out.bytes(psk.expose());
                }
            }
            None => {
                out.null();
            }
        }
        out.uint(self.first_event).uint(self.dropped);
        if let Some(key) = &self.old_master_key {
            out.bytes(key.expose());
        }
        Secret::new(out.finish())
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<(SmartFactory, Self), DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let wrong_size = reader.error(Reason::OutOfRange);
        let count = reader.array()?;
        if !matches!(count, 10 | 11) {
            return Err(wrong_size);
        }
        let version = reader.error(Reason::UnknownVersion);
        if reader.u8()? != VERSION {
            return Err(version);
        }
        let factory = SmartFactory::read(reader.bytes()?)?;
        let (min_type, has_seen_h1) = (ProtocolType(reader.u8()?), reader.bool()?);
        let psk = if is_null(&mut reader)? { None } else { Some(Secret::from(reader.bytes()?)) };
        let devid = if is_null(&mut reader)? { None } else { Some(read_devid(&mut reader)?) };
        let ticket = if is_null(&mut reader)? { None } else { Some(read_ticket(&mut reader)?) };
        let pending = if is_null(&mut reader)? { None } else { Some(read_pending(&mut reader)?) };
        let (first_event, dropped) = (reader.u64()?, reader.u64()?);
        let old_master_key = if count == 11 { Some(Secret::from(reader.bytes()?)) } else { None };
        reader.finish()?;
        let stored =
            Self { min_type, has_seen_h1, psk, devid, ticket, pending, first_event, dropped, old_master_key };
        Ok((factory, stored))
    }
}

fn write_or_null(out: &mut Writer, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => out.bytes(bytes),
        None => out.null(),
    };
}

fn write_ticket(out: &mut Writer, ticket: &Ticket) {
    out.array(2).bytes(&ticket.id).bytes(ticket.secret.expose());
}

fn is_null(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let is_null = reader.peek() == Some(Kind::Simple);
    if is_null {
        reader.null()?;
    }
    Ok(is_null)
}

fn read_devid(reader: &mut Reader<'_>) -> Result<Devid, DecodeError> {
    let bad = reader.error(Reason::OutOfRange);
    Devid::new(reader.bytes()?).ok_or(bad)
}

fn read_ticket(reader: &mut Reader<'_>) -> Result<Ticket, DecodeError> {
    reader.array_of(2)?;
    Ok(Ticket { id: reader.bytes_of()?, secret: Secret::from(reader.bytes()?) })
}

fn read_pending(reader: &mut Reader<'_>) -> Result<PendingEnrolment, DecodeError> {
    reader.array_of(3)?;
    let (devid, ticket) = (read_devid(reader)?, read_ticket(reader)?);
    let too_many = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > PENDING_PSK_COUNT_MAX {
        return Err(too_many);
    }
    let psks = (0..count).map(|_| Ok(Secret::from(reader.bytes()?))).collect::<Result<_, DecodeError>>()?;
    Ok(PendingEnrolment { devid, ticket, psks })
}
