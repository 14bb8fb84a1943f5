//! The role `registration`: two gateways, the operator's API, and the side towards the bootstrap server.

use std::path::Path;
use std::sync::Arc;

use authority::registration::{Certificand, Certify, OnlineKey, RegistrationKeys};
use authority::{BadRecord, ENROLMENT_NUMBER, Origin};
use crypto::{Curve, KeyKind, Provider};
use http_front::BootstrapClient;
use http_front::registration::{RegistrationServer, maker_api, operator_api, owner_api, ta_api};
use model::ServerRole;
use net::executor::Executor;
use net::https_client::{CallLimits, Client};
use net::seed;
use net::shutdown::Shutdown;
use net::tls::ClientCertificates;
use tokio::task::JoinSet;

use super::config::{self, Registration};
use super::enrolled::{Enrolled, enrolled};
use super::gap_line::{Anew, GapLine, RoleEnd, Side, flush_outbox};
use super::{Door, RoleStore, Shared, announce, listen_https, open_store, own_issuer};
use crate::failure::{Failure, Outcome};
use crate::files;

/// Runs the role until shutdown.
pub(crate) async fn run(section: Registration, shared: Shared, stop: Shutdown) -> Outcome<RoleEnd> {
    let Shared { provider, clock, starting } = shared;
    let (anew, stop) = Anew::within(&stop);
    let store = open_store(&section.data, &provider, clock).await?;
    let role = ServerRole::Registration;
    let enrolled = enrolled(role, &section.authority, &store.executor, &provider, &stop).await?;
    let Some(enrolled) = enrolled else { return Ok(RoleEnd::Stopped) };
    let keys = Arc::new(signing_keys(&enrolled, &store.executor, &provider).await?);
    operator_file(&section.data, &keys, &store.executor).await?;
    files::write_pem(&section.data.join("owner-ca.pem"), &[keys.issuer.certificate()], None)?;
    enrolled.write_ca(&section.data)?;
    let server = Arc::new(server(&section, &enrolled, &store, keys.clone())?);
    let mut services = JoinSet::new();
    let owners = [keys.issuer.certificate().to_vec()];
    let peers = [enrolled.system_ca.clone()];
    let mut listeners = Vec::new();
    for (name, at, clients, router) in [
        (
            "maker-gateway",
            section.maker_gateway,
            ClientCertificates::Required(&owners),
            maker_api(server.clone()),
        ),
        (
            "owner-gateway",
            section.owner_gateway,
            ClientCertificates::Optional(&owners),
            owner_api(server.clone()),
        ),
        ("peers", section.peers, ClientCertificates::Required(&peers), ta_api(server.clone())),
        ("platform", section.platform, ClientCertificates::Required(&owners), operator_api(server.clone())),
    ] {
        let bound =
            listen_https(&mut services, Door::new(name, at), &enrolled.tls, clients, router, &stop).await?;
        listeners.push((name, bound));
    }
    let line = GapLine {
        side: Side::Registration,
        executor: store.executor.clone(),
        me: enrolled.keys.gap.clone(),
        identity: enrolled.enrolment.identity.clone(),
        folders: enrolled.folders.clone(),
        provider,
        anew: anew.clone(),
    };
    services.spawn(line.run(ENROLMENT_NUMBER + 1, stop.clone()));
    let (settling, after) = (stop.clone(), starting.clone());
    services.spawn(async move {
        after.over(&settling).await;
        server.run(settling).await;
    });
    announce("registration", &listeners);
    starting.one_is_up();
    while services.join_next().await.is_some() {}
    Ok(anew.end())
}

/// The keys that the roots signed, each with its private half, and the CA of owners.
async fn signing_keys(
    enrolled: &Enrolled,
    executor: &Executor,
    provider: &Arc<dyn Provider>,
) -> Outcome<RegistrationKeys> {
    let unreadable = |_: BadRecord| Failure::new("internal", "the enrolment record");
    let signed = enrolled.enrolment.authenticated().map_err(unreadable)?;
    let online = |own: &authority::ServerKey| {
        let authenticated = signed.iter().find(|key| key.id() == own.id).cloned();
        let authenticated =
            authenticated.ok_or_else(|| Failure::new("internal", "a class 1 key was not signed"))?;
        Ok(OnlineKey { key: own.key.clone(), authenticated })
    };
    let name = format!("Thingstead owners {}", enrolled.keys.gap.id);
    let issuer = own_issuer(enrolled.keys.issuer.clone(), &name, executor, &**provider).await?;
    let (ec, rsa) = (online(&enrolled.keys.ec)?, online(&enrolled.keys.rsa)?);
    Ok(RegistrationKeys { provider: provider.clone(), ec, rsa, issuer })
}

/// Writes `operator.pem` at the first start: the right to use the operator's API.
async fn operator_file(data: &Path, keys: &Arc<RegistrationKeys>, executor: &Executor) -> Outcome {
    let path = data.join("operator.pem");
    if path.exists() {
        return Ok(());
    }
    let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let key = keys.provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice);
    let key = key.map_err(|error| Failure::new("internal", "making a key").because(error))?;
    let origin = Origin {
        address: None,
        role: "registration",
        actor: "start".into(),
        correlation: executor.correlation(),
        seed: executor.bytes(),
    };
    let certify =
        Certify { whom: Certificand::Operator, key: key.public().clone(), keys: keys.clone(), origin };
    let certificate = executor.run(certify).await.map_err(super::store_failed)?;
    let certificate = certificate.ok_or_else(|| Failure::new("internal", "the operator's certificate"))?;
    let pkcs8 = key.pkcs8().map_err(|error| Failure::new("internal", "a key").because(error))?;
    files::write_pem(&path, &[&certificate], Some(&pkcs8))
}

fn server(
    section: &Registration,
    enrolled: &Enrolled,
    store: &RoleStore,
    keys: Arc<RegistrationKeys>,
) -> Outcome<RegistrationServer> {
    let client =
        Client::new(std::slice::from_ref(&enrolled.system_ca), Some(&enrolled.tls), CallLimits::default())
            .map_err(|error| Failure::new("internal", "TLS set-up").because(format!("{error:?}")))?;
    let bootstrap = BootstrapClient::new(client, config::endpoint(&section.bootstrap_server)?);
    let (table, clock) = (store.table.clone(), store.clock);
    let (id, folders) = (enrolled.keys.gap.id, enrolled.folders.clone());
    let flush = move || {
        flush_outbox(&*table, id, &folders, clock.now()).map(|_| ()).map_err(|failure| failure.to_string())
    };
    if let Err(failure) = flush() {
        tracing::warn!(failure, "the outbox of the air gap could not be written");
    }
    let (gap, identity) = (enrolled.keys.gap.clone(), enrolled.enrolment.identity.clone());
    Ok(RegistrationServer::new(store.executor.clone(), keys, bootstrap, gap, identity, Arc::new(flush)))
}
