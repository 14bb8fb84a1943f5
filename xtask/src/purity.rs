//! What runs without an operating system, and what at least does without its clock, sockets and threads.
//!
//! A build for the host proves nothing about a `no_std` crate: its dependencies find `std` in the sysroot.
//! So each such crate is checked alone against a sysroot that holds only `core` and `alloc`, copied from
//! the toolchain. Cargo gives the flags of a named target to that target's units alone, so build scripts
//! and procedural macros still find the whole toolchain, on a stable compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Outcome;
use crate::floors::{RUNTIMES, floor_of};
use crate::metadata::{self, Package};
use crate::repository::{Repository, output_of, stdout_of};

/// Crates that a device without an operating system runs.
const WITHOUT_STD: &[&str] = &[
    "clock",
    "wire",
    "model",
    "crypto",
    "crypto-portable",
    "assure-proto",
    "dtls-proto",
    "coap-proto",
    "coaps",
    "osap-proto",
    "osap-things",
    "mqtt-proto",
    "accounts",
    "agent",
];

/// What the private sysroot is made of.
const LIBRARIES: &[&str] = &[
    "libcore-",
    "liballoc-",
    "libcompiler_builtins-",
    "librustc_std_workspace_core-",
    "librustc_std_workspace_alloc-",
];

/// The highest floor that takes time, chance and the outside world as arguments.
const PURE_FLOOR_MAX: u8 = 2;

/// The clippy settings of pure crates that use `std`.
const PURE_CLIPPY: &str = "xtask/floors/clippy.toml";

