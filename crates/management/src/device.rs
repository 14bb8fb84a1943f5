//! The record of one device.

use assure_json::DeviceStatus;
use clock::Timestamp;
use crypto::{PublicKey, Secret};
use ledger::{BadRecord, fields};
use minicbor::{Decode, Encode};
use model::{KeyId, ManagementId, Uuid};
use store::{Batch, Snapshot};

use crate::spaces::{DEVICE, WORK, device_key, versioned};

/// Whoever registers devices with this management system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registrant {
    /// The operator, who sees every device.
    Operator,
    /// A user, who sees the devices that he registered. At most 64 bytes are compared and stored.
    User(String),
}

impl Registrant {
    /// As it stands in records and the audit log.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Operator => "",
            Self::User(name) => name,
        }
    }

    /// Whether this registrant may see and touch a device.
    pub(crate) fn sees(&self, device: &ManagedDevice) -> bool {
        match self {
            Self::Operator => true,
            Self::User(name) => device.registrant == *name,
        }
    }
}

/// What is to be done next towards the authority.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Work {
    /// Fetch the configuration and build the image.
    #[n(0)]
    Configure,
    /// Upload the image that was built.
    #[n(1)]
    Upload,
    /// Give the device up: to `to`, or to nobody.
    #[n(2)]
    Leave {
        /// The next owner.
        #[cbor(n(0), with = "fields::owner")]
        to: Option<ManagementId>,
    },
    /// Tell the authority that a transfer of the device to us is expected.
    #[n(3)]
    Announce,
}

/// Where a device went by our own order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Departure {
    /// The next owner; `None`: nobody.
    #[cbor(n(0), with = "fields::owner")]
    pub(crate) to: Option<ManagementId>,
}

/// Which kind of key a device was born with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyKind {
    /// A shared secret.
    #[n(0)]
    SharedSecret,
    /// An EC key.
    #[n(1)]
    Ec,
    /// An RSA key.
    #[n(2)]
    Rsa,
}

/// The secret of a management channel with a shared-secret device.
/// Source: decision G 19.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ChannelSecret {
    #[cbor(n(0), with = "fields::id16")]
    pub(crate) id: KeyId,
    #[cbor(n(1), with = "fields::secret")]
    pub(crate) secret: Secret,
    /// The authenticated key as the device gets it: no metadata. Field 3 was our own copy, with metadata that
    /// named the device: the record it stands in is named after the device.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) device_copy: Vec<u8>,
}

/// What the last configuration told about a device that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OwnedDevice {
    #[n(0)]
    pub(crate) kind: KeyKind,
    #[n(1)]
    pub(crate) ec_capable: bool,
    #[n(2)]
    pub(crate) rsa_capable: bool,
    #[n(3)]
    pub(crate) aes256_capable: bool,
    /// Its public key, as SubjectPublicKeyInfo; empty for a shared secret.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub(crate) spki: Vec<u8>,
    /// Our class 2 key for it: the owner secret, our EC key or our RSA key.
    #[cbor(n(5), with = "fields::id16")]
    pub(crate) owner_key: KeyId,
    /// The owner secret K_n; empty for other kinds.
    #[cbor(n(6), with = "fields::secret")]
    pub(crate) owner_secret: Secret,
    /// The owner sequence number.
    #[n(7)]
    pub(crate) seq: u32,
    /// The secret of the management channel, for a shared-secret device.
    #[n(8)]
    pub(crate) channel: Option<ChannelSecret>,
}

impl OwnedDevice {
    pub(crate) fn public_key(&self) -> Result<PublicKey, BadRecord> {
        PublicKey::from_spki(&self.spki).map_err(|_| BadRecord)
    }
}

/// The image that was built last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct BuiltImage {
    #[n(0)]
    pub(crate) seq: u32,
    /// Seconds since 2010.
    #[n(1)]
    pub(crate) created_at_secs: u32,
    /// The parameter choice it follows, when it follows one.
    #[n(2)]
    pub(crate) choice: Option<String>,
    #[n(3)]
    pub(crate) uploaded: bool,
}

/// A message of the application that goes into the image behind ours.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ApplicationMessage {
    /// The method: 1 GET, 2 POST, 3 PUT, 4 DELETE.
    #[n(0)]
    pub method: u8,
    /// The path, parted by `/`.
    #[n(1)]
    pub path: String,
    /// The body, CBOR.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub payload: Vec<u8>,
}

