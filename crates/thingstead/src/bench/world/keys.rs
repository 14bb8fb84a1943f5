//! An authority's keys and one registered owner: what all devices of this world share.

use std::sync::Arc;

use assure_proto::{AuthenticatedKey, Class, KeyDefinition, Metadata, Signer, SimpleTime, Validity};
use authority::registration::{OnlineKey, RegisterManagement, RegistrationKeys};
use certificate::{CertificateIdentity, Issuer, Lifetime};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, PrivateKey, Provider};
use crypto_server::Server;
use dtls_proto::Credential;
use management::OwnerKeys;
use model::KeyId;
use store::Table;

use super::{UNIX_MILLIS, did, origin_of};
use crate::bench::child::internal;
use crate::failure::Outcome;

pub(in crate::bench) const P256: KeyKind = KeyKind::Ec(Curve::P256);
const RSA: KeyKind = KeyKind::Rsa { modulus_bits: 2048 };

/// Keys of the servers.
pub(in crate::bench) struct Keys {
    pub(in crate::bench) provider: Arc<dyn Provider>,
    pub(in crate::bench) registration: Arc<RegistrationKeys>,
    /// The bootstrap server's keys for EC devices and for RSA devices, and their ids.
    pub(in crate::bench) class_3: [(KeyId, Credential); 2],
    /// The one for EC devices, signed by the registration server.
    pub(in crate::bench) bootstrap_key: AuthenticatedKey,
    pub(in crate::bench) owner: Arc<OwnerKeys>,
}

pub(super) fn validity() -> Validity {
    Validity::since(SimpleTime { secs: 1 })
}

fn failed(error: impl std::fmt::Debug) -> crate::failure::Failure {
    internal("a key of the benchmark", format!("{error:?}"))
}

impl Keys {
    /// Makes keys, and registers the owner in `registration`.
    pub(in crate::bench) fn new(registration: &Arc<dyn Table>, dice: &mut Dice) -> Outcome<Self> {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut fresh = |kind| provider.generate_key(kind, dice).map_err(failed);
        let [ec, rsa] = [fresh(P256)?, fresh(RSA)?];
        let [ec_root, rsa_root] = [fresh(P256)?, fresh(RSA)?];
        let [ca, ours, server, class_2] = [fresh(P256)?, fresh(RSA)?, fresh(P256)?, fresh(P256)?];
        let rsa_server = fresh(RSA)?;
        let mut online = |key: Arc<dyn PrivateKey>, root: &Arc<dyn PrivateKey>| {
            let by_root = Signer::with_private_key(KeyId(dice.bytes()), Class::TrustedAuthority, &**root);
            let metadata = Metadata::of_generation(1);
            let authenticated = issue(&*provider, Class::TrustedAuthority, &*key, metadata, &by_root, dice)?;
            Ok::<_, crate::failure::Failure>(OnlineKey { key, authenticated })
        };
        let (ec, rsa) = (online(ec, &ec_root)?, online(rsa, &rsa_root)?);
        let lifetime = Lifetime { from: Timestamp::from_unix_millis(UNIX_MILLIS), until: None };
        let issuer = Issuer::self_signed_ca(&*provider, ca, "owners", lifetime, dice).map_err(failed)?;
        let keys = Arc::new(RegistrationKeys { provider: provider.clone(), ec, rsa, issuer });
        let class = Class::BootstrapService;
        let bootstrap_key = issue(&*provider, class, &*server, Metadata::NONE, &keys.ec.signer(), dice)?;
        let class_3 = [
            (bootstrap_key.id(), Credential::raw(server)),
            (KeyId(dice.bytes()), Credential::raw(rsa_server)),
        ];
        let register = RegisterManagement {
            key: class_2.public().clone(),
            keys: keys.clone(),
            origin: origin_of(dice, "registration"),
        };
        let registered = did(registration, &register)?.map_err(failed)?;
        let Ok(CertificateIdentity::Management { id, class_2_key }) =
            certificate::identity_of(&registered.certificate)
        else {
            return Err(failed("the owner's certificate"));
        };
        let owner = OwnerKeys { provider: provider.clone(), id, class_2_id: class_2_key, class_2, rsa: ours };
        Ok(Self { provider, registration: keys, class_3, bootstrap_key, owner: Arc::new(owner) })
    }
}

fn issue(
    provider: &dyn Provider,
    class: Class,
    key: &dyn PrivateKey,
    metadata: Metadata,
    signer: &Signer<'_>,
    dice: &mut Dice,
) -> Outcome<AuthenticatedKey> {
    let definition = KeyDefinition::public(KeyId(dice.bytes()), key.public().clone());
    AuthenticatedKey::issue(provider, class, &definition, metadata, signer, validity(), dice).map_err(failed)
}
