//! MQTT 3.1.1 clients that publish as fast as a broker takes it: their packets by hand, so that they cost little.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinSet;

use super::child::internal;
use super::load::allow_files;
use crate::failure::Outcome;

/// Bytes of a message.
pub(super) const PAYLOAD: [u8; 64] = [7; 64];
/// Messages of QoS 0 that leave with one write when one client reads them.
pub(super) const BATCH: u64 = 200;
/// Messages of QoS 0 that may be on their way: a broker's memory is not what is measured.
const ON_THE_WAY_MAX: u64 = 20_000;
/// Runs of this process.
pub(super) static RUN_COUNT: AtomicU64 = AtomicU64::new(0);
/// Until a server listens.
const TRIES_MAX: usize = 200;

/// Who speaks to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    /// Each has a topic of its own.
    pub(super) publishers: usize,
    /// Readers of each topic.
    pub(super) readers_each: usize,
    /// Messages of QoS 1 under way; `None`: QoS 0.
    pub(super) window: Option<u16>,
    /// Whether readers have sessions that outlive their connection.
    pub(super) is_kept: bool,
}

/// No more than so many messages a second, of one publisher; else as fast as the broker takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    begin: Instant,
    per_second: Option<f64>,
}

impl Pace {
    /// From now on `rate` messages a second of all publishers together.
    pub(super) fn start(rate: Option<f64>, publisher_count: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a crowd of a benchmark is small")]
        let per_second = rate.map(|rate| rate / publisher_count as f64);
        Self { begin: Instant::now(), per_second }
    }

    async fn keep(self, sent: u64) {
        let Some(per_second) = self.per_second else { return };
        #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^53")]
        let due = Duration::from_secs_f64(sent as f64 / per_second);
        if let Some(early) = due.checked_sub(self.begin.elapsed()) {
            tokio::time::sleep(early).await;
        }
    }
}

pub(super) fn failed(error: io::Error) -> crate::failure::Failure {
    internal("a client of the benchmark", error)
}

pub(super) fn runtime() -> Outcome<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)
}

/// Lets the crowd speak, all together `rate` messages a second at most; how many messages arrived in `span`. `look` is
/// called at its begin and at its end.
pub(super) fn run(
    at: SocketAddr,
    crowd: Crowd,
    rate: Option<f64>,
    warm_up: Duration,
    span: Duration,
    look: &mut dyn FnMut() -> Outcome,
) -> Outcome<u64> {
    allow_files(crowd.publishers * (crowd.readers_each + 1))?;
    // Sessions of an earlier run want none of this one's messages.
    let run = RUN_COUNT.fetch_add(1, Ordering::Relaxed);
    runtime()?.block_on(async {
        let counts = Arc::new(Counts::default());
        let mut clients = JoinSet::new();
        for topic in 0..crowd.publishers {
            for reader in 0..crowd.readers_each {
                let mut socket =
                    open(at, &format!("r{run}-{topic}-{reader}"), !crowd.is_kept).await.map_err(failed)?;
                let qos = u8::from(crowd.window.is_some());
                subscribe(&mut socket, &format!("bench/{run}/{topic}"), qos).await.map_err(failed)?;
                clients.spawn(read_all(socket, Arc::clone(&counts), |_: &[u8], _: &[u8]| {}));
            }
        }
        for topic in 0..crowd.publishers {
            let socket = open(at, &format!("p{topic}"), true).await.map_err(failed)?;
            let (topic, counts) = (format!("bench/{run}/{topic}"), Arc::clone(&counts));
            let readers = crowd.readers_each as u64;
            let pace = Pace::start(rate, crowd.publishers);
            match crowd.window {
                None => {
                    let count = if readers > 1 { 1 } else { BATCH };
                    let batch = publish(&topic, None, &PAYLOAD).repeat(count as usize);
                    let fill = move |bytes: &mut Vec<u8>| bytes.extend_from_slice(&batch);
                    drop(clients.spawn(publish_qos_0(socket, (count, readers), counts, pace, fill)));
                }
                Some(window) => {
                    let say =
                        move |id, bytes: &mut Vec<u8>| bytes.extend(publish(&topic, Some(id), &PAYLOAD));
                    drop(clients.spawn(publish_qos_1(socket, window, pace, say)));
                }
            }
        }
        counts.measured(warm_up, span, look, clients).await
    })
}

/// Connects so many clients with a subscription each, and lets them go.
pub(super) fn connect(at: SocketAddr, count: usize) -> Outcome<u64> {
    allow_files(count)?;
    runtime()?.block_on(async {
        let mut held = Vec::new();
        for number in 0..count {
            let mut socket = open(at, &format!("c{number}"), true).await.map_err(failed)?;
            subscribe(&mut socket, &format!("bench/{number}"), 1).await.map_err(failed)?;
            held.push(socket);
        }
        Ok(held.len() as u64)
    })
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: AtomicU64,
    arrived: AtomicU64,
}

impl Counts {
    /// What arrives in `span` while the clients speak, who are ended then; `look` is called at its begin and end.
    pub(super) async fn measured(
        &self,
        warm_up: Duration,
        span: Duration,
        look: &mut dyn FnMut() -> Outcome,
        mut clients: JoinSet<()>,
    ) -> Outcome<u64> {
        tokio::time::sleep(warm_up).await;
        look()?;
        let before = self.arrived.load(Ordering::Relaxed);
        tokio::time::sleep(span).await;
        let arrived = self.arrived.load(Ordering::Relaxed) - before;
        look()?;
        clients.shutdown().await;
        Ok(arrived)
    }
}

pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    while rest > 0x7f {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(body);
    out
}

pub(super) fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("names of the benchmark are short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

pub(super) async fn open(at: SocketAddr, name: &str, is_clean: bool) -> io::Result<TcpStream> {
    let mut tries = 0;
    let mut socket = loop {
        match TcpStream::connect(at).await {
            Ok(socket) => break socket,
            // A server that was just started may not listen yet.
            Err(_) if tries < TRIES_MAX => tries += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    socket.set_nodelay(true)?;
    let flags = if is_clean { 2 } else { 0 };
    let body = [&text("MQTT")[..], &[4, flags, 0, 60], &text(name)].concat();
    socket.write_all(&packet(0x10, &body)).await?;
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).await?;
    if answer[3] == 0 { Ok(socket) } else { Err(io::Error::other("CONNACK says no")) }
}

pub(super) async fn subscribe(socket: &mut TcpStream, topic: &str, qos: u8) -> io::Result<()> {
    let body = [&[0, 1][..], &text(topic), &[qos]].concat();
    socket.write_all(&packet(0x82, &body)).await?;
    // What a kept session has waiting comes with it or before: it is counted by nobody.
    let mut answer = [0; 5];
    socket.read_exact(&mut answer).await.map(drop)
}

pub(super) fn publish(topic: &str, id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let id = id.map(u16::to_be_bytes);
    let first = if id.is_some() { 0x32 } else { 0x30 };
    packet(first, &[&text(topic)[..], id.as_ref().map_or(&[], |id| &id[..]), payload].concat())
}

/// Cuts what arrives into packets.
pub(super) struct Packets {
    buffer: Vec<u8>,
    length: usize,
}

impl Packets {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; 256 * 1024], length: 0 }
    }

    /// Reads once; `false` at the end.
    pub(super) async fn read(
        &mut self,
        socket: &mut OwnedReadHalf,
        take: &mut impl FnMut(u8, &[u8]),
    ) -> bool {
        match socket.read(&mut self.buffer[self.length..]).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => self.length += length,
        }
        let mut at = 0;
        while let Some((first, body)) = first_of(&self.buffer[at..self.length]) {
            take(first, &self.buffer[at..][body.clone()]);
            at += body.end;
        }
        self.buffer.copy_within(at..self.length, 0);
        self.length -= at;
        true
    }
}

fn first_of(bytes: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let mut size = 0;
    for (at, byte) in bytes.iter().enumerate().skip(1).take(4) {
        size |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let body = at + 1..at + 1 + size;
            return (bytes.len() >= body.end).then_some((bytes[0], body));
        }
    }
    None
}

/// Counts messages, passes topic and payload on, and acknowledges those of QoS 1.
pub(super) async fn read_all(
    socket: TcpStream,
    counts: Arc<Counts>,
    mut hear: impl FnMut(&[u8], &[u8]) + Send,
) {
    let (mut input, mut output) = socket.into_split();
    let (mut packets, mut acks) = (Packets::new(), Vec::new());
    loop {
        let mut count = 0;
        let mut take = |first: u8, body: &[u8]| {
            if first >> 4 != 3 {
                return;
            }
            count += 1;
            let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
            let is_answered = first & 6 != 0;
            if is_answered {
                acks.extend([0x40, 2, body[topic], body[topic + 1]]);
            }
            hear(&body[2..topic], &body[topic + if is_answered { 2 } else { 0 }..]);
        };
        if !packets.read(&mut input, &mut take).await {
            return;
        }
        counts.arrived.fetch_add(count, Ordering::Relaxed);
        if !acks.is_empty() && output.write_all(&acks).await.is_err() {
            return;
        }
        acks.clear();
    }
}

/// Sends what `fill` writes, `count` messages that so many readers get each.
pub(super) async fn publish_qos_0(
    mut socket: TcpStream,
    (count, readers): (u64, u64),
    counts: Arc<Counts>,
    pace: Pace,
    mut fill: impl FnMut(&mut Vec<u8>) + Send,
) {
    let mut batch = Vec::new();
    loop {
        pace.keep(counts.sent.load(Ordering::Relaxed)).await;
        let due = counts.sent.load(Ordering::Relaxed) * readers;
        if due > counts.arrived.load(Ordering::Relaxed) + ON_THE_WAY_MAX {
            tokio::time::sleep(Duration::from_micros(50)).await;
            continue;
        }
        batch.clear();
        fill(&mut batch);
        if socket.write_all(&batch).await.is_err() {
            return;
        }
        counts.sent.fetch_add(count, Ordering::Relaxed);
    }
}

/// Sends what `say` writes for each identifier, as many at once as the window is wide.
pub(super) async fn publish_qos_1(
    socket: TcpStream,
    window: u16,
    pace: Pace,
    mut say: impl FnMut(u16, &mut Vec<u8>) + Send,
) {
    let mut sent = 0;
    let (mut input, mut output) = socket.into_split();
    let (mut packets, mut bytes) = (Packets::new(), Vec::new());
    let (mut flying, mut id) = (0, 0_u16);
    loop {
        while flying < window {
            id = id.checked_add(1).unwrap_or(1);
            say(id, &mut bytes);
            (flying, sent) = (flying + 1, sent + 1);
        }
        pace.keep(sent).await;
        if output.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
        let mut acked = 0;
        let mut take = |first: u8, _: &[u8]| acked += u16::from(first >> 4 == 4);
        if !packets.read(&mut input, &mut take).await {
            return;
        }
        flying -= acked;
    }
}
