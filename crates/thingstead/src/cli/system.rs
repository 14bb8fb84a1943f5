//! What a management system says of itself: its ports, and its calls.

use clap::Args;

use super::say::{Say, read};
use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::Target;

/// List what listens: role and purpose, address, whether it is open.
///
/// Example:
///   thingstead listeners --data data/a
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Listeners {
    #[command(flatten)]
    target: Target,
}

impl Listeners {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let listeners = block_on(read(&client, "/v1/listeners"))?;
        Say { output }.rows(&listeners["listeners"], &["name", "address", "on"])
    }
}

/// Print the OpenAPI description of a management system's calls. Asks no server.
///
/// Example:
///   thingstead api > openapi.json
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Api {}

impl Api {
    pub(crate) fn run(self) -> Outcome {
        let document = serde_json::to_string_pretty(&http_front::console::description());
        print_line(document.map_err(|error| Failure::new("internal", "the description").because(error))?);
        Ok(())
    }
}
