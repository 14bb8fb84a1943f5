//! What is encrypted: payloads under a secret, CMS, ECIES, the record of a maker.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use assure_proto::ecies::{self, EciesContext, EciesError};
use assure_proto::{CipherSuite, MakerRecord, PayloadRefusal, SecretPayload, cms, seal_secret_payload};
use clock::Dice;
use crypto::{Curve, KeyKind, PrivateKey, Provider as _, Secret};
use crypto_server::Server;
use model::KeyId;
use serde_json::Value;

use super::oracle::{private_key, uuid};
use crate::rules::{bounded, canonical, decoded, points_into, reached};
use crate::{Reached, Target, vectors};

const PAYLOAD_SECRET: [u8; 32] = [7; 32];

pub(super) const SECRET_PAYLOAD: Target = Target {
    name: "secret_payload",
    about: "SecretPayload::decode and open; nothing unsealed opens under an authenticating suite",
    length_max: 2048,
    run: |input| {
        static GENUINE: OnceLock<BTreeSet<Vec<u8>>> = OnceLock::new();
        let Some(payload) = decoded(input, SecretPayload::decode) else { return Reached::Refused };
        assert_eq!(payload.encode(), input, "an accepted value has another form");
        // High numbers of rounds are legal and slow; a device takes them from its owner alone.
        if payload.rounds > 2000 {
            return Reached::Refused;
        }
        let secret = Secret::from(&PAYLOAD_SECRET[..]);
        let opened = bounded(input, |_| payload.open(&Server, &secret));
        assert_ne!(opened.as_ref().err(), Some(&PayloadRefusal::Unsupported));
        if opened.is_ok() && payload.suite.tag_length() != 0 {
            let genuine = GENUINE.get_or_init(|| sealed().into_iter().collect());
            assert!(genuine.contains(input), "a payload was opened that nobody sealed");
        }
        reached(opened.is_ok())
    },
    seeds: || {
        let mut seeds = sealed();
        seeds.extend(vectors::of_kind("payload.json", "bytes", |kind| kind == "sealed"));
        seeds
    },
};

fn sealed() -> Vec<Vec<u8>> {
    let secret = Secret::from(&PAYLOAD_SECRET[..]);
    let of = |suite| seal_secret_payload(&Server, &secret, suite, b"hidden", &mut Dice::numbered(2));
    CipherSuite::ALL.map(|suite| of(suite).expect("the provider has every suite")).to_vec()
}

/// Recipients of CMS: an EC key on each curve and an RSA key.
fn recipients() -> &'static [Arc<dyn PrivateKey>; 4] {
    static KEYS: OnceLock<[Arc<dyn PrivateKey>; 4]> = OnceLock::new();
    KEYS.get_or_init(|| {
        // An RSA key of the vectors: making one is not repeatable.
        let file = vectors::load("cms.json");
        let all = file["vectors"].as_array().expect("a list of vectors");
        let rsa = all.iter().find(|vector| vector["recipient"]["kind"] == "rsa").expect("an RSA recipient");
        let key = |curve, run| {
            Server.generate_key(KeyKind::Ec(curve), &mut Dice::numbered(run)).expect("a curve it has")
        };
        [key(Curve::P256, 1), key(Curve::P384, 2), key(Curve::P521, 3), private_key(&rsa["recipient"])]
    })
}

const BOUND: [u8; 32] = [5; 32];

pub(super) const CMS: Target = Target {
    name: "cms",
    about: "cms::open, bound and unbound; the first byte chooses recipient and binding",
    length_max: 4096,
    run: |input| {
        let Some((first, der)) = input.split_first() else { return Reached::Refused };
        let key = &recipients()[usize::from(first % 4)];
        let bound = (first & 4 != 0).then_some(&BOUND);
        match bounded(der, |der| cms::open(&Server, &**key, bound, der)) {
            Ok(content) => {
                assert!(content.len() <= der.len());
                let other = if bound.is_some() { None } else { Some(&BOUND) };
                assert!(cms::open(&Server, &**key, other, der).is_err(), "the binding does not bind");
                Reached::Accepted
            }
            Err(cms::OpenError::Malformed(error)) => {
                points_into(der, error);
                Reached::Refused
            }
            Err(_) => Reached::Refused,
        }
    },
    seeds: || {
        let mut seeds = Vec::new();
        for (at, key) in (0_u8..).zip(recipients()) {
            for bound in [None, Some(&BOUND)] {
                let dice = &mut Dice::numbered(9);
                let sealed = cms::seal(&Server, key.public(), &KeyId([8; 16]), bound, b"hidden", dice);
                let first = at | if bound.is_some() { 4 } else { 0 };
                seeds.push([vec![first], sealed.expect("a good key")].concat());
            }
        }
        let others = vectors::member("cms.json", "bytes").into_iter().step_by(4);
        seeds.extend(others.map(|bytes| [vec![0], bytes].concat()));
        seeds
    },
};

/// The identity server of the record vectors, and the blobs that were sealed for it.
struct Identity {
    key: Arc<dyn PrivateKey>,
    context: EciesContext,
    genuine: BTreeSet<Vec<u8>>,
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let file = vectors::load("record.json");
        let first = &file["vectors"][0];
        let context = EciesContext { maker: uuid(first, "maker_id"), device: uuid(first, "uuid") };
        let key = private_key(&file["world"]["identity"]);
        let all = file["vectors"].as_array().expect("a list of vectors").iter();
        let blobs: Vec<_> = all.filter_map(|vector| vectors::hex(vector, "blob")).collect();
        let opens = |blob: &Vec<u8>| ecies::open(&Server, &*key, context, blob).is_ok();
        let genuine: BTreeSet<_> = blobs.into_iter().filter(opens).collect();
        assert!(!genuine.is_empty(), "the first vector opens");
        Identity { key, context, genuine }
    })
}

pub(super) const ECIES: Target = Target {
    name: "ecies",
    about: "ecies::open; nothing unsealed opens",
    length_max: 2048,
    run: |input| {
        let Identity { key, context, genuine } = identity();
        match bounded(input, |blob| ecies::open(&Server, &**key, *context, blob)) {
            Ok(content) => {
                assert!(content.len() < input.len());
                assert!(genuine.contains(input), "a blob was opened that nobody sealed");
                Reached::Accepted
            }
            Err(EciesError::Malformed(error)) => {
                points_into(input, error);
                Reached::Refused
            }
            Err(_) => Reached::Refused,
        }
    },
    seeds: || vectors::member("record.json", "blob"),
};

pub(super) const MAKER_RECORD: Target = Target {
    name: "maker_record",
    about: "MakerRecord::decode, what is inside an opened blob",
    length_max: 2048,
    run: |input| {
        let reached = canonical(input, MakerRecord::decode, |record| record.encoded().to_vec());
        if let Ok(record) = MakerRecord::decode(input) {
            assert!(record.json().len() < input.len());
            // The json is judged behind the signature, and must be as safe.
            let _ = assure_json::DeviceRecord::from_json(record.json());
        }
        reached
    },
    seeds: || {
        let file = vectors::load("record.json");
        let all = file["vectors"].as_array().expect("a list of vectors").iter();
        all.filter_map(|vector: &Value| vectors::hex(vector, "plaintext"))
            .filter(|p| p.len() <= 2048)
            .collect()
    },
};
