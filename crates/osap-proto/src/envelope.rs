//! Envelopes: the sealed payload of every PUBLISH, and of the will.
//!
//! ```text
//! hello(up)   ── the will
//! hello(D) ── das_nonce ── secret_0(D) ── secret_1(D) ── ...    one secret, key and iv for each phase
//! ```
//! The greeting brings `das_nonce` and is counter 0 of phase 0 downwards.
//! Source: OSAP secure profile section 13, and section 12 for the greeting.

mod opener;
mod sealer;
#[cfg(test)]
mod vectors;
mod window;

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{Aead, AeadKey, Provider, Secret};

pub use opener::{Opened, Opener, Unopened};
pub use sealer::{Exhausted, Sealer};

use crate::ConnectionNumbers;
use crate::json::Value;
use crate::key_schedule::expand;
use crate::record::Iv;

/// The first byte of every envelope.
const FORM: u8 = 0x10;
/// Form, phase and counter.
const HEAD_SIZE: usize = 10;
const TAG_SIZE: usize = 16;
/// A general part with two numbers of 20 digits.
const GENERAL_SIZE_MAX: usize = 54;
/// An envelope of an empty plaintext would have this size, in bytes; a shorter one is none.
const SIZE_MIN: usize = HEAD_SIZE + 2 + TAG_SIZE;
/// Counters are below this.
const COUNTER_END: u64 = 1 << 24;
/// The phase that is not used.
const PHASE_END: u8 = 255;

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device.
    Up,
    /// To the device.
    Down,
}

impl Direction {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Up => b"up",
            Self::Down => b"down",
        }
    }
}

/// What stands before the application's part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct General {
    /// From a counter of the maker that rises within an epoch; an answer carries that of its request.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub ts: u64,
}

impl General {
    /// The plaintext of an envelope, with room for the rest of it: a plaintext that has to move leaves a copy.
    pub(crate) fn plaintext(self, application: &[u8]) -> Vec<u8> {
        let size = 2 + GENERAL_SIZE_MAX + application.len() + HEAD_SIZE + TAG_SIZE;
        let mut plain = Vec::with_capacity(size);
        plain.extend_from_slice(b"\0\0{\"Seq\":");
        push_number(&mut plain, self.seq);
        plain.extend_from_slice(b",\"Ts\":");
        push_number(&mut plain, self.ts);
        plain.push(b'}');
        let size = u16::try_from(plain.len() - 2).expect("two numbers have 40 digits at most");
        plain[..2].copy_from_slice(&size.to_be_bytes());
        plain.extend_from_slice(application);
        plain
    }
}

/// In decimal digits.
fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    while number > 0 || start == digits.len() {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text.extend_from_slice(&digits[start..]);
}

/// Parts a plaintext; `None` when its general part cannot be read.
pub(crate) fn split(plain: &[u8]) -> Option<(General, &[u8])> {
    let (size, rest) = plain.split_first_chunk()?;
    let (general, application) = rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
    if let Some(general) = as_we_write_it(general) {
        return Some((general, application));
    }
    let members = Value::parse(general)?;
    let number = |name| members.member(name)?.unsigned();
    Some((General { seq: number("Seq")?, ts: number("Ts")? }, application))
}

/// A general part in the one form that needs no reader of JSON; `None` for every other, whether it is one or not.
fn as_we_write_it(general: &[u8]) -> Option<General> {
    let (seq, rest) = number_before(general.strip_prefix(b"{\"Seq\":")?, b',')?;
    let (ts, rest) = number_before(rest.strip_prefix(b"\"Ts\":")?, b'}')?;
    rest.is_empty().then_some(General { seq, ts })
}

/// A number of at most 19 digits without needless zeros, and what stands behind the byte that ends it.
fn number_before(text: &[u8], end: u8) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (length, byte) in text.iter().enumerate().take(20) {
        if byte.is_ascii_digit() && length < 19 {
            value = value * 10 + u64::from(byte - b'0');
        } else {
            let is_number = *byte == end && (length == 1 || (length > 1 && text[0] != b'0'));
            return is_number.then(|| (value, &text[length + 1..]));
        }
    }
    None
}

