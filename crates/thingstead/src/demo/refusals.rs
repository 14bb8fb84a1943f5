//! The first owner, after it is one no more: refused by the authority, by its own management system, and by
//! the device.

use http_front::management::{GatewayAddress, Granted, OwnerGateway};
use management::ReadOwner;
use net::now::Clock;
use net::tls::TlsIdentity;
use store::run;

use crate::cli::{block_on, provider};
use crate::failure::{Failure, Outcome};
use crate::serve::{config, single_certificate};
use crate::storage;

use super::devices::Fleet;
use super::places::{self, OWNERS};
use super::servers::{Servers, text};
use super::stage::Stage;

/// Calls the authority with the first owner's own certificate and key, taken from the store of its management
/// system, which has been switched off: configuration, image and transfer of every device are refused.
pub(crate) fn by_the_authority(stage: &Stage, servers: &mut Servers, fleet: &Fleet) -> Outcome {
    servers.rest_first_owner();
    let gateway = first_owner(stage, servers)?;
    block_on(async {
        for device in &fleet.devices {
            let uuid = device.uuid.parse().map_err(|_| Failure::new("internal", "a UUID of the demo"))?;
            let failed = |error| Failure::new("cannot-reach", "the owner gateway").because(error);
            let configured = gateway.configuration(uuid).await.map_err(failed)?.is_some();
            let stored = gateway.put_bootstrap(uuid, Vec::new()).await.map_err(failed)? == Granted::Yes;
            let given = gateway.give(uuid, None).await.map_err(failed)? == Granted::Yes;
            if configured || stored || given {
                return Err(not_refused(&device.uuid, "the authority"));
            }
        }
        Ok(())
    })
}

fn not_refused(device: &str, by: &str) -> Failure {
    Failure::new("step-missing", format!("the first owner is refused for {device} by {by}"))
        .because("it was let in")
}

fn first_owner(stage: &Stage, servers: &Servers) -> Outcome<OwnerGateway> {
    let provider = provider();
    let table = storage::open(&stage.path(OWNERS[0]), &*provider)?;
    let read = run(&*table, &ReadOwner, Clock::start().now()).map_err(crate::serve::store_failed)?.reply;
    let owner = read.ok().flatten().ok_or_else(|| Failure::new("internal", "the first owner's record"))?;
    let certified =
        owner.certified.ok_or_else(|| Failure::new("internal", "the first owner's certificate"))?;
    let identity = TlsIdentity::new(&[certified.certificate], &owner.tls)
        .map_err(|error| Failure::new("internal", "the first owner's key").because(format!("{error:?}")))?;
    let address = GatewayAddress {
        endpoint: config::endpoint(&places::at(servers.ports.owner_gateway))?,
        roots: vec![single_certificate(&stage.path("public/system-ca.pem"))?],
    };
    OwnerGateway::certified(&address, &identity)
        .map_err(|error| Failure::new("internal", "TLS set-up").because(error))
}

/// No device keeps a key of the first owner: each says which keys it has, and all are of its second image.
pub(crate) fn by_the_devices(stage: &Stage, fleet: &Fleet) -> Outcome {
    for device in &fleet.devices {
        let state = text(&stage.path(format!("devices/{}", device.uuid)));
        let log = stage.run("device-log", &["device", "log", "--state", &state, "--json"])?;
        let events: Vec<serde_json::Value> =
            log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let erased = events.iter().filter(|event| event["operation"] == "device.erased").count();
        if erased < 2 {
            return Err(not_refused(&device.uuid, "the device"));
        }
    }
    Ok(())
}
