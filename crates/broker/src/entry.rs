//! Entries of the journal.
//!
//! A value of the journal is a version byte and entries one after the other. Reading all values in order and
//! applying each entry gives the queues and the state of deliveries; applying a value twice in a row gives the
//! same, so that an append whose outcome was not known may be repeated.

use std::num::NonZeroU32;

use mqtt_proto::{PacketId, Publication, QoS};

use crate::layout::{Broken, Fields, put_publication, qos_number, qos_of};

/// The version byte in front of a value.
pub(crate) const FORMAT: u8 = 1;

/// Who gets a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) serial: u64,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) ids: Vec<NonZeroU32>,
}

/// One change. `serial` is the session's, `number` the message's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A message waits for sessions.
    Message { number: u64, ends_unix_millis: u64, targets: Vec<Target>, publication: Publication },
    /// A message of QoS 2 was given its identifier: it may have reached the client.
    Sent { serial: u64, number: u64, id: PacketId },
    /// The client has it: only its release is left.
    Received { serial: u64, number: u64, id: PacketId },
    /// A message is delivered, or dropped.
    Done { serial: u64, number: u64 },
    /// A release is at its end.
    Completed { serial: u64, id: PacketId },
    /// A message of QoS 2 from the client is ours.
    Owned { serial: u64, id: PacketId },
    /// It is released.
    Freed { serial: u64, id: PacketId },
    /// What is owned and unreleased, instead of all that was said of it before.
    Flow { serial: u64, owned: Vec<PacketId>, unreleased: Vec<PacketId> },
}

/// Appends [`Entry::Message`] without taking it apart first.
pub(crate) fn put_message(
    number: u64,
    ends_unix_millis: u64,
    targets: &[Target],
    publication: &Publication,
    out: &mut Vec<u8>,
) {
    out.push(1);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&ends_unix_millis.to_be_bytes());
    let count = u32::try_from(targets.len()).expect("targets are written in parts");
    out.extend_from_slice(&count.to_be_bytes());
    for target in targets {
        out.extend_from_slice(&target.serial.to_be_bytes());
        out.push(qos_number(target.qos) | u8::from(target.retain) << 2);
        let ids = u16::try_from(target.ids.len()).expect("a session has fewer subscriptions");
        out.extend_from_slice(&ids.to_be_bytes());
        target.ids.iter().for_each(|id| out.extend_from_slice(&id.get().to_be_bytes()));
    }
    put_publication(publication, out);
}

