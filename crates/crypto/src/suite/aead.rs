//! Authenticated encryption, by published vectors and by what must be refused.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::{hex, with_one_bit_flipped};
use crate::{Aead, AeadKey, CryptoError, Provider};

/// Key, nonce, associated data, plaintext, ciphertext with tag.
type Vector = [&'static str; 5];

const ALL: [Aead; 7] = [
    Aead::Aes128Ccm8,
    Aead::Aes128Ccm,
    Aead::Aes192Ccm,
    Aead::Aes256Ccm,
    Aead::Aes128Gcm,
    Aead::Aes192Gcm,
    Aead::Aes256Gcm,
];

/// NIST SP 800-38C example 3, the one with the sizes of RFC 6655.
const CCM_8: [Vector; 1] = [[
    "404142434445464748494a4b4c4d4e4f",
    "101112131415161718191a1b",
    "000102030405060708090a0b0c0d0e0f10111213",
    "202122232425262728292a2b2c2d2e2f3031323334353637",
    "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
]];

/// NIST CAVP, CCM: with both, without associated data, without plaintext.
const CCM_128: [Vector; 3] = [
    [
        "26511fb51fcfa75cb4b44da75a6e5a0e",
        "5a8aa485c316e9403aff859fbb",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697a7ee6410184c7982",
        "8739b4bea1a099fe547499cbc6d1b13d849b8084c9b6acc5",
        "
            50038b5fdd364ee747b70d00bd36840ece4ea19998123375c0a458bfcafa3b2609afe0f825cbf503",
    ],
    [
        "90929a4b0ac65b350ad1591611fe4829",
        "5a8aa485c316e9403aff859fbb",
        "",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697",
        "
            4bfe4e35784f0a65b545477e5e2f4bae0e1e6fa717eaf2cb6a9a970b9beb2ac1bd4fd62168f8378a",
    ],
    [
        "f9fdca4ac64fe7f014de0f43039c7571",
        "5a8aa485c316e9403aff859fbb",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697a7ee6410184c7982",
        "",
        "1859ac36a40a6b28b34266253627797a",
    ],
];

const CCM_192: [Vector; 3] = [
    [
        "26511fb51fcfa75cb4b44da75a6e5a0eb8d9c8f3b906f886",
        "5a8aa485c316e9403aff859fbb",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697a7ee6410184c7982",
        "8739b4bea1a099fe547499cbc6d1b13d849b8084c9b6acc5",
        "
            c5b0b2ef17498c5570eb335df4588032958ba3d69bf6f3178464a6f7fa2b76744e8e8d95691cecb8",
    ],
    [
        "90929a4b0ac65b350ad1591611fe48297e03956f6083e451",
        "5a8aa485c316e9403aff859fbb",
        "",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697",
        "
            a5b7d8cca2069908d1ed88e6a9fe2c9bede3131dad54671ea7ade30a07d185692ab0ebdf4c78cf7a",
    ],
    [
        "f9fdca4ac64fe7f014de0f43039c757194d544ce5d15eed4",
        "5a8aa485c316e9403aff859fbb",
        "a16a2e741f1cd9717285b6d882c1fc53655e9773761ad697a7ee6410184c7982",
        "",
        "d07ccf9fdc3d33aa94cda3d230da707c",
    ],
];

const CCM_256: [Vector; 3] = [
    [
        "314a202f836f9f257e22d8c11757832ae5131d357a72df88f3eff0ffcee0da4e",
        "a544218dadd3c10583db49cf39",
        "3c0e2815d37d844f7ac240ba9d6e3a0b2a86f706e885959e09a1005e024f6907",
        "e8de970f6ee8e80ede933581b5bcf4d837e2b72baa8b00c3",
        "
            8d34cdca37ce77be68f65baf3382e31efa693e63f914a781367f30f2eaad8c063ca50795acd90203",
    ],
    [
        "1b0e8df63c57f05d9ac457575ea764524b8610ae5164e6215f426f5a7ae6ede4",
        "a544218dadd3c10583db49cf39",
        "",
        "3c0e2815d37d844f7ac240ba9d6e3a0b2a86f706e885959e",
        "
            f0050ad16392021a3f40207bed3521fb1e9f808f49830c423a578d179902f912f9ea1afbce1120b3",
    ],
    [
        "8c5cf3457ff22228c39c051c4e05ed4093657eb303f859a9d4b0f8be0127d88a",
        "a544218dadd3c10583db49cf39",
        "3c0e2815d37d844f7ac240ba9d6e3a0b2a86f706e885959e09a1005e024f6907",
        "",
        "867b0d87cf6e0f718200a97b4f6d5ad5",
    ],
];

const GCM_NONCE: &str = "cafebabefacedbaddecaf888";
const GCM_AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const GCM_TEXT: &str = "
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525
            b16aedf5aa0de657ba637b391aafd255";
const GCM_TEXT_60: &str = "
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525
            b16aedf5aa0de657ba637b39";
const ZERO_16: &str = "00000000000000000000000000000000";
const ZERO_24: &str = "000000000000000000000000000000000000000000000000";
const ZERO_32: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const ZERO_NONCE: &str = "000000000000000000000000";

/// The GCM specification, test cases 1 to 4: those with a nonce of 12 bytes.
const GCM_128: [Vector; 4] = [
    [ZERO_16, ZERO_NONCE, "", "", "58e2fccefa7e3061367f1d57a4e7455a"],
    [ZERO_16, ZERO_NONCE, "", ZERO_16, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"],
    [
        "feffe9928665731c6d6a8f9467308308",
        GCM_NONCE,
        "",
        GCM_TEXT,
        "
            42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05
            1ba30b396a0aac973d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4",
    ],
    [
        "feffe9928665731c6d6a8f9467308308",
        GCM_NONCE,
        GCM_AAD,
        GCM_TEXT_60,
        "
            42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05
            1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
    ],
];

/// Test cases 7 to 10.
const GCM_192: [Vector; 4] = [
    [ZERO_24, ZERO_NONCE, "", "", "cd33b28ac773f74ba00ed1f312572435"],
    [ZERO_24, ZERO_NONCE, "", ZERO_16, "98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb"],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        GCM_NONCE,
        "",
        GCM_TEXT,
        "
            3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f47
            18e2448b2fe324d9ccda2710acade2569924a7c8587336bfb118024db8674a14",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        GCM_NONCE,
        GCM_AAD,
        GCM_TEXT_60,
        "
            3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f47
            18e2448b2fe324d9ccda27102519498e80f1478f37ba55bd6d27618c",
    ],
];

/// Test cases 13 to 16.
const GCM_256: [Vector; 4] = [
    [ZERO_32, ZERO_NONCE, "", "", "530f8afbc74536b9a963b4f1c4cb738b"],
    [ZERO_32, ZERO_NONCE, "", ZERO_16, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        GCM_NONCE,
        "",
        GCM_TEXT,
        "
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838
            c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c",
    ],
    [
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        GCM_NONCE,
        GCM_AAD,
        GCM_TEXT_60,
        "
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838
            c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
    ],
];

const fn vectors(aead: Aead) -> &'static [Vector] {
    match aead {
        Aead::Aes128Ccm8 => &CCM_8,
        Aead::Aes128Ccm => &CCM_128,
        Aead::Aes192Ccm => &CCM_192,
        Aead::Aes256Ccm => &CCM_256,
        Aead::Aes128Gcm => &GCM_128,
        Aead::Aes192Gcm => &GCM_192,
        Aead::Aes256Gcm => &GCM_256,
    }
}

