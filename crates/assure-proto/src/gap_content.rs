//! What air-gap files carry.
//!
//! Each kind has a body of its own, one ARRAY; `docs/adr/0025` lists their items.
//! Source: decisions G 22, G 23, H6, H7, M11; layouts 2.11; ADR 0025.

use alloc::vec::Vec;

use crypto::{PublicKey, Secret};
use model::Uuid;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::authenticated_key::AuthenticatedKey;
use crate::cbor::{Kind, Reader, Writer};
use crate::class::Class;
use crate::key_definition::{DerivedKey, KeyDefinition, KeyFormat};
use crate::label::CaseHash;

/// Owner secrets that are issued with a device (decision A-ASSURE-11).
pub const OWNER_SECRETS_ISSUED: usize = 8;
/// Owner secrets in one refill.
pub const REFILL_MAX: usize = 64;
/// Keys in one enrolment or new generation.
pub const GAP_KEYS_MAX: usize = 16;
/// Devices in one new generation; more go into further files.
pub const GAP_DEVICES_MAX: usize = 64;

/// The kind of an air-gap file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapKind {
    /// 0: a maker's record, on its way in.
    Submit,
    /// 1: a device for the registration server.
    IssueRegistration,
    /// 2: a device for the bootstrap server.
    IssueBootstrap,
    /// 3: a record was rejected; its UUID is free again.
    Rejected,
    /// 4: owner secrets, asked for or given.
    Refill,
    /// 5: a server's public keys, to be enrolled.
    EnrolRequest,
    /// 6: the keys it is enrolled with.
    EnrolAnswer,
    /// 7: the authority's keys of a new generation.
    NewGeneration,
}

impl GapKind {
    /// Every kind, each at the index of its number.
    pub const ALL: [Self; 8] = [
        Self::Submit,
        Self::IssueRegistration,
        Self::IssueBootstrap,
        Self::Rejected,
        Self::Refill,
        Self::EnrolRequest,
        Self::EnrolAnswer,
        Self::NewGeneration,
    ];

    /// The kind with this number, 0 to 7.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Submit => 0,
            Self::IssueRegistration => 1,
            Self::IssueBootstrap => 2,
            Self::Rejected => 3,
            Self::Refill => 4,
            Self::EnrolRequest => 5,
            Self::EnrolAnswer => 6,
            Self::NewGeneration => 7,
        }
    }
}

/// A secret and the authenticated key that says what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedSecret {
    /// The secret.
    pub secret: Secret,
    /// The key whose definition yields it.
    pub key: AuthenticatedKey,
}

/// An owner secret that is not given to an owner yet: not signed, since its signer is the TA-signing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerSecret {
    /// How the device derives it.
    pub definition: DerivedKey,
    /// The secret.
    pub secret: Secret,
}

/// What the registration server needs to know of a device's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationKeys {
    /// Nothing: the device has an EC key.
    Ec,
    /// Nothing: the device has an RSA key.
    Rsa,
    /// The device has a shared secret.
    SharedSecret {
        /// T, which signs for the authority.
        signing: IssuedSecret,
        /// W, which wraps owner secrets when the pool is empty.
        wrapping: IssuedSecret,
        /// The owner secrets; eight when issued.
        pool: Vec<OwnerSecret>,
    },
}

impl RegistrationKeys {
    const fn format(&self) -> KeyFormat {
        match self {
            Self::Ec => KeyFormat::Ec,
            Self::Rsa => KeyFormat::Rsa,
            Self::SharedSecret { .. } => KeyFormat::Derived,
        }
    }
}

/// How the bootstrap server knows a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapKey {
    /// By its public key.
    Public(PublicKey),
    /// By a class 3 secret that both derive.
    Secret(IssuedSecret),
}

/// Why a record was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// 0: the station is not listed.
    UnknownStation,
    /// 1: the station's signature does not hold.
    BadSignature,
    /// 2: the record is about another device.
    OtherDevice,
    /// 3: the record is malformed or lacks what it must have.
    Malformed,
    /// 4: the blob does not open for this maker and device.
    NotOpened,
    /// 5: another rule refuses it; the device may exist already.
    Refused,
}

impl RejectReason {
    /// Every reason, each at the index of its number.
    pub const ALL: [Self; 6] = [
        Self::UnknownStation,
        Self::BadSignature,
        Self::OtherDevice,
        Self::Malformed,
        Self::NotOpened,
        Self::Refused,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::UnknownStation => 0,
            Self::BadSignature => 1,
            Self::OtherDevice => 2,
            Self::Malformed => 3,
            Self::NotOpened => 4,
            Self::Refused => 5,
        }
    }
}

