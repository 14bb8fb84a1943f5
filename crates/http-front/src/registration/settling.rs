//! How the two online servers come to agree: at the start, after an outage, after a restore.
//!
//! Source: decisions G 31, H5; ADRs 0102 and 0110.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use authority::bootstrap::OwnerNow;
use authority::registration::{OperationId, ReadOwner, ReadOwners, ReadPending, ReadPendingChange};
use axum::response::Response;
use model::Uuid;
use net::shutdown::Shutdown;

use super::RegistrationServer;
use crate::TaError;
use crate::answer::later;
use crate::ta_client::MirrorAnswer;

/// First wait before the bootstrap server is asked again; it doubles each time.
const BACKOFF: Duration = Duration::from_millis(500);
/// The wait never grows beyond this.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// When an owner may come again whose call came before the servers agreed.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long an owner's call waits for another that settles the servers.
const TURN_MAX: Duration = Duration::from_secs(2);
/// Missing devices that one look names in the log; all are counted.
const NAMED_COUNT_MAX: usize = 10;

/// What does not agree between the two servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Owner changes that stayed pending.
    pub pending: usize,
    /// Issued devices that the bootstrap server does not know: it was restored from a backup that is older
    /// than they are. It takes them in from the files of the air gap, which the identity server writes.
    pub missing: usize,
}

impl RegistrationServer {
    /// What did not agree when that was looked at last.
    pub fn unsettled(&self) -> Unsettled {
        let [pending, missing] = [0, 1].map(|at| self.unsettled[at].load(Ordering::Relaxed));
        Unsettled { pending, missing }
    }

    /// Brings the servers to agree, and drives changes on that stayed pending, until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let (mut pause, mut is_settled) = (BACKOFF, false);
        loop {
            if is_settled {
                self.drive_pending().await;
            } else {
                let turn = self.settling.lock().await;
                let settled = self.settle().await;
                drop(turn);
                match settled {
                    Ok((driven, behind)) => {
                        tracing::info!(driven, behind, "settled with the bootstrap server");
                        // A recovery that was cut short goes on before anything else.
                        match self.resume_recovery().await {
                            Ok(_) => is_settled = self.has_settled(),
                            Err(why) => tracing::warn!(why, "a recovery that was cut short waits"),
                        }
                    }
                    Err(error) => tracing::debug!(%error, "the bootstrap server does not answer yet"),
                }
            }
            let left = self.unsettled();
            is_settled &= left.missing == 0;
            if is_settled && left.pending == 0 {
                pause = BACKOFF;
                tokio::select! {
                    () = shutdown.requested() => return,
                    () = self.woken.notified() => {}
                }
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(BACKOFF_MAX);
        }
    }

    /// Whether this server has agreed with the bootstrap server since its start.
    fn has_settled(&self) -> bool {
        self.has_settled.load(Ordering::Acquire)
    }

    /// Lets an owner's call pass once this server has agreed with the bootstrap server since its start: what it
    /// has may be a backup, and the owner in it an earlier one. The first call that finds the two not agreed
    /// settles them itself, others wait for it a moment; then, or while the bootstrap server does not answer,
    /// they are told 503.
    ///
    /// Source: decision H5 ("at start take the maximum of both"); ADR 0102.
    pub(super) async fn settled_first(&self) -> Result<(), Response> {
        if self.has_settled() {
            return Ok(());
        }
        if let Ok(_turn) = tokio::time::timeout(TURN_MAX, self.settling.lock()).await
            && !self.has_settled()
            && let Err(error) = self.settle().await
        {
            tracing::debug!(%error, "an owner's call waits for the bootstrap server");
        }
        if self.has_settled() { Ok(()) } else { Err(later(RETRY_AFTER)) }
    }

