//! Files that people and other programs read: written whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use certificate::{pem_blocks, pem_from_der};
use crypto::Secret;

use crate::failure::{Failure, Outcome};
use crate::storage::{create_secret, write_durably};

/// Makes a folder and those above it, readable by this user alone.
pub(crate) fn make_folder(path: &Path) -> Outcome {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|error| unwritable(path, &error))
}

/// Writes a file that only this user reads; an existing one is replaced at once or not at all.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Outcome {
    write_whole(path, bytes).map_err(|error| unwritable(path, &error))
}

/// Writes under another name, makes it durable, renames, and makes the name durable.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = PathBuf::from(format!("{}.part", path.display()));
    match fs::remove_file(&beside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    write_durably(create_secret(&beside)?, bytes)?;
    fs::rename(&beside, path)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new("file-unwritable", path.display().to_string()).because(error)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Outcome<Vec<u8>> {
    let unreadable = |error| Failure::new("file-unreadable", path.display().to_string()).because(error);
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > limit {
        return Err(malformed(path, "it is too long"));
    }
    fs::read(path).map_err(unreadable)
}

/// The failure of a file that holds something else.
pub(crate) fn malformed(path: &Path, why: &str) -> Failure {
    Failure::new("file-malformed", path.display().to_string()).because(why)
}

const PEM_LENGTH_MAX: u64 = 64 * 1024;
const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// A certificate chain and, in operator and client files, its private key.
pub(crate) struct PemFile {
    /// Certificates in DER, the leaf first.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The private key as PKCS#8.
    pub(crate) key: Option<Secret>,
}

/// Reads certificates and at most one private key.
pub(crate) fn read_pem(path: &Path) -> Outcome<PemFile> {
    let bytes = read(path, PEM_LENGTH_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed(path, "it is no PEM"))?;
    let blocks = pem_blocks(text).map_err(|_| malformed(path, "it is no PEM"))?;
    let mut file = PemFile { certificates: Vec::new(), key: None };
    for block in blocks {
        match block.label.as_str() {
            CERTIFICATE => file.certificates.push(block.der.expose().to_vec()),
            PRIVATE_KEY if file.key.is_none() => file.key = Some(block.der),
            _ => return Err(malformed(path, "it holds another kind of block")),
        }
    }
    Ok(file)
}

/// Writes certificates and perhaps a private key.
pub(crate) fn write_pem(path: &Path, certificates: &[&[u8]], key: Option<&Secret>) -> Outcome {
    let mut text = zeroize::Zeroizing::new(String::new());
    let blocks = certificates.iter().map(|der| (CERTIFICATE, *der));
    for (label, der) in blocks.chain(key.map(|key| (PRIVATE_KEY, key.expose()))) {
        let block = pem_from_der(label, der).map_err(|_| malformed(path, "it cannot be written as PEM"))?;
        text.push_str(&zeroize::Zeroizing::new(block));
    }
    // Most are written again at every start, and a write waits for the disk several times.
    if key.is_none() && fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    write_secret(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn certificates_that_are_there_already_are_not_written_again_and_keys_are() {
        let folder = std::env::temp_dir().join(format!("thingstead-pem-{}", std::process::id()));
        make_folder(&folder).unwrap();
        let path = folder.join("ca.pem");
        let written = |certificate: &[u8], key: Option<&Secret>| {
            write_pem(&path, &[certificate], key).unwrap();
            let file = read_pem(&path).unwrap();
            assert_eq!((&file.certificates[..], file.key.as_ref()), (&[certificate.to_vec()][..], key));
            fs::metadata(&path).unwrap().ino()
        };
        let first = written(b"one", None);
        assert_eq!(written(b"one", None), first, "the same file lies there");
        let other = written(b"other", None);
        assert_ne!(other, first, "it is replaced as a whole");
        let key = Secret::from(&b"key"[..]);
        let with_key = written(b"other", Some(&key));
        assert_ne!(with_key, other);
        assert_ne!(written(b"other", Some(&key)), with_key, "who may read it is settled anew");
        fs::remove_dir_all(&folder).unwrap();
    }
}
