//! How the contents of air-gap files are written and read.
//!
//! Each kind has a body of its own, one ARRAY; ADR 0025 lists their items.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{PublicKey, Secret};
use model::Uuid;
use wire::{DecodeError, Reason};
use zeroize::Zeroizing;

use crate::authenticated_key::AuthenticatedKey;
use crate::cbor::{Kind, Reader, Writer};
use crate::class::Class;
use crate::gap_content::{
    AuthoritySecrets, BootstrapKey, DeviceTrust, EnrolRequest, GAP_DEVICES_MAX, GAP_KEYS_MAX, GapContent,
    GapKind, GapRole, IssuedSecret, OWNER_SECRETS_ISSUED, OwnerSecret, REFILL_MAX, RegistrationKeys,
    RejectReason, TrustSecrets,
};
use crate::key_definition::{KeyDefinition, KeyFormat};
use crate::label::CaseHash;

impl GapContent {
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
                    RegistrationKeys::SharedSecret(secrets) => secrets.write(&mut out),
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
            Self::Refill { device, request, pool } => {
                out.array(3).bytes(&device.0).bytes(&request.0);
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
                    trust.write(&mut out);
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
                reader.array_of(3)?;
                let (device, request) = (Uuid(reader.bytes_of()?), Uuid(reader.bytes_of()?));
                Self::Refill { device, request, pool: read_list(&mut reader, REFILL_MAX, OwnerSecret::read)? }
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
        2 => RegistrationKeys::SharedSecret(Box::new(AuthoritySecrets::read(reader)?)),
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
            return IssuedSecret::read(reader).map(Box::new).map(Self::Secret);
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

impl AuthoritySecrets {
    fn write(&self, out: &mut Writer) {
        self.signing.write(out);
        self.wrapping.write(out);
        write_pool(out, &self.pool);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            signing: IssuedSecret::read(reader)?,
            wrapping: IssuedSecret::read(reader)?,
            pool: read_list(reader, OWNER_SECRETS_ISSUED, OwnerSecret::read)?,
        })
    }
}

impl DeviceTrust {
    fn write(&self, out: &mut Writer) {
        match &self.secrets {
            TrustSecrets::Registration(secrets) => {
                out.array(4).bytes(&self.device.0);
                secrets.write(out);
            }
            TrustSecrets::Bootstrap(secret) => {
                out.array(2).bytes(&self.device.0);
                secret.write(out);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let other_count = reader.error(Reason::OutOfRange);
        let count = reader.array()?;
        let device = Uuid(reader.bytes_of()?);
        let secrets = match count {
            4 => TrustSecrets::Registration(Box::new(AuthoritySecrets::read(reader)?)),
            2 => TrustSecrets::Bootstrap(Box::new(IssuedSecret::read(reader)?)),
            _ => return Err(other_count),
        };
        Ok(Self { device, secrets })
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
