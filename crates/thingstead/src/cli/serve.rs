//! `thingstead serve`.

use std::path::PathBuf;

use clap::Args;

use super::stdout::print_line;
use super::{Output, block_on, provider, start_log};
use crate::failure::Outcome;
use crate::serve::config::Config;

/// Run the roles of a configuration file, in one process, until a stop signal.
///
/// A role runs when its section is in the file: registration (maker gateway, owner gateway), bootstrap,
/// management. Each has its own folder, store and sealing key. `--check` names every listener.
///
/// Examples:
///   thingstead serve --config ta.toml --check
///   thingstead serve --config ta.toml
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Serve {
    /// The configuration file.
    #[arg(long, short, default_value = "thingstead.toml")]
    config: PathBuf,
    /// Read the configuration, name every listener with its port, and stop.
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let config = Config::read(&self.config)?;
        if self.check {
            check(&config, output);
            return Ok(());
        }
        net::seed::prepare();
        start_log();
        crate::leash::watch();
        block_on(crate::serve::run(config, provider()))
    }
}

fn check(config: &Config, output: Output) {
    let listeners = config.listeners();
    if output.json {
        let lines = listeners.iter().map(|listener| {
            serde_json::json!({
                "role": listener.role,
                "transport": listener.transport,
                "purpose": listener.purpose,
                "address": listener.at.map(|at| at.to_string()),
                "on": listener.at.is_some(),
            })
        });
        print_line(serde_json::Value::Array(lines.collect()));
        return;
    }
    for listener in listeners {
        let at = listener.at.map_or_else(|| "off".to_owned(), |at| at.to_string());
        print_line(format_args!(
            "{:<14}{:<12}{:<24}{at}",
            listener.role, listener.transport, listener.purpose
        ));
    }
}