/// Runs all checks of purity.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let packages = metadata::packages(repository).map_err(|reason| vec![reason])?;
    let mut complaints = Vec::new();
    match Sieve::make(repository) {
        Ok(sieve) => {
            for package in packages.iter().filter(|package| WITHOUT_STD.contains(&package.name.as_str())) {
                let started = Instant::now();
                match sieve.check(repository, package) {
                    Ok(()) => {
                        println!("without std: {} ({:.1} s)", package.name, started.elapsed().as_secs_f32())
                    }
                    Err(reason) => complaints.push(reason),
                }
            }
        }
        Err(reason) => complaints.push(reason),
    }
    for package in packages.iter().filter(|package| is_pure(package)) {
        complaints.extend(complaint_about_runtime(repository, package));
        if !WITHOUT_STD.contains(&package.name.as_str()) {
            complaints.extend(complaint_about_clippy(repository, package));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn is_pure(package: &Package) -> bool {
    floor_of(&package.name).is_some_and(|floor| floor <= PURE_FLOOR_MAX)
}

fn complaint_about_runtime(repository: &Repository, package: &Package) -> Option<String> {
    let mut cargo = repository.cargo();
    cargo.args([
        "tree",
        "--quiet",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{lib}",
        "--package",
    ]);
    cargo.arg(&package.name);
    match stdout_of(cargo) {
        Ok(tree) => {
            let found = RUNTIMES
                .iter()
                .find(|runtime| tree.lines().any(|line| line.trim() == runtime.replace('-', "_")))?;
            Some(format!("{} brings in {found}: no async runtime below floor 3", package.name))
        }
        Err(reason) => Some(reason),
    }
}

fn complaint_about_clippy(repository: &Repository, package: &Package) -> Option<String> {
    let own = format!("{}/clippy.toml", package.directory);
    let complaint = |reason: &str| Some(format!("{own}: {reason}; copy {PURE_CLIPPY}"));
    match (repository.read(&own), repository.read(PURE_CLIPPY)) {
        (Ok(own), Ok(pure)) if own == pure => None,
        (Ok(_), Ok(_)) => complaint("differs"),
        (Err(_), Ok(_)) => complaint("is missing: nothing keeps clocks and sockets out"),
        (_, Err(reason)) => Some(reason),
    }
}

/// A sysroot through which only crates without `std` pass.
struct Sieve {
    target: String,
    sysroot: PathBuf,
    build_directory: PathBuf,
}

impl Sieve {
    /// Copies `core` and `alloc` out of the toolchain and tries the result on two crates of one line.
    fn make(repository: &Repository) -> Result<Self, String> {
        let target = host_of(&stdout_of(rustc(&["--version", "--verbose"]))?)?;
        let toolchain = stdout_of(rustc(&["--print", "sysroot"]))?;
        let libraries = Path::new("lib/rustlib").join(&target).join("lib");
        let from = Path::new(toolchain.trim()).join(&libraries);
        let build_directory = repository.target().join("without-std");
        let sysroot = build_directory.join("sysroot");
        copy_libraries(&from, &sysroot.join(&libraries))
            .map_err(|cause| format!("copying core and alloc from {}: {cause}", from.display()))?;
        let sieve = Self { target, sysroot, build_directory };
        sieve.try_out()?;
        Ok(sieve)
    }

    fn try_out(&self) -> Result<(), String> {
        for (line, passes) in [
            ("#![no_std] extern crate alloc; pub fn f() -> alloc::vec::Vec<u8> { alloc::vec![1] }", true),
            (
                "#![no_std] extern crate std; pub fn f() -> std::time::Instant { std::time::Instant::now() }",
                false,
            ),
        ] {
            let source = self.build_directory.join("try.rs");
            std::fs::write(&source, line).map_err(|cause| format!("{}: {cause}", source.display()))?;
            let mut command =
                rustc(&["--edition=2024", "--crate-type=lib", "--crate-name=tried", "--emit=metadata"]);
            command
                .arg("--sysroot")
                .arg(&self.sysroot)
                .arg("--out-dir")
                .arg(&self.build_directory)
                .arg(&source);
            if output_of(command)?.status.success() != passes {
                let failure = if passes { "refuses what needs only alloc" } else { "lets std through" };
                return Err(format!("the sysroot without std {failure}: the check would mean nothing"));
            }
        }
        Ok(())
    }

    /// With all that a crate has, and with the least.
    fn check(&self, repository: &Repository, package: &Package) -> Result<(), String> {
        self.check_with(repository, package, &[])?;
        self.check_with(repository, package, &["--no-default-features"])
    }

    fn check_with(
        &self,
        repository: &Repository,
        package: &Package,
        features: &[&str],
    ) -> Result<(), String> {
        let flags = format!("target.{}.rustflags=[\"--sysroot\", {:?}]", self.target, self.sysroot);
        let mut cargo = repository.cargo();
        cargo
            .args(["check", "--quiet", "--lib", "--package", &package.name, "--target", &self.target])
            .args(["--config", &flags])
            .args(features)
            .env("CARGO_TARGET_DIR", &self.build_directory)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        let output = output_of(cargo)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let end: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
        let shown = if end.is_empty() {
            said.trim().to_owned()
        } else {
            end[end.len().saturating_sub(5)..].join("\n  ")
        };
        Err(format!("{} does not build without std:\n  {shown}", package.name))
    }
}

fn rustc(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn host_of(version: &str) -> Result<String, String> {
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc does not name its host".to_owned())
}

fn copy_libraries(from: &Path, to: &Path) -> std::io::Result<()> {
    // Made new each time: a library left over from another toolchain would be found as well.
    match std::fs::remove_dir_all(to) {
        Ok(()) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause),
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LIBRARIES.iter().any(|library| name.to_string_lossy().starts_with(library)) {
            // Links keep the age of the original, so cargo does not take the copy for a change.
            if std::fs::hard_link(entry.path(), to.join(&name)).is_err() {
                std::fs::copy(entry.path(), to.join(&name))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_compilers_version() {
        let said = "rustc 1.95.0\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_of(said).as_deref(), Ok("x86_64-unknown-linux-gnu"));
        assert!(host_of("rustc 1.95.0").is_err());
    }

    /// Text formats, certificates and clocks, by the libraries that would bring them to a device.
    const NOT_ON_DEVICES: &[&str] = &[
        "serde",
        "serde_json",
        "serde_yaml",
        "toml",
        "xml",
        "quick_xml",
        "roxmltree",
        "assure_json",
        "certificate",
        "x509_cert",
        "x509_parser",
        "rcgen",
        "webpki",
        "rustls",
        "time",
        "chrono",
        "jiff",
    ];

    // verifies: ASSURE-6.1-03, ASSURE-6.1-04, ASSURE-6.1-05
    #[test]
    fn a_device_carries_no_text_format_no_certificates_and_no_clock() {
        let repository = Repository::find().unwrap();
        let mut cargo = repository.cargo();
        cargo.args(["tree", "--quiet", "--offline", "--edges", "normal", "--prefix", "none"]);
        cargo.args(["--format", "{lib}", "--package", "agent", "--package", "crypto-portable"]);
        // aSSURE asks this of its devices; a smart device of OSAP speaks JSON.
        cargo.arg("--no-default-features");
        let tree = stdout_of(cargo).unwrap();
        let carried: Vec<&str> = tree.lines().map(|line| line.trim().trim_end_matches(" (*)")).collect();
        assert!(carried.contains(&"assure_proto") && carried.contains(&"dtls_proto"), "{carried:?}");
        for library in NOT_ON_DEVICES {
            assert!(!carried.contains(library), "{library}");
        }
        // the clock of the system lives in std, which these are built without
        for name in ["agent", "assure-proto", "dtls-proto", "coaps", "coap-proto", "crypto-portable"] {
            assert!(WITHOUT_STD.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_crate_without_std_stands_on_a_floor() {
        for name in WITHOUT_STD {
            assert!(floor_of(name).is_some(), "{name}");
        }
    }
}
