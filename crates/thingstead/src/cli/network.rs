//! `thingstead network`: channels between devices.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::say::{Say, read};
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
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
                    let (mut all, mut path) = (Vec::new(), "/v1/channels".to_owned());
                    loop {
                        let page = read(&client, &path).await?;
                        all.extend(page["channels"].as_array().into_iter().flatten().cloned());
                        match page["next"].as_str() {
                            Some(next) => path = format!("/v1/channels?after={next}"),
                            None => break,
                        }
                    }
                    say.rows(&Value::Array(all), &["device", "peer", "kind", "channel", "order"])
                }
                Verb::Apply { file } => {
                    let wanted = files::read(&file, FILE_LENGTH_MAX)?;
                    let subject = file.display().to_string();
                    let answer = client.call(Method::POST, "/v1/network", wanted, &subject).await?;
                    let planned: Value = serde_json::from_slice(answer.body())
                        .map_err(|error| Failure::new("internal", "an answer").because(error))?;
                    say.rows(&planned["channels"], &["opener", "listener", "kind"])
                }
            }
        })
    }
}