impl Entry {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let mut three = |kind: u8, serial: u64, number: Option<u64>, id: Option<PacketId>| {
            out.push(kind);
            out.extend_from_slice(&serial.to_be_bytes());
            number.into_iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            id.into_iter().for_each(|id| out.extend_from_slice(&id.get().to_be_bytes()));
        };
        match self {
            Self::Message { number, ends_unix_millis, targets, publication } => {
                put_message(*number, *ends_unix_millis, targets, publication, out);
            }
            Self::Sent { serial, number, id } => three(2, *serial, Some(*number), Some(*id)),
            Self::Received { serial, number, id } => three(3, *serial, Some(*number), Some(*id)),
            Self::Done { serial, number } => three(4, *serial, Some(*number), None),
            Self::Completed { serial, id } => three(5, *serial, None, Some(*id)),
            Self::Owned { serial, id } => three(6, *serial, None, Some(*id)),
            Self::Freed { serial, id } => three(7, *serial, None, Some(*id)),
            Self::Flow { serial, owned, unreleased } => {
                three(8, *serial, None, None);
                for list in [owned, unreleased] {
                    let count = u32::try_from(list.len()).expect("there are 65,535 identifiers");
                    out.extend_from_slice(&count.to_be_bytes());
                    list.iter().for_each(|id| out.extend_from_slice(&id.get().to_be_bytes()));
                }
            }
        }
    }

    /// The entries of one value.
    pub(crate) fn read_all(value: &[u8]) -> Result<Vec<Self>, Broken> {
        let mut fields = Fields(value);
        if fields.u8()? != FORMAT {
            return Err(Broken);
        }
        let mut entries = Vec::new();
        while !fields.0.is_empty() {
            entries.push(Self::read(&mut fields)?);
        }
        Ok(entries)
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, Broken> {
        let id = |fields: &mut Fields<'_>| PacketId::new(fields.u16()?).ok_or(Broken);
        Ok(match fields.u8()? {
            1 => {
                let (number, ends_unix_millis) = (fields.u64()?, fields.u64()?);
                let count = fields.u32()?;
                let mut targets = Vec::new();
                for _ in 0..count {
                    targets.push(Target::read(fields)?);
                }
                Self::Message { number, ends_unix_millis, targets, publication: fields.publication()? }
            }
            2 => Self::Sent { serial: fields.u64()?, number: fields.u64()?, id: id(fields)? },
            3 => Self::Received { serial: fields.u64()?, number: fields.u64()?, id: id(fields)? },
            4 => Self::Done { serial: fields.u64()?, number: fields.u64()? },
            5 => Self::Completed { serial: fields.u64()?, id: id(fields)? },
            6 => Self::Owned { serial: fields.u64()?, id: id(fields)? },
            7 => Self::Freed { serial: fields.u64()?, id: id(fields)? },
            8 => {
                let serial = fields.u64()?;
                let mut ids = || -> Result<Vec<PacketId>, Broken> {
                    let count = fields.u32()?;
                    (0..count).map(|_| id(fields)).collect()
                };
                Self::Flow { serial, owned: ids()?, unreleased: ids()? }
            }
            _ => return Err(Broken),
        })
    }
}

impl Target {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Broken> {
        let serial = fields.u64()?;
        let flags = fields.u8()?;
        let count = fields.u16()?;
        let id = |fields: &mut Fields<'_>| NonZeroU32::new(fields.u32()?).ok_or(Broken);
        let ids = (0..count).map(|_| id(fields)).collect::<Result<_, _>>()?;
        Ok(Self { serial, qos: qos_of(flags & 3)?, retain: flags & 4 != 0, ids })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_read_as_it_was_written_and_no_cut_is_read() {
        let id = |number| PacketId::new(number).unwrap();
        let mut publication = Publication::new("a/b", b"on", QoS::AtMostOnce).unwrap();
        publication.retain = true;
        publication.expiry_secs = Some(9);
        let target = |qos, ids: &[u32]| Target {
            serial: 7,
            qos,
            retain: ids.is_empty(),
            ids: ids.iter().filter_map(|id| NonZeroU32::new(*id)).collect(),
        };
        let targets = vec![target(QoS::AtLeastOnce, &[]), target(QoS::ExactlyOnce, &[1, 268_435_455])];
        let all = [
            Entry::Message { number: 1, ends_unix_millis: 5, targets, publication },
            Entry::Sent { serial: 7, number: 1, id: id(65_535) },
            Entry::Received { serial: 7, number: 1, id: id(1) },
            Entry::Done { serial: 7, number: u64::MAX },
            Entry::Completed { serial: 7, id: id(2) },
            Entry::Owned { serial: 7, id: id(3) },
            Entry::Freed { serial: 7, id: id(4) },
            Entry::Flow { serial: 7, owned: vec![id(1)], unreleased: vec![id(2), id(3)] },
        ];
        let mut value = vec![FORMAT];
        let mut ends = vec![1];
        for entry in &all {
            entry.put(&mut value);
            ends.push(value.len());
        }
        assert_eq!(Entry::read_all(&value).unwrap(), all);
        for cut in 0..value.len() {
            let read = Entry::read_all(&value[..cut]);
            match ends.iter().position(|end| *end == cut) {
                Some(count) => assert_eq!(read.unwrap(), all[..count], "{cut}"),
                None => assert_eq!(read, Err(Broken), "{cut}"),
            }
        }
    }
}
