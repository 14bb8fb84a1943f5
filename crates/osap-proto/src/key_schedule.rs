//! From the transcript and a credential to the keys of a run.
//!
//! Source: OSAP secure profile section 6, and section 5 for the main key.

use alloc::vec::Vec;

use crypto::{
    HashAlgorithm, PakePoint, PakeSecrets, Provider, PublicKey, SPAKE2PLUS_M, SPAKE2PLUS_N, Secret,
};
use zeroize::Zeroize;

use crate::code::len64le;
use crate::messages::{SIGNATURE_SIZE, put_signature};
use crate::record::{RecordKeys, Way};
use crate::{Realm, Serial};

/// One digest.
pub(crate) type Hash = [u8; 32];

pub(crate) fn sha256(provider: &dyn Provider, parts: &[&[u8]]) -> Hash {
    provider.digest(HashAlgorithm::Sha256, parts).first_32()
}

pub(crate) fn hmac(provider: &dyn Provider, key: &[u8], parts: &[&[u8]]) -> Hash {
    provider.hmac(HashAlgorithm::Sha256, key, parts).first_32()
}

/// HKDF-Extract.
pub(crate) fn extract(provider: &dyn Provider, salt: &[u8], parts: &[&[u8]]) -> Secret {
    secret_of(hmac(provider, salt, parts))
}

/// HKDF-Expand to `size` bytes, at most 255 blocks.
pub(crate) fn expand(provider: &dyn Provider, key: &[u8], info: &[&[u8]], size: usize) -> Secret {
    let mut out = Vec::with_capacity(size.next_multiple_of(32));
    let mut block: Option<Hash> = None;
    for number in 1..=u8::MAX {
        if out.len() >= size {
            break;
        }
        let count = [number];
        let mut parts: Vec<&[u8]> = Vec::with_capacity(info.len() + 2);
        if let Some(block) = &block {
            parts.push(block);
        }
        parts.extend_from_slice(info);
        parts.push(&count);
        let next = hmac(provider, key, &parts);
        out.extend_from_slice(&next);
        block = Some(next);
    }
    assert!(out.len() >= size, "callers ask for a few blocks");
    block.zeroize();
    out[size..].zeroize();
    out.truncate(size);
    Secret::new(out)
}

/// A secret from a digest, whose copy is wiped.
pub(crate) fn secret_of(mut hash: Hash) -> Secret {
    let secret = Secret::from(&hash[..]);
    hash.zeroize();
    secret
}

/// An array from a secret of just that size.
pub(crate) fn array_of<const N: usize>(secret: &Secret) -> [u8; N] {
    secret.expose().try_into().expect("callers expand to N bytes")
}

/// T1: the offer, and the TLS connection it came through (`exporter` is empty for type 2).
pub(crate) fn transcript_1(provider: &dyn Provider, exporter: &[u8], offer: &[u8]) -> Hash {
    sha256(provider, &[b"OSAP-H1\0", exporter, offer])
}

/// T2', which is T2 but for kind 3: there the key of the load balancer is in it.
pub(crate) fn transcript_2(
    provider: &dyn Provider,
    t1: &Hash,
    before_mac: &[u8],
    lbs_key: Option<&PublicKey>,
) -> Hash {
    let t2 = sha256(provider, &[t1, before_mac]);
    match lbs_key {
        Some(key) => sha256(provider, &[&t2, &sha256(provider, &[key.spki()])]),
        None => t2,
    }
}

/// K_main of kind 1: the hash of TT, in which every part stands behind its length. `shares` are share_d and share_s.
pub(crate) fn main_of_code(
    provider: &dyn Provider,
    t2: &Hash,
    (serial, realm): (&Serial, &Realm),
    shares: [&PakePoint; 2],
    secrets: &PakeSecrets,
    w0: &Secret,
) -> Secret {
    let mut context = [0; 42];
    context[..10].copy_from_slice(b"OSAP-H1 v1");
    context[10..].copy_from_slice(t2);
    let parts: [&[u8]; 10] = [
        &context,
        serial.as_bytes(),
        realm.as_bytes(),
        &SPAKE2PLUS_M,
        &SPAKE2PLUS_N,
        shares[0],
        shares[1],
        secrets.z.expose(),
        secrets.v.expose(),
        w0.expose(),
    ];
    let sizes = parts.map(len64le);
    let prefixed: Vec<&[u8]> = sizes.iter().zip(parts).flat_map(|(size, part)| [&size[..], part]).collect();
    secret_of(sha256(provider, &prefixed))
}

/// K_main of kinds 2 and 4.
pub(crate) fn main_of_psk(provider: &dyn Provider, t2: &Hash, psk: &Secret, z: &Secret) -> Secret {
    let size = u16::try_from(psk.len()).expect("a pre-shared key has at most 64 bytes");
    extract(provider, t2, &[&size.to_be_bytes(), psk.expose(), z.expose()])
}

/// K_main of kind 3.
pub(crate) fn main_of_exchange(provider: &dyn Provider, t2: &Hash, z: &Secret) -> Secret {
    extract(provider, t2, &[z.expose()])
}

