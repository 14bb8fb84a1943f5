//! What `serve` tells people about the console: where it is, its certificate, and once, how to begin.

use std::fs;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::SocketAddr;

use crypto::{HashAlgorithm, Provider};
use http_front::console::{Activation, Console, Listener};

use super::config::{self, Management};
use crate::cli::audit::time_of;
use crate::cli::stdout::mention;
use crate::failure::{Failure, Outcome};
use crate::files;

/// Holds the activation link where standard output is no terminal, and so may be a log.
const FILE: &str = "activation";

/// Prints the console's address and the SHA-256 of its certificate. While there is no administrator an
/// activation link follows: on a terminal, else in a file that only this user reads; never in a log.
pub(super) async fn show(
    section: &Management,
    bound: SocketAddr,
    certificate: &[u8],
    provider: &dyn Provider,
    console: &Console,
) -> Outcome {
    let base = address(section, bound);
    mention(format_args!("console https://{base}/ui/"));
    let digest = provider.digest(HashAlgorithm::Sha256, &[certificate]);
    let digest = spaced(digest.as_ref());
    mention(format_args!(
        "certificate SHA-256 {digest} (of our own CA: compare before accepting it in a browser)"
    ));
    let offered = console.offer_activation(false).await;
    let offered = offered.map_err(|error| Failure::new("store-unavailable", "the console").because(error))?;
    let file = section.data.join(FILE);
    let Some(activation) = offered else {
        return match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::new("file-unwritable", file.display().to_string()).because(error))
            }
            Ok(()) | Err(_) => Ok(()),
        };
    };
    let (link, until) = (link(&base, &activation), time_of(activation.until.as_unix_millis()));
    if std::io::stdout().is_terminal() {
        mention(format_args!("activate {link} (once, until {until})"));
        return Ok(());
    }
    files::write_secret(&file, format!("{link}\n(once, until {until})\n").as_bytes())?;
    mention(format_args!("activation link in {} (once, until {until})", file.display()));
    Ok(())
}

/// The link with which the first administrator begins. The token stands behind `#`, which no browser sends.
fn link(base: &str, activation: &Activation) -> String {
    format!("https://{base}/ui/activate#{}", model::hex(activation.token.expose()))
}

/// Host and port for a browser: an address that stands for all of this host is none.
fn address(section: &Management, bound: SocketAddr) -> String {
    match section.names.first() {
        Some(name) if bound.ip().is_unspecified() => format!("{name}:{}", bound.port()),
        Some(_) | None => bound.to_string(),
    }
}

fn spaced(digest: &[u8]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// A listener of the configuration, as the console shows it.
pub(super) fn shown(listener: &config::Listener) -> Listener {
    Listener {
        name: format!("{}: {} ({})", listener.role, listener.purpose, listener.transport),
        address: listener.at.map(|at| at.to_string()),
        on: listener.at.is_some(),
    }
}
