//! Foreign DTLS libraries that no Debian package has new enough: built from the C sources of two crates.
//!
//! The crates are fetched by cargo and checked against a lock file of their own; nothing of the product
//! depends on them (`conformance/peers/dtls/Cargo.toml`).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::repository::{Repository, is_installed, stdout_of};

/// The programs that are built, and which library each is.
pub(super) const PROGRAMS: &[(&str, &str)] =
    &[("wolfssl-peer", "wolfSSL"), ("mbedtls-peer", "Mbed TLS"), ("openssl-peer", "OpenSSL's library")];

/// Where the programs lie.
pub(super) fn folder(repository: &Repository) -> PathBuf {
    repository.target().join("peers").join("dtls")
}

/// Builds what is missing or older than its sources.
///
/// # Errors
/// When the sources cannot be had, or the compiler fails.
pub(super) fn build(repository: &Repository) -> Result<(), String> {
    if !is_installed("make") || !is_installed("cc") {
        return Err("there is no make or no C compiler: DTLS libraries are left out".to_owned());
    }
    let manifest = repository.path("conformance/peers/dtls/Cargo.toml");
    let mut cargo = repository.cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let document: Value =
        serde_json::from_str(&stdout_of(cargo)?).map_err(|cause| format!("cargo metadata: {cause}"))?;
    let place = |variable: &str, package: &str, below: &str| {
        let sources = sources_of(&document, package)?.join(below);
        Ok::<_, String>(format!("{variable}={}", sources.display()))
    };
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = repository.command("make");
    make.args(["--silent", "--directory"]).arg(repository.path("conformance/peers/dtls"));
    make.arg(format!("--jobs={at_once}")).arg(format!("OUT={}", folder(repository).display()));
    make.arg(place("WOLFSSL", "wolfssl-sys", "wolfssl-src")?);
    make.arg(place("MBEDTLS", "psa-crypto-sys", "vendor")?);
    // The flags of an outer make are not this one's.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
    stdout_of(make).map(drop)
}

/// The folder of a fetched package.
fn sources_of(document: &Value, package: &str) -> Result<PathBuf, String> {
    let packages = document["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|listed| listed["name"] == package)
        .find_map(|listed| listed["manifest_path"].as_str())
        .ok_or_else(|| format!("cargo metadata does not list {package}"))?;
    Ok(Path::new(manifest).parent().expect("a manifest lies in a folder").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_lie_beside_the_manifest_of_their_package() {
        let document = serde_json::json!({ "packages": [
            { "name": "other", "manifest_path": "/a/other-1/Cargo.toml" },
            { "name": "wanted", "manifest_path": "/a/wanted-2/Cargo.toml" },
        ]});
        assert_eq!(sources_of(&document, "wanted"), Ok(PathBuf::from("/a/wanted-2")));
        assert!(sources_of(&document, "missing").is_err_and(|reason| reason.contains("missing")));
    }
}
