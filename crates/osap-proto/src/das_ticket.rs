//! Tickets of an access service: what the load balancer tells it about a device, by way of the device.
//!
//! Source: OSAP secure profile section 12.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crypto::{Aead, Provider, Secret};
use wire::{Cursor, DecodeError, Reason};
use zeroize::Zeroizing;

use crate::key_schedule::{expand, extract};
use crate::{Devid, ProtocolType, Serial, ServerId, base64url};

const VERSION: u8 = 1;
const KEY_ID_SIZE: usize = 8;
const SALT_SIZE: usize = 16;
const HEAD_SIZE: usize = 1 + KEY_ID_SIZE + SALT_SIZE;
const TAG_SIZE: usize = 16;
/// The current key and the one before it.
const KEY_COUNT_MAX: usize = 2;

/// A ticket key of an access service.
#[derive(Clone, Debug)]
pub struct TicketKey {
    /// Names it in the ticket.
    pub id: [u8; KEY_ID_SIZE],
    /// 32 random bytes.
    pub key: Secret,
}

/// The ticket keys an access service opens with: the newest and the one before it.
///
/// Made anew at each start, in memory only: with them every ticket dies. A key is added every 24 hours, so
/// that each stays until 24 hours after its successor.
#[derive(Debug, Default)]
pub struct TicketKeyRing {
    keys: VecDeque<TicketKey>,
}

impl TicketKeyRing {
    /// A ring without keys: it opens nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: VecDeque::new() }
    }

    /// Adds the newest key; of those before it one stays.
    pub fn add(&mut self, key: TicketKey) {
        self.keys.push_front(key);
        self.keys.truncate(KEY_COUNT_MAX);
    }

    fn find(&self, id: &[u8]) -> Option<&TicketKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DasTicket {
    /// The device's id of this enrolment.
    pub devid: Devid,
    /// Who it is.
    pub serial: Serial,
    /// The type of the run.
    pub protocol: ProtocolType,
    /// The das secret of the run, 32 bytes.
    pub das_secret: Secret,
    /// The random number of the run's record B.
    pub epoch: u32,
    /// When it was made, Unix milliseconds; above that of the device's ticket before.
    pub issued: u64,
    /// Its end, Unix seconds.
    pub expiry: u64,
    /// The access service that may open it.
    pub server_id: ServerId,
}

/// A text that is no ticket for this access service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketError {
    /// Another version, or too short.
    Malformed,
    /// Sealed under a key that is not here (any more).
    UnknownKey,
    /// Its tag does not match, as that of a ticket for another access service.
    NotGenuine,
    /// It opens and cannot be read.
    Unreadable(DecodeError),
}

impl DasTicket {
    /// The ticket as text for the device. `salt` is random for each ticket.
    ///
    /// # Panics
    /// When the key or the das secret has not 32 bytes.
    #[must_use]
    pub fn seal(&self, provider: &dyn Provider, key: &TicketKey, salt: [u8; SALT_SIZE]) -> Vec<u8> {
        assert!(key.key.len() == 32 && self.das_secret.len() == 32, "secrets have 32 bytes");
        let mut bytes = [&[VERSION], &key.id[..], &salt].concat();
        let mut sealed = self.plaintext();
        let (aead, nonce) = keys(provider, &key.key, &salt, &self.server_id);
        provider
            .aead(Aead::Aes256Gcm, aead.expose())
            .and_then(|aead| aead.seal(nonce.expose(), &bytes, &mut sealed))
            .expect("the key has 32 bytes and a ticket is far from any limit");
        bytes.extend_from_slice(&sealed);
        base64url::encode(&bytes)
    }

    fn plaintext(&self) -> Vec<u8> {
        let (serial, server_id) = (self.serial.as_bytes(), self.server_id.as_bytes());
        let size = |name: &[u8]| [u8::try_from(name.len()).expect("names have at most 71 bytes")];
        [
            &self.devid.as_bytes()[..],
            &size(serial),
            serial,
            &[self.protocol.0],
            self.das_secret.expose(),
            &self.epoch.to_be_bytes(),
            &self.issued.to_be_bytes(),
            &self.expiry.to_be_bytes(),
            &size(server_id),
            server_id,
        ]
        .concat()
    }

    /// Opens the bytes of a ticket at the access service `reader`; its end is judged by the caller.
    ///
    /// # Errors
    /// See [`TicketError`].
    pub fn open(
        provider: &dyn Provider,
        ring: &TicketKeyRing,
        reader: &ServerId,
        bytes: &[u8],
    ) -> Result<Self, TicketError> {
        if bytes.len() < HEAD_SIZE + TAG_SIZE || bytes[0] != VERSION {
            return Err(TicketError::Malformed);
        }
        let (head, sealed) = bytes.split_at(HEAD_SIZE);
        let (id, salt) = head[1..].split_at(KEY_ID_SIZE);
        let key = ring.find(id).ok_or(TicketError::UnknownKey)?;
        let (aead, nonce) = keys(provider, &key.key, salt, reader);
        let mut plain = Zeroizing::new(sealed.to_vec());
        provider
            .aead(Aead::Aes256Gcm, aead.expose())
            .and_then(|aead| aead.open(nonce.expose(), head, &mut plain))
            .map_err(|_| TicketError::NotGenuine)?;
        let ticket = Self::read(&plain).map_err(TicketError::Unreadable)?;
        if ticket.server_id == *reader { Ok(ticket) } else { Err(TicketError::NotGenuine) }
    }

    fn read(plain: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(plain);
        let devid = Devid::new(cursor.take(32)?);
        let serial = Serial::new(cursor.vec8()?);
        let protocol = ProtocolType(cursor.u8()?);
        let das_secret = Secret::from(cursor.take(32)?);
        let (epoch, issued, expiry) = (cursor.u32()?, cursor.u64()?, cursor.u64()?);
        let server_id = ServerId::new(cursor.vec8()?);
        let wrong = cursor.error(Reason::OutOfRange);
        cursor.finish()?;
        match (devid, serial, server_id) {
            (Some(devid), Some(serial), Some(server_id)) if protocol.is_secure() => {
                Ok(Self { devid, serial, protocol, das_secret, epoch, issued, expiry, server_id })
            }
            _ => Err(wrong),
        }
    }
}

/// Key and nonce of one ticket.
fn keys(provider: &dyn Provider, key: &Secret, salt: &[u8], server_id: &ServerId) -> (Secret, Secret) {
    let extracted = extract(provider, salt, &[key.expose()]);
    let info: [&[u8]; 2] = [b"osap-h1 das ticket\0", server_id.as_bytes()];
    let both = expand(provider, extracted.expose(), &info, 32 + 12);
    (Secret::from(&both.expose()[..32]), Secret::from(&both.expose()[32..]))
}
