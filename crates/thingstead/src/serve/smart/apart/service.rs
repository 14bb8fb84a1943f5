//! An access service in a process of its own: devices connect to it, its centre decides.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crypto::Provider;
use net::now::Clock;
use net::seed;
use net::shutdown::{Shutdown, shutdown};
use net::stream_client::{self, Cover, OpenStream};
use net::tls::device_config;
use osap_front::das::{DasCommand, DasEvent};
use osap_front::link::{FromCentre, FromService, Hello, WhyNot};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::super::{DasRun, LINE_LENGTH, das_run, internal};
use super::link::{FramesIn, FramesOut, frames};
use super::pass::Pass;
use crate::failure::{Failure, Outcome};
use crate::serve::config::DasPlace;
use crate::serve::{Shared, announce, open_store, own_issuer, platform_keys};

/// Connecting to the centre, and its welcome.
const MEETING_TIME: Duration = Duration::from_secs(10);

/// Pauses between tries to reach the centre: doubled from the first to the last, and shortened by chance to no
/// less than half, so that services do not all come at once.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How a link ended.
enum End {
    /// The process stops.
    Stopped,
    /// The centre is to be looked for again; whether it had been there.
    Lost { was_welcome: bool },
}

struct Service {
    pass: Pass,
    place: DasPlace,
    tls: platform_keys::OwnTls,
    provider: Arc<dyn Provider>,
    clock: Clock,
    stop: Shutdown,
}

