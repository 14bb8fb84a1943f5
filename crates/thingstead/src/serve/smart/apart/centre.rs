//! The centre: takes access services of other processes in, and decides for them as for its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use certificate::Issuer;
use crypto::Secret;
use net::https_client::Endpoint;
use net::shutdown::shutdown;
use net::stream_server;
use net::tls::{DeviceTls, device_config};
use osap_front::das::{DasCommand, DasEvent};
use osap_front::link::{FromCentre, FromService, Hello, WhyNot};
use osap_proto::{AddressPrefix, ServerId};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::fleet::{Fleet, Member, Place};
use super::super::{Ground, LINE_LENGTH, bind, internal, keys};
use super::link::{FramesIn, FramesOut, frames};
use super::pass::{Pass, secret_of};
use super::strangers;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::serve::config::Centre as Section;
use crate::serve::platform_keys;

/// A stranger has so long to show its pass.
const PROOF_TIME: Duration = Duration::from_secs(10);

/// What takes access services in.
struct Centre {
    config: DeviceTls,
    secret: Secret,
    services: Vec<ServerId>,
    /// Under which the centre is reached.
    host: String,
    ground: Ground,
    fleet: Arc<Fleet>,
}

/// Opens the listener, writes the passes, and serves until the process stops.
pub(in super::super) async fn open(
    section: Section,
    ground: &Ground,
    issuer: &Issuer,
    data: &Path,
    fleet: Arc<Fleet>,
    services: &mut JoinSet<()>,
) -> Outcome<SocketAddr> {
    let secret = keys::own_secret(b"centre-passes", &ground.executor).await?;
    let names = [section.host.clone()];
    let tls =
        platform_keys::tls_of(b"centre-tls", &names, issuer, &ground.executor, &*ground.provider).await?;
    let config = device_config(&tls.identity).map_err(|error| internal("TLS set-up", error))?;
    let (listener, bound) = bind("access services", section.listen).await?;
    let folder = data.join("passes");
    files::make_folder(&folder)?;
    let mut known = Vec::new();
    for name in &section.services {
        let id = ServerId::new(name.as_bytes())
            .ok_or_else(|| Failure::new("config-unreadable", "[centre] services").because(name))?;
        let secret = secret_of(&*ground.provider, &secret, &id);
        let at = Endpoint { host: section.host.clone(), port: bound.port() };
        Pass { at, id: id.clone(), key: tls.key_digest, secret }
            .write(&folder.join(format!("{name}.pass")))?;
        known.push(id);
    }
    let host = section.host;
    let centre = Centre { config, secret, services: known, host, ground: ground.clone(), fleet };
    services.spawn(Arc::new(centre).run(listener));
    Ok(bound)
}

impl Centre {
    async fn run(self: Arc<Self>, listener: TcpListener) {
        let stop = self.ground.stop.clone();
        let strangers = strangers::places();
        let mut links = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.requested() => break,
                _ = links.join_next(), if !links.is_empty() => {}
                taken = listener.accept() => match taken {
                    Ok((socket, from)) => {
                        let Ok(place) = strangers.enter_as(AddressPrefix::of(from.ip())) else {
                            tracing::warn!(%from, "too many connections that show no pass");
                            continue;
                        };
                        let centre = Arc::clone(&self);
                        links.spawn(async move { centre.meet(socket, from, place).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot take a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        while links.join_next().await.is_some() {}
    }

    /// Who has shown its pass gives its place among strangers back: there is one of each name at most.
    async fn meet(&self, socket: TcpStream, from: SocketAddr, place: strangers::Place) {
        let met = timeout(PROOF_TIME, self.hello(socket)).await.ok().flatten();
        let Some((hello, exporter, input, mut output)) = met else {
            tracing::debug!(%from, "a connection said nothing that an access service says");
            return;
        };
        if let Err(why) = self.judge(&hello, &exporter) {
            tracing::warn!(%from, ?hello, ?why, "an access service is not taken");
            if let Ok(frame) = FromCentre::Refused(why).to_frame(self.ground.clock.now().moment) {
                output.send(&frame).await;
            }
            return;
        }
        drop(place);
        let Ok(welcome) = FromCentre::Welcome.to_frame(self.ground.clock.now().moment) else { return };
        if output.send(&welcome).await {
            tracing::info!(%from, ?hello, "an access service of another process is there");
            self.serve(hello.clone(), input, output).await;
            tracing::info!(%from, ?hello, "an access service of another process is gone");
        }
    }

    async fn hello(&self, socket: TcpStream) -> Option<(Hello, [u8; 32], FramesIn, FramesOut)> {
        let stream = stream_server::accept(socket, Arc::clone(&self.config)).await.ok()?;
        let exporter = stream.exporter?;
        let (mut input, output) = frames(stream);
        match input.next(FromService::from_body).await? {
            FromService::Hello(hello) => Some((hello, exporter, input, output)),
            FromService::Beat | FromService::Event(_) => None,
        }
    }

    fn judge(&self, hello: &Hello, exporter: &[u8; 32]) -> Result<(), WhyNot> {
        let provider = &*self.ground.provider;
        let secret = secret_of(provider, &self.secret, &hello.id);
        // The proof is looked at for unknown names too, so that time does not tell which are known.
        let is_proven = hello.is_proven(provider, &secret, exporter);
        if !is_proven || !self.services.contains(&hello.id) {
            return Err(WhyNot::NotProven);
        }
        if self.fleet.is_of_this_process(&hello.id) { Err(WhyNot::NameTaken) } else { Ok(()) }
    }

    /// Until the link ends, or a newer one of the same service takes its place.
    async fn serve(&self, hello: Hello, input: FramesIn, output: FramesOut) {
        let Ground { executor, clock, stop, .. } = self.ground.clone();
        let (events_in, events) = channel(LINE_LENGTH);
        let (commands_in, commands) = channel(LINE_LENGTH);
        let (replaced, is_replaced) = shutdown();
        let place = Place {
            host: hello.host,
            port: hello.port,
            plain_port: hello.plain_port,
            // Devices of type 1 are served beside the load balancer alone.
            compat_port: None,
            tls_key: hello.tls_key,
        };
        let member = Member::of_another_process(hello.id.clone(), place, commands_in.clone(), replaced);
        let load = member.load();
        let mut writing = tokio::spawn(writing(output, commands, clock));
        let deciding =
            tokio::spawn(self.ground.das_desk(&self.host, hello.id, commands_in, load).run(events));
        let member = self.fleet.add(member, executor.bytes(), executor.bytes()).await;
        tokio::select! {
            () = stop.requested() => {}
            () = is_replaced.requested() => tracing::warn!("the same access service came anew"),
            () = reading(input, events_in) => {}
            _ = &mut writing => {}
        }
        self.fleet.remove(&member);
        drop(member);
        // The desk ends with its events, and the writer with the desk.
        deciding.await.ok();
        writing.abort();
    }
}

async fn reading(mut input: FramesIn, events: Sender<DasEvent>) {
    while let Some(said) = input.next(FromService::from_body).await {
        match said {
            FromService::Beat => {}
            FromService::Hello(_) => {
                tracing::warn!("an access service says twice who it is");
                return;
            }
            FromService::Event(event) => {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn writing(output: FramesOut, commands: Receiver<DasCommand>, clock: net::now::Clock) {
    let beat = FromCentre::Beat.to_frame(clock.now().moment).unwrap_or_default();
    let write = |command| {
        let frame = FromCentre::Command(command).to_frame(clock.now().moment);
        frame.map_err(|error| tracing::warn!(%error, "a command is not sent")).ok()
    };
    output.pump(commands, beat, write).await;
}