fn prepared(provider: &dyn Provider, aead: Aead, key: &[u8]) -> Box<dyn AeadKey> {
    provider.aead(aead, key).expect("the key has the right length")
}

fn open(key: &dyn AeadKey, nonce: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let mut buffer = sealed.to_vec();
    key.open(nonce, aad, &mut buffer)?;
    Ok(buffer)
}

/// The published texts come out both ways, and every bit changed anywhere is noticed.
pub fn published_and_changed(provider: &dyn Provider, aead: Aead) {
    for [key, nonce, aad, text, sealed] in vectors(aead).iter().map(|vector| vector.map(hex)) {
        let prepared = prepared(provider, aead, &key);
        let mut buffer = text.clone();
        prepared.seal(&nonce, &aad, &mut buffer).expect("the nonce has the right length");
        assert_eq!(buffer, sealed, "{aead:?}");
        assert_eq!(open(&*prepared, &nonce, &aad, &sealed), Ok(text), "{aead:?}");

        let refused = Err(CryptoError::NotGenuine);
        for changed in with_one_bit_flipped(&sealed) {
            assert_eq!(open(&*prepared, &nonce, &aad, &changed), refused, "{aead:?}: text or tag");
        }
        for changed in with_one_bit_flipped(&aad) {
            assert_eq!(open(&*prepared, &nonce, &changed, &sealed), refused, "{aead:?}: associated data");
        }
        for changed in with_one_bit_flipped(&nonce) {
            assert_eq!(open(&*prepared, &changed, &aad, &sealed), refused, "{aead:?}: nonce");
        }
        for length in 0..sealed.len() {
            assert_eq!(
                open(&*prepared, &nonce, &aad, &sealed[..length]),
                refused,
                "{aead:?}: cut to {length}"
            );
        }
        let longer = [&sealed[..], &[0]].concat();
        assert_eq!(open(&*prepared, &nonce, &aad, &longer), refused, "{aead:?}: longer");
        assert_eq!(
            open(&*prepared, &nonce, &[&aad[..], &[0]].concat(), &sealed),
            refused,
            "{aead:?}: longer"
        );
    }
}

