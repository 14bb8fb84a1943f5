//! What an association costs that is there and silent: heap, as the allocator counts it.
//!
//! The allocator is asked how much of what it manages is in use: its own headers and rounding are in the figure.

use std::sync::Arc;
use std::time::Duration;

use assure_proto::{DeviceInfo, PskHint};
use clock::{Dice, Moment, Now, Timestamp};
use coap_front::channels::{ChannelCommand, ChannelEvent, ChannelFace, ChannelSetup, Receipt};
use coap_front::{Admission, AdmissionKey};
use coap_proto::{Code, ContentFormat, Request};
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use crypto_server::Server;
use dtls_proto::{CipherSuite, Credential};
use malloc_info::info::{SystemType, TotalType};
use model::{KeyId, Uuid};
use net::udp::DatagramMachine as _;

use super::child::internal;
use super::device_line::{DeviceKey, DeviceLine};
use super::rows::{Figure, Line};
use crate::failure::Outcome;
use crate::serve::device_socket::OnSocket;

/// Bytes of heap that are wanted at most.
const LIMIT: f64 = 2048.0;
/// So long after the last record it is measured: longer than any message is remembered.
const SILENCE: Duration = Duration::from_secs(300);
const UNIX_MILLIS: u64 = 1_800_000_000_000;

/// One row for each way to prove oneself.
pub(super) fn measure(count: u32) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    for (name, suite) in [
        ("PSK, CCM_8", CipherSuite::PskAes128Ccm8),
        ("PSK, GCM", CipherSuite::PskAes128GcmSha256),
        ("P-256, CCM_8", CipherSuite::EcdheEcdsaAes128Ccm8),
    ] {
        let bytes = bytes_each(suite, count)?;
        let what = format!("heap of an idle association, {name}");
        lines.extend(Figure::of(&what, "bytes", &[bytes]).map(|figure| figure.limited(LIMIT).into()));
    }
    Ok(lines)
}

/// The management system's side.
struct Side {
    provider: Arc<dyn Provider>,
    own: Credential,
    suite: CipherSuite,
    dice: Dice,
}

fn bytes_each(suite: CipherSuite, count: u32) -> Outcome<f64> {
    let provider: Arc<dyn Provider> = Arc::new(Server::new());
    let mut dice = Dice::numbered(7);
    let own = Credential::raw(p256(&*provider, &mut dice)?);
    let mut side = Side { provider: provider.clone(), own: own.clone(), suite, dice };
    let setup = ChannelSetup {
        provider,
        dice: side.dice.split(),
        own: vec![own],
        limits: ChannelSetup::LIMITS,
        ticket_key_duration: Some(Duration::from_secs(12 * 60 * 60)),
    };
    let before = in_use()?;
    let mut face = OnSocket(ChannelFace::new(setup, at(Moment::START)));
    let mut now = Moment::START;
    for number in 0..count {
        now = now + Duration::from_millis(1);
        side.connect(&mut face, number, at(now))?;
        expire(&mut face, now)?;
    }
    expire(&mut face, now + SILENCE)?;
    let after = in_use()?;
    // What is measured must still be there.
    drop(face);
    #[expect(clippy::cast_precision_loss, reason = "bytes of a process are far below 2^53")]
    Ok(after.saturating_sub(before) as f64 / f64::from(count.max(1)))
}

impl Side {
    /// One device connects, says what it is, and falls silent.
    fn connect(&mut self, face: &mut OnSocket<ChannelFace>, number: u32, now: Now) -> Outcome {
        let uuid = Uuid::v4(self.dice.bytes());
        let id = KeyId(self.dice.bytes());
        let own_name = KeyId(self.dice.bytes()).0;
        let (key, known) = if self.suite.key_agreement().uses_psk() {
            let secret = Secret::new(self.dice.bytes::<32>().to_vec());
            let known = AdmissionKey::Secret { id, secret: secret.clone(), hint: PskHint::KeyId(id) };
            (DeviceKey::Shared(id, secret), known)
        } else {
            let key = p256(&*self.provider, &mut self.dice)?;
            let theirs = key.public().clone();
            (DeviceKey::Private(key), AdmissionKey::PublicKey { id, theirs, ours: self.own.clone() })
        };
        let path = format!("/v1/devices/{uuid}/info");
        let info = DeviceInfo::only(uuid).encode();
        let request = Request::new(Code::PUT, &path).with_payload(ContentFormat::CBOR, info);
        let mut device = DeviceLine::call(&self.provider, number, (uuid, key), &[self.suite], request, now)?;
        let mut known = Some(Admission { device: uuid, key: known, own_name, owner_sequence: Some(1) });
        device.talk(face, now, |event| {
            Ok(match event {
                ChannelEvent::WhoIs { association, .. } => known
                    .take()
                    .map(|admission| ChannelCommand::Known { association, admission: Box::new(admission) }),
                ChannelEvent::Presence { exchange, .. } => {
                    Some(ChannelCommand::Received { exchange, receipt: Receipt::Stored })
                }
                ChannelEvent::Online { .. }
                | ChannelEvent::Offline { .. }
                | ChannelEvent::Goodbye { .. }
                | ChannelEvent::OrderDone { .. } => None,
            })
        })?;
        match device.answer {
            Some(answer) if answer.code == Code::CHANGED => Ok(()),
            other => Err(internal("a device was not heard", format!("{other:?}"))),
        }
    }
}

/// Does all that falls due until `until`, each when it is due; nobody may be lost by it.
fn expire(face: &mut OnSocket<ChannelFace>, until: Moment) -> Outcome {
    while let Some(due) = face.next_deadline().filter(|due| *due <= until) {
        face.expire(at(due));
        if let Some(output) = face.next_output() {
            return Err(internal("a silent association", format!("it is not: {output:?}")));
        }
    }
    Ok(())
}

fn p256(provider: &dyn Provider, dice: &mut Dice) -> Outcome<Arc<dyn PrivateKey>> {
    provider.generate_key(KeyKind::Ec(Curve::P256), dice).map_err(|error| internal("a key", error))
}

fn at(moment: Moment) -> Now {
    Now::new(moment, Timestamp::from_unix_millis(UNIX_MILLIS))
}

/// Bytes that the allocator has handed out and not got back.
pub(super) fn in_use() -> Outcome<usize> {
    let heap = malloc_info::malloc_info().map_err(|error| internal("the allocator", error))?;
    let current: usize = heap
        .system
        .iter()
        .filter(|system| system.r#type == SystemType::Current)
        .map(|system| system.size)
        .sum();
    let total = |wanted: TotalType| -> usize {
        heap.total.iter().filter(|total| total.r#type == wanted).map(|total| total.size).sum()
    };
    let free = total(TotalType::Fast) + total(TotalType::Rest);
    Ok((current + total(TotalType::Mmap)).saturating_sub(free))
}
