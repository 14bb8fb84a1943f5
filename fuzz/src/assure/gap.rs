//! Files that cross the air gap.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use assure_proto::{
    GAP_DEVICES_MAX, GapContent, GapError, GapFile, GapKind, GapSender, TrustBundle, TrustBundleError,
};
use crypto_server::Server;
use model::Uuid;
use serde_json::Value;

use super::oracle::{id16, key_id, private_key, public};
use crate::rules::{bounded, decoded, points_into, reached};
use crate::{Reached, Target, vectors};

pub(super) const FILE: Target = Target {
    name: "gap_file",
    about: "GapFile::decode, and opening by each party of the oracle's world; nothing unsigned is opened",
    length_max: 4096,
    run: |input| {
        static WORLD: OnceLock<World> = OnceLock::new();
        let Some(file) = decoded(input, GapFile::decode) else { return Reached::Refused };
        assert_ne!(file.header().sequence_number, 0);
        let world = WORLD.get_or_init(World::new);
        if !world.opens(&file, input) {
            return Reached::Refused;
        }
        assert!(world.genuine.contains(input), "a file was opened that nobody signed");
        Reached::Accepted
    },
    seeds: || vectors::of_kind("gap.json", "bytes", str::is_empty),
};

/// The parties, and the files that the oracle wrote for them.
struct World {
    parties: Vec<(Uuid, Value)>,
    root: Value,
    genuine: BTreeSet<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        let file = vectors::load("gap.json");
        let world = &file["world"];
        let parties = ["identity", "registration", "bootstrap", "gateway"].map(|word| &world[word]);
        let parties = parties.map(|party| (Uuid(id16(party, "party_id")), party["gap_key"].clone())).to_vec();
        let mut made = Self { parties, root: world["root_ec"].clone(), genuine: BTreeSet::new() };
        let files = vectors::of_kind("gap.json", "bytes", str::is_empty).into_iter();
        made.genuine =
            files.filter(|bytes| GapFile::decode(bytes).is_ok_and(|file| made.opens(&file, bytes))).collect();
        assert!(!made.genuine.is_empty(), "some file of the vectors opens");
        made
    }

    fn opens(&self, file: &GapFile<'_>, bytes: &[u8]) -> bool {
        let Some((me, own)) = self.parties.iter().find(|(id, _)| *id == file.header().to) else {
            return false;
        };
        if file.kind() == GapKind::EnrolRequest {
            // Anybody may sign a request with the key in it: it is judged by its fingerprint.
            let opened = file.open_enrolment(&Server, me);
            malformed_points_into(bytes, opened.as_ref().err());
            return false;
        }
        let Some((_, sender)) = self.parties.iter().find(|(id, _)| *id == file.header().from) else {
            return false;
        };
        let signer = if file.kind() == GapKind::EnrolAnswer { &self.root } else { sender };
        let key = public(signer);
        let sender = GapSender { id: file.header().from, key_id: key_id(signer, "key_id"), key: &key };
        let opened = bounded(bytes, |_| file.open(&Server, me, &*private_key(own), sender));
        malformed_points_into(bytes, opened.as_ref().err());
        opened.is_ok()
    }
}

fn malformed_points_into(input: &[u8], error: Option<&GapError>) {
    if let Some(GapError::Malformed(error)) = error {
        points_into(input, *error);
    }
}

pub(super) const CONTENT: Target = Target {
    name: "gap_content",
    about: "GapContent::decode as each of its eight kinds; the first byte names the kind",
    length_max: 4096,
    run: |input| {
        let Some((first, body)) = input.split_first() else { return Reached::Refused };
        let kind = GapKind::ALL[usize::from(first % 8)];
        let Some(content) = decoded(body, |body| GapContent::decode(kind, body)) else {
            return Reached::Refused;
        };
        assert_eq!(content.kind(), kind);
        assert_eq!(&*content.encode(), body, "an accepted value has another form");
        if let GapContent::NewGeneration { devices, .. } = &content {
            assert!(devices.len() <= GAP_DEVICES_MAX);
        }
        Reached::Accepted
    },
    seeds: || {
        let file = vectors::load("gap.json");
        let all = file["vectors"].as_array().expect("a list of vectors").iter();
        let of = |vector: &Value| {
            let kind = u8::try_from(vector["gap_kind"].as_u64()?).ok()?;
            Some([vec![kind], vectors::hex(vector, "plaintext")?].concat())
        };
        all.filter_map(of).collect()
    },
};

pub(super) const BUNDLE: Target = Target {
    name: "trust_bundle",
    about: "TrustBundle::decode; a bundle signed by another root is not one of ours",
    length_max: 4096,
    run: |input| match bounded(input, |bytes| TrustBundle::decode(&Server, bytes)) {
        Ok(bundle) => {
            assert_ne!(bundle.generation, 0);
            assert!(!bundle.ec_root.has_private() && !bundle.rsa_root.has_private());
            reached(true)
        }
        Err(TrustBundleError::Malformed(error)) => {
            points_into(input, error);
            Reached::Refused
        }
        Err(TrustBundleError::Signature(_) | TrustBundleError::OtherSigner) => Reached::Refused,
    },
    seeds: || vectors::of_kind("gap.json", "bytes", |kind| kind == "bundle"),
};
