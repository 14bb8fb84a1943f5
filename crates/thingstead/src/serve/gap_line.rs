//! Files of the air gap, taken in and written out while a server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assure_proto::{GapContent, GapHeader};
use authority::bootstrap::{self, HolderName, IssuedDevice};
use authority::registration::{self, issued_registration};
use authority::{
    FileTaken, FollowGeneration, ForgetWritten, GapPartner, GapSelf, Origin, ReadOutbox, RenewOnline,
    TakeFile, own_record,
};
use crypto::Provider;
use net::executor::Executor;
use net::shutdown::{Shutdown, Trigger, shutdown};
use store::{Operation, Table, run};

use crate::failure::Outcome;
use crate::gap_folder::GapFolders;

/// How often the inbox is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Which server takes the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Registration,
    Bootstrap,
}

/// Asks the role to begin anew, with the keys that it has taken in.
#[derive(Clone, Debug)]
pub(crate) struct Anew {
    asked: Arc<AtomicBool>,
    trigger: Arc<Trigger>,
}

impl Anew {
    /// A token that ends with `stop` or when the role is to begin anew, and what asks for that.
    pub(crate) fn within(stop: &Shutdown) -> (Self, Shutdown) {
        let (trigger, turn) = shutdown();
        let anew = Self { asked: Arc::default(), trigger: Arc::new(trigger) };
        let (stop, ends) = (stop.clone(), Arc::downgrade(&anew.trigger));
        tokio::spawn(async move {
            stop.requested().await;
            if let Some(trigger) = ends.upgrade() {
                trigger.request();
            }
        });
        (anew, turn)
    }

    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.trigger.request();
    }

    /// How the role ended.
    pub(crate) fn end(&self) -> RoleEnd {
        if self.asked.load(Ordering::SeqCst) { RoleEnd::Anew } else { RoleEnd::Stopped }
    }
}

/// How a role ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleEnd {
    /// It was asked to stop.
    Stopped,
    /// It is to begin again, with other keys.
    Anew,
}

/// The line from the identity server to one online server.
pub(crate) struct GapLine {
    pub(crate) side: Side,
    pub(crate) executor: Executor,
    pub(crate) me: GapSelf,
    pub(crate) identity: GapPartner,
    pub(crate) folders: GapFolders,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) anew: Anew,
}

impl GapLine {
    /// Takes files in the order of their numbers until shutdown. A file that is refused stops the line: its
    /// number is logged, and the server goes on with what it has.
    pub(crate) async fn run(self, first: u32, shutdown: Shutdown) {
        let mut next = first;
        loop {
            match self.take(next).await {
                Step::Taken => next += 1,
                Step::Renewed => {
                    self.anew.ask();
                    return;
                }
                Step::Stopped => {
                    shutdown.requested().await;
                    return;
                }
                Step::Nothing => tokio::select! {
                    () = tokio::time::sleep(LOOK_INTERVAL) => {}
                    () = shutdown.requested() => return,
                },
            }
        }
    }

    async fn take(&self, number: u32) -> Step {
        let header = GapHeader { from: self.identity.id, to: self.me.id, sequence_number: number };
        let file = match self.folders.read(&header) {
            Ok(Some(file)) => file,
            Ok(None) => return Step::Nothing,
            Err(failure) => return self.stop(number, &failure.to_string()),
        };
        let content = match self.identity.open(&*self.provider, &self.me, &file) {
            Ok((opened, content)) if opened == header => content,
            Ok(_) => return self.stop(number, "its header differs from its name"),
            Err(error) => return self.stop(number, &error.to_string()),
        };
        let applied = match self.side {
            Side::Registration => self.apply_registration(number, content).await,
            Side::Bootstrap => self.apply_bootstrap(number, content).await,
        };
        match applied {
            Ok(word) => {
                tracing::info!(number, outcome = word, "air-gap file taken");
                if word == RENEWED { Step::Renewed } else { Step::Taken }
            }
            Err(why) => self.stop(number, &why),
        }
    }

    fn stop(&self, number: u32, why: &str) -> Step {
        tracing::error!(number, why, side = ?self.side, "air-gap file not taken; the line stops here");
        Step::Stopped
    }

    fn origin(&self) -> Origin {
        let role = match self.side {
            Side::Registration => "registration",
            Side::Bootstrap => "bootstrap",
        };
        let (correlation, seed) = (self.executor.correlation(), self.executor.bytes());
        Origin { address: None, role, actor: "identity".into(), correlation, seed }
    }

