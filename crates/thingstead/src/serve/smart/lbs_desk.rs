//! What answers the load balancer: who is on record, and where devices go.

use std::sync::Arc;

use admission::{
    BurnCode, CommitCompat, CommitRun, Generation, GrantRun, LookUp, LookUpCompat, NoteDasTicket, Origin,
    ReadDevice,
};
use clock::Timestamp;
use crypto::Secret;
use hub::Marks;
use hub_desk::HubDesk;
use net::executor::Executor;
use osap_front::LineId;
use osap_front::lbs::{LbsCommand, LbsEvent};
use osap_proto::compat::{CompatCommit, CompatDas};
use osap_proto::{Commit, DasAnswer, DasInfo, DasRequest, DasTicket, Devid, ProtocolType, Serial, TypeGroup};
use tokio::sync::mpsc::{Receiver, Sender};

use super::fleet::Fleet;

/// The name of this server in the audit log.
const ROLE: &str = "lbs";

/// How long a resumption ticket lives.
const TICKET_LIFETIME_SECS: u32 = 2_592_000;

/// Tickets for access services live for 20 hours and up to four more.
const DAS_TICKET_SECS: u64 = 20 * 3600;
const DAS_TICKET_SPREAD_SECS: u64 = 4 * 3600;

/// Sessions of type 1 live as long as a ticket at most.
const COMPAT_SESSION_SECS: u32 = 24 * 3600;

/// Answers the questions of a load balancer.
#[derive(Clone)]
pub(super) struct LbsDesk {
    pub(super) executor: Executor,
    pub(super) hub: HubDesk,
    pub(super) commands: Sender<LbsCommand>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) served: TypeGroup,
    pub(super) realm: String,
}