/// What the load balancer signs for kind 3.
pub(crate) fn signed_by_lbs(t2: &Hash) -> Vec<u8> {
    [&b"OSAP-H1 server sig\0"[..], t2].concat()
}

/// What the device signs for kind 3.
pub(crate) fn signed_by_device(t2: &Hash) -> Vec<u8> {
    [&b"OSAP-H1 device sig\0"[..], t2].concat()
}

/// Everything between K_main and the keys.
pub(crate) struct Schedule {
    main: Secret,
    t2: Hash,
    /// mac_s.
    pub(crate) mac_of_lbs: Hash,
    /// mac_d.
    pub(crate) mac_of_device: Hash,
}

impl Schedule {
    pub(crate) fn new(provider: &dyn Provider, main: Secret, t2: Hash) -> Self {
        let [confirm_s, confirm_d] = labelled(provider, &main, &t2, [("confirm s", 32), ("confirm d", 32)]);
        let mac_of_lbs = hmac(provider, confirm_s.expose(), &[&t2]);
        let mac_of_device = hmac(provider, confirm_d.expose(), &[&t2, &mac_of_lbs]);
        Self { main, t2, mac_of_lbs, mac_of_device }
    }

    /// T2'.
    pub(crate) const fn transcript(&self) -> &Hash {
        &self.t2
    }

    /// The keys of the run; K_main ends here. `signatures` are sig_s and sig_d of kind 3, `is_code` tells kind 1.
    pub(crate) fn finish(
        self,
        provider: &dyn Provider,
        signatures: Option<(&[u8; SIGNATURE_SIZE], &[u8; SIGNATURE_SIZE])>,
        is_code: bool,
    ) -> RunKeys {
        let (sig_s, sig_d): (&[u8], &[u8]) = match signatures {
            Some((sig_s, sig_d)) => (sig_s, sig_d),
            None => (&[], &[]),
        };
        let t3 = sha256(provider, &[&self.t2, &self.mac_of_lbs, &self.mac_of_device, sig_s, sig_d]);
        let [d2s_key, d2s_iv, s2d_key, s2d_iv, resume, das] =
            labelled(provider, &self.main, &t3, KEYS_OF_RUN);
        let way = |way, key: Secret, iv: Secret| RecordKeys::new(provider, way, &key, &iv);
        let enrol = is_code.then(|| {
            let [enrol] = labelled(provider, &self.main, &t3, [("enrol", 32)]);
            enrol
        });
        RunKeys {
            from_device: way(Way::FromDevice, d2s_key, d2s_iv),
            from_lbs: way(Way::FromLbs, s2d_key, s2d_iv),
            resume,
            das,
            enrol,
        }
    }
}

impl core::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Schedule").finish_non_exhaustive()
    }
}

/// Labels and sizes of what every run has.
const KEYS_OF_RUN: [(&str, usize); 6] = [
    ("lbs d2s key", 16),
    ("lbs d2s iv", 12),
    ("lbs s2d key", 16),
    ("lbs s2d iv", 12),
    ("resume", 32),
    ("das", 32),
];

/// HKDF-Expand of K_main for several labels. None is longer than one block of it, so that each is one HMAC; the key is
/// prepared once.
fn labelled<const N: usize>(
    provider: &dyn Provider,
    main: &Secret,
    hash: &Hash,
    wanted: [(&str, usize); N],
) -> [Secret; N] {
    let infos = wanted.map(|(label, _)| [&b"osap-h1 "[..], label.as_bytes(), &[0], hash, &[1]]);
    let messages: Vec<&[&[u8]]> = infos.iter().map(|info| &info[..]).collect();
    let blocks = provider.hmac_each(HashAlgorithm::Sha256, main.expose(), &messages);
    let mut blocks = blocks.into_iter();
    wanted.map(|(_, size)| {
        let mut block = blocks.next().expect("a digest for each message").first_32();
        let secret = Secret::from(&block[..size]);
        block.zeroize();
        secret
    })
}

/// The keys that a completed run gives.
#[derive(Debug)]
pub(crate) struct RunKeys {
    pub(crate) from_device: RecordKeys,
    pub(crate) from_lbs: RecordKeys,
    /// Resumption secret of the ticket in record 82.
    pub(crate) resume: Secret,
    /// The das secret.
    pub(crate) das: Secret,
    /// enrol_psk, of kind 1.
    pub(crate) enrol: Option<Secret>,
}

/// A signature as T3 and the messages take it.
pub(crate) fn fixed_signature(signature: &[u8]) -> Option<[u8; SIGNATURE_SIZE]> {
    signature.try_into().ok()
}

/// mac_s, and behind it sig_s of kind 3: the end of an H1-II.
pub(crate) fn end_of_second(bytes: &mut Vec<u8>, mac: &Hash, signature: Option<&[u8; SIGNATURE_SIZE]>) {
    bytes.extend_from_slice(mac);
    if let Some(signature) = signature {
        put_signature(bytes, signature);
    }
}
