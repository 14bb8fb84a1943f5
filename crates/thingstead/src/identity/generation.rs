//! A new generation: the request is read, compared by a person, and carried out to its end.

use std::path::Path;

use assure_proto::{EnrolRequest, GAP_FILE_LENGTH_MAX, GapFile, GapHeader};
use authority::identity::{
    BeginGeneration, GenerationBegun, GenerationProgress, IssueGeneration, ReadGeneration,
};
use authority::{FileTaken, TakeFile, TakeIfDone};
use crypto::HashAlgorithm;
use model::{Uuid, hex};

use super::{Identity, unreadable, utc};
use crate::failure::{Failure, Outcome};
use crate::files;

/// A request for a new generation; nobody has compared it yet.
pub(crate) struct GenerationFile {
    header: GapHeader,
    request: EnrolRequest,
    /// SHA-256 of the file, as the registration server printed it.
    pub(crate) fingerprint: String,
}

impl GenerationFile {
    /// Reads the file; the signature of the gap key in it holds.
    pub(crate) fn read(identity: &Identity, path: &Path) -> Outcome<Self> {
        let refused = |why: String| Failure::new("gap-file-refused", path.display().to_string()).because(why);
        let file = files::read(path, GAP_FILE_LENGTH_MAX as u64)?;
        let decoded = GapFile::decode(&file).map_err(|error| refused(error.to_string()))?;
        let request = decoded.open_enrolment(&*identity.provider, &identity.keys.authority);
        let request = request.map_err(|error| refused(error.to_string()))?;
        let fingerprint = identity.provider.digest(HashAlgorithm::Sha256, &[&file]);
        Ok(Self { header: decoded.header(), request, fingerprint: hex(fingerprint.as_ref()) })
    }

    /// The server that asks.
    pub(crate) const fn server(&self) -> Uuid {
        self.header.from
    }

    /// Whether this is what the person holds in hand: digits in either case, with colons or spaces.
    pub(crate) fn is_what_was_compared(&self, typed: &str) -> bool {
        let digits: String = typed.chars().filter(|c| !matches!(c, ' ' | ':' | '-')).collect();
        digits.eq_ignore_ascii_case(&self.fingerprint)
    }
}

/// Begins the generation, unless an earlier run did, and issues everything that belongs to it.
pub(crate) fn issue(
    identity: Identity,
    request: GenerationFile,
    data: &Path,
    gap_out: &Path,
) -> Outcome<GenerationProgress> {
    utc(identity.now())?;
    files::make_folder(gap_out)?;
    identity.flush(gap_out)?;
    begin(&identity, request)?;
    // The keys of the new generation are in the store: everything from here on is issued under them.
    drop(identity);
    let identity = Identity::open(data)?;
    identity.flush(gap_out)?;
    let partners = identity.partners()?;
    let enrolled = |partner: Option<authority::GapPartner>, name: &str| {
        partner.ok_or_else(|| Failure::new("not-enrolled", name))
    };
    let registration = enrolled(partners.registration, "the registration server")?;
    let bootstrap = enrolled(partners.bootstrap, "the bootstrap server")?;
    loop {
        let progress = identity.run(&ReadGeneration)?.map_err(|_| unreadable("the new generation"))?;
        let progress = progress.ok_or_else(|| unreadable("the new generation"))?;
        if progress.is_finished {
            return Ok(progress);
        }
        let (registration, bootstrap, keys) =
            (registration.clone(), bootstrap.clone(), identity.keys.clone());
        let origin = identity.origin("operator")?;
        let step = IssueGeneration { progress, registration, bootstrap, keys, origin };
        let stands = identity.run(&step)?;
        let stands = stands
            .map_err(|error| Failure::new("internal", "the new generation").because(format!("{error:?}")))?;
        identity.flush(gap_out)?;
        if stands == progress {
            return Err(Failure::new("internal", "the new generation").because("it does not go on"));
        }
    }
}

fn begin(identity: &Identity, file: GenerationFile) -> Outcome {
    let subject = file.server().to_string();
    let (from, number) = (file.header.from, file.header.sequence_number);
    let (partners, keys) = (identity.partners()?, identity.keys.clone());
    let origin = identity.origin("operator")?;
    let inner = BeginGeneration { from, request: file.request, partners, keys, origin };
    let take = TakeFile { from, number, inner };
    let is_done = |reply: &Result<GenerationBegun, _>| matches!(reply, Ok(GenerationBegun::Begun(_)));
    let taken = identity.run(&TakeIfDone { take, is_done })?;
    match taken.map_err(|_| unreadable("the numbers of the air gap"))? {
        // Begun by an earlier run: what is left of it is issued now.
        FileTaken::Applied(Ok(GenerationBegun::Begun(_))) | FileTaken::Before => Ok(()),
        FileTaken::Applied(Ok(GenerationBegun::Refused)) => Err(Failure::new("refused", subject).because(
            "it is not from the enrolled registration server, a server is not enrolled, or a generation is \
             not finished",
        )),
        FileTaken::Applied(Err(error)) => {
            Err(Failure::new("internal", subject).because(format!("{error:?}")))
        }
        FileTaken::Hole { missing } => Err(Failure::new("gap-file-missing", format!("number {missing}"))
            .because("take it in first, with `thingstead identity import`")),
    }
}
