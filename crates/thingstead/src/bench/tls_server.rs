//! TLS of servers of benchmarks, and the one that answers every HTTPS call with the same words.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use certificate::{Issuer, Lifetime, Profile, Serial};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider};
use crypto_server::Server as Crypto;
use net::https_server::{self, Limits};
use net::seed;
use net::shutdown::shutdown;
use net::tls::{ClientCertificates, TlsIdentity, server_config};
use tokio::net::TcpListener;

use super::child::{internal, say_ready, serve_until_input_ends};
use crate::failure::Outcome;
use crate::files;
use crate::serve::enrolled::server_names;

/// Where the certificate lies that vouches for the server, in its working directory.
pub(super) const CA_FILE: &str = "ca.der";
/// What is answered: as long as a reading.
const ANSWER: &str = r#"{"value":true,"at_unix_millis":1790000000000}"#;
const BEGIN: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
/// Long after today.
const END: Timestamp = Timestamp::from_unix_millis(4_000_000_000_000);

/// An identity for this machine, and the certificate of who vouches for it.
pub(super) fn identity(provider: &dyn Provider, dice: &mut Dice) -> Outcome<(TlsIdentity, Vec<u8>)> {
    let failed = |error: &dyn std::fmt::Debug| internal("TLS", format!("{error:?}"));
    let mut key = || provider.generate_key(KeyKind::Ec(Curve::P256), dice).map_err(|error| failed(&error));
    let (root, own) = (key()?, key()?);
    let lifetime = Lifetime { from: BEGIN, until: Some(END) };
    let issuer = Issuer::self_signed_ca(provider, Arc::clone(&root), "bench", lifetime, dice);
    let issuer = issuer.map_err(|error| failed(&error))?;
    let profile = Profile::TlsServer { names: server_names(&["127.0.0.1".to_owned()]), until: END };
    let serial = Serial::random(dice);
    let certificate = issuer.issue(provider, own.public(), serial, &profile, BEGIN, dice);
    let certificate = certificate.map_err(|error| failed(&error))?;
    let identity = TlsIdentity::of_key(&[certificate], &*own).map_err(|error| failed(&error))?;
    Ok((identity, issuer.certificate().to_vec()))
}

/// Answers every call until standard input ends.
pub(super) fn run() -> Outcome {
    serve_until_input_ends(async {
        let mut dice = seed::dice().map_err(|error| internal("randomness", error))?;
        let (identity, ca) = identity(&Crypto::new(), &mut dice)?;
        files::write_secret(Path::new(CA_FILE), &ca)?;
        let tls = server_config(&identity, ClientCertificates::NotAsked);
        let tls = tls.map_err(|error| internal("TLS", format!("{error:?}")))?;
        let socket = |error| internal("a socket", error);
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(socket)?;
        say_ready(listener.local_addr().map_err(socket)?);
        let (_never, stop) = shutdown();
        let router = Router::new().fallback(async || ANSWER);
        https_server::serve(listener, tls, router, Limits::default(), stop).await;
        Ok(())
    })
}
