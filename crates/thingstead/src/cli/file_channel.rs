//! `thingstead files`: files of devices.

use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use http::{HeaderValue, Method, Request, StatusCode, header};
use indicatif::{ProgressBar, ProgressStyle};
use model::Uuid;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::say::{Say, document_of, read_all};
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::operator_client::{OperatorClient, Target, refusal};

/// What the server takes at once.
const PIECE_SIZE: usize = 60 * 1024;
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
    /// Fetch a file with its token; goes on where an earlier try broke off.
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

fn unreadable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new("file-unreadable", path.display().to_string()).because(error)
}

fn unwritable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new("file-unwritable", path.display().to_string()).because(error)
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

/// Size and SHA-256 of a file.
fn announced(path: &Path) -> Outcome<(u64, String)> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let (mut digest, mut piece, mut size) = (Sha256::new(), vec![0; PIECE_SIZE], 0);
    loop {
        match file.read(&mut piece).map_err(|error| unreadable(path, error))? {
            0 => return Ok((size, model::hex(&digest.finalize()))),
            count => {
                digest.update(&piece[..count]);
                size += count as u64;
            }
        }
    }
}

/// One call with a token.
fn with_token(method: Method, id: &str, token: &str) -> Outcome<Request<bytes::Bytes>> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Failure::new("request-unreadable", "the token").because("it has other characters"))?;
    bearer.set_sensitive(true);
    let request = Request::builder().method(method).uri(format!("/v1/files/{id}"));
    let request = request.header(header::AUTHORIZATION, bearer).body(bytes::Bytes::new());
    request.map_err(|error| Failure::new("request-unreadable", id.to_owned()).because(error))
}

fn offset_of(answer: &http::Response<bytes::Bytes>) -> Option<u64> {
    answer.headers().get("upload-offset")?.to_str().ok()?.parse().ok()
}

async fn bring(client: &OperatorClient, id: &str, path: &Path, token: &str) -> Outcome<Value> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, error))?;
    let size = file.metadata().map_err(|error| unreadable(path, error))?.len();
    let answer = client.send(with_token(Method::HEAD, id, token)?).await?;
    let begun = offset_of(&answer).filter(|_| answer.status().is_success());
    let mut at = begun.ok_or_else(|| Failure::new("not-here", id.to_owned()))?;
    let shown = bar(size);
    loop {
        shown.set_position(at);
        file.seek(std::io::SeekFrom::Start(at)).map_err(|error| unreadable(path, error))?;
        let mut piece = Vec::new();
        let read = std::io::Read::by_ref(&mut file).take(PIECE_SIZE as u64).read_to_end(&mut piece);
        read.map_err(|error| unreadable(path, error))?;
        let mut request = with_token(Method::PATCH, id, token)?;
        request.headers_mut().insert("upload-offset", HeaderValue::from(at));
        *request.body_mut() = piece.into();
        let answer = client.send(request).await?;
        match (answer.status(), offset_of(&answer)) {
            (StatusCode::OK, _) => {
                shown.finish();
                return document_of(&answer);
            }
            // Without progress nothing more is to come from here: the file was announced longer than it is.
            (StatusCode::NO_CONTENT, Some(next)) if next > at => at = next,
            (StatusCode::NO_CONTENT, _) => {
                return Err(Failure::new("file-size-refused", path.display().to_string()));
            }
            (StatusCode::CONFLICT, Some(next)) if next != at => at = next,
            _ => return Err(refusal(&answer, id)),
        }
    }
}

async fn fetch(client: &OperatorClient, id: &str, path: &Path, token: &str) -> Outcome<u64> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = opened.map_err(|error| unwritable(path, error))?;
    let held = file.metadata().map_err(|error| unwritable(path, error))?.len();
    let mut request = with_token(Method::GET, id, token)?;
    if held > 0 {
        let range = HeaderValue::from_str(&format!("bytes={held}-"));
        request.headers_mut().insert(header::RANGE, range.expect("a number makes a header"));
    }
    let answer = client.send(request).await?;
    match answer.status() {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        // All of it is there already.
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(held),
        _ => return Err(refusal(&answer, id)),
    }
    file.write_all(answer.body()).and_then(|()| file.sync_all()).map_err(|error| unwritable(path, error))?;
    let tag = answer.headers().get(header::ETAG).and_then(|value| value.to_str().ok());
    let (size, digest) = announced(path)?;
    if tag.is_none_or(|tag| tag.trim_matches('"') != digest) {
        return Err(Failure::new("file-malformed", path.display().to_string())
            .because("what arrived has another digest than the file has there: remove it and fetch again"));
    }
    Ok(size)
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
        let client = self.target.client_for(FETCH_SIZE_MAX)?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::List { device } => {
                    let listed = read_all(&client, &format!("/things/{device}/files"), "files").await?;
                    say.rows(&listed, &["id", "name", "size", "arrived_unix_millis", "sha256"])
                }
                Verb::Offer { device, file, name, within, token_to } => {
                    let (size, sha256) = announced(&file)?;
                    let name = name.or_else(|| Some(file.file_name()?.to_string_lossy().into_owned()));
                    let body = json!({ "name": name, "size": size, "sha256": sha256, "within_secs": within });
                    let path = format!("/things/{device}/files");
                    let subject = file.display().to_string();
                    let answer = client.call(Method::POST, &path, body.to_string(), &subject).await?;
                    shown(say, &document_of(&answer)?, token_to.as_deref())
                }
                Verb::Bring { id, file, token } => {
                    say.document(&bring(&client, &id, &file, &token_in(&token)?).await?)
                }
                Verb::Lend { device, id, within, token_to } => {
                    let body = json!({ "within_secs": within }).to_string();
                    let path = format!("/things/{device}/files/{id}/token");
                    let answer = client.call(Method::POST, &path, body, &id).await?;
                    shown(say, &document_of(&answer)?, token_to.as_deref())
                }
                Verb::Fetch { id, output, token } => {
                    let size = fetch(&client, &id, &output, &token_in(&token)?).await?;
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

/// The largest file that a device may have.
const FETCH_SIZE_MAX: usize = 256 * 1024 * 1024;
