//! The one program: every role of Thingstead.
//!
//! Standard output carries results, standard error everything else. A failure is one entry of the
//! catalogue, as sentences or, with `--json`, as one JSON document.
// Whoever reads may have enough: see cli::stdout.
#![cfg_attr(not(test), deny(clippy::print_stdout))]

mod bench;
mod carrying;
mod cli;
mod demo;
mod device;
mod factory_line;
mod failure;
mod files;
mod gap_folder;
mod identity;
mod label_picture;
mod leash;
mod maker;
mod operator_client;
mod serve;
mod storage;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.json, quiet: cli.quiet };
    match cli::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if output.json {
                eprintln!("{}", failure.to_json());
            } else {
                eprintln!("{failure}");
            }
            tracing::debug!(code = failure.code(), "failed");
            ExitCode::from(failure.exit())
        }
    }
}
