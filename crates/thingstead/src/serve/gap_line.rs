//! Files of the air gap, taken in and written out while a server runs.

use std::sync::Arc;
use std::time::Duration;

use assure_proto::{GapContent, GapHeader};
use authority::bootstrap::{self, HolderName, IssuedDevice};
use authority::registration::{self, issued_registration};
use authority::{FileTaken, ForgetWritten, GapPartner, GapSelf, Origin, ReadOutbox, TakeFile};
use crypto::Provider;
use net::executor::Executor;
use net::shutdown::Shutdown;
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

/// The line from the identity server to one online server.
pub(crate) struct GapLine {
    pub(crate) side: Side,
    pub(crate) executor: Executor,
    pub(crate) me: GapSelf,
    pub(crate) identity: GapPartner,
    pub(crate) folders: GapFolders,
    pub(crate) provider: Arc<dyn Provider>,
}

impl GapLine {
    /// Takes files in the order of their numbers until shutdown. A file that is refused stops the line: its
    /// number is logged, and the server goes on with what it has.
    pub(crate) async fn run(self, first: u32, shutdown: Shutdown) {
        let mut next = first;
        loop {
            match self.take(next).await {
                Step::Taken => next += 1,
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
                Step::Taken
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
            return self.commit(number, remove).await.map(|()| "rejected");
        }
        let Some((device, maker, issued)) = issued_registration(content) else {
            return Err("its kind does not belong here".into());
        };
        let import = registration::ImportIssued { device, maker, issued, origin: self.origin() };
        self.commit(number, import).await.map(|()| "issued")
    }

    async fn apply_bootstrap(&self, number: u32, content: GapContent) -> Result<&'static str, String> {
        if let GapContent::Rejected { device, .. } = content {
            return self.commit(number, bootstrap::FreeDevice { device }).await.map(|()| "rejected");
        }
        let Some((device, issued)) = IssuedDevice::from_gap(content) else {
            return Err("its kind does not belong here".into());
        };
        let holder = HolderName::of_issued(&*self.provider, &issued);
        let holder = holder.ok_or("the key in it cannot be read")?;
        let import = bootstrap::ImportIssued { device, issued, holder, origin: self.origin() };
        self.commit(number, import).await.map(|()| "issued")
    }

    async fn commit<O, R, E>(&self, number: u32, inner: O) -> Result<(), String>
    where
        O: Operation<Reply = Result<R, E>, Effect = ()> + Send + 'static,
        R: std::fmt::Debug + Send + 'static,
        E: std::fmt::Debug + Send + 'static,
    {
        let take = TakeFile { from: self.identity.id, number, inner };
        match self.executor.run(take).await {
            Ok(Ok(FileTaken::Applied(Ok(reply)))) => {
                tracing::debug!(number, ?reply, "applied");
                Ok(())
            }
            Ok(Ok(FileTaken::Before)) => Ok(()),
            Ok(Ok(FileTaken::Applied(Err(bad)))) => Err(format!("{bad:?}")),
            Ok(Ok(FileTaken::Hole { missing })) => Err(format!("file {missing} must come first")),
            Ok(Err(bad)) => Err(format!("{bad:?}")),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

enum Step {
    Taken,
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
