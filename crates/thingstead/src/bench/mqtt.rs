//! Messages of MQTT 3.1.1 clients over TCP, beside other brokers.

use std::net::SocketAddr;
use std::time::Duration;

use broker::{JOURNAL_NAME, MESSAGES};
use store::Journal as _;
use store_segments::Segments;

use super::Effort;
use super::brokers::Reference;
use super::child::{self, Part, Server, internal, thread_time};
use super::mqtt_latency;
use super::mqtt_load::{self, Crowd};
use super::rows::{Figure, Line, Row};
use super::scratch::Scratch;
use crate::failure::Outcome;

/// Before a figure counts.
pub(super) const WARM_UP: Duration = Duration::from_millis(300);
pub(super) const UNIT: &str = "messages per CPU second";

const MEMORY: &str = "in memory";

/// A run is void when the clients took more of their processor: then it is they that are measured.
const LOAD_MAX: f64 = 0.9;
/// A void run is repeated at this part of its rate, so often.
const SLOWER: f64 = 0.7;
const REPEATED_MAX: usize = 3;
/// Bytes of memory that the broker may have.
const RESIDENT_MAX: f64 = 150.0 * 1024.0 * 1024.0;
/// Messages that the bare journal takes at once, and the bytes of one with its topic and head.
const JOURNAL_BATCH: usize = 50;
const ENTRY_SIZE: usize = 128;

/// The rows: what, how, and whether messages are stored. Mosquitto writes its database each second and acknowledges
/// before: the class of its stored rows is weaker than ours.
const ROWS: [(&str, Crowd, bool); 6] = [
    ("QoS 0, 1 to 1", Crowd { publishers: 1, readers_each: 1, window: None, is_kept: false }, false),
    ("QoS 1, 1 to 1", Crowd { publishers: 1, readers_each: 1, window: Some(50), is_kept: false }, false),
    (
        "QoS 1, 100 to 100",
        Crowd { publishers: 100, readers_each: 1, window: Some(10), is_kept: false },
        false,
    ),
    ("QoS 0, 1 to 1,000", Crowd { publishers: 1, readers_each: 1000, window: None, is_kept: false }, false),
    ("QoS 1, 1 to 1", Crowd { publishers: 1, readers_each: 1, window: Some(50), is_kept: true }, true),
    ("QoS 1, 100 to 100", Crowd { publishers: 100, readers_each: 1, window: Some(10), is_kept: true }, true),
];

/// Delivered messages of 64 bytes per second of the broker's processor time, and connections with a subscription.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    child::pin_load()?;
    let mut lines = Vec::new();
    for row in ROWS {
        let beside: &[Reference] =
            if row.2 { &[Reference::MosquittoStored] } else { &[Reference::Mosquitto, Reference::Rumqttd] };
        for reference in beside {
            lines.extend(row_beside(row, *reference, effort)?);
        }
    }
    lines.extend(latency(effort)?);
    lines.extend(connections(effort)?);
    Ok(lines)
}

/// One row beside one other broker.
fn row_beside(
    (name, crowd, is_stored): (&str, Crowd, bool),
    reference: Reference,
    effort: Effort,
) -> Outcome<Vec<Line>> {
    let class = if is_stored { "class Process" } else { MEMORY };
    let what = format!("MQTT {name}, {class}");
    let place = Scratch::new("mqtt")?;
    let mut theirs = match reference.start(place.path())? {
        Ok(theirs) => theirs,
        Err(why) => return Ok(vec![Line::skipped(what, reference.name(), why)]),
    };
    let part = if is_stored { Part::MqttStored } else { Part::Mqtt };
    let mut ours = Server::start_in(part, place.path())?;
    let (mut pairs, mut void, mut bare, mut lines) = (Vec::new(), None, Vec::new(), Vec::new());
    for _ in 0..effort.pairs {
        match (run(&mut ours, crowd, effort)?, run(&mut theirs, crowd, effort)?) {
            (Ok(ours), Ok(theirs)) => {
                pairs.push((ours, theirs));
                if is_stored {
                    bare.push((ours, journal_per_second(effort.span())?));
                }
            }
            (Err(share), _) | (_, Err(share)) => void = Some(share),
        }
    }
    // A row of fewer pairs than were wanted says so by their number.
    if let (true, Some(share)) = (pairs.is_empty(), void) {
        let why = format!("void: the clients took {:.0} % of their processor", share * 100.0);
        lines.push(Line::skipped(what.as_str(), reference.name(), why));
    }
    let row = Row::of(&what, reference.name(), UNIT, &pairs);
    lines.extend(row.map(|row| row.wanting(reference.ratio_min()).into()));
    lines.extend(Row::of(&what, "bare Journal", UNIT, &bare).map(Line::from));
    if reference != Reference::Rumqttd {
        let resident = Figure::of(&format!("{what}: memory"), "bytes", &[ours.resident()?]);
        lines.extend(resident.map(|figure| figure.limited(RESIDENT_MAX).into()));
    }
    Ok(lines)
}