    async fn apply_registration(&self, number: u32, content: GapContent) -> Result<&'static str, String> {
        if let GapContent::Rejected { device, .. } = content {
            let remove = registration::RemoveDevice {
                device,
                operation: None,
                reason: "rejected",
                origin: self.origin(),
            };
            return self.commit(number, remove, "rejected").await;
        }
        match content {
            GapContent::Refill { device, request, pool } => {
                let pool = pool.into_iter().map(registration::PoolEntry::from_gap).collect();
                let take = registration::TakeRefill { device, request, pool, origin: self.origin() };
                return self.commit(number, take, "refill").await;
            }
            GapContent::NewGeneration { generation, keys, devices } if devices.is_empty() => {
                let renew = RenewOnline { generation, keys, origin: self.origin() };
                return self.commit(number, renew, RENEWED).await;
            }
            GapContent::NewGeneration { generation, keys, devices } if keys.is_empty() => {
                let replace = registration::ReplaceTrust { generation, devices, origin: self.origin() };
                return self.commit(number, replace, "trust").await;
            }
            _ => {}
        }
        let Some((device, maker, issued)) = issued_registration(content) else {
            return Err("its kind does not belong here".into());
        };
        let import = registration::ImportIssued { device, maker, issued, origin: self.origin() };
        self.commit(number, import, "issued").await
    }

    async fn apply_bootstrap(&self, number: u32, content: GapContent) -> Result<&'static str, String> {
        if let GapContent::Rejected { device, .. } = content {
            return self.commit(number, bootstrap::FreeDevice { device }, "rejected").await;
        }
        match content {
            GapContent::NewGeneration { generation, keys, devices } if devices.is_empty() => {
                let (signed, origin) = (own_record(CLASS_3), self.origin());
                let follow = FollowGeneration { generation, keys, signed, origin };
                return self.commit(number, follow, RENEWED).await;
            }
            GapContent::NewGeneration { generation, keys, devices } if keys.is_empty() => {
                let (provider, origin) = (self.provider.clone(), self.origin());
                let replace = bootstrap::ReplaceTrust { generation, devices, provider, origin };
                return self.commit(number, replace, "trust").await;
            }
            _ => {}
        }
        let Some((device, issued)) = IssuedDevice::from_gap(content) else {
            return Err("its kind does not belong here".into());
        };
        let holder = HolderName::of_issued(&*self.provider, &issued);
        let holder = holder.ok_or("the key in it cannot be read")?;
        let import = bootstrap::ImportIssued { device, issued, holder, origin: self.origin() };
        self.commit(number, import, "issued").await
    }

    /// `word` says what became of the file, unless it was taken before: then nothing became of it.
    async fn commit<O, R, E>(&self, number: u32, inner: O, word: &'static str) -> Result<&'static str, String>
    where
        O: Operation<Reply = Result<R, E>, Effect = ()> + Send + 'static,
        R: std::fmt::Debug + Send + 'static,
        E: std::fmt::Debug + Send + 'static,
    {
        let take = TakeFile { from: self.identity.id, number, inner };
        match self.executor.run(take).await {
            Ok(Ok(FileTaken::Applied(Ok(reply)))) => {
                tracing::debug!(number, ?reply, "applied");
                Ok(word)
            }
            Ok(Ok(FileTaken::Before)) => Ok("taken before"),
            Ok(Ok(FileTaken::Applied(Err(bad)))) => Err(format!("{bad:?}")),
            Ok(Ok(FileTaken::Hole { missing })) => Err(format!("file {missing} must come first")),
            Ok(Err(bad)) => Err(format!("{bad:?}")),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

/// What became of a file that renews a server's keys.
const RENEWED: &str = "generation";
/// The record of a bootstrap server's signed keys.
pub(crate) const CLASS_3: &[u8] = b"class3";

enum Step {
    Taken,
    Renewed,
    Nothing,
    Stopped,
}

/// Writes every file of the outbox to the gap and forgets it there; the same file twice is harmless.
pub(crate) fn flush_outbox(
    table: &dyn Table,
    from: model::Uuid,
    folders: &GapFolders,
    now: clock::Now,
) -> Outcome<usize> {
    let mut written = 0;
    loop {
        let files = run(table, &ReadOutbox, now).map_err(super::store_failed)?.reply;
        if files.is_empty() {
            return Ok(written);
        }
        for file in files {
            let header = GapHeader { from, to: file.to, sequence_number: file.number };
            folders.write(&header, &file.bytes)?;
            let forget = ForgetWritten { to: file.to, number: file.number };
            run(table, &forget, now).map_err(super::store_failed)?;
            written += 1;
        }
    }
}
