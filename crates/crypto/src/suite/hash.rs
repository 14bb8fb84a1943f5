//! Digests, HMAC and derivations, by published vectors.

use alloc::vec;
use core::num::NonZeroU32;

use super::hex;
use crate::{HashAlgorithm, Provider, Secret, x963_kdf};

/// SHA-256, SHA-384 and SHA-512 of the empty message, of "abc" and of the message of two blocks.
///
/// Source: the examples of FIPS 180.
pub fn sha2_vectors(provider: &dyn Provider) {
    let short = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    let long = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
        hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    let vectors: [(HashAlgorithm, &[u8], &str); 9] = [
        (HashAlgorithm::Sha256, b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (HashAlgorithm::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (HashAlgorithm::Sha256, short, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        (
            HashAlgorithm::Sha384,
            b"",
            "
            38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
        ),
        (
            HashAlgorithm::Sha384,
            b"abc",
            "
            cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            HashAlgorithm::Sha384,
            long,
            "
            09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039",
        ),
        (
            HashAlgorithm::Sha512,
            b"",
            "
            cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f
            63b931bd47417a81a538327af927da3e",
        ),
        (
            HashAlgorithm::Sha512,
            b"abc",
            "
            ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd
            454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            HashAlgorithm::Sha512,
            long,
            "
            8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018501d289e4900f7e4331b99dec4b5433a
            c7d329eeb6dd26545e96e55b874be909",
        ),
    ];
    for (hash, message, digest) in vectors {
        assert_eq!(provider.digest(hash, &[message]).as_ref(), hex(digest), "{hash:?}");
        let (head, tail) = message.split_at(message.len() / 3);
        assert_eq!(provider.digest(hash, &[head, b"", tail]).as_ref(), hex(digest), "{hash:?} in parts");
    }
    assert_eq!(provider.digest(HashAlgorithm::Sha256, &[]).as_ref(), hex(vectors[0].2), "no parts at all");
}

/// Key, message, and the tags with SHA-256, SHA-384 and SHA-512.
const HMAC_VECTORS: [(&[u8], &[u8], [&str; 3]); 6] = [
    (
        &[0x0b; 20],
        b"Hi There",
        [
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "
            afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
            "
            87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4
            be9d914eeb61f1702e696c203a126854",
        ],
    ),
    (
        b"Jefe",
        b"what do ya want for nothing?",
        [
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "
            af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            "
            164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd
            caeab1a34d4a6b4b636e070a38bce737",
        ],
    ),
    (
        &[0xaa; 20],
        &[0xdd; 50],
        [
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            "
            88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
            "
            fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807
            b946a337bee8942674278859e13292fb",
        ],
    ),
    (
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
        &[0xcd; 50],
        [
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            "
            3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
            "
            b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063
            a5f19741120c4f2de2adebeb10a298dd",
        ],
    ),
    (
        &[0xaa; 131],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        [
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "
            4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
            "
            80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e52
            95e64f73f63f0aec8b915a985d786598",
        ],
    ),
    (
        &[0xaa; 131],
        b"This is a test using a larger than block-size key and a larger than block-size data. \
              The key needs to be hashed before being used by the HMAC algorithm.",
        [
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            "
            6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e",
            "
            e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15
            134676fb6de0446065c97440fa8c6a58",
        ],
    ),
];

/// HMAC with the three hashes.
///
/// Source: RFC 4231 section 4, all cases but the truncated one.
pub fn hmac_vectors(provider: &dyn Provider) {
    for (key, message, tags) in HMAC_VECTORS {
        for (hash, tag) in ALL_HASHES.into_iter().zip(tags) {
            assert_eq!(provider.hmac(hash, key, &[message]).as_ref(), hex(tag), "{hash:?}");
            let (head, tail) = message.split_at(3);
            assert_eq!(provider.hmac(hash, key, &[head, tail]).as_ref(), hex(tag), "{hash:?} in parts");
        }
    }
    let zero_padded = provider.hmac(HashAlgorithm::Sha256, &[0], &[b"message"]);
    assert_eq!(
        provider.hmac(HashAlgorithm::Sha256, b"", &[b"message"]),
        zero_padded,
        "an empty key is a key"
    );
}

const ALL_HASHES: [HashAlgorithm; 3] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];

/// The TLS 1.2 PRF with the three hashes, whole and cut short.
///
/// Source: the vectors that the TLS working group exchanged for RFC 5246 section 5 (100, 148, 196 bytes).
pub fn tls12_prf_vectors(provider: &dyn Provider) {
    let vectors = [
        (
            HashAlgorithm::Sha256,
            "9bbe436ba940f017b17652849a71db35",
            "a0ba9f936cda311827a6f796ffd5198c",
            "
            e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af
            0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
            87347b66",
        ),
        (
            HashAlgorithm::Sha384,
            "b80b733d6ceefcdc71566ea48e5567df",
            "cd665cf6a8447dd6ff8b27555edb7465",
            "
            7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0
            e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425
            9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e099070
            3d73e56f",
        ),
        (
            HashAlgorithm::Sha512,
            "b0323523c1853599584d88568bbb05eb",
            "d4640e12e4bcdbfb437f03e6ae418ee5",
            "
            1261f588c798c5c201ff036e7a9cb5edcd7fe3f94c669a122a4638d7d508b283042df6789875c7147e906d868bc75c45
            e20eb40c1cf4a1713b27371f68432592f7dc8ea8ef223e12ea8507841311bf68653d0cfc4056d811f025c45ddfa6e6fe
            c702f054b409d6f28dd0a3233e498da41a3e75c5630eedbe22fe254e33a1b0e9f6b9826675bec7d01a845658dc9c3975
            45401d40b9f46c7a400ee1b8f81ca0a60d1a397a1028bff5d2ef5066126842fb8da4197632bdb54ff6633f86bbc836e6
            40d4d898",
        ),
    ];
    for (hash, secret, seed, expected) in vectors {
        let (secret, seed, expected) = (hex(secret), hex(seed), hex(expected));
        let seeds: [&[&[u8]]; 3] =
            [&[&seed], &[&seed[..5], &seed[5..]], &[&seed[..1], &seed[1..2], &seed[2..]]];
        for parts in seeds {
            for length in [expected.len(), 48, hash.digest_length(), 12, 1, 0] {
                let mut out = vec![0; length];
                provider.tls12_prf(hash, &secret, b"test label", parts, &mut out);
                assert_eq!(out, expected[..length], "{hash:?}, {length} bytes");
            }
        }
    }
    let (mut of_nothing, mut of_zero) = ([0; 12], [0; 12]);
    provider.tls12_prf(HashAlgorithm::Sha256, b"", b"label", &[b"seed"], &mut of_nothing);
    provider.tls12_prf(HashAlgorithm::Sha256, &[0], b"label", &[b"seed"], &mut of_zero);
    assert_eq!(of_nothing, of_zero, "HMAC pads its key with zeros");
}

/// PBKDF2 with HMAC-SHA-256, one round and 80000.
///
/// Source: RFC 7914 section 11.
pub fn pbkdf2_vectors(provider: &dyn Provider) {
    let vectors: [(&[u8], &[u8], u32, &str); 2] = [
        (
            b"passwd",
            b"salt",
            1,
            "
            55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef31
            7c71b845b1e30bd509112041d3a19783",
        ),
        (
            b"Password",
            b"NaCl",
            80_000,
            "
            4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b317
            6a272bdebba1d078478f62b397f33c8d",
        ),
    ];
    for (passphrase, salt, rounds, expected) in vectors {
        let mut out = [0; 64];
        let rounds = NonZeroU32::new(rounds).expect("the vectors have rounds");
        provider.pbkdf2_sha256(passphrase, salt, rounds, &mut out);
        assert_eq!(out[..], hex(expected));
    }
    let mut short = [0; 20];
    provider.pbkdf2_sha256(b"passwd", b"salt", NonZeroU32::MIN, &mut short);
    assert_eq!(short[..], hex(vectors[0].3)[..20], "shorter outputs are prefixes");
}

/// The key derivation of ANSI X9.63 with SHA-256 and SHA-512, with and without shared info.
///
/// Source: NIST CAVP, component tests, `ansx963_2001.rsp`.
pub fn x963_kdf_vectors(provider: &dyn Provider) {
    let vectors = [
        (
            HashAlgorithm::Sha256,
            "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08",
            "",
            "443024c3dae66b95e6f5670601558f71",
        ),
        (
            HashAlgorithm::Sha256,
            "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d",
            "75eef81aa3041e33b80971203d2c0c52",
            "
            c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e52a13d9c7c6fc878c50c5ea0bc7b00e0
            da2447cfd874f6cf92f30d0097111485500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269
            142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
        ),
        (
            HashAlgorithm::Sha512,
            "
            00aa5bb79b33e389fa58ceadc047197f14e73712f452caa9fc4c9adb369348b81507392f1a86ddfdb7c4ff8231c4bd0f
            44e44a1b55b1404747a9e2e753f55ef05a2d",
            "e3b5b4c1b0d5cf1d2b3a2f9937895d31",
            "
            4463f869f3cc18769b52264b0112b5858f7ad32a5a2d96d8cffabf7fa733633d6e4dd2a599acceb3ea54a6217ce0b50e
            ef4f6b40a5c30250a5a8eeee208002267089dbf351f3f5022aa9638bf1ee419dea9c4ff745a25ac27bda33ca08bd56dd
            1a59b4106cf2dbbc0ab2aa8e2efa7b17902d34276951ceccab87f9661c3e8816",
        ),
    ];
    for (hash, shared_secret, shared_info, expected) in vectors {
        let expected = hex(expected);
        let shared_secret = Secret::new(hex(shared_secret));
        let key = x963_kdf(provider, hash, &shared_secret, &hex(shared_info), expected.len());
        assert_eq!(key.expose(), expected, "{hash:?}");
    }
}