/// Serves devices whenever the centre is there, until the process stops.
pub(crate) async fn run(
    mut place: DasPlace,
    pass: std::path::PathBuf,
    data: std::path::PathBuf,
    shared: Shared,
    stop: Shutdown,
) -> Outcome {
    let pass = Pass::read(&pass)?;
    place.id = String::from_utf8_lossy(pass.id.as_bytes()).into_owned();
    let Shared { provider, clock, .. } = shared;
    let tls = own_tls(&place, &data, &provider, clock).await?;
    let service = Service { pass, place, tls, provider, clock, stop: stop.clone() };
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let (mut pause, mut is_announced) = (FIRST_PAUSE, false);
    loop {
        match service.link(&mut is_announced).await? {
            End::Stopped => return Ok(()),
            End::Lost { was_welcome: true } => pause = FIRST_PAUSE,
            End::Lost { was_welcome: false } => pause = (pause * 2).min(LAST_PAUSE),
        }
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        let wait = Duration::from_millis(half + dice.below(half.max(1)));
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn own_tls(
    place: &DasPlace,
    data: &Path,
    provider: &Arc<dyn Provider>,
    clock: Clock,
) -> Outcome<platform_keys::OwnTls> {
    let store = open_store(data, provider, clock).await?;
    let key = platform_keys::own_key(b"platform-issuer", &store.executor, &**provider).await?;
    let issuer = own_issuer(key, "Thingstead access service", &store.executor, &**provider).await?;
    let names = [place.host.clone()];
    platform_keys::tls_of(b"das-tls", &names, &issuer, &store.executor, &**provider).await
}

impl Service {
    async fn link(&self, is_announced: &mut bool) -> Outcome<End> {
        let lost = Ok(End::Lost { was_welcome: false });
        let cover = Cover::Tls { key: Some(self.pass.key) };
        let opened = tokio::select! {
            () = self.stop.requested() => return Ok(End::Stopped),
            opened = timeout(MEETING_TIME, stream_client::open(&self.pass.at, cover)) => opened,
        };
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::warn!(%error, centre = %self.pass.at, "the centre is not reached");
                return lost;
            }
            Err(_) => {
                tracing::warn!(centre = %self.pass.at, "the centre does not answer");
                return lost;
            }
        };
        let config = device_config(&self.tls.identity).map_err(|error| internal("TLS set-up", error))?;
        let (commands_in, commands) = channel(LINE_LENGTH);
        let (events_in, events) = channel(LINE_LENGTH);
        let (over, ended) = shutdown();
        let ground = (Arc::clone(&self.provider), self.clock, ended);
        let run = das_run(&self.place, config, ground, (commands, events_in)).await?;
        let Some((input, output)) = self.meet(stream, &run).await? else { return lost };
        if !std::mem::replace(is_announced, true) {
            let named: Vec<(&str, SocketAddr)> =
                run.listeners.iter().map(|(name, at)| (name.as_str(), *at)).collect();
            announce("das", &named);
        }
        tracing::info!(centre = %self.pass.at, "the centre is there");
        let name = self.place.id.clone();
        let serving = tokio::spawn(run.serve(name));
        let answers = commands_in.clone();
        let end = tokio::select! {
            () = self.stop.requested() => End::Stopped,
            () = reading(input, commands_in, self.clock) => End::Lost { was_welcome: true },
            () = writing(output, events, answers) => End::Lost { was_welcome: true },
        };
        // Devices are let go: they come again where the load balancer sends them.
        over.request();
        serving.await.ok();
        Ok(end)
    }

    /// `None`: the centre did not take the service this time.
    async fn meet(&self, stream: OpenStream, run: &DasRun) -> Outcome<Option<(FramesIn, FramesOut)>> {
        let Some(exporter) = stream.exporter else { return Ok(None) };
        let proof = Hello::proof_of(&*self.provider, &self.pass.secret, &exporter, &self.pass.id);
        let hello = Hello {
            id: self.pass.id.clone(),
            host: self.place.host.clone(),
            port: run.at.port(),
            plain_port: run.plain_port,
            tls_key: self.tls.key_digest,
            proof,
        };
        let hello =
            FromService::Hello(hello).to_frame().map_err(|error| internal("the first frame", error))?;
        let (mut input, mut output) = frames(stream);
        if !output.send(&hello).await {
            return Ok(None);
        }
        let now = || self.clock.now().moment;
        let said = timeout(MEETING_TIME, input.next(|body| FromCentre::from_body(body, now()))).await;
        match said {
            Ok(Some(FromCentre::Welcome)) => Ok(Some((input, output))),
            Ok(Some(FromCentre::Refused(why))) => {
                let why = match why {
                    WhyNot::NameTaken => "an access service of this name is in the centre's own process",
                    WhyNot::NotProven => "it does not know this pass: carry the newest one over",
                };
                Err(Failure::new("refused", "the centre").because(why))
            }
            Ok(Some(FromCentre::Beat | FromCentre::Command(_)) | None) | Err(_) => {
                tracing::warn!(centre = %self.pass.at, "the centre does not take this access service now");
                Ok(None)
            }
        }
    }
}

async fn reading(mut input: FramesIn, commands: Sender<DasCommand>, clock: Clock) {
    let read = |body: &[u8]| FromCentre::from_body(body, clock.now().moment);
    while let Some(said) = input.next(read).await {
        match said {
            FromCentre::Beat => {}
            FromCentre::Command(command) => {
                if commands.send(command).await.is_err() {
                    return;
                }
            }
            FromCentre::Welcome | FromCentre::Refused(_) => {
                tracing::warn!("the centre says out of turn what is said at first");
                return;
            }
        }
    }
}

async fn writing(output: FramesOut, events: Receiver<DasEvent>, answers: Sender<DasCommand>) {
    let beat = FromService::Beat.to_frame().unwrap_or_default();
    let write = |event| {
        let token = match &event {
            DasEvent::Up { token, .. } | DasEvent::Answered { token, .. } => *token,
            _ => None,
        };
        let frame = FromService::Event(event).to_frame();
        if let (Err(error), Some(token)) = (&frame, token) {
            tracing::warn!(%error, "what a device says is refused");
            // A machine that has no room for it is told at the end of the connection.
            answers.try_send(DasCommand::Refused(token)).ok();
        }
        frame.ok()
    };
    output.pump(events, beat, write).await;
}