/// Messages that arrived per second of the server's processor time; `Err`: the part of their processor that the
/// clients took, at every rate that was tried.
fn run(server: &mut Server, crowd: Crowd, effort: Effort) -> Outcome<Result<f64, f64>> {
    paced(server, crowd.readers_each, effort, |at, rate, look| {
        mqtt_load::run(at, crowd, rate, WARM_UP, effort.span(), look)
    })
}

/// The same of any load that says how many messages arrived at most `rate` a second.
pub(super) fn paced(
    server: &mut Server,
    readers_each: usize,
    effort: Effort,
    mut load: impl FnMut(SocketAddr, Option<f64>, &mut dyn FnMut() -> Outcome) -> Outcome<u64>,
) -> Outcome<Result<f64, f64>> {
    let (mut rate, mut share) = (None, 0.0);
    for _ in 0..=REPEATED_MAX {
        let at = server.at;
        let (mut used, mut own) = (Vec::new(), Vec::new());
        let mut look = || -> Outcome {
            used.push(server.used()?);
            own.push(thread_time()?);
            Ok(())
        };
        let arrived = load(at, rate, &mut look)?;
        let ([before, after], [begin, end]) = (&used[..], &own[..]) else {
            return Err(internal("the benchmark", "it was not looked at twice"));
        };
        share = end.saturating_sub(*begin).as_secs_f64() / effort.span().as_secs_f64();
        if share <= LOAD_MAX {
            return per_second(arrived, after.since(*before).total()).map(Ok);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^53")]
        let reached = (arrived / readers_each as u64) as f64 / effort.span().as_secs_f64();
        rate = Some(reached * SLOWER);
    }
    Ok(Err(share))
}

/// Messages that a journal of the same durability takes per second of processor time, by itself.
fn journal_per_second(span: Duration) -> Outcome<f64> {
    let place = Scratch::new("journal")?;
    let journal = Segments::open(place.join("messages")).map_err(|error| internal("a journal", error))?;
    let values = vec![vec![7; ENTRY_SIZE]; JOURNAL_BATCH];
    let begin = thread_time()?;
    let mut count = 0;
    while thread_time()?.saturating_sub(begin) < span {
        let appended = journal.append(MESSAGES, JOURNAL_NAME, &values);
        appended.map_err(|error| internal("a journal", format!("{error:?}")))?;
        count += JOURNAL_BATCH as u64;
    }
    let micros = thread_time()?.saturating_sub(begin).as_micros();
    per_second(count, i64::try_from(micros).unwrap_or(i64::MAX))
}

/// How long messages take when there are few of them.
fn latency(effort: Effort) -> Outcome<Vec<Line>> {
    let names =
        ["p50", "p99"].map(|name| format!("MQTT latency at {} messages/s, {name}", mqtt_latency::RATE));
    let place = Scratch::new("mqtt")?;
    let ours = Server::start(Part::Mqtt)?;
    let theirs = match Reference::Mosquitto.start(place.path())? {
        Ok(theirs) => theirs,
        Err(why) => return Ok(vec![Line::skipped(names[1].as_str(), "mosquitto", why)]),
    };
    let mut pairs = [Vec::new(), Vec::new()];
    for _ in 0..effort.pairs {
        let ours = mqtt_latency::measure(ours.at, effort.span())?;
        let theirs = mqtt_latency::measure(theirs.at, effort.span())?;
        for (at, pairs) in pairs.iter_mut().enumerate() {
            pairs.push((ours[at], theirs[at]));
        }
    }
    let row = |(name, pairs): (&String, &Vec<_>)| Row::of(name, "mosquitto", "microseconds", pairs);
    Ok(names.iter().zip(&pairs).filter_map(row).map(|row| row.at_most(1.0).into()).collect())
}

fn per_second(count: u64, micros: i64) -> Outcome<f64> {
    if count == 0 {
        return Err(internal("the benchmark", "no message arrived"));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^53")]
    Ok(count as f64 * 1e6 / micros.max(1) as f64)
}

/// Connections with a subscription, held until the end of the run.
fn connections(effort: Effort) -> Outcome<Option<Line>> {
    const COUNT: usize = 500;
    let what = "MQTT connect and subscribe";
    let place = Scratch::new("mqtt")?;
    let mut ours = Server::start(Part::Mqtt)?;
    let mut theirs = match Reference::Mosquitto.start(place.path())? {
        Ok(theirs) => theirs,
        Err(why) => return Ok(Some(Line::skipped(what, "mosquitto", why))),
    };
    let connect = |server: &mut Server| -> Outcome<f64> {
        let before = server.used()?;
        let count = mqtt_load::connect(server.at, COUNT)?;
        per_second(count, server.used()?.since(before).total())
    };
    let mut pairs = Vec::new();
    for _ in 0..effort.pairs {
        pairs.push((connect(&mut ours)?, connect(&mut theirs)?));
    }
    let row = Row::of(what, "mosquitto", "connections per CPU second", &pairs);
    Ok(row.map(|row| row.wanting(1.0).into()))
}
