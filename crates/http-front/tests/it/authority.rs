//! The keys of one authority, made once for all tests of this program: RSA keys take their time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use assure_proto::{SimpleTime, TrustBundle, Validity};
use authority::identity::IdentityKeys;
use authority::{GapPartner, Origin, ServerKeys};
use certificate::{Issuer, Lifetime, Profile, Serial, ServerNames};
use clock::{Dice, Timestamp};
use crypto::{KeyKind, PrivateKey, Provider};
use crypto_server::Server;
use model::{CorrelationId, ServerRole};
use net::now::Clock;

pub(crate) struct Authority {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) identity: Arc<IdentityKeys>,
    pub(crate) registration: ServerKeys,
    pub(crate) bootstrap: ServerKeys,
    pub(crate) bundle: TrustBundle,
    /// The certificate of the CA for owners, makers and operators.
    pub(crate) owner_ca: Vec<u8>,
    /// RSA keys for devices and owners, to be shared by tests.
    pub(crate) rsa: Vec<Arc<dyn PrivateKey>>,
}

pub(crate) fn now() -> Timestamp {
    Clock::start().now().utc.expect("hosts of tests know the time")
}

pub(crate) fn since_now() -> Validity {
    Validity::since(SimpleTime::from_timestamp(now()).expect("before 2106"))
}

pub(crate) fn dice() -> Dice {
    net::seed::dice().expect("hosts of tests have entropy")
}

pub(crate) fn origin(role: &'static str) -> Origin {
    let mut dice = dice();
    Origin {
        address: None,
        role,
        actor: "test".into(),
        correlation: CorrelationId(dice.bytes()),
        seed: dice.bytes(),
    }
}

impl Authority {
    pub(crate) fn of_this_run() -> &'static Self {
        static MADE: OnceLock<Authority> = OnceLock::new();
        MADE.get_or_init(Self::make)
    }

    fn make() -> Self {
        let provider: Arc<dyn Provider> = Arc::new(Server::new());
        let mut dice = dice();
        let identity = IdentityKeys::create(provider.clone(), &mut dice, now()).unwrap();
        let bundle = identity.bundle(since_now(), &mut dice).unwrap();
        let bundle = TrustBundle::decode(&*provider, &bundle).unwrap();
        let registration = ServerKeys::create(ServerRole::Registration, &*provider, &mut dice).unwrap();
        let bootstrap = ServerKeys::create(ServerRole::Bootstrap, &*provider, &mut dice).unwrap();
        let lifetime = Lifetime { from: now(), until: None };
        let key = registration.issuer.clone();
        let issuer = Issuer::self_signed_ca(&*provider, key, "owners", lifetime, &mut dice).unwrap();
        let rsa = KeyKind::Rsa { modulus_bits: 2048 };
        let rsa = (0..3).map(|_| provider.generate_key(rsa, &mut dice).unwrap()).collect();
        let owner_ca = issuer.certificate().to_vec();
        Self { provider, identity: Arc::new(identity), registration, bootstrap, bundle, owner_ca, rsa }
    }

    /// A certificate under the system CA for 127.0.0.1, for a server towards the others.
    pub(crate) fn server_certificate(&self, role: ServerRole, key: &dyn PrivateKey) -> Vec<u8> {
        let names = ServerNames { dns: Vec::new(), addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] };
        let until = Timestamp::from_unix_millis(now().as_unix_millis() + 86_400_000);
        let profile = Profile::AuthorityServer { role, names, until };
        let mut dice = dice();
        let serial = Serial::random(&mut dice);
        let ca = &self.identity.system_ca;
        ca.issue(&*self.provider, key.public(), serial, &profile, now(), &mut dice).unwrap()
    }

    /// The identity server, as the online servers know it.
    pub(crate) fn identity_partner(&self) -> GapPartner {
        let gap = &self.identity.gap;
        GapPartner { id: gap.id, key_id: gap.key_id, key: gap.key.public().clone() }
    }
}
