//! From configuration to image: the owner's side of a bootstrap.

use std::sync::Arc;

use assure_json::{Configuration, DeviceStatus};
use assure_proto::{
    Address, AuthenticatedKey, BuildError, CipherSuite, Class, Derivation, DerivedKey, ImageContents,
    KeyDefinition, Metadata, PayloadKey, Signer, SimpleTime, Validity, build_image, next_created_at,
};
use clock::{Dice, Now, Timestamp};
use crypto::{HashAlgorithm, Provider, PublicKey, Secret};
use ledger::{BadRecord, Origin};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::OwnerKeys;
use crate::device::{
    ApplicationMessage, BuiltImage, ChannelSecret, KeyKind, ManagedDevice, OwnedDevice, Work,
};
use crate::facts::{BadConfiguration, Facts};
use crate::payload::{NoPayload, Payload, Wishes};
use crate::spaces::{
    CONFIGURATION, DEVICE, IMAGE, by_channel_key, by_public_key, device_key, unversioned, versioned,
};
use crate::stored_configuration;

/// Length of the secret of a management channel, in bytes.
const CHANNEL_SECRET_LENGTH: usize = 32;

/// Why there is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBuilt {
    /// The device is not ours to configure, or no longer.
    NotOurs,
    /// Nothing is to be built for it, or there is no configuration to build on.
    NothingToDo,
    /// The configuration is not to be built on.
    Configuration(BadConfiguration),
    /// The payload cannot be put together.
    Payload(NoPayload),
    /// The image cannot be made.
    Image(BuildError),
    /// We do not know the time, or it is beyond what an image can say.
    NoClock,
    /// A stored record cannot be read.
    Record(BadRecord),
}

impl From<BadRecord> for NotBuilt {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// An image that waits to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageToUpload {
    /// The image.
    pub image: Vec<u8>,
    /// The owner sequence number in it.
    pub seq: u32,
    /// When it says it was made.
    pub created_at: SimpleTime,
}

/// The authority answered with the configuration of a device: builds its image and stores it to be uploaded.
///
/// The same seed makes the same image, but for EC and RSA signatures of providers with nonces of their own.
/// Source: aSSURE 15.2, 15.5; TS-M13, TS-M15.
#[derive(Clone, Debug)]
pub struct ConfigurationArrived {
    /// The device whose configuration was asked for.
    pub device: Uuid,
    /// What came.
    pub configuration: Arc<Configuration>,
    /// The owner's keys.
    pub keys: Arc<OwnerKeys>,
    /// Where devices find this management system.
    pub address: Address,
    /// Where it came from.
    pub origin: Origin,
}

/// Builds the image again, from the configuration that is stored: other messages, or just newer.
#[derive(Clone, Debug)]
pub struct Rebuild {
    /// The device.
    pub device: Uuid,
    /// Messages of the application behind ours, and the parameter choice; `None` keeps what was asked for
    /// before.
    pub wishes: Option<(Vec<ApplicationMessage>, Option<String>)>,
    /// The owner's keys.
    pub keys: Arc<OwnerKeys>,
    /// Where devices find this management system.
    pub address: Address,
    /// Where it came from.
    pub origin: Origin,
}

/// Has the configuration fetched again, and the image built from what comes: after the authority has begun a
/// new generation of its keys, or recovered, what is stored here leads to images of before.
/// Source: decisions H5 and H7; ADR 0103.
#[derive(Clone, Debug)]
pub struct FetchAgain {
    /// The device.
    pub device: Uuid,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for FetchAgain {
    /// Whether the device is ours and in use.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let record = ManagedDevice::read(snapshot, self.device)?.filter(ManagedDevice::is_enabled);
            let (Some(mut record), Some(at)) = (record, now.utc) else { return Ok(false) };
            match record.work {
                // It is leaving: what is promised to the next owner comes first.
                Some(Work::Leave { .. } | Work::Announce) => return Ok(false),
                Some(Work::Configure | Work::Upload) | None => record.work = Some(Work::Configure),
            }
            record.write(batch, self.device);
            self.origin.audit(batch, "owner.fetch", Some(self.device), "done", at);
            Ok(true)
        })
    }
}