/// What a party across the gap from the identity server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapRole {
    /// 0: the gateway that makers upload to.
    Gateway,
    /// 1: the registration server.
    Registration,
    /// 2: the bootstrap server.
    Bootstrap,
}

impl GapRole {
    /// Every role, each at the index of its number.
    pub const ALL: [Self; 3] = [Self::Gateway, Self::Registration, Self::Bootstrap];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Gateway => 0,
            Self::Registration => 1,
            Self::Bootstrap => 2,
        }
    }
}

/// A server's public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolRequest {
    /// What the server is.
    pub role: GapRole,
    /// Its gap key, which signed the file.
    pub gap_key: KeyDefinition,
    /// The keys it wants signed, and the class each is to have.
    pub keys: Vec<(Class, KeyDefinition)>,
}

/// The trust of one shared-secret device in a new generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTrust {
    /// The device.
    pub device: Uuid,
    /// Its new T.
    pub signing: IssuedSecret,
    /// W, signed by the new T.
    pub wrapping: IssuedSecret,
    /// Fresh owner secrets, in place of those not given out.
    pub pool: Vec<OwnerSecret>,
}

/// The content of an air-gap file. Secrets in it are wiped when dropped and never shown by `Debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapContent {
    /// A maker's record.
    Submit {
        /// The maker, from its certificate.
        maker: Uuid,
        /// The device, from the URI.
        device: Uuid,
        /// The ECIES blob.
        blob: Vec<u8>,
    },
    /// A device for the registration server.
    IssueRegistration {
        /// The device.
        device: Uuid,
        /// Its maker.
        maker: Uuid,
        /// What a claimed case string is checked against.
        case_hash: CaseHash,
        /// The parameter set it was made with.
        parameter_set: Uuid,
        /// Its kind of key, and the secrets that go with it.
        keys: RegistrationKeys,
    },
    /// A device for the bootstrap server.
    IssueBootstrap {
        /// The device.
        device: Uuid,
        /// The record without its secrets, as JSON.
        json: Vec<u8>,
        /// How the server knows the device.
        key: BootstrapKey,
    },
    /// A record was rejected.
    Rejected {
        /// The device whose UUID is free again.
        device: Uuid,
        /// Why.
        reason: RejectReason,
    },
    /// Owner secrets: none when the registration server asks for more.
    Refill {
        /// The device.
        device: Uuid,
        /// The secrets.
        pool: Vec<OwnerSecret>,
    },
    /// A server asks to be enrolled.
    EnrolRequest(EnrolRequest),
    /// The answer to it.
    EnrolAnswer {
        /// The identity server's own gap key.
        gap_key: KeyDefinition,
        /// The keys that were asked for, signed.
        keys: Vec<AuthenticatedKey>,
        /// The generation of the authority's class 1 keys.
        generation: u32,
    },
    /// Keys of a new generation.
    NewGeneration {
        /// Its number.
        generation: u32,
        /// The online class 1 keys, signed by the roots.
        keys: Vec<AuthenticatedKey>,
        /// The shared-secret devices that this file moves on.
        devices: Vec<DeviceTrust>,
    },
}

impl GapContent {
    /// The kind that the file's header states.
    #[must_use]
    pub const fn kind(&self) -> GapKind {
        match self {
            Self::Submit { .. } => GapKind::Submit,
            Self::IssueRegistration { .. } => GapKind::IssueRegistration,
            Self::IssueBootstrap { .. } => GapKind::IssueBootstrap,
            Self::Rejected { .. } => GapKind::Rejected,
            Self::Refill { .. } => GapKind::Refill,
            Self::EnrolRequest(_) => GapKind::EnrolRequest,
            Self::EnrolAnswer { .. } => GapKind::EnrolAnswer,
            Self::NewGeneration { .. } => GapKind::NewGeneration,
        }
    }

