//! Sealing and opening tickets with keys that rotate and are never stored.
//!
//! `key name(8) nonce(12) AES-256-GCM{ version(1) suite(2) issued(8) master(48) proof state<2> }`
//! Source: RFC 5077 section 4 in spirit; decision M5.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use clock::{Dice, Moment};
use crypto::{Aead, AeadKey, Provider, PublicKey, Secret};
use wire::{Builder, Cursor};
use zeroize::Zeroizing;

use crate::alert::Stop;
use crate::{CipherSuite, PeerProof};

const NAME_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 12;
const VERSION: u8 = 1;
/// Keeps a hello with a ticket inside the smallest datagrams but for long identities.
const TICKET_LENGTH_MAX: usize = 2048;

const NOTHING: u8 = 0;
const PSK: u8 = 1;
const PSK_HINTED: u8 = 2;
const RAW_KEY: u8 = 3;

struct TicketKey {
    name: [u8; NAME_LENGTH],
    key: Box<dyn AeadKey>,
}

impl TicketKey {
    fn draw(provider: &dyn Provider, dice: &mut Dice) -> Option<Arc<Self>> {
        let name = dice.bytes();
        let secret = Zeroizing::new(dice.bytes::<32>());
        let key = provider.aead(Aead::Aes256Gcm, &*secret).ok()?;
        Some(Arc::new(Self { name, key }))
    }
}

/// What a ticket holds.
pub(crate) struct TicketContents {
    pub(crate) suite: CipherSuite,
    pub(crate) issued: Moment,
    pub(crate) master: Secret,
    pub(crate) proof: PeerProof,
    pub(crate) state: Vec<u8>,
}

/// The listener's keys: one that seals and the one before.
pub(crate) struct TicketKeys {
    present: Option<Arc<TicketKey>>,
    before: Option<Arc<TicketKey>>,
    duration: Duration,
    rotate_at: Moment,
}

impl TicketKeys {
    pub(crate) fn new(provider: &dyn Provider, dice: &mut Dice, duration: Duration, now: Moment) -> Self {
        let present = TicketKey::draw(provider, dice);
        Self { present, before: None, duration, rotate_at: now + duration }
    }

    pub(crate) fn rotate(&mut self, provider: &dyn Provider, dice: &mut Dice, now: Moment) {
        if now < self.rotate_at {
            return;
        }
        let overslept = now >= self.rotate_at + self.duration;
        let retired = core::mem::replace(&mut self.present, TicketKey::draw(provider, dice));
        self.before = if overslept { None } else { retired };
        self.rotate_at = now + self.duration;
    }

    /// What a session needs of them.
    pub(crate) fn reader(&self) -> TicketReader {
        TicketReader { present: self.present.clone(), before: self.before.clone(), lifetime: self.duration }
    }
}

/// The keys as a session holds them during its handshake.
#[derive(Clone, Default)]
pub(crate) struct TicketReader {
    present: Option<Arc<TicketKey>>,
    before: Option<Arc<TicketKey>>,
    lifetime: Duration,
}

impl TicketReader {
    /// Whether tickets are issued at all.
    pub(crate) const fn issues(&self) -> bool {
        self.present.is_some()
    }

    pub(crate) const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Seals a ticket; `None` when it cannot be made, for example for a peer known by a long chain.
    pub(crate) fn seal(&self, contents: &TicketContents, dice: &mut Dice) -> Option<Vec<u8>> {
        let key = self.present.as_ref()?;
        let mut text = encode(contents).ok()??;
        let nonce = dice.bytes::<NONCE_LENGTH>();
        key.key.seal(&nonce, &key.name, &mut text).ok()?;
        Some([&key.name[..], &nonce, &text].concat())
    }

    /// Opens a ticket that is ours and not too old.
    pub(crate) fn open(&self, ticket: &[u8], now: Moment) -> Option<TicketContents> {
        let (name, rest) = ticket.split_first_chunk::<NAME_LENGTH>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>()?;
        let key = [&self.present, &self.before].into_iter().flatten().find(|key| key.name == *name)?;
        let mut text = sealed.to_vec();
        key.key.open(nonce, name, &mut text).ok()?;
        let text = Zeroizing::new(text);
        decode(&text).filter(|contents| now < contents.issued + self.lifetime)
    }
}

/// `None` for a peer that a ticket cannot hold.
fn encode(contents: &TicketContents) -> Result<Option<Vec<u8>>, Stop> {
    let mut head = Builder::with_limit(TICKET_LENGTH_MAX);
    head.u8(VERSION)?.u16(contents.suite.code())?.put(&contents.issued.as_micros().to_be_bytes())?;
    let mut out = Builder::with_limit(TICKET_LENGTH_MAX);
    match &contents.proof {
        PeerProof::Nothing => out.u8(NOTHING)?,
        PeerProof::Psk { identity, hint: None } => out.u8(PSK)?.vec16(identity)?,
        PeerProof::Psk { identity, hint: Some(hint) } => out.u8(PSK_HINTED)?.vec16(identity)?.vec16(hint)?,
        PeerProof::RawKey(key) => out.u8(RAW_KEY)?.vec16(key.spki())?,
        PeerProof::Chain(_) => return Ok(None),
    };
    out.vec16(&contents.state)?;
    // Sized before the secret goes in, tag included, so that no outgrown buffer keeps a copy of it.
    let master = contents.master.expose();
    let length = u8::try_from(master.len()).map_err(|_| Stop::Fault)?;
    let size = head.len() + 1 + master.len() + out.len() + Aead::Aes256Gcm.tag_length();
    let mut text = Vec::with_capacity(size);
    for part in [head.as_slice(), &[length], master, out.as_slice()] {
        text.extend_from_slice(part);
    }
    Ok(Some(text))
}

fn decode(text: &[u8]) -> Option<TicketContents> {
    let mut cursor = Cursor::new(text);
    if cursor.u8().ok()? != VERSION {
        return None;
    }
    let suite = CipherSuite::from_code(cursor.u16().ok()?)?;
    let issued = Moment::from_micros(cursor.u64().ok()?);
    let master = Secret::from(cursor.vec8().ok()?);
    let proof = match cursor.u8().ok()? {
        NOTHING => PeerProof::Nothing,
        PSK => PeerProof::Psk { identity: cursor.vec16().ok()?.to_vec(), hint: None },
        PSK_HINTED => PeerProof::Psk {
            identity: cursor.vec16().ok()?.to_vec(),
            hint: Some(cursor.vec16().ok()?.to_vec()),
        },
        RAW_KEY => PeerProof::RawKey(PublicKey::from_spki(cursor.vec16().ok()?).ok()?),
        _ => return None,
    };
    let state = cursor.vec16().ok()?.to_vec();
    Some(TicketContents { suite, issued, master, proof, state })
}
