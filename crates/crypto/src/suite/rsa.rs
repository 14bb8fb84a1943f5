//! RSA: PKCS#1 v1.5 signatures and OAEP.

use alloc::vec;
use alloc::vec::Vec;

use clock::Dice;

use super::ec::generated;
use super::{element, hex, with_one_bit_flipped};
use crate::public_key::RSA_ALGORITHM;
use crate::{CryptoError, Curve, HashAlgorithm, KeyKind, PrivateKey, Provider, PublicKey, SignatureScheme};

const HASHES: [HashAlgorithm; 3] = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];

/// RFC 7515 appendix A.2: modulus, message and signature with SHA-256; the exponent is 65537.
const JWS_MODULUS: &str = "
            a1f8160ae2e3c9b465ce8d2d656263362b927dbe29e1f02477fc1625cc90a136e38bd93497c5b6ea63dd7711e67c7429
            f956b0fb8a8f089adc4b69893cc1333f53edd019b87784252fec914fe4857769594bea4280d32c0f55bf62944f130396
            bc6e9bdf6ebdd2bda3678eeca0c668f701b38dbffb38c8342ce2fe6d27fade4a5a4874979dd4b9cf9adec4c75b05852c
            2c0f5ef8a5c1750392f944e8ed64c110c6b647609aa4783aeb9c6c9ad755313050638b83665c6f6f7a82a396702a1f64
            1b82d3ebf2392219491fb686872c5716f50af8358d9a8b9d17c340728f7f87d89a18d8fcab67ad84590c2ecf75933936
            3c07034d6f606f9e21e05456cae5e9a1";
const JWS_MESSAGE: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
    Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const JWS_SIGNATURE: &str = "
            702e218943e88fd11eb5d82dbf7845f34106ae1b81fff7731116add1717d83656d420afd3c96eedd73a2663e5166687b
            000b87226e0187ed1073f945e582adfcef16d85a798ee8c66ddb3db8975b17d09402beedd5d9d97007108db28160d5f8
            040ca7445762b81fbe7ff9d92e0ae76f24f25b33bbe6f44ae61eb1040acb20044d3ef9128ed40130795bd4bd3b41eeca
            d066ab651981fde48df77f372dc38b9fafdd3befb18b5da3cc3c2eb02f9e3a41d612caad15911273a05f23b9e838faaf
            849d698429ef5a1e88798236c3d40e604522a544c8f27a7a2db80663d16cf7caea56de405cb2215a45b2c25566b55ac1
            a748a070dfc8a32a469543d019eefb47";

/// Project Wycheproof, rsa_signature_2048_sha512, the first group.
const STRICT_MODULUS: &str = "
            c2c4a860236d3c9096a076d6ba5107e0f7bd81e1ba916f7375724bd2b0b0b63956813715a3457ab0458b71fb35a45b27
            f9ef7ac3e579dea45dfbfd07819ed6b7021aa5336c58442aadd96ca9ee9d32473e9d9278562b4d10258ade6a98fb1c7c
            fdc3b3716ef5dec58cf73b359f389599b4b5865a9863519eb001c324387da755450db341309360e3807c0565b8e2c44f
            bd5e6e8d04d006d7ee768b8e8436082a90fa0e837f32f46087ab4a0d9be28aa7da1794ceb0172a7f50ed20f6df641efb
            cbfd2aac89775c761a7310093c671c977fa18b0d6e01fb25f7a432b42c65359784c689205719c1cf6e3a65dae2da434c
            326dde81bb6ffffbdbf6de5c16bba749";
/// Test 3 (valid) over "Test", then 8 (NULL missing), 9 and 11 (length not in DER) over "123400".
const STRICT_VALID: &str = "
            a0f46582cde6be215351bb7b29e8ff24398816fad9e7e2ed6ccf1d0b5296bad827316c18b1565253291fa1c0baea9a73
            5357cff8920e1024ae5707dd2f0cfcc9e6cc81402217d9b4f51e10def2bc2f4924e7d22c022fc87d6c3e772f4952050d
            027b003ab4267ff227a15cc7c884cdb46bbc7eb38852d0e6d8a12f485ccb0312157097687debb6feaf2b6dac998224c6
            047c1d5727195bb8ce05a59669034e88de0e4815af00c65def5b9748d017455056cc1ac6d3a77e31fcea4e726eda6be7
            bd33e509696e54d1d1858a1165fa9ece5d62e493c1a33ab3c94d294838a19f367fb799d6b69161bd9532a6ef317deb91
            9923d78e33309f14a97b68023d600b4d";
