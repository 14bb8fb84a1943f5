//! Recovery after a restore, across both servers, in steps that an operator's call can wait for.

use std::sync::atomic::Ordering;

use authority::bootstrap::OwnerNow;
use authority::registration::{
    AdvanceRecovery, BeginRecovery, Begun, CompleteChange, OperationId, PendingChange, RaiseDevice, Raised,
    ReadRecovery, ReadRegistered, Recovery,
};
use axum::http::StatusCode;
use axum::response::Response;
use model::{Uuid, hex};
use serde::Serialize;
use store::Operation;

use super::RegistrationServer;
use crate::answer::{content, empty, fault, not_run};
use crate::ta_client::MirrorAnswer;

/// How often one device is tried again when the bootstrap server turns out to be ahead.
const ATTEMPTS_MAX: u32 = 3;

/// How far a recovery is, as the operator reads it.
#[derive(Serialize)]
struct RecoveryMessage {
    request: String,
    finished: bool,
    raised: u32,
    unknown: u32,
    count: u32,
}

/// What the operator's API answers.
pub(super) fn recovery_answer(recovery: &Recovery) -> Response {
    let message = RecoveryMessage {
        request: hex(&recovery.id.0),
        finished: recovery.is_finished,
        raised: recovery.raised,
        unknown: recovery.unknown,
        count: recovery.count,
    };
    match serde_json::to_vec(&message) {
        Ok(json) => content("application/json", json),
        Err(error) => fault("recovery", &error),
    }
}

/// What became of one device.
enum Done {
    Raised,
    /// The bootstrap server does not know it; its change stays pending.
    Unknown,
    /// There was nothing to raise.
    Nothing,
}

impl RegistrationServer {
    async fn committed<O, R>(&self, what: &'static str, operation: O) -> Result<R, Response>
    where
        O: Operation<Reply = Result<R, authority::BadRecord>, Effect = ()> + Send + 'static,
        R: Send + 'static,
    {
        match self.executor.run(operation).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(bad)) => Err(fault(what, &bad)),
            Err(error) => Err(not_run(what, &error)),
        }
    }

    /// The latest recovery.
    pub(super) async fn latest_recovery(&self) -> Result<Option<Recovery>, Response> {
        self.committed("read recovery", ReadRecovery).await
    }

    /// Begins the recovery that the operator asks for, or goes on with the one that is under way, by one
    /// page of devices: 200 with how far it is, 409 when there were too many, 503. Asked again under the
    /// same name it never raises a device twice, whatever was cut short.
    pub(super) async fn recovery_step(&self, id: OperationId) -> Result<Recovery, Response> {
        let generation = self.keys.generation();
        let begin = BeginRecovery { id, generation, origin: self.origin("operator") };
        match self.committed("begin recovery", begin).await? {
            Begun::UnderWay(recovery) => self.raise_page(recovery).await,
            Begun::Finished(recovery) => Ok(recovery),
            Begun::TooMany => Err(empty(StatusCode::CONFLICT)),
        }
    }

    /// At start: goes on with a recovery that was cut short, to its end. Gives whether one was.
    ///
    /// # Errors
    /// A text for the log; what is done stays done, ask again.
    pub async fn resume_recovery(&self) -> Result<bool, String> {
        let failed = |answer: Response| format!("status {}", answer.status());
        let mut was_cut = false;
        loop {
            match self.latest_recovery().await.map_err(failed)? {
                Some(recovery) if !recovery.is_finished => {
                    was_cut = true;
                    self.raise_page(recovery).await.map_err(failed)?;
                }
                Some(_) | None => return Ok(was_cut),
            }
        }
    }

    async fn raise_page(&self, from: Recovery) -> Result<Recovery, Response> {
        // Both servers say the same before the first device is raised: the higher number counts.
        if from.after.is_none()
            && let Err(error) = self.settle().await
        {
            return Err(fault("recovery", &error));
        }
        let page = self.committed("read devices", ReadRegistered { after: from.after }).await?;
        let mut to = from.clone();
        to.is_finished = page.is_empty();
        for stock in page {
            match self.raise(stock.device, from.id).await? {
                Done::Raised => to.raised = to.raised.saturating_add(1),
                Done::Unknown => to.unknown = to.unknown.saturating_add(1),
                Done::Nothing => {}
            }
            to.after = Some(stock.device);
        }
        let advance = AdvanceRecovery { from: from.clone(), to, origin: self.origin("operator") };
        Ok(self.committed("advance recovery", advance).await?.unwrap_or(from))
    }

    async fn raise(&self, device: Uuid, recovery: OperationId) -> Result<Done, Response> {
        for _ in 0..ATTEMPTS_MAX {
            let operation = OperationId(self.executor.bytes());
            let raise = RaiseDevice { device, recovery, operation, origin: self.origin("operator") };
            let (change, is_ours) = match self.committed("raise device", raise).await? {
                Raised::OnItsWay(change) => (change, true),
                Raised::After(change) => (change, false),
                Raised::Stands => return Ok(Done::Raised),
                Raised::Not => return Ok(Done::Nothing),
            };
            match self.bring(device, &change).await? {
                Brought::Complete if is_ours => return Ok(Done::Raised),
                Brought::Complete | Brought::Behind => {}
                Brought::Unknown => return Ok(Done::Unknown),
            }
        }
        Err(fault("raise device", &"the bootstrap server is ahead again and again"))
    }

    /// Makes a pending change known to the bootstrap server, then completes it here. What fails stays
    /// pending and is driven on by a repeated call or at the next start.
    pub(super) async fn bring(&self, device: Uuid, change: &PendingChange) -> Result<Brought, Response> {
        let owner = OwnerNow { seq: change.seq, owner: change.owner.clone() };
        let mirrored = self.bootstrap.mirror_owner(device, change.operation, &owner).await;
        match mirrored.map_err(|error| fault("change owner on the bootstrap server", &error))? {
            MirrorAnswer::Stands => {}
            MirrorAnswer::Ahead(mirror) => {
                self.adopt(device, mirror).await?;
                return Ok(Brought::Behind);
            }
            MirrorAnswer::Unknown => {
                // It was restored: all of it is looked at again.
                self.unsettled[1].fetch_max(1, Ordering::Relaxed);
                return Ok(Brought::Unknown);
            }
        }
        let complete =
            CompleteChange { device, operation: change.operation, origin: self.origin("bootstrap") };
        self.committed("complete owner change", complete).await.map(|_: bool| Brought::Complete)
    }
}

/// What became of a change on the bootstrap server.
pub(super) enum Brought {
    /// It stands on both servers.
    Complete,
    /// The bootstrap server was ahead, and what it has was taken over.
    Behind,
    /// It does not know the device.
    Unknown,
}
