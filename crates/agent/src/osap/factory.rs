//! What a maker gives a smart device for life.

use alloc::vec::Vec;

use assure_proto::cbor::{Reader, Writer};
use crypto::{PublicKey, Secret};
use osap_proto::{Mode, ProtocolType, Realm, Serial, TypeGroup};
use wire::{DecodeError, Reason};

use super::state::Stored;

/// What the device proves itself with at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactoryCredential {
    /// The code on its label; after its enrolment it has a key instead.
    Code {
        /// As it stands there.
        code: Secret,
        /// The realm that the code was made for.
        realm: Realm,
    },
    /// A key of 16 to 64 bytes that the load balancer has too.
    Psk(Secret),
    /// A key pair on P-256.
    KeyPair {
        /// The private key.
        pkcs8: Secret,
        /// The keys of load balancers that count: one or two.
        pins: Vec<PublicKey>,
    },
}

/// What a maker gives a smart device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartFactory {
    /// Who it is.
    pub serial: Serial,
    /// What the serial is.
    pub mode: Mode,
    /// Whether sub-devices are behind it.
    pub is_hub: bool,
    /// The protocol types it can, in the order of its preference: 2, 4, and 8 for one that shows a
    /// certificate; or 1, the old protocol, and nothing else, for a device with a code.
    pub types: TypeGroup,
    /// What it proves itself with at first.
    pub credential: FactoryCredential,
    /// SHA-256 of the SubjectPublicKeyInfo of the load balancer's TLS key; without it any key is taken, since
    /// the profile inside finds a man in the middle.
    pub lbs_tls_key: Option<[u8; 32]>,
}

impl SmartFactory {
    /// The state of a device that was never switched on.
    #[must_use]
    pub fn first_state(&self) -> Secret {
        let mut stored = Stored::new();
        if self.types.as_bytes() == [ProtocolType::COMPAT.0] {
            // The maker says so here, and nothing else ever does.
            stored.min_type = ProtocolType::COMPAT;
        }
        stored.write(self)
    }

    pub(crate) fn write(&self) -> Secret {
        let mut out = Writer::new();
        out.array(6).bytes(self.serial.as_bytes());
        out.bool(self.mode == Mode::ProductKey).bool(self.is_hub).bytes(self.types.as_bytes());
        match &self.credential {
            FactoryCredential::Code { code, realm } => {
                out.array(3).uint(1_u8).bytes(code.expose()).bytes(realm.as_bytes());
            }
            FactoryCredential::Psk(psk) => {
                out.array(2).uint(2_u8).bytes(psk.expose());
            }
            FactoryCredential::KeyPair { pkcs8, pins } => {
                out.array(3).uint(3_u8).bytes(pkcs8.expose()).array(pins.len());
                for pin in pins {
                    out.bytes(pin.spki());
                }
            }
        }
        match &self.lbs_tls_key {
            Some(key) => out.bytes(key),
            None => out.null(),
        };
        Secret::new(out.finish())
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(6)?;
        let bad = reader.error(Reason::OutOfRange);
        let serial = Serial::new(reader.bytes()?).ok_or(bad)?;
        let mode = if reader.bool()? { Mode::ProductKey } else { Mode::Serial };
        let is_hub = reader.bool()?;
        let types = TypeGroup::new(reader.bytes()?).ok_or(bad)?;
        let count = reader.array()?;
        let credential = match (count, reader.u8()?) {
            (3, 1) => FactoryCredential::Code {
                code: Secret::from(reader.bytes()?),
                realm: Realm::new(reader.bytes()?).ok_or(bad)?,
            },
            (2, 2) => FactoryCredential::Psk(Secret::from(reader.bytes()?)),
            (3, 3) => {
                let pkcs8 = Secret::from(reader.bytes()?);
                let count = reader.array()?;
                let mut pins = Vec::new();
                for _ in 0..count.min(2) {
                    pins.push(PublicKey::from_spki(reader.bytes()?).map_err(|_| bad)?);
                }
                FactoryCredential::KeyPair { pkcs8, pins }
            }
            _ => return Err(bad),
        };
        let lbs_tls_key = if reader.peek() == Some(assure_proto::cbor::Kind::Simple) {
            reader.null().map(|()| None)?
        } else {
            Some(reader.bytes_of()?)
        };
        reader.finish()?;
        Ok(Self { serial, mode, is_hub, types, credential, lbs_tls_key })
    }
}
