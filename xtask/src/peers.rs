//! Foreign programs that the tests talk to.

mod dtls;
mod node;
mod wot;

pub(crate) use node::{OLDEST as OLDEST_NODE, is_new_enough as has_node};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::repository::{Repository, is_installed, output_of, run, stdout_of};

/// A program, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("gnutls-serv", "gnutls-bin"),
    ("coap-client-gnutls", "libcoap3-bin"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("mosquitto", "mosquitto"),
    ("zbarimg", "zbar-tools"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("chromium", "chromium"),
    ("npm", "npm"),
    ("strace", "strace"),
    ("unshare", "util-linux"),
    ("ip", "iproute2"),
    ("make", "make"),
    ("cc", "gcc"),
    ("autoreconf", "autoconf"),
    ("automake", "automake"),
];

/// Debian packages without a program of their own, and a file that shows they are there.
const LIBRARIES: &[(&str, &str)] = &[("/usr/include/openssl/ssl.h", "libssl-dev")];

/// What the Python peers need, and the modules that show that it is there.
const PYTHON_PACKAGES: (&[&str], &str) = (
    &["aiocoap==0.4.17", "cryptography", "paho-mqtt==2.2.0", "openapi-spec-validator==0.9.0"],
    "aiocoap, cryptography, openapi_spec_validator, paho.mqtt",
);

/// What aiocoap needs for DTLS: tinydtls, which is built from C sources, and so can fail apart.
const TINYDTLS: (&[&str], &str) = (&["DTLSSocket==0.2.3"], "DTLSSocket");

/// Installs what is missing where that is possible (Debian, as root), and says what is missing elsewhere.
///
/// A missing peer is no failure: the tests that need it say that they were skipped.
pub(crate) fn install(repository: &Repository) -> Outcome {
    let packages = missing_packages();
    if !packages.is_empty() {
        if can_install() {
            if let Err(reason) = apt_get(repository, &packages) {
                println!("  {reason}");
            }
        } else {
            println!("  to be installed by hand (Debian's names): {}", packages.join(" "));
        }
    }
    let built = [
        make_python(repository).and_then(|()| pip(repository, PYTHON_PACKAGES)),
        pip(repository, TINYDTLS),
        dtls::build(repository),
        node::install(repository),
        wot::install(repository),
    ];
    for built in built {
        if let Err(reason) = built {
            println!("  {reason}");
        }
    }
    for (program, package) in PROGRAMS {
        let state = if is_installed(program) { "there" } else { "missing" };
        println!("  {program:<20} {state} ({package})");
    }
    for (name, (_, modules)) in [("aiocoap", PYTHON_PACKAGES), ("tinydtls", TINYDTLS)] {
        let state = if has_modules(repository, modules) { "there" } else { "missing" };
        println!("  {name:<20} {state} (Python, in {})", repository.relative(&environment(repository)));
    }
    let node = if node::is_new_enough(repository) { "there" } else { "missing" };
    println!("  {:<20} {node} (Node {}.{} or later)", "node", node::OLDEST.0, node::OLDEST.1);
    let wot = if wot::is_there(repository) { "there" } else { "missing" };
    println!("  {:<20} {wot} (npm, in target/peers/wot)", "td-validator");
    for (program, library) in dtls::PROGRAMS {
        let state = if dtls::folder(repository).join(program).is_file() { "there" } else { "missing" };
        println!(
            "  {program:<20} {state} ({library}, in {})",
            repository.relative(&dtls::folder(repository))
        );
    }
    Ok(())
}

/// The Python that has the packages of the peers, or else the system's.
pub(crate) fn python(repository: &Repository) -> PathBuf {
    let own = environment(repository).join("bin/python");
    if own.is_file() { own } else { PathBuf::from("python3") }
}

/// The search path of tests: the Python of the peers first, then the peers that were built or fetched.
pub(crate) fn path(repository: &Repository) -> OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let own = environment(repository).join("bin");
    let built = [own, dtls::folder(repository), node::folder(repository)]
        .into_iter()
        .filter(|folder| folder.is_dir());
    let directories = built.chain(std::env::split_paths(&inherited));
    std::env::join_paths(directories).unwrap_or(inherited)
}

fn environment(repository: &Repository) -> PathBuf {
    repository.target().join("peers").join("python")
}

fn missing_packages() -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package);
    let libraries =
        LIBRARIES.iter().filter(|(file, _)| !Path::new(file).is_file()).map(|(_, package)| *package);
    let headers = (!has_headers()).then_some("python3-dev");
    programs.chain(libraries).chain(headers).collect()
}

/// Whether the machine's Python can build modules; one that is not there cannot be asked.
fn has_headers() -> bool {
    const ASKED: &str =
        "import os, sysconfig as s; assert os.path.isfile(s.get_path('include') + '/Python.h')";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", ASKED]);
    output_of(python).map_or(true, |output| output.status.success())
}

fn can_install() -> bool {
    let mut id = std::process::Command::new("id");
    id.arg("-u");
    is_installed("apt-get") && stdout_of(id).is_ok_and(|user| user.trim() == "0")
}

fn apt_get(repository: &Repository, packages: &[&str]) -> Result<(), String> {
    let quiet = ["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"];
    let mut update = repository.command("apt-get");
    run({
        update.args(quiet).arg("update");
        update
    })?;
    let mut install = repository.command("apt-get");
    install.args(quiet).args(["install", "--yes", "--no-install-recommends"]).args(packages);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    let output = output_of(install)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("apt-get: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Whether the Python of the peers has these modules.
fn has_modules(repository: &Repository, modules: &str) -> bool {
    let mut python = repository.command(environment(repository).join("bin/python"));
    python.args(["-c", &format!("import {modules}")]);
    output_of(python).is_ok_and(|output| output.status.success())
}

fn make_python(repository: &Repository) -> Result<(), String> {
    if environment(repository).join("bin/python").is_file() {
        return Ok(());
    }
    if !is_installed("python3") {
        return Err("there is no python3: its peers are left out".to_owned());
    }
    let mut make = repository.command("python3");
    make.args(["-m", "venv"]).arg(environment(repository));
    stdout_of(make).map(drop)
}

/// Installs what is missing into the Python of the peers.
fn pip(repository: &Repository, (packages, modules): (&[&str], &str)) -> Result<(), String> {
    if has_modules(repository, modules) {
        return Ok(());
    }
    let mut pip = repository.command(environment(repository).join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    stdout_of(pip).map(drop)
}