    /// Writes the body.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::new();
        match self {
            Self::Submit { maker, device, blob } => {
                out.array(3).bytes(&maker.0).bytes(&device.0).bytes(blob);
            }
            Self::IssueRegistration { device, maker, case_hash, parameter_set, keys } => {
                out.array(8).bytes(&device.0).bytes(&maker.0);
                out.bytes(&case_hash.0).bytes(&parameter_set.0).uint(keys.format() as u8);
                match keys {
                    RegistrationKeys::Ec | RegistrationKeys::Rsa => {
                        out.array(0).array(0).array(0);
                    }
                    RegistrationKeys::SharedSecret { signing, wrapping, pool } => {
                        signing.write(&mut out);
                        wrapping.write(&mut out);
                        write_pool(&mut out, pool);
                    }
                }
            }
            Self::IssueBootstrap { device, json, key } => {
                out.array(3).bytes(&device.0).bytes(json);
                match key {
                    BootstrapKey::Public(key) => {
                        out.bytes(key.spki());
                    }
                    BootstrapKey::Secret(issued) => issued.write(&mut out),
                }
            }
            Self::Rejected { device, reason } => {
                out.array(2).bytes(&device.0).uint(reason.number());
            }
            Self::Refill { device, pool } => {
                out.array(2).bytes(&device.0);
                write_pool(&mut out, pool);
            }
            Self::EnrolRequest(request) => request.write(&mut out),
            Self::EnrolAnswer { gap_key, keys, generation } => {
                out.array(3).bytes(&gap_key.encode());
                write_keys(&mut out, keys);
                out.uint(*generation);
            }
            Self::NewGeneration { generation, keys, devices } => {
                out.array(3).uint(*generation);
                write_keys(&mut out, keys);
                out.array(devices.len());
                for trust in devices {
                    out.array(4).bytes(&trust.device.0);
                    trust.signing.write(&mut out);
                    trust.wrapping.write(&mut out);
                    write_pool(&mut out, &trust.pool);
                }
            }
        }
        Zeroizing::new(out.finish())
    }

    /// Reads the body of a file of `kind`.
    ///
    /// # Errors
    /// [`DecodeError`] on another form, or over a limit of its lists.
    pub fn decode(kind: GapKind, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        let content = match kind {
            GapKind::Submit => {
                reader.array_of(3)?;
                let (maker, device) = (Uuid(reader.bytes_of()?), Uuid(reader.bytes_of()?));
                Self::Submit { maker, device, blob: reader.bytes()?.to_vec() }
            }
            GapKind::IssueRegistration => read_registration(&mut reader)?,
            GapKind::IssueBootstrap => {
                reader.array_of(3)?;
                let (device, json) = (Uuid(reader.bytes_of()?), reader.bytes()?.to_vec());
                Self::IssueBootstrap { device, json, key: BootstrapKey::read(&mut reader)? }
            }
            GapKind::Rejected => {
                reader.array_of(2)?;
                let device = Uuid(reader.bytes_of()?);
                let unknown = reader.error(Reason::OutOfRange);
                let number = reader.u64()?;
                let reason = RejectReason::ALL.into_iter().find(|r| u64::from(r.number()) == number);
                Self::Rejected { device, reason: reason.ok_or(unknown)? }
            }
            GapKind::Refill => {
                reader.array_of(2)?;
                let device = Uuid(reader.bytes_of()?);
                Self::Refill { device, pool: read_list(&mut reader, REFILL_MAX, OwnerSecret::read)? }
            }
            GapKind::EnrolRequest => Self::EnrolRequest(EnrolRequest::read(&mut reader)?),
            GapKind::EnrolAnswer => {
                reader.array_of(3)?;
                let gap_key = read_public(&mut reader)?;
                let keys = read_list(&mut reader, GAP_KEYS_MAX, read_authenticated)?;
                Self::EnrolAnswer { gap_key, keys, generation: read_generation(&mut reader)? }
            }
            GapKind::NewGeneration => {
                reader.array_of(3)?;
                let generation = read_generation(&mut reader)?;
                let keys = read_list(&mut reader, GAP_KEYS_MAX, read_authenticated)?;
                let devices = read_list(&mut reader, GAP_DEVICES_MAX, DeviceTrust::read)?;
                Self::NewGeneration { generation, keys, devices }
            }
        };
        reader.finish()?;
        Ok(content)
    }
}

fn read_registration(reader: &mut Reader<'_>) -> Result<GapContent, DecodeError> {
    reader.array_of(8)?;
    let (device, maker) = (Uuid(reader.bytes_of()?), Uuid(reader.bytes_of()?));
    let (case_hash, parameter_set) = (CaseHash(reader.bytes_of()?), Uuid(reader.bytes_of()?));
    let unknown = reader.error(Reason::OutOfRange);
    let keys = match reader.u64()? {
        0 => RegistrationKeys::Ec,
        1 => RegistrationKeys::Rsa,
        2 => RegistrationKeys::SharedSecret {
            signing: IssuedSecret::read(reader)?,
            wrapping: IssuedSecret::read(reader)?,
            pool: read_list(reader, OWNER_SECRETS_ISSUED, OwnerSecret::read)?,
        },
        _ => return Err(unknown),
    };
    if keys.format() != KeyFormat::Derived {
        (0..3).try_for_each(|_| reader.array_of(0))?;
    }
    Ok(GapContent::IssueRegistration { device, maker, case_hash, parameter_set, keys })
}