const STRICT_FORGED: [&str; 3] = [
    "
            b73d6d97834d8d14bb4536b050dbe47db349dcf6847586f80624425065e10360f9ce491c38ae5e48f6640bd3a314eb09
            7f08c859625d3b7e8198b0b9dda03920ce5fc4937adf8c16af3dea2cc3137c2c200cb8538baba5bf36c9913784e079d8
            cde826f615313cad093d53110ed616591e5c38f32e2873225634ab10fbc7393dcabe742ebae9ea3802031ffdd6356a30
            aee51d126064584db555657f11cf742b8ee1ee41119b5c2e65c740219bfc36e6f65fe8db8d16684ba4cd7a12b5bf2255
            1192fa75362b142b95a0b0d786eb26c07547e73ee3f3a3f0b2f2f37ba562f61e86c4bb25e7e059ea504f0ea8f5883382
            d7b17c95c5297a934479b4d40b632e99",
    "
            93611a697f527bb2d6e4193ea34e079e0b8ec8e4a516962a74cc91c157528bcf4654beb487f5eac5ed445f858fcf8461
            e63fc657a57bd8226d980b212fb5e61111e0c654e0a6aa0c959f20001f6345a60ab14b8ef5631a81cdc552a04ad3f17e
            ef287b011ce401be17900e79b4b045c12a90412a852131a1b9ae7c31051e8fe6f066b4f7e1d8e9997aef10a8c516fa3d
            782c9aed73dcbaa1d9794de7300c607c17607740f091c2dde354b58c0ed9d4b8fdc43e249847b494821bc9560fbc3c57
            f363e5d2bfcc488c041f123fc379c7bc80a9ea6ae98b7fb76058f9260c0f5fa1000a7f865e5a63d1d279fc7f45277518
            6608cae1f3b640594d4b3fd8af4a5a4c",
    "
            1075928172057bdc681a626808436b13f556883057c93b452326c7f51316939cef89fe3072c6f1365120eceabaa0c12c
            e4ce05762843a09debccfa01ccb9a85f8b0f1f7f030ed2a0c1514ef1c25cce22557d30627cecbac23f9f1fb645776883
            fbdf502894cc373e18ac6bf47d655894b528369a341ec1e56c2801a30f4c93e5219a24f727b5d41c0789d01b868742dc
            9225f5bf3b588e5836aed54bb009e44b9598a96bb36df4bf3521cdfd792c2bf9647b01f77e80f8063299ee26a9a36aae
            9594536b7b3d3ab2fa8df3dfd7e4380eabec23ea09b046d9bd07a11f084107bb6caeaf32559685611791912513f50b0f
            ca6bbc37f93b4c0048a41758228539e0",
];

