//! An online server of the authority becomes one: keys at the first start, then the answer of the identity
//! server across the gap.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use assure_proto::{GapHeader, SimpleTime, TrustBundle, Validity};
use authority::{
    ENROLMENT_NUMBER, Enrolment, FileTaken, ReadEnrolment, ReadOwn, ServerKeys, StoreEnrolment, TakeFile,
    WriteOwn,
};
use certificate::{ServerNames, make_request};
use crypto::{HashAlgorithm, Provider};
use model::{ServerRole, hex};
use net::executor::Executor;
use net::seed;
use net::shutdown::Shutdown;
use net::tls::TlsIdentity;
use store::Batch;

use super::config::Membership;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gap_folder::{GapFolders, certificate_path, request_path};

/// Longest bundle and certificate request that are read.
const BUNDLE_LENGTH_MAX: u64 = 8 * 1024;
/// How often the gap is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A server that the identity server has enrolled.
pub(crate) struct Enrolled {
    /// Its keys.
    pub(crate) keys: ServerKeys,
    /// What the identity server answered.
    pub(crate) enrolment: Enrolment,
    /// The gap.
    pub(crate) folders: GapFolders,
    /// Its TLS identity under the system CA.
    pub(crate) tls: TlsIdentity,
    /// The system CA in DER.
    pub(crate) system_ca: Vec<u8>,
}

impl Enrolled {
    /// Writes `ca.pem`, by which whoever has the data folder knows this server.
    pub(crate) fn write_ca(&self, data: &Path) -> Outcome {
        files::write_pem(&data.join("ca.pem"), &[&self.system_ca], None)
    }
}

/// Reads or makes the keys of `role`, then waits until it is enrolled, telling the operator what to do.
///
/// `None` when shutdown was requested while waiting.
pub(crate) async fn enrolled(
    role: ServerRole,
    membership: &Membership,
    executor: &Executor,
    provider: &Arc<dyn Provider>,
    shutdown: &Shutdown,
) -> Outcome<Option<Enrolled>> {
    let folders = membership.folders();
    folders.make()?;
    let keys = own_keys(role, executor, provider).await?;
    folders.claim(keys.gap.id)?;
    let bundle = read_bundle(&membership.bundle, &**provider)?;
    let system_ca = super::single_certificate(&membership.system_ca)?;
    let stored = executor.run(ReadEnrolment).await.map_err(super::store_failed)?;
    let stored = stored.map_err(|_| Failure::new("internal", "the enrolment record"))?;
    let enrolment = match stored {
        Some(enrolment) => enrolment,
        None => {
            ask(&keys, &bundle, &folders, membership, &**provider, executor)?;
            let answered = wait_for_answer(&keys, &bundle, &folders, executor, &**provider, shutdown).await?;
            let Some(enrolment) = answered else { return Ok(None) };
            enrolment
        }
    };
    let chain = super::single_certificate(&certificate_path(&folders.inbox, keys.gap.id))?;
    let tls = TlsIdentity::of_key(&[chain], &*keys.tls).map_err(|error| {
        Failure::new("internal", "the server's certificate").because(format!("{error:?}"))
    })?;
    Ok(Some(Enrolled { keys, enrolment, folders, tls, system_ca }))
}

async fn own_keys(
    role: ServerRole,
    executor: &Executor,
    provider: &Arc<dyn Provider>,
) -> Outcome<ServerKeys> {
    let stored = executor.run(ReadOwn { key: ServerKeys::key() }).await.map_err(super::store_failed)?;
    if let Some(bytes) = stored {
        return ServerKeys::read(role, &**provider, &bytes)
            .map_err(|error| Failure::new("internal", "the server's keys").because(format!("{error:?}")));
    }
    let crypto = |error| Failure::new("internal", "making keys").because(error);
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let keys = ServerKeys::create(role, &**provider, &mut dice).map_err(crypto)?;
    let mut batch = Batch::default();
    keys.write(&mut batch).map_err(crypto)?;
    let write = WriteOwn { key: ServerKeys::key(), batch };
    executor.run(write).await.map_err(super::store_failed)?;
    Ok(keys)
}

