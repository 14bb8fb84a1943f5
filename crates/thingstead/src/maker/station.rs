//! The keys of a station, sealed in its folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assure_proto::cbor::{Reader, Writer};
use assure_proto::{TRUST_BUNDLE_LENGTH_MAX, TrustBundle};
use authority::{ReadOwn, WriteOwn, own_record};
use clock::Now;
use crypto::{Curve, KeyKind, PrivateKey, Provider, Secret};
use model::{KeyId, Uuid};
use net::now::Clock;
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot, Table, run};
use wire::{DecodeError, Reason};

use crate::cli::provider;
use crate::failure::{Failure, Outcome};
use crate::identity::{dice, signed_from, station_file};
use crate::{files, serve, storage};

const VERSION: u64 = 1;
/// The copy that devices on the line are given.
const BUNDLE: &str = "ta.bundle";
/// What is carried to the identity server.
const STATION_FILE: &str = "station.file";

/// A station and its opened store.
pub(crate) struct Station {
    folder: PathBuf,
    table: Arc<dyn Table>,
    pub(crate) clock: Clock,
    pub(crate) provider: Arc<dyn Provider>,
    /// The maker it belongs to.
    pub(crate) maker: Uuid,
    /// The id of its signing key.
    pub(crate) id: KeyId,
    /// Signs records.
    pub(crate) key: Arc<dyn PrivateKey>,
    /// Its key towards the maker gateway.
    pub(crate) tls: Arc<dyn PrivateKey>,
    /// The authority it makes devices for.
    pub(crate) bundle: TrustBundle,
}

/// As it stands in the store: `ARRAY [1, maker, key id, PKCS#8, TLS PKCS#8, bundle]`.
struct Stored {
    maker: Uuid,
    id: KeyId,
    key: Secret,
    tls: Secret,
    bundle: Vec<u8>,
}

fn record() -> Key {
    own_record(b"station")
}

fn certificate_record() -> Key {
    own_record(b"station-certificate")
}

impl Stored {
    fn encode(&self) -> Secret {
        let mut out = Writer::new();
        out.array(6).uint(VERSION).bytes(&self.maker.0).bytes(&self.id.0);
        out.bytes(self.key.expose()).bytes(self.tls.expose()).bytes(&self.bundle);
        Secret::new(out.finish())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(6)?;
        let unknown = reader.error(Reason::UnknownVersion);
        if reader.u64()? != VERSION {
            return Err(unknown);
        }
        let (maker, id) = (Uuid(reader.bytes_of()?), KeyId(reader.bytes_of()?));
        let (key, tls) = (Secret::from(reader.bytes()?), Secret::from(reader.bytes()?));
        let bundle = reader.bytes()?.to_vec();
        reader.finish()?;
        Ok(Self { maker, id, key, tls, bundle })
    }
}

impl Station {
    /// Makes a station in `folder` and writes its file; `maker` is drawn when none is given.
    pub(crate) fn make(folder: &Path, bundle: &Path, maker: Option<Uuid>) -> Outcome<Self> {
        let provider = provider();
        let bytes = files::read(bundle, TRUST_BUNDLE_LENGTH_MAX as u64)?;
        TrustBundle::decode(&*provider, &bytes)
            .map_err(|error| files::malformed(bundle, &error.to_string()))?;
        let failed = |error| Failure::new("internal", "making keys").because(error);
        let table = storage::open(folder, &*provider)?;
        let mut dice = dice()?;
        let p256 = KeyKind::Ec(Curve::P256);
        let key = provider.generate_key(p256, &mut dice).map_err(failed)?;
        let tls = provider.generate_key(p256, &mut dice).map_err(failed)?;
        let stored = Stored {
            maker: maker.unwrap_or_else(|| Uuid::v4(dice.bytes())),
            id: KeyId(Uuid::v4(dice.bytes()).0),
            key: key.pkcs8().map_err(failed)?,
            tls: tls.pkcs8().map_err(failed)?,
            bundle: bytes,
        };
        let mut batch = Batch::default();
        batch.put(record(), stored.encode().expose());
        let write = WriteOwn { key: record(), batch };
        if !run(&*table, &write, Clock::start().now()).map_err(serve::store_failed)?.reply {
            return Err(Failure::new("already-there", folder.display().to_string())
                .because("a station was made here before"));
        }
        let station = Self::load(folder, provider, table, &stored)?;
        files::write_secret(&station.bundle_path(), &stored.bundle)?;
        station.write_file(&mut dice)?;
        Ok(station)
    }

