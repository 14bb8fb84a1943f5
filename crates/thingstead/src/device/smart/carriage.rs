//! A smart device carries files: it asks the platform for a place, or for a file that is there, and its bytes go by HTTPS.
//!
//! ```text
//! line "bring PATH" -> call Files/offer -> {url, token, tlsKey} -> bytes, with the token, to who has that key
//! ```
//! Source: OSAP 3; ADRs 0280, 0313.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use net::https_client::Endpoint;
use osap_things::{Failure as Refusal, Place};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use zeroize::Zeroizing;

use crate::carrying;
use crate::device::voice::Said;
use crate::failure::{Failure, Outcome};
use crate::operator_client::OperatorClient;

/// Files on their way at once; whoever wants more waits.
const CARRIED_MAX: usize = 4;

/// What is to be done when the platform has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Bring this file.
    Bring(PathBuf),
    /// Fetch a file to there.
    Fetch(PathBuf),
}

/// Files that are asked for or on their way.
pub(super) struct Carriage {
    asked: BTreeMap<u64, Errand>,
    carried: usize,
    done_in: Sender<Said>,
}

/// Where and with what a file is carried, as the platform said.
#[derive(Debug)]
struct Pass {
    file: String,
    token: Zeroizing<String>,
    at: Endpoint,
    key: [u8; 32],
}

impl Carriage {
    /// With the line in which it says how each ended.
    pub(super) fn new() -> (Self, Receiver<Said>) {
        let (done_in, done) = channel(CARRIED_MAX);
        (Self { asked: BTreeMap::new(), carried: 0, done_in }, done)
    }

    /// Whether another file can be asked for.
    pub(super) fn has_room(&self) -> bool {
        self.asked.len() + self.carried < CARRIED_MAX
    }

    /// Takes note that call `call` asks for what `errand` needs.
    pub(super) fn asked(&mut self, call: u64, errand: Errand) {
        self.asked.insert(call, errand);
    }

    /// Goes on when a call ended that was for a file; its answer has a token and is shown nobody. What can be said now.
    pub(super) fn answered(&mut self, call: u64, result: Option<&Result<Value, Refusal>>) -> Option<Said> {
        let errand = self.asked.remove(&call)?;
        let answer = match result {
            Some(Ok(answer)) => Pass::of(answer),
            Some(Err(refusal)) => Err(format!("the platform refuses: {} {}", refusal.code, refusal.message)),
            None => Err("the platform did not answer in time".to_owned()),
        };
        match answer {
            Err(why) => Some(errand.failed(&why)),
            Ok(pass) => {
                self.carried += 1;
                let done = self.done_in.clone();
                tokio::spawn(async move {
                    let said = match errand.carry(&pass).await {
                        Ok(said) => said,
                        Err(failure) => errand.failed(&failure.in_a_line()),
                    };
                    done.send(said).await.ok();
                });
                None
            }
        }
    }

    /// One of those on their way ended.
    pub(super) const fn ended(&mut self) {
        self.carried -= 1;
    }
}

/// The operation that offers or fetches a file, and its input.
///
/// # Errors
/// A file to bring that cannot be read, or whose path has no name.
pub(super) fn asks_for(errand: &Errand, file: &str) -> Outcome<(Place, Value)> {
    let (identifier, input) = match errand {
        Errand::Bring(path) => {
            let (size, sha256) = carrying::announced(path)?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            ("offer", json!({ "name": name, "size": size, "sha256": sha256 }))
        }
        Errand::Fetch(_) => ("fetch", json!({ "file": file })),
    };
    let place = Place::new(osap_things::Resource::global(), "Files", identifier);
    Ok((place.map_err(|_| Failure::new("internal", "the place of files"))?, input))
}

impl Errand {
    const fn path(&self) -> &PathBuf {
        match self {
            Self::Bring(path) | Self::Fetch(path) => path,
        }
    }

    pub(super) fn failed(&self, why: &str) -> Said {
        let path = self.path().display().to_string();
        let verb = match self {
            Self::Bring(_) => "brought",
            Self::Fetch(_) => "fetched",
        };
        Said::new("file-failed", format!("{path} is not {verb}: {why}")).with("path", path).with("why", why)
    }

    async fn carry(&self, pass: &Pass) -> Outcome<Said> {
        let client = OperatorClient::with_token(pass.at.clone(), pass.key, carrying::FILE_SIZE_MAX)?;
        let (name, verb, size) = match self {
            Self::Bring(path) => {
                carrying::bring(&client, &pass.file, path, &pass.token, |_| {}).await?;
                ("file-brought", "is there as", carrying::size_of(path)?)
            }
            Self::Fetch(path) => {
                let size = carrying::fetch(&client, &pass.file, path, &pass.token, |_, _| {}).await?;
                ("file-fetched", "was", size)
            }
        };
        let path = self.path().display().to_string();
        let said = Said::new(name, format!("{path}, {size} bytes, {verb} {}", pass.file));
        Ok(said.with("path", path).with("file", pass.file.clone()).with("size", size))
    }
}

impl Pass {
    /// Of an answer; or what is wrong with it.
    fn of(answer: &Value) -> Result<Self, String> {
        let of_another_form = || "the platform answered in another form".to_owned();
        let text = |name: &str| answer[name].as_str().map(str::to_owned).ok_or_else(of_another_form);
        let (file, url) = (text("file")?, text("url")?);
        let at =
            url.strip_prefix("https://").and_then(|rest| rest.strip_suffix(&format!("/v1/files/{file}")));
        let at = at.and_then(|at| at.parse().ok()).ok_or_else(of_another_form)?;
        let key = URL_SAFE_NO_PAD.decode(text("tlsKey")?).ok().and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(of_another_form)?;
        Ok(Self { file, token: Zeroizing::new(text("token")?), at, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        json!({ "file": "51f0", "url": "https://[::1]:8443/v1/files/51f0", "token": "t", "tlsKey": key })
    }

    #[test]
    fn a_pass_is_read_as_the_platform_writes_it_and_as_nothing_else() {
        let pass = Pass::of(&answer()).unwrap();
        assert_eq!(
            (pass.at.to_string().as_str(), pass.key, pass.file.as_str()),
            ("[::1]:8443", [7; 32], "51f0")
        );
        for (field, wrong) in [
            ("url", json!("http://a:1/v1/files/51f0")),
            ("url", json!("https://a:1/v1/files/51f1")),
            ("url", json!("https://a/v1/files/51f0")),
            ("tlsKey", json!("AAAA")),
            ("token", json!(7)),
            ("file", Value::Null),
        ] {
            let mut answer = answer();
            answer[field] = wrong;
            assert!(Pass::of(&answer).is_err(), "{field}");
        }
    }

    #[test]
    fn what_the_platform_refuses_is_said_and_makes_room() {
        let (mut carriage, _done) = Carriage::new();
        for call in 0..CARRIED_MAX as u64 {
            assert!(carriage.has_room());
            carriage.asked(call, Errand::Fetch("a".into()));
        }
        assert!(!carriage.has_room());
        let refusal = Refusal { code: 404, message: "no such file".into() };
        assert!(carriage.answered(2, Some(&Err(refusal))).is_some());
        assert!(carriage.answered(3, None).is_some());
        assert!(carriage.answered(3, None).is_none(), "a call of somebody else");
        assert!(carriage.has_room());
    }
}
