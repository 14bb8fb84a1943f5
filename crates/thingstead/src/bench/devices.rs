//! Heap of devices that are connected to an access service, over sockets, as its allocator counts it.

use std::sync::Arc;
use std::time::Duration;

use crypto::Provider;
use crypto_server::Server as Crypto;
use net::https_client::Endpoint;
use net::stream_client::{Cover, OpenStream, open};
use osap_proto::ProtocolType;
use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};

use super::child::{Part, Server};
use super::load::allow_files;
use super::mqtt_load::{failed, runtime};
use super::rows::{Figure, Line};
use super::sealed_party::{Party, Speaker};
use crate::failure::Outcome;

/// Bytes that are wanted at most, over TCP with type 2 and over TLS 1.3.
const LIMITS: [f64; 2] = [8.0 * 1024.0, 16.0 * 1024.0];
/// Of all devices, the part that is counted first: whether the figure grows with their number.
const FEW: u32 = 10;
/// Messages of each device that are more than an access service remembers of it.
const SAID_COUNT: u16 = 1100;
/// Messages of a device under way.
const WINDOW: u16 = 50;
/// For what a server still does with what it got.
const REST: Duration = Duration::from_millis(300);

/// Rows of few and of many devices, connected and silent, and of few that have said much.
pub(super) fn measure(count: u32) -> Outcome<Vec<Line>> {
    allow_files(count as usize)?;
    let few = (count / FEW).max(1);
    let mut lines = Vec::new();
    let ways = [("TCP, type 2", Part::Das), ("TLS 1.3, type 4", Part::DasTls)];
    for ((way, part), limit) in ways.into_iter().zip(LIMITS) {
        let mut server = Server::start(part)?;
        let provider: Arc<dyn Provider> = Arc::new(Crypto::new());
        let is_tls = part == Part::DasTls;
        let figures = runtime()?.block_on(async {
            // The first one brings what is there once.
            let mut held = vec![connect(&server, &provider, 0, is_tls).await.map_err(failed)?];
            tokio::time::sleep(REST).await;
            let before = server.heap()?;
            let mut figures = Vec::new();
            let mut last = 0;
            for wanted in [few, count] {
                for number in last..wanted {
                    held.push(connect(&server, &provider, number + 1, is_tls).await.map_err(failed)?);
                }
                last = wanted;
                tokio::time::sleep(REST).await;
                figures.push((
                    format!("{wanted} connected devices, {way}"),
                    each(server.heap()?, before, wanted),
                ));
            }
            for (stream, speaker) in held.iter_mut().skip(1).take(few as usize) {
                talk(stream, speaker).await.map_err(failed)?;
            }
            tokio::time::sleep(REST).await;
            let grown = each(server.heap()?, before, count) - figures[1].1;
            let after = figures[1].1 + grown * f64::from(count) / f64::from(few);
            figures.push((format!("{few} devices after {SAID_COUNT} messages each, {way}"), after));
            Outcome::Ok(figures)
        })?;
        let line =
            |(what, bytes): (String, f64)| Figure::of(&format!("heap each, {what}"), "bytes", &[bytes]);
        lines.extend(figures.into_iter().filter_map(line).map(|figure| figure.limited(limit).into()));
    }
    Ok(lines)
}

fn each(heap: f64, before: f64, count: u32) -> f64 {
    (heap - before) / f64::from(count)
}

async fn connect(
    server: &Server,
    provider: &Arc<dyn Provider>,
    number: u32,
    is_tls: bool,
) -> io::Result<(OpenStream, Speaker)> {
    let to = Endpoint { host: server.at.ip().to_string(), port: server.at.port() };
    let cover = if is_tls { Cover::Tls { key: None } } else { Cover::Plain };
    let mut stream = open(&to, cover).await?;
    let protocol = if is_tls { ProtocolType::TLS } else { ProtocolType::PLAIN };
    let party = Party { is_reader: false, number };
    let speaker = party.join(provider, Some(protocol), &mut stream.input, &mut stream.output).await?;
    Ok((stream, speaker))
}

/// Says much, and waits until all of it was taken.
async fn talk(stream: &mut OpenStream, speaker: &mut Speaker) -> io::Result<()> {
    for first in (1..=SAID_COUNT).step_by(usize::from(WINDOW)) {
        let mut bytes = Vec::new();
        (first..first + WINDOW).for_each(|id| speaker.say(Some(id), &mut bytes));
        stream.output.write_all(&bytes).await?;
        stream.output.flush().await?;
        let mut acks = vec![0; 4 * usize::from(WINDOW)];
        stream.input.read_exact(&mut acks).await?;
        if acks.chunks(4).any(|ack| ack[0] != 0x40) {
            return Err(io::Error::other("something else than PUBACK"));
        }
    }
    Ok(())
}