/// Project Wycheproof, rsa_oaep_2048_sha256_mgf1sha256: the private key as PKCS#8.
const OAEP_KEY: &str = "
            308204bd020100300d06092a864886f70d0101010500048204a7308204a30201000282010100a2b451a07d0aa5f96e45
            5671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7cafd31878d80325b6ef5a1700f65903b469429e89
            d6eac8845097b5ab393189db92512ed8a7711a1253facd20f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff
            8f17e1a029397a1fa26a8dce26f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be
            82de4d1ece6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcbba1b4d
            9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773066f453d1f5b4c2e9cf782
            0283f742b9d50203010001028201007627eef3567b2a27268e52053ecd31c3a7172ccb9ddcee819b306a5b3c66b7573c
            a4fa88efc6f3c4a00bfa0ae7139f64543a4dac3d05823f6ff477cfcec84fe2ac7a68b17204b390232e110310c4e899c4
            e7c10967db4acde042dbbf19dbe00b4b4741de1020aaaaffb5054c797c9f136f7d93ac3fc8caff6654242d7821ebee51
            7bf537f44366a0fdd45ae05b9909c2e6cc1ed9281eff4399f76c96b96233ec29ae0bbf0d752b234fc197389f51050aa1
            acd01c074c3ac8fbdb9ea8b651a95995e8db4ad5c43b6c8673e5a126e7ee94b8dff4c5afc01259bc8da76950bae6f8ba
            e715f50985b0d6f66d04c6fef3b700720eecdcdf171bb7b1ecbe7289c467c102818100dc431050f782e894fb5248247d
            98cb7d58b8d1e24f3b55d041c56e4de086b0d5bb028bda42eeb5d234d5681e5809d415e6a289ad4cfbf78f978f6c3581
            4f50eebff1c5b80a69f788e81e6bab5ddaa78369d659d143ec6f17e79813a575cfad9c569156b90113e2e9110ad9e7b4
            8a1c9348a6e653321191290ea36cfb3a5b18f102818100bd1a81e7977f9898122273ae3222b598ea5fb19eb4eabc3830
            8a5e32196603b2e500ffb79f5b886816611debc472fac45544070beb057c941378a6868af3b7a03d3f9880ec47d5e089
            b94fbde542aba9ae8d72c57088d7abf5b131f39098f7bc160f90536abc9492fd4e06f3ed7299d4b97bb03677207d9566
            9f140cfbc20f2502818100a94b528b28f291599121d91952ffd1c7f21d7c1479d99d478885fb161870ee1218bf084726
            12dbe5497e8d9c650688e09c786961ae3e2c354dc48ae34514759c4c23c4588488961dc06b414e61c0e1e7fbbd2923d3
            1532fe289f96da220711e58c14019808e00414276933bb07e4efb9b4a9b37656917205209f33f09515d7c10281803af0
            e72a933aef09ff2503df78bafed531c02ff1a2bc437c540cdcbd4ad35435cf511763596543480629b114ca7f780ff7ef
            a32ea0cb6e000d6d9ea1f2ef71fd9cf9948422a165557e37e755edfe70d90b920502eb478bc98a63f788ce3a0f856d6e
            de7251a383bfa8fa480a81a925af7b3cc538c4bab8c9f7597ffb68011d8d0281802640fbfbcfefb163ee7a87b6483a66
            ee41f956d90fa8a7939bfc042ee0924b1b7993d0445f758d51933e85179c0320b0c968b48a91c38b5be923e1097c0c56
            2f88d42294b6a2759bafa5428a74f1270874e45f6fcc60f21602de5eccd143cf31241f5921b5ad3983fb54ef17be3b28
            5367e50c999c67247b552fe4bfce945f7b";
/// Where the modulus of that key stands, after the head of PKCS#8, of the key and its version.
const OAEP_MODULUS_AT: core::ops::Range<usize> = 38..38 + 256;
/// Tests 3 and 10: label, message, ciphertext.
const OAEP_VECTORS: [[&str; 3]; 2] = [
    [
        "",
        "54657374",
        "
            5eab3f0741e63986ed647d53e1cd71df041986900803d0f99c68355d249a15a47dc5b4f70a191477654299e5a2731f3b
            4eec76dea18262fc696ac794e5f66cbfcddac4472c578e246c26707598055584540b839836b1404c5611ae558a984cee
            8fd036cea924e0be2474a940f61e0acc14fcae95ebdc59942a9ce9af9a9c81999f7f6815f057ffdc2533cb15d6391d1e
            2d95f16f9c04209c889a4c359c7d2926d28a66e2b030a416b928d2825627998e5191fb4983a6e65024262d94fc09187a
            2d78162122433251d1bfcc8e507d06eba2d229c10031261da32ab8ccd15f1c5f9fbf07ed158483d736a110af4b44d6a4
            da60d6cb519b4454213cf9f0dc560f2b",
    ],
    [
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "313233343030",
        "
            26aa8e7931ed624bfd4077e3b83ec08de080483a61641e877f493fb7d0ae4dfebd4f05612a2e4869d20d440a64e928b1
            3daa3b79da2ed674b99421df7e7f625a22b1c71136da27db699d3dd96e3364ee0cd2123ab6808930c6bc28a5dc307880
            d1ab4b03bcd6178a81b8ad52aafffbab387d40352dfea526abedca016c87e9e56ccc4c88e80f579da015b979bcdd8861
            8b2a32ce072918b2e223535359f1ce4eaba5e692e6296b2140dc2304092ebd6f136a48092b3849082b57e70c93b54db5
            5045dd6094ef3d2cfa8bc9e2fd2b1bbe0c7c603ad38d3f40c9eac8ae5e28cbbb031c38d93d3b2541d94eab3a1e8992a4
            44ee4ce7b8d08c0b9a4f623d32fcba14",
    ],
];

