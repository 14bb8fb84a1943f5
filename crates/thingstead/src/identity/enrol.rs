//! An online server becomes one of the authority: its request is read, compared by a person, answered.

use std::path::Path;
use std::time::Duration;

use assure_proto::{EnrolRequest, GAP_FILE_LENGTH_MAX, GapFile, GapHeader, GapRole};
use authority::identity::{EnrolServer, Enrolled};
use authority::{ENROLMENT_NUMBER, FileTaken, ReadOwn, TakeFile, TakeIfDone, WriteOwn, own_record};
use certificate::{KeyDemand, Profile, REQUEST_LENGTH_MAX, Request, Serial};
use clock::Timestamp;
use crypto::PublicKey;
use model::{ServerRole, Uuid};
use store::{Batch, Key};

use super::{Identity, dice, utc};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::gap_folder::{certificate_path, request_path};
use crate::serve::enrolled::{enrolment_fingerprint, server_names, split_request};

/// Names of a server beside its certificate request take at most so many bytes.
const NAMES_LENGTH_MAX: usize = 8 * 1024;
/// How long a certificate of a server stands.
/// Source: ADR 0071.
const CERTIFICATE_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What a server asks for; its signatures by its own keys hold, and nobody trusts it yet.
pub(crate) struct ServerRequest {
    header: GapHeader,
    request: EnrolRequest,
    /// What it wants to be.
    pub(crate) role: ServerRole,
    /// Under which names it is reached.
    pub(crate) names: Vec<String>,
    tls_key: PublicKey,
    /// What the server printed when it wrote the request.
    pub(crate) fingerprint: String,
}

impl ServerRequest {
    /// The server's id across the gap.
    pub(crate) const fn server(&self) -> Uuid {
        self.header.from
    }

    /// Reads the request and the certificate request beside it.
    pub(crate) fn read(identity: &Identity, path: &Path) -> Outcome<Self> {
        let refused = |path: &Path, why: String| {
            Failure::new("gap-file-refused", path.display().to_string()).because(why)
        };
        let file = files::read(path, GAP_FILE_LENGTH_MAX as u64)?;
        let provider = &*identity.provider;
        let decoded = GapFile::decode(&file).map_err(|error| refused(path, error.to_string()))?;
        let request = decoded.open_enrolment(provider, &identity.keys.authority);
        let request = request.map_err(|error| refused(path, error.to_string()))?;
        let header = decoded.header();
        if header.sequence_number != ENROLMENT_NUMBER {
            return Err(refused(path, "it is not the first file of its sender".into()));
        }
        let role = match request.role {
            GapRole::Registration => ServerRole::Registration,
            GapRole::Bootstrap => ServerRole::Bootstrap,
            GapRole::Gateway => {
                return Err(refused(path, "gateways are no servers of their own here".into()));
            }
        };
        let beside = request_path(path.parent().unwrap_or(Path::new("")), header.from);
        let certificate_request = files::read(&beside, (REQUEST_LENGTH_MAX + NAMES_LENGTH_MAX) as u64)?;
        let (names, der) = split_request(&certificate_request)
            .ok_or_else(|| files::malformed(&beside, "it holds no names"))?;
        let tls = Request::from_der(der, KeyDemand::P256, provider);
        let tls = tls.map_err(|error| refused(&beside, error.to_string()))?;
        let fingerprint = enrolment_fingerprint(provider, &file, der, &names);
        Ok(Self { header, request, role, tls_key: tls.public_key().clone(), names, fingerprint })
    }

    /// Whether this is what the person holds in hand: digits in either case, with colons or spaces.
    pub(crate) fn is_what_was_compared(&self, typed: &str) -> bool {
        let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | ':' | '-')).collect();
        digits.eq_ignore_ascii_case(&self.fingerprint)
    }

    /// Enrols the server and writes its certificate and, after it, the answer into `gap_out`; the same again
    /// when that was cut short.
    pub(crate) fn enrol(self, identity: &Identity, gap_out: &Path) -> Outcome {
        let now = utc(identity.now())?;
        let server = self.server();
        let subject = server.to_string();
        let refused = |why: &str| Failure::new("refused", subject.as_str()).because(why);
        let inner = EnrolServer {
            id: server,
            request: self.request,
            keys: identity.keys.clone(),
            origin: identity.origin("operator")?,
        };
        let take = TakeFile { from: server, number: self.header.sequence_number, inner };
        let taken = identity.run(&TakeIfDone { take, is_done: |reply| *reply == Ok(Enrolled::Answered) })?;
        match taken.map_err(|_| super::unreadable("the numbers of the air gap"))? {
            FileTaken::Applied(Ok(Enrolled::Answered)) => {}
            FileTaken::Applied(Ok(Enrolled::RoleTaken)) => {
                return Err(refused("another server has this role"));
            }
            FileTaken::Applied(Ok(Enrolled::Refused)) => {
                return Err(refused("it asks for keys that its role does not get"));
            }
            FileTaken::Applied(Err(error)) => {
                return Err(Failure::new("internal", subject).because(format!("{error:?}")));
            }
            // The request was answered by an earlier run; what it wrote is completed below.
            FileTaken::Before => {}
            FileTaken::Hole { missing } => {
                return Err(Failure::new("gap-file-missing", format!("number {missing}")));
            }
        }
        certify(identity, server, self.role, &self.names, &self.tls_key, now)?;
        files::make_folder(gap_out)?;
        write_certificate(identity, server, gap_out)?;
        identity.flush(gap_out).map(drop)
    }
}

fn certificate_record(server: Uuid) -> Key {
    own_record(format!("certificate/{server}").as_bytes())
}

/// Issues the server's certificate once; a later call finds it.
fn certify(
    identity: &Identity,
    server: Uuid,
    role: ServerRole,
    names: &[String],
    key: &PublicKey,
    now: Timestamp,
) -> Outcome {
    let record = certificate_record(server);
    if identity.run(&ReadOwn { key: record.clone() })?.is_some() {
        return Ok(());
    }
    let lifetime = u64::try_from(CERTIFICATE_LIFETIME.as_millis()).expect("ten years are few milliseconds");
    let until = Timestamp::from_unix_millis(now.as_unix_millis() + lifetime);
    let profile = Profile::AuthorityServer { role, names: server_names(names), until };
    let mut dice = dice()?;
    let serial = Serial::random(&mut dice);
    let issuer = &identity.keys.system_ca;
    let certificate = issuer.issue(&*identity.provider, key, serial, &profile, now, &mut dice);
    let certificate =
        certificate.map_err(|error| Failure::new("refused", server.to_string()).because(error))?;
    let mut batch = Batch::default();
    batch.put(record.clone(), certificate);
    identity.run(&WriteOwn { key: record, batch }).map(drop)
}

/// Writes the certificate of an enrolled server, if one was issued.
pub(crate) fn write_certificate(identity: &Identity, server: Uuid, gap_out: &Path) -> Outcome {
    match identity.run(&ReadOwn { key: certificate_record(server) })? {
        Some(certificate) => files::write_pem(&certificate_path(gap_out, server), &[&certificate], None),
        None => Ok(()),
    }
}