/// One build: what both operations share.
struct Build<'a> {
    device: Uuid,
    configuration: &'a Configuration,
    keys: &'a OwnerKeys,
    address: &'a Address,
    origin: &'a Origin,
    at: Timestamp,
}

impl Build<'_> {
    fn build(&self, mut record: ManagedDevice, batch: &mut Batch) -> Result<ImageToUpload, NotBuilt> {
        let mut dice = Dice::new(self.origin.seed);
        let mut facts =
            Facts::read(self.keys, self.device, self.configuration).map_err(NotBuilt::Configuration)?;
        let before = record.owned.take();
        if before.as_ref().is_some_and(|before| facts.owned.seq < before.seq) {
            return Err(NotBuilt::Configuration(BadConfiguration::Older));
        }
        let now = SimpleTime::from_timestamp(self.at).ok_or(NotBuilt::NoClock)?;
        facts.owned.channel = self.channel_secret(before.as_ref(), &facts.owned, now, &mut dice)?;
        self.index(before.as_ref(), &facts.owned, batch)?;
        let replaced = record.status() == DeviceStatus::Replaced;
        let payload = if replaced {
            Payload::without_channels()
        } else {
            let wishes = Wishes {
                address: self.address,
                messages: &record.messages,
                choice: record.choice.as_deref(),
                choices: &self.configuration.parameter_choices,
            };
            Payload::plan(self.device, &facts.owned, &wishes).map_err(NotBuilt::Payload)?
        };
        // A new number makes a device take any time of creation; the last one counts within a number alone.
        let last = record.image.as_ref().filter(|image| image.seq == facts.owned.seq);
        let created_at = next_created_at(now, last.map(|image| SimpleTime { secs: image.created_at_secs }));
        let image = self.image(&facts, &payload, created_at, &mut dice)?;
        let seq = facts.owned.seq;
        record.image = Some(BuiltImage {
            seq,
            created_at_secs: created_at.secs,
            choice: payload.choice,
            uploaded: false,
        });
        record.owned = Some(facts.owned);
        record.work = Some(Work::Upload);
        if !replaced {
            record.set_status(DeviceStatus::ConfigurationFetched, self.at);
        }
        record.write(batch, self.device);
        batch.put(device_key(IMAGE, self.device), versioned(&image));
        self.origin.audit(batch, "owner.configure", Some(self.device), "done", self.at);
        Ok(ImageToUpload { image, seq, created_at })
    }

    /// The secret of the management channel: the one there is, as long as it hangs on the same owner secret.
    /// Source: decision G 19, TS-M4.
    fn channel_secret(
        &self,
        before: Option<&OwnedDevice>,
        owned: &OwnedDevice,
        now: SimpleTime,
        dice: &mut Dice,
    ) -> Result<Option<ChannelSecret>, NotBuilt> {
        if owned.kind != KeyKind::SharedSecret {
            return Ok(None);
        }
        let same = before.filter(|before| before.owner_key == owned.owner_key);
        if let Some(channel) = same.and_then(|before| before.channel.clone()) {
            return Ok(Some(channel));
        }
        let provider = &*self.keys.provider;
        let secret = Secret::new(dice.bytes::<CHANNEL_SECRET_LENGTH>().to_vec());
        let id = KeyId(Uuid::v4(dice.bytes()).0);
        let way = Derivation::from_secret(provider, owned.owner_key, &owned.owner_secret, &secret, dice);
        let derived = way.and_then(|way| DerivedKey::new(id, vec![way]));
        let definition = KeyDefinition::Derived(
            derived.expect("32 bytes are a derived secret, and one derivation is enough"),
        );
        let signer = Signer::with_secret(owned.owner_key, Class::ManagementSystem, &owned.owner_secret);
        let device_copy = AuthenticatedKey::issue(
            provider,
            Class::Channel,
            &definition,
            Metadata::NONE,
            &signer,
            Validity::since(now),
            dice,
        )
        .expect("class 2 signs class 5 with an HMAC, which does not fail");
        Ok(Some(ChannelSecret { id, secret, device_copy: device_copy.encoded().to_vec() }))
    }

    /// By what the device will be found when it sends no name.
    /// Source: decision G 26.
    fn index(
        &self,
        before: Option<&OwnedDevice>,
        owned: &OwnedDevice,
        batch: &mut Batch,
    ) -> Result<(), NotBuilt> {
        if let Some(channel) = before.and_then(|before| before.channel.as_ref()) {
            batch.delete(by_channel_key(channel.id));
        }
        match &owned.channel {
            Some(channel) => {
                batch.put(by_channel_key(channel.id), versioned(&self.device.0));
            }
            None => {
                let digest = key_digest(&*self.keys.provider, &owned.public_key()?);
                batch.put(by_public_key(digest), versioned(&self.device.0));
            }
        }
        Ok(())
    }

    fn image(
        &self,
        facts: &Facts,
        payload: &Payload,
        created_at: SimpleTime,
        dice: &mut Dice,
    ) -> Result<Vec<u8>, NotBuilt> {
        let owned = &facts.owned;
        let public = match owned.kind {
            KeyKind::SharedSecret => None,
            KeyKind::Ec | KeyKind::Rsa => Some(owned.public_key()?),
        };
        let suite = if owned.aes256_capable { CipherSuite::Aes256Ccm } else { CipherSuite::Aes128Ccm };
        let payload_key = match &public {
            Some(key) => PayloadKey::Device(key),
            None => PayloadKey::OwnerSecret { secret: &owned.owner_secret, suite },
        };
        let contents = ImageContents {
            device: self.device,
            authenticated_keys: &facts.keys,
            owner_data: &facts.owner_data,
            payload_key,
            messages: &payload.messages,
        };
        let signer = signer_for(self.keys, owned);
        let validity = Validity::since(created_at);
        build_image(&*self.keys.provider, &contents, &signer, validity, dice).map_err(NotBuilt::Image)
    }
}

