//! Readings that a person's program asks a smart device for: over HTTPS to the management system, over sealed MQTT to
//! the device, and back; beside one bare HTTPS call and one bare round trip of MQTT, in turns on one thread.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use net::https_client::{CallLimits, Client, Connection, Endpoint};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Effort;
use super::child::{Part, Server, internal, unpin};
use super::mqtt_load::{PAYLOAD, failed, open, publish, runtime};
use super::rows::{Line, Row};
use super::scratch::Scratch;
use super::sealed_party::Party;
use super::tls_server::CA_FILE;
use crate::demo::{self, SmartOwner};
use crate::failure::Outcome;
use crate::files;

/// Readings before any counts: keys, caches and connections are warm then.
const WARM_UP_COUNT: usize = 50;
/// Longest certificate.
const CERTIFICATE_LENGTH_MAX: u64 = 64 * 1024;
/// Parts of a hundred that are told.
const SHARES: [usize; 2] = [50, 99];
const UNIT: &str = "microseconds";

/// Rows of a reading beside the two round trips that it cannot do without.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    unpin()?;
    let folder = Scratch::new("hub")?;
    let owner = demo::smart_owner(folder.path())?;
    let bare_place = Scratch::new("hub-bare")?;
    let (http, mqtt) = (Server::start_in(Part::Https, bare_place.path())?, Server::start(Part::Pass)?);
    let found = runtime()?.block_on(async {
        let mut trips = Trips::new(&owner, (http.at, bare_place.path()), mqtt.at).await?;
        for _ in 0..WARM_UP_COUNT {
            trips.once().await?;
        }
        let mut found = [const { Vec::new() }; SHARES.len()];
        for _ in 0..effort.pairs {
            for (pairs, pair) in found.iter_mut().zip(trips.many(effort.span()).await?) {
                pairs.push(pair);
            }
        }
        Outcome::Ok(found)
    })?;
    let row = |(share, pairs): (usize, Vec<(f64, f64)>)| {
        Row::of(&format!("reading by HTTPS from a device, p{share}"), "bare HTTPS + MQTT", UNIT, &pairs)
    };
    Ok(SHARES.into_iter().zip(found).filter_map(row).map(Line::from).collect())
}

/// What is asked in turns.
struct Trips {
    platform: Connection,
    reading: String,
    bare: Connection,
    mqtt: TcpStream,
    message: Vec<u8>,
}

impl Trips {
    async fn new(owner: &SmartOwner, (http, place): (SocketAddr, &Path), mqtt: SocketAddr) -> Outcome<Self> {
        let called = |error| internal("a call of the benchmark", format!("{error:?}"));
        let platform = owner.connect().await?;
        let ca = files::read(&place.join(CA_FILE), CERTIFICATE_LENGTH_MAX)?.to_vec();
        let client = Client::new(&[ca], None, CallLimits::default());
        let client = client.map_err(|error| internal("TLS", format!("{error:?}")))?;
        let endpoint = Endpoint { host: http.ip().to_string(), port: http.port() };
        let bare = client.open(&endpoint, None).await.map_err(called)?;
        let party = Party { is_reader: false, number: 0 };
        let name = String::from_utf8_lossy(party.devid().as_bytes()).into_owned();
        let mqtt = open(mqtt, &name, true).await.map_err(failed)?;
        let reading = format!("/things/{}/properties/{}?fresh=true", owner.thing(), owner.property());
        Ok(Self { platform, reading, bare, mqtt, message: publish("bench", Some(1), &PAYLOAD) })
    }

    /// How long a reading took, and the two bare ones together.
    async fn once(&mut self) -> Outcome<(Duration, Duration)> {
        let begin = Instant::now();
        get(&mut self.platform, &self.reading).await?;
        let read = begin.elapsed();
        let begin = Instant::now();
        get(&mut self.bare, "/").await?;
        self.mqtt.write_all(&self.message).await.map_err(failed)?;
        let mut answer = [0; 4];
        self.mqtt.read_exact(&mut answer).await.map_err(failed)?;
        if answer == [0x40, 2, 0, 1] {
            Ok((read, begin.elapsed()))
        } else {
            Err(internal("a bare round trip", format!("{answer:?}")))
        }
    }

    /// The shares of what a span brings, both in microseconds.
    async fn many(&mut self, span: Duration) -> Outcome<[(f64, f64); SHARES.len()]> {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let begin = Instant::now();
        while begin.elapsed() < span || ours.is_empty() {
            let (read, other) = self.once().await?;
            ours.push(read);
            bare.push(other);
        }
        ours.sort_unstable();
        bare.sort_unstable();
        let at = |sorted: &[Duration], share: usize| sorted[sorted.len() * share / 100].as_secs_f64() * 1e6;
        Ok(SHARES.map(|share| (at(&ours, share), at(&bare, share))))
    }
}

async fn get(connection: &mut Connection, path: &str) -> Outcome {
    let request = Request::get(path).body(Bytes::new());
    let request = request.map_err(|error| internal("a call of the benchmark", error))?;
    let answer = connection.call(request).await;
    let answer = answer.map_err(|error| internal("a call of the benchmark", error))?;
    if answer.status() == StatusCode::OK {
        return Ok(());
    }
    let said = String::from_utf8_lossy(answer.body()).into_owned();
    Err(internal("a call of the benchmark", format!("{}: {said}", answer.status())))
}
