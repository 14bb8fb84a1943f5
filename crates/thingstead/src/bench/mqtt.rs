//! Messages of MQTT 3.1.1 clients over TCP, beside mosquitto.

use std::time::Duration;

use super::Effort;
use super::child::{self, Part, Server, internal};
use super::mqtt_load::{self, Crowd};
use super::rows::{Line, Row};
use super::scratch::Scratch;
use crate::failure::Outcome;

/// Before a figure counts.
const WARM_UP: Duration = Duration::from_millis(300);
/// Of mosquitto's.
const RATIO_MIN: f64 = 2.0;
const UNIT: &str = "messages per CPU second";

const MEMORY: &str = "in memory";

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
    for (name, crowd, is_stored) in ROWS {
        let class = if is_stored { "class Process" } else { MEMORY };
        let what = format!("MQTT {name}, {class}");
        let reference = if is_stored { "mosquitto 1 s" } else { "mosquitto" };
        let place = Scratch::new("mqtt")?;
        let part = if is_stored { Part::MqttStored } else { Part::Mqtt };
        let mut ours = Server::start_in(part, place.path())?;
        let mut theirs = match Server::start_mosquitto(place.path(), is_stored)? {
            Ok(theirs) => theirs,
            Err(why) => {
                lines.push(Line::skipped(what, reference, why));
                continue;
            }
        };
        let mut pairs = Vec::new();
        for _ in 0..effort.pairs {
            pairs.push((run(&mut ours, crowd, effort)?, run(&mut theirs, crowd, effort)?));
        }
        lines.extend(Row::of(&what, reference, UNIT, &pairs).map(|row| row.wanting(RATIO_MIN).into()));
    }
    lines.extend(connections(effort)?);
    Ok(lines)
}

/// Messages that arrived per second of the server's processor time.
fn run(server: &mut Server, crowd: Crowd, effort: Effort) -> Outcome<f64> {
    let at = server.at;
    let mut used = Vec::new();
    let mut look = || -> Outcome {
        used.push(server.used()?);
        Ok(())
    };
    let arrived = mqtt_load::run(at, crowd, WARM_UP, effort.span(), &mut look)?;
    let [before, after] = used[..] else {
        return Err(internal("the benchmark", "it was not looked at twice"));
    };
    per_second(arrived, after.since(before).total())
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
    let mut theirs = match Server::start_mosquitto(place.path(), false)? {
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
