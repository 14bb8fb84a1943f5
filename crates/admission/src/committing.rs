//! Record 92: everything that a completed proof changes, at once or not at all.

use clock::Now;
use ledger::Origin;
use osap_proto::{Claim, Commit, Committed};
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::record::{CannotDecide, Generation, StoredDevice, StoredTicket, at};
use crate::spaces::{compat_session_key, device_key};

/// The compare and swap of a run.
///
/// Compared is what the run was judged by: for kind 4 the ticket, which is spent by this and by nothing else, for
/// the others the generation of the credentials. What was changed, burned, blocked or removed in between lost
/// the race. A device that came to its end here can do more than type 1, and is never let in by that again.
/// Source: OSAP secure profile sections 7 to 9; decisions H12, H13, M19.
#[derive(Clone, Debug)]
pub struct CommitRun {
    /// What the run has to say.
    pub commit: Commit,
    /// From [`crate::Found`], when the run looked the device up.
    pub generation: Generation,
    /// The load balancer; for the entry that an enrolment leaves.
    pub origin: Origin,
}

/// What became of [`CommitRun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunCommitted {
    /// For the run.
    pub outcome: Committed,
    /// Whether the device went from its label to a key of its own by this.
    pub has_enrolled: bool,
    /// Whether type 1 was run with it until now, and is not any more.
    pub has_left_compat: bool,
}

impl CommitRun {
    fn holds(&self, record: &StoredDevice) -> bool {
        match self.commit.claim {
            Claim::Ticket(id) => record.ticket.as_ref().is_some_and(|ticket| ticket.id == id),
            Claim::Code(_) => record.generation == self.generation.0 && self.commit.enrol_psk.is_some(),
            Claim::Psk | Claim::KeyPair(_) => record.generation == self.generation.0,
        }
    }

    /// Section 8: which kinds are taken from now on.
    fn narrow(&self, record: &mut StoredDevice) {
        let has_key = record.has_public_key();
        match (self.commit.claim, &self.commit.enrol_psk) {
            (Claim::Code(_), Some(psk)) => {
                record.set_psk(psk.clone());
                (record.allows_code, record.allows_psk, record.allows_key_pair) = (false, true, has_key);
                record.window_until_unix_millis = None;
                record.renew();
            }
            (Claim::KeyPair(_), _) => {
                (record.allows_code, record.allows_psk, record.allows_key_pair) = (false, false, true);
            }
            (Claim::Psk, _) if !record.is_enrolled => {
                (record.allows_code, record.allows_psk, record.allows_key_pair) = (false, true, has_key);
            }
            (Claim::Psk | Claim::Ticket(_) | Claim::Code(_), _) => return,
        }
        record.is_enrolled = true;
    }
}

impl Operation for CommitRun {
    type Reply = Result<RunCommitted, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(&self.commit.serial)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = at(now)?;
            let lost =
                RunCommitted { outcome: Committed::LostRace, has_enrolled: false, has_left_compat: false };
            let record = StoredDevice::read(snapshot, &self.commit.serial)?;
            let Some(mut record) = record.filter(|record| !record.is_blocked && self.holds(record)) else {
                return Ok(lost);
            };
            self.narrow(&mut record);
            record.set_devid(&self.commit.devid);
            record.admitted_unix_millis = Some(at.as_unix_millis());
            record.ticket = Some(StoredTicket {
                id: self.commit.ticket.id,
                secret: self.commit.ticket.secret.clone(),
                end_unix_secs: at.as_unix_millis() / 1000 + u64::from(self.commit.lifetime_secs),
            });
            let has_left_compat = record.leave_compat();
            record.write(batch, &self.commit.serial);
            if has_left_compat {
                batch.delete(compat_session_key(&self.commit.serial));
                self.origin.audit(batch, "device.compat-off", record.thing, "done", at);
            }
            let has_enrolled = matches!(self.commit.claim, Claim::Code(_));
            if has_enrolled {
                self.origin.audit(batch, "device.enrolled", record.thing, "done", at);
            }
            Ok(RunCommitted { outcome: Committed::Swapped, has_enrolled, has_left_compat })
        })
    }
}
