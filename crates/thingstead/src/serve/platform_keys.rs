//! The operator's CA of a role, and its certificates: made at the first start.

use std::path::Path;
use std::sync::Arc;

use authority::{ReadOwn, WriteOwn, own_record};
use certificate::{Issuer, Profile, Serial};
use clock::Timestamp;
use crypto::{Curve, HashAlgorithm, KeyKind, PrivateKey, Provider};
use net::executor::Executor;
use net::seed;
use net::tls::TlsIdentity;
use store::Batch;

use super::enrolled::server_names;
use super::own_issuer;
use crate::failure::{Failure, Outcome};
use crate::files;

/// How long certificates of operators and of the platform's own server are valid: five years.
const LIFETIME_MILLIS: u64 = 5 * 365 * 24 * 60 * 60 * 1000;

/// A private key of the role under `name`, made at the first start.
pub(crate) async fn own_key(
    name: &[u8],
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome<Arc<dyn PrivateKey>> {
    let crypto = |error| Failure::new("internal", "a key of the role").because(error);
    let key = own_record(name);
    let stored = executor.run(ReadOwn { key: key.clone() }).await.map_err(super::store_failed)?;
    if let Some(pkcs8) = stored {
        return provider.import_key(&pkcs8).map_err(crypto);
    }
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let made = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).map_err(crypto)?;
    let mut batch = Batch::default();
    batch.put(key.clone(), made.pkcs8().map_err(crypto)?.expose());
    executor.run(WriteOwn { key, batch }).await.map_err(super::store_failed)?;
    Ok(made)
}

/// The CA for a role's operators, whose certificate is written to `ca.pem`.
pub(crate) async fn operators_ca(
    data: &Path,
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome<Issuer> {
    let key = own_key(b"platform-issuer", executor, provider).await?;
    let issuer = own_issuer(key, "Thingstead operators", executor, provider).await?;
    files::write_pem(&data.join("ca.pem"), &[issuer.certificate()], None)?;
    Ok(issuer)
}

fn until(executor: &Executor) -> Outcome<(Timestamp, Timestamp)> {
    let at = executor.now().utc.ok_or_else(|| Failure::new("internal", "no clock"))?;
    Ok((at, Timestamp::from_unix_millis(at.as_unix_millis().saturating_add(LIFETIME_MILLIS))))
}

/// A TLS identity with what people are told of it.
pub(crate) struct OwnTls {
    pub(crate) identity: TlsIdentity,
    /// In DER.
    pub(crate) certificate: Vec<u8>,
    /// SHA-256 of the key's SubjectPublicKeyInfo.
    pub(crate) key_digest: [u8; 32],
}

/// The TLS identity of a role that is no server of the authority: certified by its own operators' CA, anew
/// at every start.
pub(crate) async fn own_tls(
    names: &[String],
    issuer: &Issuer,
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome<OwnTls> {
    tls_of(b"platform-tls", names, issuer, executor, provider).await
}

/// The same under the key `name`.
pub(crate) async fn tls_of(
    name: &[u8],
    names: &[String],
    issuer: &Issuer,
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome<OwnTls> {
    let key = own_key(name, executor, provider).await?;
    let (at, until) = until(executor)?;
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let profile = Profile::TlsServer { names: server_names(names), until };
    let serial = Serial::random(&mut dice);
    let failed = |error| Failure::new("internal", "the platform's certificate").because(format!("{error:?}"));
    let certificate =
        issuer.issue(provider, key.public(), serial, &profile, at, &mut dice).map_err(failed)?;
    let identity = TlsIdentity::of_key(std::slice::from_ref(&certificate), &*key).map_err(|error| {
        Failure::new("internal", "the platform's certificate").because(format!("{error:?}"))
    })?;
    let digest = provider.digest(HashAlgorithm::Sha256, &[key.public().spki()]);
    let key_digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
    Ok(OwnTls { identity, certificate, key_digest })
}

/// Writes `operator.pem` at the first start: the right to use the operator's API.
pub(crate) fn operator_file(
    data: &Path,
    issuer: &Issuer,
    executor: &Executor,
    provider: &dyn Provider,
) -> Outcome {
    let path = data.join("operator.pem");
    if path.exists() {
        return Ok(());
    }
    let (at, until) = until(executor)?;
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let crypto = |error| Failure::new("internal", "making a key").because(error);
    let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).map_err(crypto)?;
    let serial = Serial::random(&mut dice);
    let certificate =
        issuer.issue(provider, key.public(), serial, &Profile::Operator { until }, at, &mut dice);
    let certificate = certificate.map_err(|error| {
        Failure::new("internal", "the operator's certificate").because(format!("{error:?}"))
    })?;
    files::write_pem(&path, &[&certificate], Some(&key.pkcs8().map_err(crypto)?))
}