impl LbsDesk {
    /// Works until the machine ends. Each run has one question at a time, so that the machine's limit of runs
    /// bounds what is under way here.
    pub(super) async fn run(self, mut events: Receiver<LbsEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                LbsEvent::ManyTries { serial } => {
                    tracing::warn!(serial = %text(&serial), "many tries with codes within a day");
                }
                LbsEvent::Ended { serial, end } => {
                    tracing::debug!(serial = %text(&serial), ?end, "a run is over");
                }
                LbsEvent::EndedCompat { serial, end } => {
                    tracing::debug!(serial = %text(&serial), ?end, "a run of type 1 is over");
                }
                question => {
                    let desk = self.clone();
                    tokio::spawn(async move { desk.answer(question).await });
                }
            }
        }
    }

    async fn answer(self, question: LbsEvent) {
        let command = match question {
            LbsEvent::LookUp { line, serial, mode } => {
                let found = self.executor.run(LookUp { serial, mode }).await;
                match found {
                    Ok(Ok(found)) => {
                        let generation = found.as_ref().map_or(0, |found| found.generation.0);
                        let record = found.map(|found| Box::new(found.record));
                        LbsCommand::Found { line, record, generation }
                    }
                    other => self.unable(line, "look a device up", &other),
                }
            }
            LbsEvent::Grant { line, serial, claim } => {
                let (devid_random, ticket_id) = (self.executor.bytes(), self.executor.bytes());
                let lifetime_secs = TICKET_LIFETIME_SECS;
                let grant = GrantRun { serial, claim, devid_random, ticket_id, lifetime_secs };
                match self.executor.run(grant).await {
                    Ok(Ok(grant)) => LbsCommand::Granted { line, grant },
                    other => self.unable(line, "grant an id", &other),
                }
            }
            LbsEvent::Commit { line, commit, generation } => self.commit(line, *commit, generation).await,
            LbsEvent::ChooseDas { line, request, devid, protocol, das_secret } => {
                match self.choose(request, devid, protocol, das_secret).await {
                    Some(answer) => LbsCommand::Das { line, answer: Box::new(answer) },
                    None => LbsCommand::Unable { line },
                }
            }
            LbsEvent::LookUpCompat { line, serial, mode } => {
                match self.executor.run(LookUpCompat { serial, mode }).await {
                    Ok(Ok(found)) => LbsCommand::FoundCompat { line, device: found.map(Box::new) },
                    other => self.unable(line, "look a device up", &other),
                }
            }
            LbsEvent::CommitCompat { line, commit } => match self.commit_compat(*commit).await {
                Ok(das) => LbsCommand::CompatDas { line, das },
                Err(()) => LbsCommand::Unable { line },
            },
            LbsEvent::CodeShown { line, serial } => match self.burn(serial).await {
                Ok(()) => return,
                Err(()) => LbsCommand::Unable { line },
            },
            LbsEvent::ManyTries { .. } | LbsEvent::Ended { .. } | LbsEvent::EndedCompat { .. } => return,
        };
        // A machine that is gone asks nothing more.
        self.commands.send(command).await.ok();
    }

    fn unable(&self, line: LineId, what: &str, why: &impl std::fmt::Debug) -> LbsCommand {
        tracing::error!(?why, "cannot {what}");
        LbsCommand::Unable { line }
    }

    fn origin(&self, serial: &Serial) -> Origin {
        Origin {
            role: ROLE,
            actor: text(serial),
            address: None,
            correlation: self.executor.correlation(),
            seed: self.executor.bytes(),
        }
    }

    async fn commit(&self, line: LineId, commit: Commit, generation: u64) -> LbsCommand {
        let serial = commit.serial.clone();
        let origin = self.origin(&serial);
        let run = CommitRun { commit, generation: Generation(generation), origin };
        match self.executor.run(run).await {
            Ok(Ok(done)) => {
                if done.has_left_compat {
                    // What it had by the old protocol ends, wherever it is: better once, better for ever.
                    self.fleet.close(&serial).await;
                    self.unmark(serial).await;
                }
                LbsCommand::Committed { line, outcome: done.outcome }
            }
            other => self.unable(line, "store what a run changes", &other),
        }
    }

    /// A device that came by the secure profile is marked no more.
    async fn unmark(&self, serial: Serial) {
        let read = self.executor.run(ReadDevice { serial }).await;
        let Ok(Ok(Some(device))) = read else { return };
        if let Some(thing) = device.thing
            && let Err(why) = self.hub.mark(thing, Marks::default()).await
        {
            tracing::warn!(?why, "a thing keeps the mark of the old protocol");
        }
    }

    /// The code was shown to whoever listens.
    async fn burn(&self, serial: Serial) -> Result<(), ()> {
        let origin = self.origin(&serial);
        match self.executor.run(BurnCode { serial, origin }).await {
            Ok(Ok(_)) => Ok(()),
            other => {
                tracing::error!(?other, "cannot burn a code that was shown");
                Err(())
            }
        }
    }

    /// `None` when there is nowhere to go, or the device is let in no more.
    async fn commit_compat(&self, commit: CompatCommit) -> Result<Option<CompatDas>, ()> {
        let Some((member, port)) = self.fleet.choose_compat() else { return Ok(None) };
        let (serial, server_id) = (commit.serial.clone(), member.id.clone());
        // Should the word of the run that it was shown have been lost.
        self.burn(serial.clone()).await?;
        let lifetime_secs = COMPAT_SESSION_SECS;
        match self.executor.run(CommitCompat { commit, server_id, lifetime_secs }).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Ok(None),
            other => {
                tracing::error!(?other, "cannot store a session of type 1");
                return Err(());
            }
        }
        self.fleet.close_elsewhere(&serial, &member.id).await;
        Ok(Some(CompatDas {
            address: member.place.host.clone(),
            port,
            udp_port: 0,
            domain: self.realm.chars().take(63).collect(),
            server_id: member.id.clone(),
        }))
    }

    /// `None`: it could not be found out, or the device is not on record any more.
    async fn choose(
        &self,
        request: DasRequest,
        devid: Devid,
        protocol: ProtocolType,
        das_secret: Secret,
    ) -> Option<DasAnswer> {
        let Some(member) = self.fleet.choose() else { return Some(DasAnswer::None) };
        let now = self.executor.now().utc.map(Timestamp::as_unix_millis)?;
        let epoch = u32::from_be_bytes(self.executor.bytes());
        let serial = request.serial;
        let note = NoteDasTicket { serial: serial.clone(), devid, server_id: member.id.clone(), epoch };
        let noted = match self.executor.run(note).await {
            Ok(Ok(noted)) => noted?,
            other => {
                tracing::error!(?other, "cannot note a ticket");
                return None;
            }
        };
        if let Some(before) = noted.before {
            self.fleet.replaced(&before.server_id, before.devid, noted.issued, epoch).await;
        }
        let spread = u64::from(u32::from_be_bytes(self.executor.bytes())) % DAS_TICKET_SPREAD_SECS;
        let expiry = now / 1000 + DAS_TICKET_SECS + spread;
        let server_id = member.id.clone();
        let issued = noted.issued;
        let ticket = DasTicket { devid, serial, protocol, das_secret, epoch, issued, expiry, server_id };
        let das_ticket = member.seal(&*self.fleet.provider, &ticket, self.executor.bytes())?;
        // A device that ran inside TLS speaks TLS; for others there may be a listener without.
        let plain = member.place.plain_port.filter(|_| protocol == ProtocolType::PLAIN);
        Some(DasAnswer::Das(Box::new(DasInfo {
            address: member.place.host.clone(),
            port: plain.unwrap_or(member.place.port),
            udp_port: 0,
            domain: self.realm.chars().take(63).collect(),
            server_id: member.id.clone(),
            served: self.served.clone(),
            epoch,
            time_ms: now,
            tls_key: plain.is_none().then_some(member.place.tls_key),
            das_ticket,
            das_expiry: expiry,
        })))
    }
}

/// A serial as text.
pub(super) fn text(serial: &Serial) -> String {
    String::from_utf8_lossy(serial.as_bytes()).into_owned()
}