/// Our class 2 key as this device knows it.
pub(crate) fn signer_for<'a>(keys: &'a OwnerKeys, owned: &'a OwnedDevice) -> Signer<'a> {
    match owned.kind {
        KeyKind::SharedSecret => {
            Signer::with_secret(owned.owner_key, Class::ManagementSystem, &owned.owner_secret)
        }
        KeyKind::Ec => keys.ec_signer(),
        KeyKind::Rsa => keys.rsa_signer(owned.owner_key),
    }
}

/// By what a public key is found: SHA-256 of its SubjectPublicKeyInfo.
#[must_use]
pub fn key_digest(provider: &dyn Provider, key: &PublicKey) -> [u8; 32] {
    provider.digest(HashAlgorithm::Sha256, &[key.spki()]).first_32()
}

impl ConfigurationArrived {
    fn build(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<ImageToUpload, NotBuilt> {
        let at = now.utc.ok_or(NotBuilt::NoClock)?;
        let mut record = ManagedDevice::read(snapshot, self.device)?.ok_or(NotBuilt::NotOurs)?;
        if record.work != Some(Work::Configure) {
            return Err(NotBuilt::NothingToDo);
        }
        // A configuration is given to the owner alone: having it, we know that the device is ours.
        if matches!(record.status(), DeviceStatus::Registered | DeviceStatus::OwnershipRefused) {
            record.set_status(DeviceStatus::OwnershipAssigned, at);
        }
        let build = Build {
            device: self.device,
            configuration: &self.configuration,
            keys: &self.keys,
            address: &self.address,
            origin: &self.origin,
            at,
        };
        let built = build.build(record, batch)?;
        batch
            .put(device_key(CONFIGURATION, self.device), stored_configuration::to_bytes(&self.configuration));
        Ok(built)
    }
}

impl Operation for ConfigurationArrived {
    type Reply = Result<ImageToUpload, NotBuilt>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.build(snapshot, now, batch))
    }
}

