//! CoAP over UDP without security.

use std::time::Duration;

use super::Effort;
use super::child::{self, Part, Server, internal};
use super::load::Load;
use super::pairs::Row;
use crate::failure::Outcome;

/// Before a figure counts: caches fill, and answers for the other server that come late are past.
const WARM_UP: Duration = Duration::from_millis(300);

/// Answers per second of the server's processor time, beside a bare echo.
pub(super) fn measure(endpoint_counts: &[usize], effort: Effort) -> Outcome<Vec<Row>> {
    child::pin_load()?;
    let mut rows = Vec::new();
    for count in endpoint_counts.iter().copied() {
        let (mut ours, mut echo) = (Server::start(Part::Coap)?, Server::start(Part::Echo)?);
        let mut load = Load::new(count)?;
        let mut pairs = Vec::new();
        for _ in 0..effort.pairs {
            pairs.push((ask(&mut ours, &mut load, effort)?, ask(&mut echo, &mut load, effort)?));
        }
        let what = format!("CoAP GET, {count} endpoints");
        rows.extend(Row::of(&what, "bare echo", "answers per CPU second", &pairs));
    }
    Ok(rows)
}

/// Answers per second of the server's processor time.
fn ask(server: &mut Server, load: &mut Load, effort: Effort) -> Outcome<f64> {
    load.turn_to(server.at)?;
    load.run(WARM_UP);
    let before = server.used_micros()?;
    let answered = load.run(Duration::from_secs(effort.seconds.into()));
    let used = server.used_micros()? - before;
    if answered.lost * 100 > answered.answers {
        return Err(internal("the benchmark", format!("{} questions had no answer", answered.lost)));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^53")]
    Ok(answered.answers as f64 * 1e6 / used.max(1) as f64)
}
