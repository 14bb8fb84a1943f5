//! What answers an access service: who is welcome, and a line to the hub for each device.

use std::collections::HashMap;
use std::sync::Arc;

use admission::{ReadCompatSession, ReadDevice, StandingSession};
use hub::{Binding, Marks, OsapMode};
use hub_desk::HubDesk;
use model::Uuid;
use net::executor::Executor;
use net::now::Clock;
use osap_front::LineId;
use osap_front::das::{DasCommand, DasEvent, Token};
use osap_proto::{Devid, Mode, ProtocolType, Serial, ServerId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::device_files::DeviceFiles;
use super::device_line::{DeviceLine, Said};
use super::fleet::Load;
use super::lbs_desk::text;

/// Messages of one device that wait for the hub: more than a device may have unacknowledged.
const WORDS_LENGTH: usize = 1100;

/// Answers the questions of an access service.
pub(super) struct DasDesk {
    executor: Executor,
    desk: HubDesk,
    clock: Clock,
    id: ServerId,
    commands: Sender<DasCommand>,
    load: Arc<Load>,
    lines: HashMap<Serial, Sender<Said>>,
    files: DeviceFiles,
}

impl DasDesk {
    pub(super) fn new(
        executor: Executor,
        desk: HubDesk,
        clock: Clock,
        id: ServerId,
        commands: Sender<DasCommand>,
        load: Arc<Load>,
        files: DeviceFiles,
    ) -> Self {
        Self { executor, desk, clock, id, commands, load, lines: HashMap::new(), files }
    }

    /// Works until the machine ends.
    pub(super) async fn run(mut self, mut events: Receiver<DasEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                DasEvent::WhoIs { line, serial, devid } => {
                    let command = match self.thing_of(&serial, devid).await {
                        Ok(Some(_)) => DasCommand::Known { line, is_welcome: true },
                        Ok(None) => DasCommand::Known { line, is_welcome: false },
                        Err(()) => DasCommand::CouldNotLookUp { line },
                    };
                    self.say(command).await;
                }
                DasEvent::WhoIsCompat { line, serial } => {
                    let command = self.who_is_compat(line, serial).await;
                    self.say(command).await;
                }
                DasEvent::Online { serial, devid, protocol, is_tls } => {
                    tracing::info!(serial = %text(&serial), kind = protocol.0, is_tls, "smart device online");
                    // Whoever blocked or removed it since it was looked up has closed what was not open yet.
                    let found = match protocol {
                        ProtocolType::COMPAT => {
                            let standing = self.standing(&serial).await;
                            let kept = |it: &StandingSession| !it.session.is_exposed;
                            standing.map(|standing| standing.filter(kept).and_then(|it| it.thing))
                        }
                        _ => self.thing_of(&serial, devid).await,
                    };
                    match found {
                        Ok(Some(thing)) => self.online(serial, thing, protocol),
                        Ok(None) | Err(()) => self.say(DasCommand::Close { serial }).await,
                    }
                }
                DasEvent::Offline { serial, reason } => {
                    tracing::info!(serial = %text(&serial), ?reason, "smart device offline");
                    if self.lines.remove(&serial).is_some() {
                        self.load.went();
                    }
                }
                DasEvent::Up { token, serial, message, general } => {
                    self.pass_on(&serial, token, Said::Up { token, message, general }).await;
                }
                DasEvent::Answered { token, serial, result } => {
                    self.pass_on(&serial, token, Said::Answered { token, result }).await;
                }
                DasEvent::OrderFailed { serial, node, id, why } => {
                    self.pass_on(&serial, None, Said::Failed { node, id, why }).await;
                }
            }
        }
    }

    async fn say(&self, command: DasCommand) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the access service is closed");
        }
    }

    /// The thing of a device that is on record, not blocked, and known under this id.
    async fn thing_of(&self, serial: &Serial, devid: Devid) -> Result<Option<Uuid>, ()> {
        let read = self.executor.run(ReadDevice { serial: serial.clone() }).await;
        let device = match read {
            Ok(Ok(device)) => device,
            other => {
                tracing::error!(?other, "cannot look a device up");
                return Err(());
            }
        };
        let Some(device) = device.filter(|device| !device.is_blocked && device.devid == Some(devid)) else {
            return Ok(None);
        };
        if device.thing.is_some() {
            return Ok(device.thing);
        }
        let mode = match device.mode {
            Mode::Serial => OsapMode::Serial,
            Mode::ProductKey => OsapMode::ProductKey,
        };
        let found = self.desk.find(Binding::Osap { serial: text(serial), mode }).await;
        let found = found.map_err(|refusal| tracing::error!(?refusal, "cannot look a thing up"))?;
        if found.is_none() {
            tracing::warn!(serial = %text(serial), "no thing is bound to this device: it is not let in");
        }
        Ok(found)
    }

    /// The session of a device of type 1 here.
    async fn standing(&self, serial: &Serial) -> Result<Option<StandingSession>, ()> {
        let ask = ReadCompatSession { serial: serial.clone(), server_id: self.id.clone() };
        match self.executor.run(ask).await {
            Ok(Ok(standing)) => Ok(standing),
            other => {
                tracing::error!(?other, "cannot look a session of type 1 up");
                Err(())
            }
        }
    }

    /// The session of a device of type 1, when there is a thing for it; its thing is marked.
    async fn who_is_compat(&mut self, line: LineId, serial: Serial) -> DasCommand {
        let nobody = DasCommand::KnownCompat { line, standing: None };
        let standing = match self.standing(&serial).await {
            Ok(Some(standing)) => standing,
            Ok(None) => return nobody,
            Err(()) => return DasCommand::CouldNotLookUp { line },
        };
        let Some(thing) = standing.thing else {
            tracing::warn!(serial = %text(&serial), "no thing is bound to this device: it is not let in");
            return nobody;
        };
        if !standing.session.is_exposed
            && let Err(why) = self.desk.mark(thing, Marks { compat: true }).await
        {
            tracing::error!(?why, serial = %text(&serial), "cannot mark a device of type 1: it is not let in");
            return DasCommand::CouldNotLookUp { line };
        }
        let standing = Some(Box::new((standing.session, standing.until)));
        DasCommand::KnownCompat { line, standing }
    }

    fn online(&mut self, serial: Serial, thing: Uuid, protocol: ProtocolType) {
        let (words, line) = channel(WORDS_LENGTH);
        if self.lines.insert(serial.clone(), words).is_none() {
            self.load.came();
        }
        let attachment = self.desk.attach(thing);
        let device = DeviceLine {
            serial,
            thing,
            answers_queries: protocol != ProtocolType::COMPAT,
            desk: self.desk.clone(),
            commands: self.commands.clone(),
            clock: self.clock,
            files: self.files.clone(),
        };
        tokio::spawn(device.run(line, attachment));
    }

    async fn pass_on(&self, serial: &Serial, token: Option<Token>, said: Said) {
        let sent = match self.lines.get(serial) {
            Some(words) => words.try_send(said).map_err(|error| matches!(error, TrySendError::Full(_))),
            None => Err(false),
        };
        // It comes again on the next connection.
        if let (Err(_), Some(token)) = (sent, token) {
            self.say(DasCommand::Unable(token)).await;
        }
    }
}

#[cfg(test)]
#[path = "das_desk_tests.rs"]
mod tests;