    /// Opens the station in `folder`.
    pub(crate) fn open(folder: &Path) -> Outcome<Self> {
        let missing = || Failure::new("no-station", folder.display().to_string());
        if !folder.join("store.redb").exists() {
            return Err(missing());
        }
        let provider = provider();
        let table = storage::open(folder, &*provider)?;
        let stored =
            run(&*table, &ReadOwn { key: record() }, Clock::start().now()).map_err(serve::store_failed)?;
        let stored = Secret::new(stored.reply.ok_or_else(missing)?);
        let stored = Stored::decode(stored.expose())
            .map_err(|error| Failure::new("internal", "the station's record").because(error))?;
        let station = Self::load(folder, provider, table, &stored)?;
        // A first run may have been cut short before it wrote them.
        if !station.bundle_path().exists() {
            files::write_secret(&station.bundle_path(), &stored.bundle)?;
        }
        if !station.file_path().exists() {
            station.write_file(&mut dice()?)?;
        }
        Ok(station)
    }

    fn load(
        folder: &Path,
        provider: Arc<dyn Provider>,
        table: Arc<dyn Table>,
        stored: &Stored,
    ) -> Outcome<Self> {
        let failed = |why: String| Failure::new("internal", "the station's record").because(why);
        let import =
            |key: &Secret| provider.import_key(key.expose()).map_err(|error| failed(error.to_string()));
        let (key, tls) = (import(&stored.key)?, import(&stored.tls)?);
        let bundle =
            TrustBundle::decode(&*provider, &stored.bundle).map_err(|error| failed(error.to_string()))?;
        let (maker, id, folder) = (stored.maker, stored.id, folder.to_owned());
        Ok(Self { folder, table, clock: Clock::start(), provider, maker, id, key, tls, bundle })
    }

    fn write_file(&self, dice: &mut clock::Dice) -> Outcome {
        let validity = signed_from(self.clock.now())?;
        let file = station_file::write(&*self.provider, self.maker, self.id, &*self.key, validity, dice);
        let file =
            file.map_err(|error| Failure::new("internal", "signing the station's file").because(error))?;
        files::write_secret(&self.file_path(), &file)
    }

    /// The folder of the station.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is carried to the identity server.
    pub(crate) fn file_path(&self) -> PathBuf {
        self.folder.join(STATION_FILE)
    }

    /// The bundle for devices on the line; unsealed, so it is compared before it is given to one.
    fn bundle_path(&self) -> PathBuf {
        self.folder.join(BUNDLE)
    }

    /// The bundle for devices on the line.
    ///
    /// # Errors
    /// `file-malformed` when the copy is no longer the bundle that the station was made with.
    pub(crate) fn bundle_for_devices(&self) -> Outcome<PathBuf> {
        let path = self.bundle_path();
        let bytes = files::read(&path, TRUST_BUNDLE_LENGTH_MAX as u64)?;
        match TrustBundle::decode(&*self.provider, &bytes) {
            Ok(bundle) if bundle == self.bundle => Ok(path),
            Ok(_) | Err(_) => Err(files::malformed(&path, "it is not the bundle of this station")),
        }
    }

    fn run<O: Operation>(&self, operation: &O) -> Outcome<O::Reply> {
        run(&*self.table, operation, self.clock.now()).map(|done| done.reply).map_err(serve::store_failed)
    }

    /// The client certificate, once the station is registered.
    pub(crate) fn certificate(&self) -> Outcome<Option<Vec<u8>>> {
        self.run(&ReadOwn { key: certificate_record() })
    }

    /// Stores the client certificate; a later one replaces it.
    pub(crate) fn store_certificate(&self, certificate: Vec<u8>) -> Outcome {
        self.run(&StoreCertificate(certificate))
    }
}

struct StoreCertificate(Vec<u8>);

impl Operation for StoreCertificate {
    type Reply = ();
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, _: Now) -> Decision<(), ()> {
        let mut batch = Batch::default();
        batch.put(certificate_record(), self.0.clone());
        Decision::Done { batch, reply: (), effects: Vec::new() }
    }
}
