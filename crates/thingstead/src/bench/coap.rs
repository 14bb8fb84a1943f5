//! CoAP over UDP, without security and over DTLS.

use std::time::Duration;

use super::Effort;
use super::child::{self, Part, Server, internal};
use super::dtls::Proof;
use super::dtls::load::Clients;
use super::load::{self, Answered, Load};
use super::rows::{Line, Row};
use crate::failure::Outcome;

/// Before a figure counts: caches fill, and answers for the other server that come late are past.
const WARM_UP: Duration = Duration::from_millis(300);
/// Of a bare echo's answers.
const ECHO_RATIO_MIN: f64 = 0.80;
/// Of libcoap's.
const LIBCOAP_RATIO_MIN: f64 = 2.0;
const UNIT: &str = "answers per CPU second";

/// Answers per second of the server's processor time, beside a bare echo and beside libcoap.
pub(super) fn measure(endpoint_counts: &[usize], effort: Effort) -> Outcome<Vec<Line>> {
    child::pin_load()?;
    let mut lines = Vec::new();
    for count in endpoint_counts.iter().copied() {
        let what = format!("CoAP GET, {count} endpoints");
        let (mut ours, mut echo) = (Server::start(Part::Coap)?, Server::start(Part::Echo)?);
        let mut load = Load::new(count)?;
        let mut pairs = Vec::new();
        for _ in 0..effort.pairs {
            pairs.push((ask(&mut ours, &mut load, effort)?, ask(&mut echo, &mut load, effort)?));
        }
        let row = Row::of(&what, "bare echo", UNIT, &pairs);
        lines.extend(row.map(|row| row.wanting(ECHO_RATIO_MIN).into()));
        let mut libcoap = match Server::start_libcoap()? {
            Ok(libcoap) => libcoap,
            Err(why) => {
                lines.push(Line::skipped(what, "libcoap", why));
                continue;
            }
        };
        load.turn_to(libcoap.at)?;
        load.put_reading()?;
        let mut pairs = Vec::new();
        for _ in 0..effort.pairs {
            pairs.push((ask(&mut ours, &mut load, effort)?, ask(&mut libcoap, &mut load, effort)?));
        }
        let row = Row::of(&what, "libcoap", UNIT, &pairs);
        lines.extend(row.map(|row| row.wanting(LIBCOAP_RATIO_MIN).into()));
    }
    Ok(lines)
}

/// The same over DTLS, beside a server that opens and seals records and knows nothing of CoAP.
pub(super) fn measure_over_dtls(endpoint_counts: &[usize], effort: Effort) -> Outcome<Vec<Line>> {
    child::pin_load()?;
    let mut lines = Vec::new();
    let suites = [
        (Proof::PskCcm8, "CCM_8", Part::CoapCcm8, Part::RecordsCcm8),
        (Proof::PskGcm, "GCM", Part::CoapGcm, Part::RecordsGcm),
    ];
    for count in endpoint_counts.iter().copied() {
        for (proof, name, ours, records) in suites {
            let what = format!("CoAP GET, DTLS {name}, {count} endpoints");
            // Each endpoint has a session with either server, over one socket.
            if !load::may_open(count) {
                lines.push(Line::skipped(what, "bare records", "too many sockets for this process".into()));
                continue;
            }
            load::allow_files(count)?;
            let (mut ours, mut records) = (Server::start(ours)?, Server::start(records)?);
            let mut to_us = Clients::new(proof, count, ours.at)?;
            let mut to_records = to_us.beside(proof, records.at)?;
            for clients in [&mut to_us, &mut to_records] {
                clients.turn()?;
                if clients.connect()? < count as u64 {
                    return Err(internal("the benchmark", "not every client could connect"));
                }
            }
            let mut pairs = Vec::new();
            for _ in 0..effort.pairs {
                let mine = ask_secured(&mut ours, &mut to_us, effort)?;
                pairs.push((mine, ask_secured(&mut records, &mut to_records, effort)?));
            }
            lines.extend(Row::of(&what, "bare records", UNIT, &pairs).map(Into::into));
        }
    }
    Ok(lines)
}

/// Answers per second of the server's processor time.
fn ask(server: &mut Server, load: &mut Load, effort: Effort) -> Outcome<f64> {
    load.turn_to(server.at)?;
    load.run(WARM_UP);
    let before = server.used()?;
    let answered = load.run(effort.span());
    per_second(answered, server.used()?.since(before).total())
}

fn ask_secured(server: &mut Server, clients: &mut Clients, effort: Effort) -> Outcome<f64> {
    clients.turn()?;
    clients.ask_for(WARM_UP);
    let before = server.used()?;
    let answered = clients.ask_for(effort.span());
    per_second(answered, server.used()?.since(before).total())
}

/// Of what was answered, when nearly everything was.
pub(super) fn per_second(answered: Answered, micros: i64) -> Outcome<f64> {
    if answered.lost * 100 > answered.answers {
        return Err(internal("the benchmark", format!("{} questions had no answer", answered.lost)));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of a few seconds are far below 2^53")]
    Ok(answered.answers as f64 * 1e6 / micros.max(1) as f64)
}