/// The record of one device.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ManagedDevice {
    #[n(0)]
    status: u8,
    /// Who registered it: a user's name, empty for the operator.
    #[n(1)]
    pub(crate) registrant: String,
    #[n(2)]
    pub(crate) work: Option<Work>,
    #[n(3)]
    pub(crate) owned: Option<OwnedDevice>,
    #[n(4)]
    pub(crate) image: Option<BuiltImage>,
    /// What it said of itself, byte for byte.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(crate) info: Option<Vec<u8>>,
    #[n(6)]
    pub(crate) goodbye: Option<u8>,
    /// Last sign of life, in milliseconds since 1970.
    #[n(7)]
    pub(crate) seen_unix_millis: Option<u64>,
    /// Since when the status holds, likewise.
    #[n(8)]
    pub(crate) since_unix_millis: u64,
    /// Where other devices find it: an address of 12.4, encoded.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub(crate) address: Option<Vec<u8>>,
    #[cbor(n(10), with = "fields::optional_uuid")]
    pub(crate) replaced_by: Option<Uuid>,
    #[cbor(n(11), with = "fields::optional_uuid")]
    pub(crate) replaces: Option<Uuid>,
    #[n(12)]
    pub(crate) messages: Vec<ApplicationMessage>,
    /// The parameter choice that the operator asked for.
    #[n(13)]
    pub(crate) choice: Option<String>,
    #[n(14)]
    pub(crate) next_channel: u16,
    #[n(15)]
    pub(crate) next_order: u64,
    /// Channels to other devices that it has now.
    #[n(16)]
    pub(crate) link_count: u16,
    /// Where it went, when it left by our own order: the same order again finds itself done.
    #[n(17)]
    pub(crate) departed: Option<Departure>,
}

/// Channel 1 leads to the management system; channels between devices follow.
const FIRST_PEER_CHANNEL: u16 = 2;

impl ManagedDevice {
    pub(crate) fn new(registrant: &Registrant, at: Timestamp) -> Self {
        Self {
            status: DeviceStatus::Registered.number(),
            registrant: registrant.name().to_owned(),
            work: None,
            owned: None,
            image: None,
            info: None,
            goodbye: None,
            seen_unix_millis: None,
            since_unix_millis: at.as_unix_millis(),
            address: None,
            replaced_by: None,
            replaces: None,
            messages: Vec::new(),
            choice: None,
            next_channel: FIRST_PEER_CHANNEL,
            next_order: 0,
            link_count: 0,
            departed: None,
        }
    }

    pub(crate) fn read(from: &Snapshot, device: Uuid) -> Result<Option<Self>, BadRecord> {
        from.value(&device_key(DEVICE, device)).map(Self::from_value).transpose()
    }

    /// Reads the stored form.
    pub(crate) fn from_value(stored: &[u8]) -> Result<Self, BadRecord> {
        let record: Self = ledger::from_bytes(stored)?;
        if DeviceStatus::from_number(record.status).is_some() { Ok(record) } else { Err(BadRecord) }
    }

    /// Writes the record, and whether work is due for it.
    pub(crate) fn write(&self, to: &mut Batch, device: Uuid) {
        to.put(device_key(DEVICE, device), ledger::to_bytes(self));
        match &self.work {
            Some(_) => to.put(device_key(WORK, device), versioned(&[])),
            None => to.delete(device_key(WORK, device)),
        };
    }

    pub(crate) fn status(&self) -> DeviceStatus {
        DeviceStatus::from_number(self.status).expect("reading a record checks its status")
    }

    pub(crate) fn set_status(&mut self, status: DeviceStatus, at: Timestamp) {
        if self.status != status.number() {
            self.status = status.number();
            self.since_unix_millis = at.as_unix_millis();
        }
    }

    /// Whether the device is ours and in use: only then may it, or may anybody for it, do anything.
    pub(crate) fn is_enabled(&self) -> bool {
        match self.status() {
            DeviceStatus::OwnershipAssigned
            | DeviceStatus::ConfigurationFetched
            | DeviceStatus::BootstrapUploaded
            | DeviceStatus::InService
            | DeviceStatus::Offline
            | DeviceStatus::Unreachable
            | DeviceStatus::BootstrapFailed
            | DeviceStatus::ChannelFailed => true,
            DeviceStatus::Unknown
            | DeviceStatus::Registered
            | DeviceStatus::Replaced
            | DeviceStatus::Released
            | DeviceStatus::OwnershipRefused => false,
        }
    }

    /// The device as it stands to its owner, when it is enabled and configured.
    pub(crate) fn in_use(&self) -> Option<&OwnedDevice> {
        self.owned.as_ref().filter(|_| self.is_enabled())
    }
}
