//! The line between a manufacturing station and the device it makes: one order in, one answer out.
//!
//! ```text
//! station --[1, uuid, kind, bootstrap id, S | null]--> standard input of `thingstead device make`
//!         <--[1, uuid, SPKI | h'']-------------------- its standard output, only after the state is safe
//! ```
//! `kind` is 0 for a shared secret, 1 for P-256, 2 for P-384, 3 for RSA of 2048 bits. A secret comes from the
//! station; a key pair is made in the device, and no form of an order can carry a private key.
//! Source: decision G 30; rows ASSURE-6.2.2-01, ASSURE-14.1-01, ASSURE-14.1-02; ADR 0085.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use assure_proto::cbor::{self, Kind, Reader, Writer};
use assure_proto::{BootstrapServerId, DERIVED_LENGTHS};
use crypto::{Curve, KeyKind, PublicKey, Secret};
use model::Uuid;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};

const VERSION: u64 = 1;
/// Neither message is longer: the longest is an RSA key's SPKI with a few bytes around it.
const MESSAGE_LENGTH_MAX: usize = 1024;
/// How long a station waits for a device; making an RSA key on a slow machine takes seconds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// What a device's own key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BirthKind {
    /// A secret that the identity server shares.
    Secret,
    /// An EC key on P-256.
    P256,
    /// An EC key on P-384.
    P384,
    /// An RSA key of 2048 bits.
    Rsa2048,
}

impl BirthKind {
    const ALL: [Self; 4] = [Self::Secret, Self::P256, Self::P384, Self::Rsa2048];

    const fn number(self) -> u8 {
        match self {
            Self::Secret => 0,
            Self::P256 => 1,
            Self::P384 => 2,
            Self::Rsa2048 => 3,
        }
    }

    /// The key pair to make; `None` for a secret.
    pub(crate) const fn key_kind(self) -> Option<KeyKind> {
        match self {
            Self::Secret => None,
            Self::P256 => Some(KeyKind::Ec(Curve::P256)),
            Self::P384 => Some(KeyKind::Ec(Curve::P384)),
            Self::Rsa2048 => Some(KeyKind::Rsa { modulus_bits: 2048 }),
        }
    }
}

/// What the station orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Birth {
    /// The UUID that the maker gives the device.
    pub(crate) device: Uuid,
    /// What key it gets.
    pub(crate) kind: BirthKind,
    /// The bootstrap server it will ask.
    pub(crate) bootstrap_server: BootstrapServerId,
    /// 16 to 64 bytes for [`BirthKind::Secret`], and only for that.
    pub(crate) secret: Option<Secret>,
}

impl Birth {
    fn has_fitting_secret(&self) -> bool {
        match (&self.secret, self.kind) {
            (Some(secret), BirthKind::Secret) => DERIVED_LENGTHS.contains(&secret.len()),
            (None, kind) => kind != BirthKind::Secret,
            (Some(_), _) => false,
        }
    }

    /// Writes the order.
    ///
    /// # Panics
    /// When the secret does not fit the kind: the station builds both.
    pub(crate) fn encode(&self) -> Secret {
        assert!(self.has_fitting_secret(), "a secret goes with the kind `secret` alone, 16 to 64 bytes");
        let mut out = Writer::new();
        out.array(5).uint(VERSION).bytes(&self.device.0).uint(self.kind.number());
        out.uint(self.bootstrap_server.0);
        match &self.secret {
            Some(secret) => out.bytes(secret.expose()),
            None => out.null(),
        };
        Secret::new(out.finish())
    }

    /// Reads an order.
    ///
    /// # Errors
    /// [`DecodeError`]: another form, version or kind, or a secret that does not fit the kind.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(5)?;
        reader.constant(VERSION)?;
        let device = Uuid(reader.bytes_of()?);
        let unknown = reader.error(Reason::OutOfRange);
        let number = reader.u8()?;
        let kind = BirthKind::ALL.into_iter().find(|kind| kind.number() == number).ok_or(unknown)?;
        let bootstrap_server = BootstrapServerId(reader.u32()?);
        let unfit = reader.error(Reason::OutOfRange);
        let secret = match reader.peek() {
            Some(Kind::Bytes) => Some(Secret::from(reader.bytes()?)),
            _ => reader.null().map(|()| None)?,
        };
        reader.finish()?;
        let order = Self { device, kind, bootstrap_server, secret };
        if order.has_fitting_secret() { Ok(order) } else { Err(unfit) }
    }
}

