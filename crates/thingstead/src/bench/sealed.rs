//! What sealing costs: messages of the secure profile beside the same messages in clear, on the same machine of MQTT
//! connections and the same driver of TCP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crypto::Provider;
use crypto_server::Server as Crypto;
use osap_proto::ProtocolType;
use tokio::io;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Effort;
use super::child::{self, Part, Server};
use super::load::allow_files;
use super::mqtt::{UNIT, WARM_UP, paced};
use super::mqtt_load::{
    BATCH, Counts, Pace, RUN_COUNT, failed, publish_qos_0, publish_qos_1, read_all, runtime,
};
use super::rows::{Line, Row};
use super::sealed_party::{Party, Speaker};
use crate::failure::Outcome;

/// Of the same in clear.
const RATIO_MIN: f64 = 0.6;
const REFERENCE: &str = "in clear";
/// Names of pairs are not used twice.
const PAIRS_MAX: u32 = 1000;

/// Pairs of devices, and messages of QoS 1 under way in each; `None`: QoS 0.
#[derive(Clone, Copy, Debug)]
struct Pairs {
    count: u32,
    window: Option<u16>,
}

const ROWS: [(&str, Part, Pairs); 5] = [
    ("envelopes, QoS 0, 1 to 1", Part::PassSealed, Pairs { count: 1, window: None }),
    ("envelopes, QoS 1, 1 to 1", Part::PassSealed, Pairs { count: 1, window: Some(50) }),
    ("envelopes, QoS 1, 100 to 100", Part::PassSealed, Pairs { count: 100, window: Some(10) }),
    ("access service, QoS 1, 1 to 1", Part::Das, Pairs { count: 1, window: Some(50) }),
    ("access service, QoS 1, 100 to 100", Part::Das, Pairs { count: 100, window: Some(10) }),
];

/// Messages of 64 bytes, opened and sealed again on their way, per second of the server's processor time.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    child::pin_load()?;
    let mut lines = Vec::new();
    for (what, part, pairs) in ROWS {
        let (mut ours, mut clear) = (Server::start(part)?, Server::start(Part::Pass)?);
        let (mut found, mut void) = (Vec::new(), None);
        for _ in 0..effort.pairs {
            match (run(&mut ours, true, pairs, effort)?, run(&mut clear, false, pairs, effort)?) {
                (Ok(ours), Ok(clear)) => found.push((ours, clear)),
                (Err(share), _) | (_, Err(share)) => void = Some(share),
            }
        }
        if let (true, Some(share)) = (found.is_empty(), void) {
            let why = format!("void: the devices took {:.0} % of their processor", share * 100.0);
            lines.push(Line::skipped(what, REFERENCE, why));
        }
        lines.extend(Row::of(what, REFERENCE, UNIT, &found).map(|row| row.wanting(RATIO_MIN).into()));
    }
    Ok(lines)
}

fn run(server: &mut Server, is_sealed: bool, pairs: Pairs, effort: Effort) -> Outcome<Result<f64, f64>> {
    paced(server, 1, effort, |at, rate, look| load(at, is_sealed, pairs, rate, effort.span(), look))
}

/// Lets the pairs speak; how many messages arrived in `span`.
fn load(
    at: SocketAddr,
    is_sealed: bool,
    pairs: Pairs,
    rate: Option<f64>,
    span: Duration,
    look: &mut dyn FnMut() -> Outcome,
) -> Outcome<u64> {
    allow_files(pairs.count as usize * 2)?;
    let provider: Arc<dyn Provider> = Arc::new(Crypto::new());
    #[expect(clippy::cast_possible_truncation, reason = "runs of a process are few")]
    let first = RUN_COUNT.fetch_add(1, Ordering::Relaxed) as u32 * PAIRS_MAX;
    runtime()?.block_on(async {
        let counts = Arc::new(Counts::default());
        let mut clients = JoinSet::new();
        for number in first..first + pairs.count {
            let reader = Party { is_reader: true, number };
            let (socket, mut speaker) = join(at, reader, &provider, is_sealed).await.map_err(failed)?;
            let hear = move |topic: &[u8], payload: &[u8]| speaker.hear(topic, payload);
            clients.spawn(read_all(socket, Arc::clone(&counts), hear));
        }
        for number in first..first + pairs.count {
            let publisher = Party { is_reader: false, number };
            let (socket, mut speaker) = join(at, publisher, &provider, is_sealed).await.map_err(failed)?;
            let pace = Pace::start(rate, pairs.count as usize);
            match pairs.window {
                None => {
                    let fill = move |bytes: &mut Vec<u8>| (0..BATCH).for_each(|_| speaker.say(None, bytes));
                    clients.spawn(publish_qos_0(socket, (BATCH, 1), Arc::clone(&counts), pace, fill));
                }
                Some(window) => {
                    let say = move |id, bytes: &mut Vec<u8>| speaker.say(Some(id), bytes);
                    clients.spawn(publish_qos_1(socket, window, pace, say));
                }
            }
        }
        counts.measured(WARM_UP, span, look, clients).await
    })
}

async fn join(
    at: SocketAddr,
    party: Party,
    provider: &Arc<dyn Provider>,
    is_sealed: bool,
) -> io::Result<(TcpStream, Speaker)> {
    let mut socket = TcpStream::connect(at).await?;
    socket.set_nodelay(true)?;
    let (mut input, mut output) = socket.split();
    let protocol = is_sealed.then_some(ProtocolType::PLAIN);
    let speaker = party.join(provider, protocol, &mut input, &mut output).await?;
    Ok((socket, speaker))
}
