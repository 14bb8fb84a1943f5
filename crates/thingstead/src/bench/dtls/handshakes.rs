//! Full handshakes per second: in memory beside the operations they are made of, and over sockets.

use super::Proof;
use super::load::Clients;
use super::memory::{Handshakes, Primitives};
use super::openssl::OpenSsl;
use crate::bench::Effort;
use crate::bench::child::{self, Part, Server, Used};
use crate::bench::coap;
use crate::bench::rows::{Figure, Line, Row};
use crate::failure::Outcome;

/// Of the operations with keys.
const PRIMITIVES_RATIO_MIN: f64 = 0.80;
/// Of OpenSSL's handshakes.
const OPENSSL_RATIO_MIN: f64 = 2.0;
const UNIT: &str = "handshakes per CPU second of the server";
/// Clients over sockets: as many as one net may have handshakes under way.
const CLIENT_COUNT: usize = 64;

/// Rows of this benchmark.
pub(in crate::bench) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    child::pin_load()?;
    let mut lines = Vec::new();
    for proof in [Proof::P256, Proof::Rsa2048] {
        lines.extend(beside_primitives(proof, effort)?);
    }
    lines.push(beside_openssl(effort)?);
    for (proof, part) in [(Proof::PskCcm8, Part::CoapCcm8), (Proof::P256, Part::CoapP256)] {
        lines.extend(over_sockets(proof, part, effort)?);
    }
    Ok(lines)
}

fn beside_primitives(proof: Proof, effort: Effort) -> Outcome<Option<Line>> {
    let mut ours = Handshakes::new(proof)?;
    let Some(mut primitives) = Primitives::new(proof)? else { return Ok(None) };
    let mut pairs = Vec::new();
    for _ in 0..effort.pairs {
        pairs.push((ours.per_second(effort.span())?, primitives.per_second(effort.span())?));
    }
    let what = format!("handshake, {}", proof.name());
    let row = Row::of(&what, "key operations", UNIT, &pairs);
    Ok(row.map(|row| row.wanting(PRIMITIVES_RATIO_MIN).into()))
}

fn beside_openssl(effort: Effort) -> Outcome<Line> {
    let what = format!("handshake, {}", Proof::PskCcm8.name());
    let mut ours = Handshakes::new(Proof::PskCcm8)?;
    let mut openssl = match OpenSsl::start()? {
        Ok(openssl) => openssl,
        Err(why) => return Ok(Line::skipped(what, "OpenSSL", why)),
    };
    let mut pairs = Vec::new();
    for _ in 0..effort.pairs {
        pairs.push((ours.per_second(effort.span())?, openssl.per_second(effort.span())?));
    }
    let row = Row::of(&what, &openssl.version, UNIT, &pairs);
    Ok(row.map_or_else(
        || Line::skipped(what, "OpenSSL", "no pair was asked for".into()),
        |row| row.wanting(OPENSSL_RATIO_MIN).into(),
    ))
}

/// Beside the same in memory; with the share of the server's time that the kernel had.
fn over_sockets(proof: Proof, part: Part, effort: Effort) -> Outcome<Vec<Line>> {
    let mut server = Server::start(part)?;
    let mut clients = Clients::new(proof, CLIENT_COUNT, server.at)?;
    let mut in_memory = Handshakes::new(proof)?;
    let (mut pairs, mut shares) = (Vec::new(), Vec::new());
    clients.connect()?;
    for _ in 0..effort.pairs {
        let before = server.used()?;
        let answered = clients.connect_for(effort.span())?;
        let used = server.used()?.since(before);
        pairs.push((coap::per_second(answered, used.total())?, in_memory.per_second(effort.span())?));
        shares.push(share_of_kernel(used));
    }
    let what = format!("handshake over UDP, {}", proof.name());
    let row = Row::of(&what, "ours in memory", UNIT, &pairs).map(Line::from);
    let share = Figure::of(&format!("{what}: the kernel's share"), "of the server's CPU time", &shares);
    Ok(row.into_iter().chain(share.map(Line::from)).collect())
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a few seconds are far below 2^53")]
fn share_of_kernel(used: Used) -> f64 {
    used.kernel as f64 / used.total().max(1) as f64
}