/// Reads `ta.bundle`.
pub(crate) fn read_bundle(path: &Path, provider: &dyn Provider) -> Outcome<TrustBundle> {
    let bytes = files::read(path, BUNDLE_LENGTH_MAX)?;
    TrustBundle::decode(provider, &bytes)
        .map_err(|error| Failure::new("file-malformed", path.display().to_string()).because(error))
}

/// Writes the request for enrolment and the certificate request beside it, and prints what the operator
/// compares.
fn ask(
    keys: &ServerKeys,
    bundle: &TrustBundle,
    folders: &GapFolders,
    membership: &Membership,
    provider: &dyn Provider,
    executor: &Executor,
) -> Outcome {
    let crypto = |error| Failure::new("internal", "signing the request").because(error);
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let secs = executor.now().utc.and_then(|utc| utc.as_assure_secs());
    let validity = Validity::since(SimpleTime { secs: secs.unwrap_or_default() });
    let (header, file) = keys.enrolment_file(provider, bundle, validity, &mut dice).map_err(crypto)?;
    let request = make_request(&*keys.tls, "thingstead", &mut dice)
        .map_err(|error| Failure::new("internal", "the certificate request").because(format!("{error:?}")))?;
    let fingerprint = enrolment_fingerprint(provider, &file, &request, &membership.names);
    let request_file = request_path(&folders.outbox, keys.gap.id);
    files::write_secret(&request_file, &request_with_names(&request, &membership.names))?;
    folders.write(&header, &file)?;
    eprintln!("waiting to be enrolled: bring both files to the identity server and run there");
    eprintln!(
        "  thingstead identity enrol {} --fingerprint {fingerprint}",
        folders.outbox.join(header.file_name()).display()
    );
    Ok(())
}

/// The certificate request and the names it is for, as they lie beside the enrolment request: names, one a
/// line, an empty line, then the DER.
fn request_with_names(request: &[u8], names: &[String]) -> Vec<u8> {
    [names.join("\n").as_bytes(), b"\n\n", request].concat()
}

/// Reads what [`request_with_names`] wrote.
pub(crate) fn split_request(bytes: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
    let names = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((names.lines().map(str::to_owned).collect(), &bytes[end + 2..]))
}

/// What both sides compare: SHA-256 over the enrolment file and all that lies in the request beside it.
pub(crate) fn enrolment_fingerprint(
    provider: &dyn Provider,
    file: &[u8],
    request: &[u8],
    names: &[String],
) -> String {
    let beside = request_with_names(request, names);
    hex(provider.digest(HashAlgorithm::Sha256, &[file, &beside]).as_ref())
}

async fn wait_for_answer(
    keys: &ServerKeys,
    bundle: &TrustBundle,
    folders: &GapFolders,
    executor: &Executor,
    provider: &dyn Provider,
    shutdown: &Shutdown,
) -> Outcome<Option<Enrolment>> {
    let header = GapHeader { from: bundle.authority, to: keys.gap.id, sequence_number: ENROLMENT_NUMBER };
    loop {
        let certified = certificate_path(&folders.inbox, keys.gap.id).exists();
        if certified && let Some(file) = folders.read(&header)? {
            let refused = |why: String| Failure::new("gap-file-refused", header.file_name()).because(why);
            let answer =
                keys.open_answer(provider, bundle, &file).map_err(|error| refused(error.to_string()))?;
            let enrolment = answer.ok_or_else(|| refused("it is no answer to an enrolment".into()))?;
            let inner = StoreEnrolment { enrolment: enrolment.clone() };
            let take = TakeFile { from: bundle.authority, number: ENROLMENT_NUMBER, inner };
            return match executor.run(take).await.map_err(super::store_failed)? {
                Ok(FileTaken::Applied(()) | FileTaken::Before) => Ok(Some(enrolment)),
                Ok(FileTaken::Hole { missing }) => {
                    Err(Failure::new("gap-file-missing", format!("number {missing}")))
                }
                Err(_) => Err(Failure::new("internal", "the numbers of the air gap")),
            };
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = shutdown.requested() => return Ok(None),
        }
    }
}

/// Host names and addresses, told apart.
pub(crate) fn server_names(names: &[String]) -> ServerNames {
    let mut sorted = ServerNames { dns: Vec::new(), addresses: Vec::new() };
    for name in names {
        match name.parse() {
            Ok(address) => sorted.addresses.push(address),
            Err(_) => sorted.dns.push(name.clone()),
        }
    }
    sorted
}