impl Rebuild {
    fn build(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<ImageToUpload, NotBuilt> {
        let at = now.utc.ok_or(NotBuilt::NoClock)?;
        let mut record = ManagedDevice::read(snapshot, self.device)?.ok_or(NotBuilt::NotOurs)?;
        if !record.is_enabled() {
            return Err(NotBuilt::NotOurs);
        }
        if let Some((messages, choice)) = &self.wishes {
            record.messages.clone_from(messages);
            record.choice.clone_from(choice);
        }
        let stored = snapshot.value(&device_key(CONFIGURATION, self.device)).ok_or(NotBuilt::NothingToDo)?;
        let configuration = stored_configuration::from_bytes(self.device, stored)?;
        let build = Build {
            device: self.device,
            configuration: &configuration,
            keys: &self.keys,
            address: &self.address,
            origin: &self.origin,
            at,
        };
        build.build(record, batch)
    }
}

impl Operation for Rebuild {
    type Reply = Result<ImageToUpload, NotBuilt>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), device_key(CONFIGURATION, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.build(snapshot, now, batch))
    }
}

/// Reads the image that waits to be uploaded.
#[derive(Clone, Copy, Debug)]
pub struct ReadImageToUpload {
    /// The device.
    pub device: Uuid,
}

impl Operation for ReadImageToUpload {
    /// `None`: none waits.
    type Reply = Result<Option<ImageToUpload>, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device), device_key(IMAGE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let record = ManagedDevice::read(snapshot, self.device)?;
            let waits = record.filter(|record| record.work == Some(Work::Upload));
            let Some(built) = waits.and_then(|record| record.image) else { return Ok(None) };
            let image = snapshot.value(&device_key(IMAGE, self.device)).ok_or(BadRecord)?;
            let created_at = SimpleTime { secs: built.created_at_secs };
            Ok(Some(ImageToUpload { image: unversioned(image)?.to_vec(), seq: built.seq, created_at }))
        })
    }
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadEnd {
    /// The authority took it.
    Taken,
    /// The authority says that the device, or its present number, is not ours: the configuration is fetched
    /// again, and if that is refused too, the device is gone.
    NotOurs,
}

/// The upload of the image made at `created_at` has come to an end.
#[derive(Clone, Debug)]
pub struct ImageUploaded {
    /// The device.
    pub device: Uuid,
    /// Which image it was: one built meanwhile stays to be uploaded.
    pub created_at: SimpleTime,
    /// What became of it.
    pub end: UploadEnd,
    /// Where it came from.
    pub origin: Origin,
}

impl Operation for ImageUploaded {
    /// Whether it was the image that waited.
    type Reply = Result<bool, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([device_key(DEVICE, self.device)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let Some(at) = now.utc else { return Ok(false) };
            let Some(mut record) = ManagedDevice::read(snapshot, self.device)? else { return Ok(false) };
            let waits = record.work == Some(Work::Upload);
            let Some(image) = &mut record.image else { return Ok(false) };
            if !waits || image.created_at_secs != self.created_at.secs {
                return Ok(false);
            }
            match self.end {
                UploadEnd::Taken => {
                    image.uploaded = true;
                    record.work = None;
                    if record.is_enabled() {
                        record.set_status(DeviceStatus::BootstrapUploaded, at);
                    }
                }
                UploadEnd::NotOurs => record.work = Some(Work::Configure),
            }
            record.write(batch, self.device);
            let result = match self.end {
                UploadEnd::Taken => "done",
                UploadEnd::NotOurs => "refused",
            };
            self.origin.audit(batch, "owner.bootstrap", Some(self.device), result, at);
            Ok(true)
        })
    }
}
