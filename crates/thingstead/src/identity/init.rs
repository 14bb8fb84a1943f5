//! The first run of an identity server: its keys, and what others are given to know it by.

use std::path::{Path, PathBuf};

use authority::identity::IdentityKeys;
use authority::{ReadOwn, WriteOwn, own_record};
use model::Uuid;
use net::now::Clock;
use store::{Batch, run};

use super::{Identity, dice, signed_from, utc};
use crate::cli::provider;
use crate::failure::{Failure, Outcome};
use crate::{files, serve, storage};

/// What makers, factories and servers are given.
const BUNDLE: &str = "ta.bundle";
/// What everybody who calls a server of the authority is given.
const SYSTEM_CA: &str = "system-ca.pem";

/// The stored bundle: the same bytes each time it is written.
const BUNDLE_RECORD: &[u8] = b"bundle";

/// What was written.
pub(crate) struct Published {
    /// The id of the authority.
    pub(crate) authority: Uuid,
    /// Where the bundle lies.
    pub(crate) bundle: PathBuf,
    /// Where the certificate of the system CA lies.
    pub(crate) system_ca: PathBuf,
}

/// Makes the keys of a new authority in `data` and writes into `out` what others know it by.
pub(crate) fn init(data: &Path, out: &Path) -> Outcome<Published> {
    let (bundle, system_ca) = (out.join(BUNDLE), out.join(SYSTEM_CA));
    if let Some(present) = [&bundle, &system_ca].into_iter().find(|path| path.exists()) {
        return Err(Failure::new("already-there", present.display().to_string()));
    }
    let present = || {
        Failure::new("already-there", data.display().to_string())
            .because("an authority was made here before; `thingstead identity bundle` writes its files again")
    };
    let (provider, now) = (provider(), Clock::start().now());
    let table = storage::open(data, &*provider)?;
    let key = IdentityKeys::key();
    let stored = run(&*table, &ReadOwn { key: key.clone() }, now).map_err(serve::store_failed)?.reply;
    if stored.is_some() {
        return Err(present());
    }
    let failed = |why: String| Failure::new("internal", "making keys").because(why);
    let mut dice = dice()?;
    let keys =
        IdentityKeys::create(provider, &mut dice, utc(now)?).map_err(|error| failed(format!("{error:?}")))?;
    let encoded = keys.bundle(signed_from(now)?, &mut dice).map_err(|error| failed(error.to_string()))?;
    let mut batch = Batch::default();
    keys.write(&mut batch).map_err(|error| failed(error.to_string()))?;
    batch.put(own_record(BUNDLE_RECORD), encoded.clone());
    if !run(&*table, &WriteOwn { key, batch }, now).map_err(serve::store_failed)?.reply {
        return Err(present());
    }
    publish(&keys, &encoded, out)
}

/// Writes the same files again.
pub(crate) fn publish_again(identity: &Identity, out: &Path) -> Outcome<Published> {
    let stored = identity.run(&ReadOwn { key: own_record(BUNDLE_RECORD) })?;
    publish(&identity.keys, &stored.ok_or_else(|| super::unreadable("the bundle"))?, out)
}

fn publish(keys: &IdentityKeys, encoded: &[u8], out: &Path) -> Outcome<Published> {
    files::make_folder(out)?;
    let (bundle, system_ca) = (out.join(BUNDLE), out.join(SYSTEM_CA));
    files::write_secret(&bundle, encoded)?;
    files::write_pem(&system_ca, &[keys.system_ca.certificate()], None)?;
    Ok(Published { authority: keys.authority, bundle, system_ca })
}
