//! How long messages take through a broker that has time for them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;

use super::child::internal;
use super::mqtt_load::{PAYLOAD, Packets, failed, open, publish, runtime, subscribe};
use crate::failure::Outcome;

/// Messages a second.
pub(super) const RATE: usize = 5000;
/// Messages leave in groups, one for each step of the clock.
const STEP: Duration = Duration::from_millis(1);

/// The middle and the 99th of a hundred, in microseconds, of messages of QoS 0 from one client to another.
pub(super) fn measure(at: SocketAddr, span: Duration) -> Outcome<[f64; 2]> {
    let begin = Instant::now();
    let found = Arc::new(Mutex::new(Vec::new()));
    runtime()?.block_on(async {
        let mut reader = open(at, "latency-reader", true).await.map_err(failed)?;
        subscribe(&mut reader, "bench/latency", 0).await.map_err(failed)?;
        let heard = Arc::clone(&found);
        let reading = tokio::spawn(async move {
            let (mut input, _output) = reader.into_split();
            let mut packets = Packets::new();
            let mut take = |first: u8, body: &[u8]| {
                let now = begin.elapsed();
                let stamp = body.len().checked_sub(PAYLOAD.len()).and_then(|at| body[at..].first_chunk());
                if let (3, Some(stamp)) = (first >> 4, stamp) {
                    let took = now.saturating_sub(Duration::from_nanos(u64::from_be_bytes(*stamp)));
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(took);
                }
            };
            while packets.read(&mut input, &mut take).await {}
        });
        let mut publisher = open(at, "latency-publisher", true).await.map_err(failed)?;
        let mut ticks = tokio::time::interval(STEP);
        let each = RATE / 1000;
        while begin.elapsed() < span {
            ticks.tick().await;
            let mut bytes = Vec::new();
            for _ in 0..each {
                let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
                let mut payload = PAYLOAD;
                payload[..8].copy_from_slice(&nanos.to_be_bytes());
                bytes.extend(publish("bench/latency", None, &payload));
            }
            publisher.write_all(&bytes).await.map_err(failed)?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        reading.abort();
        Outcome::Ok(())
    })?;
    let mut found = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    found.sort_unstable();
    let at = |share: usize| found.get(found.len() * share / 100).map(|took| took.as_secs_f64() * 1e6);
    match (at(50), at(99)) {
        (Some(middle), Some(late)) => Ok([middle, late]),
        _ => Err(internal("the benchmark", "no message arrived")),
    }
}