fn public_key(modulus: &[u8]) -> PublicKey {
    let numbers = element(0x30, &[&element(2, &[&[0], modulus]), &[2, 3, 1, 0, 1]]);
    let spki = element(0x30, &[RSA_ALGORITHM, &element(3, &[&[0], &numbers])]);
    PublicKey::from_spki(&spki).expect("a modulus of 2048 bits")
}

pub(crate) fn published_public_key() -> PublicKey {
    public_key(&hex(JWS_MODULUS))
}

/// Published signatures verify; neighbours, other hashes and encodings that are not DER do not.
pub fn published_signatures(provider: &dyn Provider) {
    let refused = Err(CryptoError::NotGenuine);
    let key = published_public_key();
    assert_eq!(key.kind(), KeyKind::Rsa { modulus_bits: 2048 });
    assert_eq!(provider.check_key(&key), Ok(()));
    let scheme = SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256);
    let signature = hex(JWS_SIGNATURE);
    assert_eq!(provider.verify(&key, scheme, JWS_MESSAGE, &signature), Ok(()));
    assert_eq!(provider.verify(&key, scheme, b"another message", &signature), refused);
    for changed in with_one_bit_flipped(&signature).step_by(5) {
        assert_eq!(provider.verify(&key, scheme, JWS_MESSAGE, &changed), refused);
    }
    for length in [0, 1, 255] {
        assert_eq!(provider.verify(&key, scheme, JWS_MESSAGE, &signature[..length]), refused);
    }
    let padded = [&[0], &signature[..]].concat();
    assert_eq!(provider.verify(&key, scheme, JWS_MESSAGE, &padded), refused);
    for hash in [HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        let other = SignatureScheme::RsaPkcs1(hash);
        assert_eq!(provider.verify(&key, other, JWS_MESSAGE, &signature), refused, "{hash:?}");
    }

    let strict = public_key(&hex(STRICT_MODULUS));
    let scheme = SignatureScheme::RsaPkcs1(HashAlgorithm::Sha512);
    assert_eq!(provider.verify(&strict, scheme, b"Test", &hex(STRICT_VALID)), Ok(()));
    assert_eq!(provider.verify(&key, scheme, b"Test", &hex(STRICT_VALID)), refused, "another key");
    for forged in STRICT_FORGED {
        assert_eq!(provider.verify(&strict, scheme, b"123400", &hex(forged)), refused);
    }
}

/// The longest text that fits is taken, one byte more is not; keys of other kinds are told apart.
pub fn encryption_refusals(provider: &dyn Provider) {
    let mut dice = Dice::numbered(1);
    let key = published_public_key();
    for hash in HASHES {
        let longest = 256 - 2 * hash.digest_length() - 2;
        let mut encrypt = |length| provider.oaep_encrypt(&key, hash, b"label", &vec![1; length], &mut dice);
        let first = encrypt(longest).expect("the longest text");
        assert_eq!(first.len(), 256);
        assert_ne!(encrypt(longest).as_ref(), Ok(&first), "every encryption has its own seed");
        assert_eq!(encrypt(longest + 1), Err(CryptoError::BadInput), "{hash:?}");
    }
    let ec = generated(provider, Curve::P256, 1);
    let refused = provider.oaep_encrypt(ec.public(), HashAlgorithm::Sha256, b"", b"text", &mut dice);
    assert_eq!(refused, Err(CryptoError::WrongKey));
}

/// Import, export, signing and decryption with a published private key.
///
/// Only for providers with private RSA.
pub fn private_key_work(provider: &dyn Provider) {
    let pkcs8 = hex(OAEP_KEY);
    let key = provider.import_key(&pkcs8).expect("a published key");
    assert_eq!(key.public(), &public_key(&pkcs8[OAEP_MODULUS_AT]));
    let exported = key.pkcs8().expect("the key may leave");
    assert_eq!(exported.expose(), pkcs8, "PKCS#8 v1 has one encoding");
    sign_and_verify(provider, &*key);
    decrypt(provider, &*key);

    let ec = generated(provider, Curve::P256, 1);
    let mut dice = Dice::numbered(1);
    assert_eq!(key.agree(ec.public()), Err(CryptoError::WrongKey));
    assert_eq!(key.agree(key.public()), Err(CryptoError::WrongKey));
    assert_eq!(key.sign(SignatureScheme::Ecdsa(Curve::P256), b"", &mut dice), Err(CryptoError::WrongKey));

    let mut version_2 = pkcs8.clone();
    version_2[6] = 1;
    let mut even_modulus = pkcs8.clone();
    even_modulus[OAEP_MODULUS_AT.end - 1] ^= 1;
    let longer = [&pkcs8[..], &[0]].concat();
    for bad in [&version_2, &even_modulus, &longer, &pkcs8[..pkcs8.len() - 1].to_vec()] {
        assert_eq!(provider.import_key(bad).err(), Some(CryptoError::BadInput));
    }
}

