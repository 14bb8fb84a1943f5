//! `thingstead files`: files of devices.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use model::Uuid;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::say::{Say, document_of, read_all};
use super::{Output, block_on};
use crate::carrying::{self, unreadable};
use crate::failure::Outcome;
use crate::files;
use crate::operator_client::Target;

/// A token has 43 characters.
const TOKEN_LENGTH_MAX: u64 = 100;

/// Bring, list and fetch the files of devices.
///
/// A token lets whoever has it bring or fetch one file until it ends; it is printed once, and read from a file
/// or, with `-`, from standard input.
///
/// Examples:
///   thingstead files --data data/a offer 8f2c41d0-0000-4000-8000-0000000077aa clip.mp4 --token-to token
///   thingstead files --data data/a bring 51f0c2aa8d3e4f50b1c2d3e4f5061728 clip.mp4 --token token
///   thingstead files --data data/a list 8f2c41d0-0000-4000-8000-0000000077aa
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Files {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the files of a device.
    List {
        /// The device's UUID.
        device: Uuid,
    },
    /// Offer a place for a file: its size and digest are announced, its bytes come with the token.
    Offer {
        /// The device's UUID.
        device: Uuid,
        /// The file that is to come.
        file: PathBuf,
        /// What it is called there; the last part of its path unless given.
        #[arg(long)]
        name: Option<String>,
        /// Seconds until the token ends.
        #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        within: u64,
        /// Writes the token into this file (0600) in place of printing it.
        #[arg(long, value_name = "FILE")]
        token_to: Option<PathBuf>,
    },
    /// Bring a file with its token; goes on where an earlier try broke off.
    Bring {
        /// The file's id, as `files offer` printed it.
        id: String,
        /// The file.
        file: PathBuf,
        /// Where the token is; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        token: PathBuf,
    },
    /// Lend a file out: prints a token that fetches it.
    Lend {
        /// The device's UUID.
        device: Uuid,
        /// The file's id.
        id: String,
        /// Seconds until the token ends.
        #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=86_400))]
        within: u64,
        /// Writes the token into this file (0600) in place of printing it.
        #[arg(long, value_name = "FILE")]
        token_to: Option<PathBuf>,
    },
    /// Fetch a file with its token; goes on where an earlier try broke off, whose bytes stand in FILE.part.
    Fetch {
        /// The file's id.
        id: String,
        /// Where it goes.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Where the token is; `-` is standard input.
        #[arg(long, value_name = "FILE")]
        token: PathBuf,
    },
    /// Remove a file.
    Remove {
        /// The device's UUID.
        device: Uuid,
        /// The file's id.
        id: String,
    },
}

/// Reads a token from a file or standard input.
fn token_in(path: &Path) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().take(TOKEN_LENGTH_MAX).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
        file.take(TOKEN_LENGTH_MAX).read_to_string(&mut text)
    };
    read.map_err(|error| unreadable(path, error))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn bar(size: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn shown(say: Say, answer: &Value, token_to: Option<&Path>) -> Outcome {
    match token_to {
        None => say.document(answer),
        Some(path) => {
            let token = answer["token"].as_str().unwrap_or_default();
            files::write_secret(path, token.as_bytes())?;
            let mut rest = answer.clone();
            if let Some(fields) = rest.as_object_mut() {
                fields.remove("token");
            }
            say.document(&rest)
        }
    }
}

impl Files {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client_for(carrying::FILE_SIZE_MAX)?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::List { device } => {
                    let listed = read_all(&client, &format!("/things/{device}/files"), "files").await?;
                    say.rows(&listed, &["id", "name", "size", "arrived_unix_millis", "sha256"])
                }
                Verb::Offer { device, file, name, within, token_to } => {
                    let (size, sha256) = carrying::announced(&file)?;
                    let name = name.or_else(|| Some(file.file_name()?.to_string_lossy().into_owned()));
                    let body = json!({ "name": name, "size": size, "sha256": sha256, "within_secs": within });
                    let path = format!("/things/{device}/files");
                    let subject = file.display().to_string();
                    let answer = client.call(Method::POST, &path, body.to_string(), &subject).await?;
                    shown(say, &document_of(&answer)?, token_to.as_deref())
                }
                Verb::Bring { id, file, token } => {
                    let (token, size) = (token_in(&token)?, carrying::size_of(&file)?);
                    let shown = bar(size);
                    let arrived =
                        carrying::bring(&client, &id, &file, &token, |at| shown.set_position(at)).await?;
                    shown.finish();
                    say.document(&arrived)
                }
                Verb::Lend { device, id, within, token_to } => {
                    let body = json!({ "within_secs": within }).to_string();
                    let path = format!("/things/{device}/files/{id}/token");
                    let answer = client.call(Method::POST, &path, body, &id).await?;
                    shown(say, &document_of(&answer)?, token_to.as_deref())
                }
                Verb::Fetch { id, output, token } => {
                    let (token, shown) = (token_in(&token)?, bar(0));
                    let progress = |at, size| {
                        shown.set_length(size);
                        shown.set_position(at);
                    };
                    let size = carrying::fetch(&client, &id, &output, &token, progress).await?;
                    shown.finish();
                    say.value(&format!("{size} bytes in {}", output.display()), &json!({ "size": size }))
                }
                Verb::Remove { device, id } => {
                    client.call(Method::DELETE, &format!("/things/{device}/files/{id}"), "", &id).await?;
                    say.value("removed", &json!({ "removed": id }))
                }
            }
        })
    }
}