/// What the device answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Born {
    /// The UUID of the order.
    pub(crate) device: Uuid,
    /// The public half of the key it made; none for a secret.
    pub(crate) key: Option<PublicKey>,
}

impl Born {
    /// Writes the answer.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        let spki = self.key.as_ref().map_or(&[][..], PublicKey::spki);
        out.array(3).uint(VERSION).bytes(&self.device.0).bytes(spki);
        out.finish()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`DecodeError`]: another form or version, or no key of an accepted form.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(3)?;
        reader.constant(VERSION)?;
        let device = Uuid(reader.bytes_of()?);
        let bad_key = reader.error(Reason::OutOfRange);
        let key = match reader.bytes()? {
            [] => None,
            spki => Some(PublicKey::from_spki(spki).map_err(|_| bad_key)?),
        };
        reader.finish()?;
        Ok(Self { device, key })
    }
}

/// Why no message came over the line.
#[derive(Debug)]
pub(crate) enum LineError {
    /// It could not be read.
    Unreadable(io::Error),
    /// The bytes are no message.
    Malformed(DecodeError),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "the line broke: {error}"),
            Self::Malformed(error) => write!(f, "malformed message on the factory line: {error}"),
        }
    }
}

/// Reads one message; it ends where its CBOR item ends, so the other side may keep the line open.
///
/// # Errors
/// [`LineError`]; [`Reason::Truncated`] when the line closes inside a message or before one.
pub(crate) fn read_message(line: &mut impl Read) -> Result<Zeroizing<Vec<u8>>, LineError> {
    let mut message = Zeroizing::new(Vec::with_capacity(MESSAGE_LENGTH_MAX));
    loop {
        let mut byte = [0];
        match line.read(&mut byte) {
            Ok(0) => {
                let cut = DecodeError::new(message.len(), Reason::Truncated);
                return Err(LineError::Malformed(cut));
            }
            Ok(_) => message.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LineError::Unreadable(error)),
        }
        match cbor::validate(&message) {
            Ok(()) => return Ok(message),
            Err(error) if error.reason != Reason::Truncated => return Err(LineError::Malformed(error)),
            Err(_) if message.len() == MESSAGE_LENGTH_MAX => {
                return Err(LineError::Malformed(DecodeError::new(message.len(), Reason::OverLimit)));
            }
            Err(_) => {}
        }
    }
}

