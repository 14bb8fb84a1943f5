//! `thingstead client`: programs that speak MQTT or CoAP with a management system.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;
use zeroize::Zeroizing;

use super::account::{confirm, line};
use super::say::{Say, document_of, read};
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::operator_client::Target;

/// Manage the MQTT and CoAP clients of a management system.
///
/// Examples:
///   thingstead client --data data/a add kitchen-lamp < password
///   thingstead client --data data/a key kitchen-lamp
///   thingstead client --data data/a certificate kitchen-lamp lamp.pem
///   thingstead client --data data/a add bridge --for-owner < password
///   thingstead client --data data/a list
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Client {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the clients: name, namespace, whether it acts for the owner, has a certificate, has a key for CoAP.
    List,
    /// Make a client; its password is read from standard input, never from the arguments.
    Add {
        /// Its name: the user name of its connections.
        name: String,
        /// Clients of one namespace share topics; those of others see none of them.
        #[arg(long, default_value = "home")]
        namespace: String,
        /// It acts for the owner: every thing is open to it over MQTT and CoAP, without a grant. A client cannot become
        /// one later; who holds its password or key can do with the things what you can.
        #[arg(long)]
        for_owner: bool,
    },
    /// Set another password, read from standard input; its connections end.
    Password {
        /// Its name.
        name: String,
    },
    /// Draw the key with which a client calls things over CoAP; it is shown once, and one before it ends at once.
    Key {
        /// Its name: the identity of its handshakes.
        name: String,
    },
    /// Take the key of a client back; its associations end at once.
    KeyRemove {
        /// Its name.
        name: String,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Give a client the certificates with which it signs in over MQTT instead of a password; those it had before count
    /// no longer, and its connections end.
    ///
    /// What counts is the key: a renewed certificate over the same key needs no change, and neither issuer nor dates are
    /// looked at. A self-signed one is fine.
    Certificate {
        /// Its name.
        name: String,
        /// One to four certificates in PEM; never the private key.
        certificate: std::path::PathBuf,
    },
    /// Take the certificates of a client back; its connections end.
    CertificateRemove {
        /// Its name.
        name: String,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Remove a client; its connections end at once.
    Remove {
        /// Its name.
        name: String,
        /// Does it without asking.
        #[arg(long)]
        yes: bool,
    },
}

/// Bytes of a file of certificates that is sent.
const PEM_SIZE_MAX: u64 = 64 * 1024;
const PASSWORD: &str = "Password (shown as you type; pipe it in to hide it): ";

fn path(name: &str, what: &str) -> Outcome<String> {
    let fits =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
    if fits {
        Ok(format!("/v1/clients/{name}{what}"))
    } else {
        Err(Failure::new("name-refused", "the client"))
    }
}

impl Client {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::List => {
                    let clients = read(&client, "/v1/clients").await?;
                    say.rows(
                        &clients["clients"],
                        if output.quiet {
                            &["name"]
                        } else {
                            &["name", "namespace", "for_owner", "has_certificate", "has_key"]
                        },
                    )
                }
                Verb::Add { name, namespace, for_owner } => {
                    let password = line(PASSWORD)?;
                    let body = json!({
                        "name": name,
                        "namespace": namespace,
                        "password": password.as_str(),
                        "for_owner": for_owner,
                    });
                    let body = Zeroizing::new(body.to_string());
                    client.call(Method::POST, "/v1/clients", body.as_bytes().to_vec(), &name).await?;
                    say.done("client", &name, "made")
                }
                Verb::Password { name } => {
                    let password = line(PASSWORD)?;
                    let body = Zeroizing::new(json!({ "password": password.as_str() }).to_string());
                    let path = path(&name, "/password")?;
                    client.call(Method::PUT, &path, body.as_bytes().to_vec(), &name).await?;
                    say.done("client", &name, "has another password")
                }
                Verb::Key { name } => {
                    let drawn = client.call(Method::PUT, &path(&name, "/key")?, String::new(), &name).await?;
                    let drawn = document_of(&drawn)?;
                    say.step(&format!("{name}: has this key; it is not shown again"));
                    say.value(drawn["key"].as_str().unwrap_or_default(), &drawn)
                }
                Verb::KeyRemove { name, yes } => {
                    confirm(&name, "can no longer call over CoAP, and is disconnected there at once", yes)?;
                    client.call(Method::DELETE, &path(&name, "/key")?, String::new(), &name).await?;
                    say.done("client", &name, "has no key")
                }
                Verb::Certificate { name, certificate } => {
                    let pem = crate::files::read(&certificate, PEM_SIZE_MAX)?;
                    client.call(Method::PUT, &path(&name, "/certificate")?, pem, &name).await?;
                    say.done("client", &name, "signs in by certificate")
                }
                Verb::CertificateRemove { name, yes } => {
                    confirm(&name, "can no longer sign in by certificate, and is disconnected at once", yes)?;
                    client.call(Method::DELETE, &path(&name, "/certificate")?, String::new(), &name).await?;
                    say.done("client", &name, "has no certificate")
                }
                Verb::Remove { name, yes } => {
                    confirm(&name, "can no longer connect, and is disconnected at once", yes)?;
                    client.call(Method::DELETE, &path(&name, "")?, String::new(), &name).await?;
                    say.done("client", &name, "removed")
                }
            }
        })
    }
}