/// Keys and nonces of any other length are refused, and the text stays as it was.
pub fn wrong_lengths(provider: &dyn Provider) {
    for aead in ALL {
        for length in (0..=64).filter(|length| *length != aead.key_length()) {
            let refused = provider.aead(aead, &vec![1; length]).err();
            assert_eq!(refused, Some(CryptoError::BadInput), "{aead:?}: key of {length}");
        }
        let key = prepared(provider, aead, &vec![1; aead.key_length()]);
        for length in (0..=16).filter(|length| *length != aead.nonce_length()) {
            let nonce = vec![2; length];
            let mut buffer = vec![3; 40];
            assert_eq!(key.seal(&nonce, b"", &mut buffer), Err(CryptoError::BadInput), "{aead:?}: {length}");
            assert_eq!(buffer, [3; 40], "nothing happened");
            assert_eq!(open(&*key, &nonce, b"", &buffer), Err(CryptoError::BadInput), "{aead:?}: {length}");
        }
        let nonce = vec![2; aead.nonce_length()];
        let mut buffer = Vec::new();
        key.seal(&nonce, b"", &mut buffer).expect("the nonce has the right length");
        assert_eq!(buffer.len(), aead.tag_length(), "{aead:?}");
    }
}

/// With a nonce of 13 bytes CCM counts the text in 16 bits.
pub fn ccm_length_limit(provider: &dyn Provider) {
    for aead in [Aead::Aes128Ccm, Aead::Aes192Ccm, Aead::Aes256Ccm] {
        let key = prepared(provider, aead, &vec![1; aead.key_length()]);
        let nonce = vec![2; aead.nonce_length()];
        let mut longest = vec![3; 0xffff];
        key.seal(&nonce, b"", &mut longest).expect("the longest text");
        assert_eq!(open(&*key, &nonce, b"", &longest), Ok(vec![3; 0xffff]));
        let mut longer = vec![3; 0x1_0000];
        assert_eq!(key.seal(&nonce, b"", &mut longer), Err(CryptoError::BadInput), "{aead:?}");
        let sealed = vec![3; 0x1_0000 + aead.tag_length()];
        assert_eq!(open(&*key, &nonce, b"", &sealed), Err(CryptoError::BadInput), "{aead:?}");
    }
}
