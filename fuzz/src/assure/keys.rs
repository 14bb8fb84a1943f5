//! Keys, owner data, and what a device keeps of them.

use assure_proto::cbor::Writer;
use assure_proto::{AuthenticatedKey, KeyDefinition, OwnerData, OwnershipRecord, StoredKey};

use crate::rules::{canonical, decoded};
use crate::{Reached, Target, vectors};

pub(super) const DEFINITION: Target = Target {
    name: "key_definition",
    about: "KeyDefinition::decode",
    length_max: 4096,
    run: |input| {
        let reached = canonical(input, KeyDefinition::decode, |key| key.encode_private().to_vec());
        if let Ok(key) = KeyDefinition::decode(input) {
            let public = KeyDefinition::decode(&key.encode()).expect("the public half is a definition");
            assert!(!public.has_private() && public.id() == key.id());
            assert_eq!(public.public_key(), key.public_key());
            assert_eq!(KeyDefinition::decode(&key.encode_masked()).is_ok(), !key.has_private());
        }
        reached
    },
    seeds: || vectors::of_kind("keys.json", "bytes", |kind| kind == "definition"),
};

pub(super) const AUTHENTICATED: Target = Target {
    name: "authenticated_key",
    about: "AuthenticatedKey::decode",
    length_max: 4096,
    run: |input| {
        let reached = canonical(input, AuthenticatedKey::decode, |key| key.encoded().to_vec());
        if let Ok(key) = AuthenticatedKey::decode(input) {
            assert_eq!(key.definition_bytes(), &*key.definition().encode_private());
            assert!(!key.to_be_signed().is_empty() && key.to_be_signed().len() <= input.len());
            assert_ne!(key.metadata().generation, Some(0));
            let masked = key.encode_masked();
            assert!(key.definition().has_private() || masked == input);
        }
        reached
    },
    seeds: signed_keys,
};

/// The authenticated keys of the worlds and of the image headers.
fn signed_keys() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in ["image_ec.json", "image_ss.json", "image_rsa.json", "image_ec384.json"] {
        let images = vectors::member(file, "image");
        let keys = images.iter().take(4).filter_map(|image| assure_proto::BootstrapImage::decode(image).ok());
        seeds.extend(keys.flat_map(|image| {
            image.authenticated_keys().iter().map(|key| key.encoded().to_vec()).collect::<Vec<_>>()
        }));
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

pub(super) const OWNER_DATA: Target = Target {
    name: "owner_data",
    about: "OwnerData::decode",
    length_max: 1024,
    run: |input| canonical(input, OwnerData::decode, |owner| owner.encoded().to_vec()),
    seeds: || vectors::member("owner.json", "bytes"),
};

pub(super) const OWNERSHIP: Target = Target {
    name: "ownership_record",
    about: "OwnershipRecord::decode",
    length_max: 256,
    run: |input| canonical(input, OwnershipRecord::decode, OwnershipRecord::encode),
    seeds: || {
        let first = OwnershipRecord::factory(1);
        let owned = OwnershipRecord {
            sequence_number: 70_000,
            owner_hash: Some([1; 32]),
            image_hash: Some([2; 32]),
            erase_pending: true,
            ..first
        };
        vec![first.encode(), owned.encode()]
    },
};

pub(super) const STORED: Target = Target {
    name: "stored_key",
    about: "StoredKey::from_storage",
    length_max: 4096,
    run: |input| {
        let Some(key) = decoded(input, StoredKey::from_storage) else { return Reached::Refused };
        assert_eq!(&*key.to_storage(), input, "an accepted value has another form");
        assert!(key.chain_length() <= assure_proto::SIGNATURE_CHAIN_MAX);
        Reached::Accepted
    },
    seeds: || {
        let with = |key: &Vec<u8>, secret: &[u8], class: u8| {
            let mut out = Writer::new();
            out.array(6).uint(1_u8).bytes(key).bytes(secret).uint(class).bool(true).uint(2_u8);
            out.finish()
        };
        let keys = signed_keys();
        keys.iter().map(|key| with(key, &[], 1)).chain([with(&keys[0], &[7; 32], 0)]).collect()
    },
};