/// The station's end: has `program` (this very program, as a rule) make a device in the folder `state`.
///
/// Returns the device's public key, or none for a secret. When it returns, the device's state is safe.
/// # Errors
/// `device-failed` when the device ends without an answer, answers something else than was ordered, or
/// takes longer than two minutes; what it has to say goes to our own standard error.
pub(crate) fn make_device(
    program: &OsStr,
    state: &Path,
    bundle: &Path,
    order: &Birth,
) -> Outcome<Option<PublicKey>> {
    let failed =
        |why: &dyn fmt::Display| Failure::new("device-failed", order.device.to_string()).because(why);
    let mut device = Command::new(program)
        .args(["device", "make", "--state"])
        .arg(state)
        .arg("--bundle")
        .arg(bundle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let answer = converse(&mut device, order);
    if answer.is_err() {
        // it may have ended by itself already
        let _ended_before = device.kill();
    }
    let ended = device.wait().map_err(|error| failed(&error))?;
    let answer = answer.map_err(|error| failed(&error))?;
    if !ended.success() {
        return Err(failed(&ended));
    }
    let kind = answer.key.as_ref().map(PublicKey::kind);
    if answer.device != order.device || kind != order.kind.key_kind() {
        return Err(failed(&"it answered something else than was ordered"));
    }
    Ok(answer.key)
}

fn converse(device: &mut Child, order: &Birth) -> Result<Born, LineError> {
    let (Some(mut input), Some(mut output)) = (device.stdin.take(), device.stdout.take()) else {
        return Err(LineError::Unreadable(io::ErrorKind::BrokenPipe.into()));
    };
    input.write_all(order.encode().expose()).map_err(LineError::Unreadable)?;
    drop(input);
    let (sender, receiver) = mpsc::channel();
    // ends when the device closes its end, at the latest when it is killed
    thread::spawn(move || sender.send(read_message(&mut output)));
    let answer = receiver.recv_timeout(ANSWER_TIME_MAX);
    let answer = answer.map_err(|_| LineError::Unreadable(io::ErrorKind::TimedOut.into()))??;
    Born::decode(&answer).map_err(LineError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(kind: BirthKind, secret: Option<&[u8]>) -> Birth {
        let secret = secret.map(Secret::from);
        Birth { device: Uuid([7; 16]), kind, bootstrap_server: BootstrapServerId(3), secret }
    }

    // verifies: ASSURE-14.1-01
    #[test]
    fn an_order_is_read_as_it_was_written() {
        let orders = [
            order(BirthKind::Secret, Some(&[9; 16])),
            order(BirthKind::P256, None),
            order(BirthKind::P384, None),
            order(BirthKind::Rsa2048, None),
        ];
        for order in orders {
            assert_eq!(Birth::decode(order.encode().expose()), Ok(order));
        }
    }

    #[test]
    fn an_order_has_the_bytes_of_the_decision() {
        let bytes = order(BirthKind::P256, None).encode();
        let expected = [&[0x85, 0x01, 0x50][..], &[7; 16], &[0x01, 0x03, 0xf6]].concat();
        assert_eq!(bytes.expose(), expected);
    }

    // verifies: ASSURE-6.2.2-01, ASSURE-6.2.3-01
    #[test]
    fn an_order_brings_a_secret_for_the_kind_secret_alone() {
        let bytes = |kind: u8, secret: Option<&[u8]>| {
            let mut out = Writer::new();
            out.array(5).uint(1_u8).bytes(&[7; 16]).uint(kind).uint(3_u8);
            match secret {
                Some(secret) => out.bytes(secret),
                None => out.null(),
            };
            out.finish()
        };
        assert!(Birth::decode(&bytes(0, Some(&[1; 16]))).is_ok());
        assert!(Birth::decode(&bytes(0, Some(&[1; 64]))).is_ok());
        assert!(Birth::decode(&bytes(1, None)).is_ok());
        let unfit: [(u8, Option<&[u8]>); 7] = [
            (0, None),
            (0, Some(&[1; 15])),
            (0, Some(&[1; 65])),
            (1, Some(&[1; 32])),
            (2, Some(&[1; 48])),
            (3, Some(&[])),
            (4, None),
        ];
        for (kind, secret) in unfit {
            let refused = Birth::decode(&bytes(kind, secret)).unwrap_err();
            assert_eq!(refused.reason, Reason::OutOfRange, "{kind}");
        }
    }

    #[test]
    fn a_message_ends_with_its_item_and_never_in_the_middle() {
        let whole = order(BirthKind::Secret, Some(&[9; 32])).encode();
        let followed = [whole.expose(), &[0xff; 9]].concat();
        assert_eq!(&read_message(&mut &followed[..]).unwrap()[..], whole.expose());
        for cut in 0..whole.len() {
            let error = read_message(&mut &whole.expose()[..cut]).unwrap_err();
            assert!(matches!(error, LineError::Malformed(e) if e.reason == Reason::Truncated), "{cut}");
        }
    }

    #[test]
    fn a_message_without_end_is_given_up() {
        let endless = [&[0x9a, 0, 1, 0, 0][..], &[0; 5000]].concat();
        let error = read_message(&mut &endless[..]).unwrap_err();
        assert!(matches!(error, LineError::Malformed(e) if e.reason == Reason::OverLimit), "{error}");
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let made = Born { device: Uuid([7; 16]), key: None };
        assert_eq!(made.encode(), [&[0x83, 0x01, 0x50][..], &[7; 16], &[0x40]].concat());
        assert_eq!(Born::decode(&made.encode()), Ok(made));
        let bad = [&[0x83, 0x01, 0x50][..], &[7; 16], &[0x41, 0]].concat();
        assert_eq!(Born::decode(&bad).unwrap_err().reason, Reason::OutOfRange);
    }

    #[test]
    fn a_device_that_says_nothing_has_failed() {
        let order = order(BirthKind::P256, None);
        let nowhere = Path::new("nowhere");
        let failure = make_device(OsStr::new("true"), nowhere, nowhere, &order).unwrap_err();
        assert_eq!(failure.code(), "device-failed");
    }
}