    /// Drives on every change that was on its way, takes over what the bootstrap server has beyond us, and
    /// tells it what we have beyond it, whichever of the two was restored from a backup (decision H5). Gives
    /// how many changes were driven and of how many devices one side was behind.
    ///
    /// # Errors
    /// [`TaError`] when the bootstrap server gives no list; nothing is lost, ask again.
    pub async fn settle(&self) -> Result<(usize, usize), TaError> {
        let (mut behind, mut after, mut known) = (0, None, BTreeSet::new());
        let mut is_whole = true;
        loop {
            let page = self.bootstrap.mirrors(after).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (device, mirror) in page {
                known.insert(device);
                match self.reconcile(device, mirror).await {
                    Some(was_behind) => behind += usize::from(was_behind),
                    None => is_whole = false,
                }
            }
        }
        if is_whole {
            self.has_settled.store(true, Ordering::Release);
        }
        self.unsettled[1].store(self.count_missing(&known).await, Ordering::Relaxed);
        Ok((self.drive_pending().await, behind))
    }

    /// Issued devices that are not among `known`; the first of them are named in the log.
    async fn count_missing(&self, known: &BTreeSet<Uuid>) -> usize {
        let (mut missing, mut after) = (0, None);
        while let Ok(Ok(page)) = self.executor.run(ReadOwners { after }).await
            && let Some((last, _)) = page.last()
        {
            after = Some(*last);
            for (device, _) in
                page.iter().filter(|(device, owner)| owner.is_some() && !known.contains(device))
            {
                missing += 1;
                if missing <= NAMED_COUNT_MAX {
                    tracing::error!(%device, "the bootstrap server does not know an issued device");
                }
            }
        }
        if missing > 0 {
            let hint = "bring all files of the identity server back into its folder of the air gap";
            tracing::error!(missing, hint, "the bootstrap server lost devices");
        }
        missing
    }

    /// Tries every pending change once; gives how many came off.
    async fn drive_pending(&self) -> usize {
        let (mut driven, mut left, mut from) = (0, 0, None);
        while let Ok(pending) = self.executor.run(ReadPending { after: from }).await
            && let Some((last, _)) = pending.last()
        {
            from = Some(*last);
            for (device, operation) in pending {
                match self.drive_on(device, operation).await {
                    true => driven += 1,
                    false => left += 1,
                }
            }
        }
        self.unsettled[0].store(left, Ordering::Relaxed);
        driven
    }

    /// Whether one side was behind with a device; `None` when that could not be found out or mended here.
    async fn reconcile(&self, device: Uuid, mirror: OwnerNow) -> Option<bool> {
        let Ok(pending) = self.executor.run(ReadPendingChange { device }).await.ok()? else {
            // A record that cannot be read is answered to nobody, and is no reason to keep the others waiting.
            return Some(false);
        };
        // A change of ours that only waits for completion is not behind: the mirror has its very number.
        if pending.as_ref().is_some_and(|change| change.seq == mirror.seq && change.owner == mirror.owner) {
            return Some(false);
        }
        match self.adopt(device, mirror.clone()).await {
            Ok(true) => Some(true),
            Ok(false) if pending.is_none() => Some(self.tell_if_ahead(device, &mirror).await),
            Ok(false) => Some(false),
            Err(_) => None,
        }
    }

    /// Tells the bootstrap server what holds here when its mirror says something older.
    async fn tell_if_ahead(&self, device: Uuid, mirror: &OwnerNow) -> bool {
        let Ok(Ok(Some(own))) = self.executor.run(ReadOwner { device }).await else { return false };
        if own == *mirror {
            return false;
        }
        let operation = OperationId(self.executor.bytes());
        match self.bootstrap.mirror_owner(device, operation, &own).await {
            Ok(MirrorAnswer::Stands) => true,
            Ok(MirrorAnswer::Ahead(_) | MirrorAnswer::Unknown) => false,
            Err(error) => {
                tracing::warn!(%error, %device, "the bootstrap server could not be told the owner");
                false
            }
        }
    }

    /// Whether the change is no longer pending.
    async fn drive_on(&self, device: Uuid, operation: OperationId) -> bool {
        match self.executor.run(ReadPendingChange { device }).await {
            Ok(Ok(Some(change))) if change.operation == operation => {
                self.try_drive(device, &change).await.is_ok()
            }
            Ok(Ok(_)) => true,
            Ok(Err(_)) | Err(_) => false,
        }
    }
}