/// hello(D): of one CONNECT.
fn hello(
    provider: &dyn Provider,
    das_secret: &Secret,
    direction: Direction,
    numbers: &ConnectionNumbers,
) -> Secret {
    let info: [&[u8]; 4] = [b"osap-h1 das ", direction.label(), &[0], &numbers.bytes()];
    expand(provider, das_secret.expose(), &info, 32)
}

/// secret_0(D): of one greeting.
fn first_secret(provider: &dyn Provider, hello: &Secret, das_nonce: &[u8; 16]) -> Secret {
    expand(provider, hello.expose(), &[b"osap-h1 das live\0", das_nonce], 32)
}

/// secret_p+1(D).
fn next_secret(provider: &dyn Provider, secret: &Secret) -> Secret {
    expand(provider, secret.expose(), &[b"osap-h1 das update"], 32)
}

/// Key and iv of one phase.
struct PhaseKeys {
    key: Box<dyn AeadKey>,
    iv: Iv,
}

impl PhaseKeys {
    fn new(provider: &dyn Provider, secret: &Secret) -> Self {
        let key = expand(provider, secret.expose(), &[b"osap-h1 das key"], 16);
        let iv = expand(provider, secret.expose(), &[b"osap-h1 das iv"], 12);
        let key = provider.aead(Aead::Aes128Gcm, key.expose()).expect("the key has 16 bytes");
        Self { key, iv: Iv::new(&iv) }
    }

    /// The envelope of a plaintext of [`General::plaintext`], in the room that it has.
    fn seal(&self, phase: u8, counter: u64, topic: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
        let mut head = [FORM, phase, 0, 0, 0, 0, 0, 0, 0, 0];
        head[2..].copy_from_slice(&counter.to_be_bytes());
        let nonce = self.iv.nonce(counter);
        with_extra(topic, &head, |extra| self.key.seal(&nonce, extra, &mut text)).ok()?;
        let size = text.len();
        text.resize(size + HEAD_SIZE, 0);
        text.copy_within(..size, HEAD_SIZE);
        text[..HEAD_SIZE].copy_from_slice(&head);
        Some(text)
    }

    /// The plaintext of an envelope of at least [`SIZE_MIN`] bytes.
    fn open(&self, counter: u64, topic: &[u8], envelope: &[u8]) -> Option<Secret> {
        let (head, sealed) = envelope.split_at_checked(HEAD_SIZE)?;
        let (nonce, mut text) = (self.iv.nonce(counter), sealed.to_vec());
        with_extra(topic, head, |extra| self.key.open(&nonce, extra, &mut text)).ok()?;
        Some(Secret::new(text))
    }
}

/// With what is authenticated beside the text; topics are short, and only the others need the heap.
fn with_extra<T>(topic: &[u8], head: &[u8], with: impl FnOnce(&[u8]) -> T) -> T {
    let parts = [b"osap-h1 pub\0", topic, &[0], head];
    let size = parts.iter().map(|part| part.len()).sum();
    let mut place = [0; 192];
    let Some(extra) = place.get_mut(..size) else { return with(&parts.concat()) };
    let mut rest = &mut *extra;
    for part in parts {
        let (to, after) = rest.split_at_mut(part.len());
        to.copy_from_slice(part);
        rest = after;
    }
    with(extra)
}

/// Seals the will of a CONNECT: the only envelope under the secret of the CONNECT itself.
///
/// `None` when it is longer than the cipher takes.
#[must_use]
pub fn seal_will(
    provider: &dyn Provider,
    das_secret: &Secret,
    numbers: &ConnectionNumbers,
    topic: &[u8],
    general: General,
    application: &[u8],
) -> Option<Vec<u8>> {
    let secret = hello(provider, das_secret, Direction::Up, numbers);
    PhaseKeys::new(provider, &secret).seal(0, 0, topic, general.plaintext(application))
}

/// Opens a will: phase 0, counter 0. Its general part was readable.
pub(crate) fn open_will(
    provider: &dyn Provider,
    das_secret: &Secret,
    numbers: &ConnectionNumbers,
    topic: &[u8],
    payload: &[u8],
) -> Option<Secret> {
    let secret = hello(provider, das_secret, Direction::Up, numbers);
    open_very_first(provider, &secret, topic, payload)
}

