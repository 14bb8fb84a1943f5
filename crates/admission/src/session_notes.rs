//! Which ticket for an access service a device was given last.

use clock::Now;
use ledger::BadRecord;
use osap_proto::{Devid, Serial, ServerId};
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::record::{CannotDecide, StoredDasTicket, StoredDevice, at};
use crate::spaces::device_key;

/// The session at an access service that a ticket stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DasSession {
    /// The access service.
    pub server_id: ServerId,
    /// The device's id in it.
    pub devid: Devid,
    /// When the ticket was made, Unix milliseconds.
    pub issued: u64,
    /// The random number of the run's record B2.
    pub epoch: u32,
}

/// A ticket for an access service is given out, at record B2.
/// Source: OSAP secure profile section 12.
#[derive(Clone, Debug)]
pub struct NoteDasTicket {
    /// To whom.
    pub serial: Serial,
    /// The device's id.
    pub devid: Devid,
    /// For which access service.
    pub server_id: ServerId,
    /// Random.
    pub epoch: u32,
}

/// What [`NoteDasTicket`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedTicket {
    /// What the new ticket says of its issue: above that of the ticket before, whatever the clock says.
    pub issued: u64,
    /// The session that ends with this: its access service is told before the device is.
    pub before: Option<DasSession>,
}

impl Operation for NoteDasTicket {
    /// `None` when the device is not on record any more, is blocked, or has another id by now.
    type Reply = Result<Option<NotedTicket>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let record = StoredDevice::read(snapshot, &self.serial)?;
            let Some(mut record) = record.filter(|record| !record.is_blocked) else { return Ok(None) };
            if record.devid()? != Some(self.devid) {
                return Ok(None);
            }
            let before = record.das_ticket.as_ref().map(session_of).transpose()?;
            let last = before.as_ref().map_or(0, |before| before.issued);
            let issued = at.as_unix_millis().max(last.saturating_add(1));
            record.das_ticket = Some(StoredDasTicket {
                server_id: self.server_id.as_bytes().to_vec(),
                devid: *self.devid.as_bytes(),
                issued_unix_millis: issued,
                epoch: self.epoch,
            });
            record.write(batch, &self.serial);
            Ok(Some(NotedTicket { issued, before }))
        })
    }
}

fn session_of(stored: &StoredDasTicket) -> Result<DasSession, BadRecord> {
    Ok(DasSession {
        server_id: ServerId::new(&stored.server_id).ok_or(BadRecord)?,
        devid: Devid::new(&stored.devid).ok_or(BadRecord)?,
        issued: stored.issued_unix_millis,
        epoch: stored.epoch,
    })
}
