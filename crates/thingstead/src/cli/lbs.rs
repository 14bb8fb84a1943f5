//! `thingstead lbs`: what devices have to know of a load balancer.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use crypto::HashAlgorithm;
use model::hex;
use serde_json::json;

use super::stdout::print_line;
use super::{Output, provider};
use crate::failure::{Failure, Outcome};
use crate::maker::smart::read_pin;
use crate::serve::smart::PIN_FILE;

/// Tell what devices have to know of a load balancer.
#[derive(Args)]
pub(crate) struct Lbs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the key that devices with a key pair pin: its SubjectPublicKeyInfo in hexadecimal.
    ///
    /// It is read from the folder of the server, which need not run; a server with a section `[lbs]` writes it
    /// at its first start, and never another one.
    ///
    /// Examples:
    ///   thingstead lbs pin --data data/a
    ///   thingstead lbs pin --data data/a > lbs.pin
    #[command(verbatim_doc_comment)]
    Pin {
        /// The folder of the server: `data` of its section `[management]`.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

impl Lbs {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let Verb::Pin { data } = self.verb;
        let path = data.join(PIN_FILE);
        if !path.exists() {
            let why = "no server with a section [lbs] was ever started with this folder";
            return Err(Failure::new("file-unreadable", path.display().to_string()).because(why));
        }
        let key = read_pin(&path)?;
        let pin = hex(key.spki());
        if output.json {
            let digest = provider().digest(HashAlgorithm::Sha256, &[key.spki()]);
            print_line(json!({ "pin": pin, "sha256": hex(digest.as_ref()) }));
        } else {
            print_line(pin);
        }
        Ok(())
    }
}
