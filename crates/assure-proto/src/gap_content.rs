//! What air-gap files carry.
//!
//! How they are encoded is told in `docs/adr/0025`.
//! Source: decisions G 22, G 23, H6, H7, M11; layouts 2.11; ADR 0025.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::{PublicKey, Secret};
use model::Uuid;

use crate::authenticated_key::AuthenticatedKey;
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
    SharedSecret(Box<AuthoritySecrets>),
}

/// What the authority shares with one shared-secret device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoritySecrets {
    /// T, which signs for the authority.
    pub signing: IssuedSecret,
    /// W, which wraps owner secrets when the pool is empty.
    pub wrapping: IssuedSecret,
    /// Owner secrets that nobody was given yet, at most eight.
    pub pool: Vec<OwnerSecret>,
}

impl RegistrationKeys {
    pub(crate) const fn format(&self) -> KeyFormat {
        match self {
            Self::Ec => KeyFormat::Ec,
            Self::Rsa => KeyFormat::Rsa,
            Self::SharedSecret(_) => KeyFormat::Derived,
        }
    }
}

/// How the bootstrap server knows a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootstrapKey {
    /// By its public key.
    Public(PublicKey),
    /// By a class 3 secret that both derive.
    Secret(Box<IssuedSecret>),
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
    /// What the reader of the file is told.
    pub secrets: TrustSecrets,
}

/// The part of a device's new trust that one online server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustSecrets {
    /// The registration server: T, W signed by that, and owner secrets in place of those not given out.
    Registration(Box<AuthoritySecrets>),
    /// The bootstrap server: the class 3 secret, signed by the new T.
    Bootstrap(Box<IssuedSecret>),
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
        /// The name of the request, which its answer repeats.
        request: Uuid,
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
}