fn sign_and_verify(provider: &dyn Provider, key: &dyn PrivateKey) {
    let mut dice = Dice::numbered(1);
    for hash in HASHES {
        let scheme = SignatureScheme::RsaPkcs1(hash);
        let signature = key.sign(scheme, b"message", &mut dice).expect("an RSA key");
        assert_eq!(signature.len(), key.public().rsa_pkcs1().map_or(0, |_| 256));
        assert_eq!(
            key.sign(scheme, b"message", &mut dice).as_ref(),
            Ok(&signature),
            "PKCS#1 v1.5 has no salt"
        );
        assert_eq!(provider.verify(key.public(), scheme, b"message", &signature), Ok(()));
        let refused = provider.verify(key.public(), scheme, b"massage", &signature);
        assert_eq!(refused, Err(CryptoError::NotGenuine));
    }
}

fn decrypt(provider: &dyn Provider, key: &dyn PrivateKey) {
    let refused = Some(CryptoError::NotGenuine);
    let sha256 = HashAlgorithm::Sha256;
    for [label, text, ciphertext] in OAEP_VECTORS.map(|vector| vector.map(hex)) {
        let opened = key.oaep_decrypt(sha256, &label, &ciphertext).expect("the published text");
        assert_eq!(opened.expose(), text);
        assert_eq!(key.oaep_decrypt(sha256, b"another label", &ciphertext).err(), refused);
        assert_eq!(key.oaep_decrypt(HashAlgorithm::Sha512, &label, &ciphertext).err(), refused);
        for changed in with_one_bit_flipped(&ciphertext).step_by(37) {
            assert_eq!(key.oaep_decrypt(sha256, &label, &changed).err(), refused);
        }
        for length in [0, 1, 255] {
            assert_eq!(key.oaep_decrypt(sha256, &label, &ciphertext[..length]).err(), refused);
        }
        let longer = [&[0], &ciphertext[..]].concat();
        assert_eq!(key.oaep_decrypt(sha256, &label, &longer).err(), refused);
    }
    let mut dice = Dice::numbered(2);
    for hash in HASHES {
        for (label, text) in [(&b""[..], &b""[..]), (b"", b"text"), (b"label", b"text"), (&[7; 32], &[8; 32])]
        {
            let sealed = provider.oaep_encrypt(key.public(), hash, label, text, &mut dice);
            let opened = key.oaep_decrypt(hash, label, &sealed.expect("a short text"));
            assert_eq!(opened.expect("what was encrypted").expose(), text);
        }
    }
}

/// A key of each offered size is made and works; other sizes are refused.
///
/// Only for providers with private RSA.
pub fn key_generation(provider: &dyn Provider) {
    let mut dice = Dice::numbered(1);
    let kind = KeyKind::Rsa { modulus_bits: 2048 };
    let key = provider.generate_key(kind, &mut dice).expect("a size that is offered");
    assert_eq!(key.public().kind(), kind);
    sign_and_verify(provider, &*key);
    for modulus_bits in [0, 512, 1024, 2047, 2049, 4097, 8192] {
        let refused = provider.generate_key(KeyKind::Rsa { modulus_bits }, &mut dice).err();
        assert_eq!(refused, Some(CryptoError::Unsupported), "{modulus_bits} bits");
    }
}

/// Making and importing private RSA keys is refused as unsupported, not as malformed.
///
/// Only for providers without private RSA.
pub fn private_keys_are_refused(provider: &dyn Provider) {
    assert_eq!(provider.import_key(&hex(OAEP_KEY)).err(), Some(CryptoError::Unsupported));
    let kind = KeyKind::Rsa { modulus_bits: 2048 };
    assert_eq!(provider.generate_key(kind, &mut Dice::numbered(1)).err(), Some(CryptoError::Unsupported));
    let cut: Vec<u8> = hex(OAEP_KEY)[..100].to_vec();
    assert_eq!(provider.import_key(&cut).err(), Some(CryptoError::BadInput), "broken outside the key");
}
