//! `thingstead network`: channels between devices.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;

use super::say::{Say, document_of, read_all};
use super::{Output, block_on};
use crate::failure::Outcome;
use crate::files;
use crate::operator_client::Target;

/// What the server reads of a body.
const FILE_LENGTH_MAX: u64 = 64 * 1024;

/// Show and make channels between devices.
///
/// Examples:
///   thingstead network --data data/a show
///   thingstead network --data data/a apply plant.json
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Network {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the channels: device, peer, kind of keys, number, order that makes it.
    Show,
    /// Make the channels of a shape; devices get them by orders over their channel to this management system.
    ///
    /// The file is what the call `network.apply` takes (`thingstead api`):
    /// {"shape":"star","devices":[{"id":UUID,"address":"ip:port"},..],"within_secs":3600}
    #[command(verbatim_doc_comment)]
    Apply {
        /// The file, JSON.
        file: PathBuf,
    },
}

impl Network {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::Show => {
                    let channels = read_all(&client, "/v1/channels", "channels").await?;
                    say.rows(&channels, &["device", "peer", "kind", "channel", "order"])
                }
                Verb::Apply { file } => {
                    let wanted = files::read(&file, FILE_LENGTH_MAX)?;
                    let subject = file.display().to_string();
                    let answer = client.call(Method::POST, "/v1/network", wanted, &subject).await?;
                    let planned = document_of(&answer)?;
                    say.rows(&planned["channels"], &["opener", "listener", "kind"])
                }
            }
        })
    }
}