impl IssuedSecret {
    fn write(&self, out: &mut Writer) {
        out.array(2).bytes(self.secret.expose()).bytes(self.key.encoded());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(2)?;
        Ok(Self { secret: Secret::from(reader.bytes()?), key: read_authenticated(reader)? })
    }
}

impl OwnerSecret {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(2)?;
        let other_kind = reader.error(Reason::OutOfRange);
        let KeyDefinition::Derived(definition) = read_definition(reader)? else { return Err(other_kind) };
        Ok(Self { definition, secret: Secret::from(reader.bytes()?) })
    }
}

impl BootstrapKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.peek() == Some(Kind::Array) {
            return IssuedSecret::read(reader).map(Self::Secret);
        }
        let refused = reader.error(Reason::OutOfRange);
        PublicKey::from_spki(reader.bytes()?).map(Self::Public).map_err(|_| refused)
    }
}

impl EnrolRequest {
    fn write(&self, out: &mut Writer) {
        out.array(3).uint(self.role.number()).bytes(&self.gap_key.encode()).array(self.keys.len());
        for (class, key) in &self.keys {
            out.array(2).uint(class.number()).bytes(&key.encode());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(3)?;
        let unknown = reader.error(Reason::OutOfRange);
        let number = reader.u64()?;
        let role = GapRole::ALL.into_iter().find(|role| u64::from(role.number()) == number).ok_or(unknown)?;
        let gap_key = read_public(reader)?;
        let keys = read_list(reader, GAP_KEYS_MAX, |reader| {
            reader.array_of(2)?;
            let unknown = reader.error(Reason::OutOfRange);
            let class = Class::from_number(reader.u8()?).ok_or(unknown)?;
            Ok((class, read_public(reader)?))
        })?;
        Ok(Self { role, gap_key, keys })
    }
}

impl DeviceTrust {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array_of(4)?;
        Ok(Self {
            device: Uuid(reader.bytes_of()?),
            signing: IssuedSecret::read(reader)?,
            wrapping: IssuedSecret::read(reader)?,
            pool: read_list(reader, OWNER_SECRETS_ISSUED, OwnerSecret::read)?,
        })
    }
}

/// Keys stand in BYTE STRINGs: their own nesting counts from their own start.
fn read_authenticated(reader: &mut Reader<'_>) -> Result<AuthenticatedKey, DecodeError> {
    read_inside(reader, AuthenticatedKey::decode)
}

fn read_definition(reader: &mut Reader<'_>) -> Result<KeyDefinition, DecodeError> {
    read_inside(reader, KeyDefinition::decode)
}

/// A definition of an EC or RSA key without its private part.
fn read_public(reader: &mut Reader<'_>) -> Result<KeyDefinition, DecodeError> {
    let refused = reader.error(Reason::OutOfRange);
    let definition = read_definition(reader)?;
    let is_public = definition.public_key().is_some() && !definition.has_private();
    if is_public { Ok(definition) } else { Err(refused) }
}

fn read_inside<T>(
    reader: &mut Reader<'_>,
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let bytes = reader.bytes()?;
    let base = reader.position() - bytes.len();
    decode(bytes).map_err(|error| error.moved_by(base))
}

fn read_generation(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let zero = reader.error(Reason::OutOfRange);
    match reader.u32()? {
        0 => Err(zero),
        generation => Ok(generation),
    }
}

fn write_pool(out: &mut Writer, pool: &[OwnerSecret]) {
    out.array(pool.len());
    for owner in pool {
        let definition = KeyDefinition::Derived(owner.definition.clone());
        out.array(2).bytes(&definition.encode()).bytes(owner.secret.expose());
    }
}

fn write_keys(out: &mut Writer, keys: &[AuthenticatedKey]) {
    out.array(keys.len());
    for key in keys {
        out.bytes(key.encoded());
    }
}

fn read_list<T>(
    reader: &mut Reader<'_>,
    limit: usize,
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let over_limit = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > limit {
        return Err(over_limit);
    }
    (0..count).map(|_| read(reader)).collect()
}