fn open_very_first(
    provider: &dyn Provider,
    secret: &Secret,
    topic: &[u8],
    envelope: &[u8],
) -> Option<Secret> {
    if envelope.len() < SIZE_MIN || envelope[..HEAD_SIZE] != [FORM, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
        return None;
    }
    let plain = PhaseKeys::new(provider, secret).open(0, topic, envelope)?;
    split(plain.expose())?;
    Some(plain)
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct Session {
    /// Seals what this side says.
    pub sealer: Sealer,
    /// Opens what the other side says.
    pub opener: Opener,
}

pub(crate) mod greeting {
    //! The first message of an access service.

    use alloc::format;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use clock::Moment;
    use crypto::{Provider, Secret};

    use super::{
        Direction, General, Opener, PhaseKeys, Sealer, Session, first_secret, hello, open_very_first, split,
    };
    use crate::json::Value;
    use crate::{ConnectionNumbers, Serial};

    /// The topic of a device's greeting.
    #[must_use]
    pub fn greeting_topic(serial: &Serial) -> Vec<u8> {
        [b"/iot/", serial.as_bytes(), b"/global/0-global/basic/session/greeting"].concat()
    }

    /// The greeting of an access service, and its session with the device.
    ///
    /// `das_nonce` is random for each CONNECT that was taken: it goes into the keys of all messages.
    #[must_use]
    pub fn greet(
        provider: &Arc<dyn Provider>,
        das_secret: &Secret,
        serial: &Serial,
        numbers: &ConnectionNumbers,
        das_nonce: [u8; 16],
        general: General,
        now: Moment,
    ) -> (Vec<u8>, Session) {
        let (up, down) = secrets(provider.as_ref(), das_secret, numbers, &das_nonce);
        let told = format!("{{\"Epoch\":{},\"ConnNo\":{}}}", numbers.epoch, numbers.conn_no);
        let plain = general.plaintext(told.as_bytes());
        let envelope = PhaseKeys::new(provider.as_ref(), &down)
            .seal(0, 0, &greeting_topic(serial), plain)
            .expect("a greeting is far from any limit");
        let session = Session {
            sealer: Sealer::new(Arc::clone(provider), down, 1, now),
            opener: Opener::new(Arc::clone(provider), up, None),
        };
        ([&das_nonce[..], &envelope].concat(), session)
    }

    /// The session of a device that got its greeting; `None` when the message is none for this connection,
    /// and the device closes having published nothing.
    #[must_use]
    pub fn open_greeting(
        provider: &Arc<dyn Provider>,
        das_secret: &Secret,
        serial: &Serial,
        numbers: &ConnectionNumbers,
        topic: &[u8],
        payload: &[u8],
        now: Moment,
    ) -> Option<Session> {
        let (das_nonce, envelope) = payload.split_first_chunk()?;
        let (up, down) = secrets(provider.as_ref(), das_secret, numbers, das_nonce);
        let plain = open_very_first(provider.as_ref(), &down, topic, envelope)?;
        let (_, application) = split(plain.expose())?;
        let told = Value::parse(application)?;
        let number = |name| told.member(name)?.unsigned();
        let is_ours = number("Epoch")? == u64::from(numbers.epoch)
            && number("ConnNo")? == u64::from(numbers.conn_no)
            && topic == greeting_topic(serial);
        is_ours.then(|| Session {
            sealer: Sealer::new(Arc::clone(provider), up, 0, now),
            opener: Opener::new(Arc::clone(provider), down, Some(0)),
        })
    }

    fn secrets(
        provider: &dyn Provider,
        das_secret: &Secret,
        numbers: &ConnectionNumbers,
        das_nonce: &[u8; 16],
    ) -> (Secret, Secret) {
        let secret =
            |direction| first_secret(provider, &hello(provider, das_secret, direction, numbers), das_nonce);
        (secret(Direction::Up), secret(Direction::Down))
    }
}
