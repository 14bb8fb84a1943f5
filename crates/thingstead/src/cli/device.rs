//! `thingstead device`: the agent.

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Output, provider};
use crate::device::make;
use crate::failure::Outcome;

/// Make and run a device, show or reset what it keeps.
///
/// Examples:
///   thingstead device run --state lamp --resolve 42=127.0.0.1:5684
///   thingstead device status --state lamp
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Device {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Make(Make),
}

/// Make a device: the factory's end of the line to a manufacturing station.
///
/// Reads one order on standard input and answers on standard output, both CBOR. A key pair is made in here
/// and its private half never leaves. `thingstead maker make` is the station.
#[derive(Args)]
struct Make {
    /// The folder that the device lives in; made if needed.
    #[arg(long)]
    state: PathBuf,
    /// The authority that the device will trust.
    #[arg(long)]
    bundle: PathBuf,
}

impl Device {
    pub(crate) fn run(self, _output: Output) -> Outcome {
        match self.verb {
            Verb::Make(make) => make.run(),
        }
    }
}

impl Make {
    fn run(self) -> Outcome {
        make::make(&self.state, &self.bundle, &provider(), &mut io::stdin().lock(), &mut io::stdout().lock())
    }
}
