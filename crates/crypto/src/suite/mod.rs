//! The tests every provider passes: published vectors, and how an operation refuses.
//!
//! A provider's test crate calls [`provider_suite!`](crate::provider_suite) once. What only one of them does
//! (private RSA work, deterministic signatures) it calls by name. All functions panic on the first failure.

pub mod aead;
pub mod cbc;
mod curves;
pub mod ec;
pub mod exchange;
pub mod hash;
pub mod keys;
pub mod pake;
pub mod rsa;
pub mod wrap;

use alloc::vec::Vec;

/// The bytes of hexadecimal digits; white space between them is skipped.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let values: Vec<u8> = digits
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
        .collect::<Option<_>>()
        .expect("the suite's vectors are hexadecimal");
    let (pairs, rest) = values.as_chunks::<2>();
    assert!(rest.is_empty(), "the suite's vectors are whole bytes");
    pairs.iter().map(|[high, low]| high << 4 | low).collect()
}

/// One DER element of up to 65535 bytes.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let [high, low] = u16::try_from(body.len()).expect("the suite's elements are short").to_be_bytes();
    match body.len() {
        0..0x80 => [&[tag, low], &body[..]].concat(),
        0x80..0x100 => [&[tag, 0x81, low], &body[..]].concat(),
        _ => [&[tag, 0x82, high, low], &body[..]].concat(),
    }
}

/// Every copy of `bytes` with one bit changed.
pub(crate) fn with_one_bit_flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut copy = bytes.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    })
}

/// Writes one `#[test]` for each part of the suite, against the provider that `$provider` evaluates to.
#[macro_export]
macro_rules! provider_suite {
    ($provider:expr) => {
        #[test]
        fn sha2_gives_the_published_digests() {
            $crate::suite::hash::sha2_vectors(&$provider);
        }

        #[test]
        fn hmac_gives_the_published_tags() {
            $crate::suite::hash::hmac_vectors(&$provider);
        }

        // verifies: RFC5246-5
        #[test]
        fn tls12_prf_gives_the_published_output() {
            $crate::suite::hash::tls12_prf_vectors(&$provider);
        }

        #[test]
        fn pbkdf2_gives_the_published_keys() {
            $crate::suite::hash::pbkdf2_vectors(&$provider);
        }

        #[test]
        fn x963_kdf_gives_the_published_keys() {
            $crate::suite::hash::x963_kdf_vectors(&$provider);
        }

        // verifies: ASSURE-7.8-00
        #[test]
        fn aes_128_cbc_gives_the_published_texts() {
            $crate::suite::cbc::vectors(&$provider, 16);
        }

        // verifies: ASSURE-7.8-01
        #[test]
        fn aes_192_cbc_gives_the_published_texts() {
            $crate::suite::cbc::vectors(&$provider, 24);
        }

        // verifies: ASSURE-7.8-02
        #[test]
        fn aes_256_cbc_gives_the_published_texts() {
            $crate::suite::cbc::vectors(&$provider, 32);
        }

        #[test]
        fn cbc_pads_every_length() {
            $crate::suite::cbc::padding(&$provider);
        }

        #[test]
        fn malformed_cbc_is_refused() {
            $crate::suite::cbc::refusals(&$provider);
        }

        // verifies: ASSURE-7.8-03
        #[test]
        fn aes_128_ccm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes128Ccm);
        }

        // verifies: ASSURE-7.8-04
        #[test]
        fn aes_192_ccm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes192Ccm);
        }

        // verifies: ASSURE-7.8-05
        #[test]
        fn aes_256_ccm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes256Ccm);
        }

        // verifies: RFC6655-3
        #[test]
        fn aes_128_ccm_8_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes128Ccm8);
        }

        // verifies: ASSURE-7.8-06
        #[test]
        fn aes_128_gcm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes128Gcm);
        }

        // verifies: ASSURE-7.8-07
        #[test]
        fn aes_192_gcm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes192Gcm);
        }

        // verifies: ASSURE-7.8-08
        #[test]
        fn aes_256_gcm_gives_the_published_texts_and_refuses_changes() {
            $crate::suite::aead::published_and_changed(&$provider, $crate::Aead::Aes256Gcm);
        }

        #[test]
        fn wrong_lengths_of_aead_keys_and_nonces_are_refused() {
            $crate::suite::aead::wrong_lengths(&$provider);
        }

        #[test]
        fn ccm_refuses_texts_that_its_counter_cannot_hold() {
            $crate::suite::aead::ccm_length_limit(&$provider);
        }

        // verifies: RFC3394-4
        #[test]
        fn key_wrap_gives_the_published_keys() {
            $crate::suite::wrap::vectors(&$provider);
        }

        #[test]
        fn changed_or_malformed_wrapped_keys_are_refused() {
            $crate::suite::wrap::refusals(&$provider);
        }

        // verifies: ASSURE-7.9-00
        #[test]
        fn ecdsa_with_sha256_verifies_the_published_signature_only() {
            $crate::suite::ec::published_signature(&$provider, $crate::Curve::P256);
        }

        // verifies: ASSURE-7.9-01
        #[test]
        fn ecdsa_with_sha384_verifies_the_published_signature_only() {
            $crate::suite::ec::published_signature(&$provider, $crate::Curve::P384);
        }

        // verifies: ASSURE-7.9-02
        #[test]
        fn ecdsa_with_sha512_verifies_the_published_signature_only() {
            $crate::suite::ec::published_signature(&$provider, $crate::Curve::P521);
        }

        #[test]
        fn own_ecdsa_signatures_verify() {
            $crate::suite::ec::sign_and_verify(&$provider);
        }

        #[test]
        fn signature_numbers_out_of_range_are_refused() {
            $crate::suite::ec::signatures_out_of_range(&$provider);
        }

        // verifies: RFC5903-8.1, RFC5903-8.2, RFC5903-8.3
        #[test]
        fn ecdh_gives_the_published_secrets() {
            $crate::suite::ec::agreement_vectors(&$provider);
        }

        #[test]
        fn operations_with_a_key_of_another_kind_are_refused() {
            $crate::suite::ec::wrong_key(&$provider);
        }

        #[test]
        fn points_off_the_curve_are_refused_everywhere() {
            $crate::suite::ec::off_the_curve(&$provider);
        }

        #[test]
        fn exported_keys_come_back_the_same() {
            $crate::suite::keys::round_trip(&$provider);
        }

        #[test]
        fn keys_come_from_the_dice() {
            $crate::suite::keys::drawn_from_dice(&$provider);
        }

        #[test]
        fn private_keys_are_read_with_and_without_their_public_half() {
            $crate::suite::keys::accepted_forms(&$provider);
        }

        #[test]
        fn other_forms_of_private_keys_are_refused() {
            $crate::suite::keys::refused_forms(&$provider);
        }

        #[test]
        fn both_sides_of_an_exchange_find_one_secret() {
            $crate::suite::exchange::both_sides_agree(&$provider);
        }

        #[test]
        fn an_exchange_refuses_what_is_no_public_value() {
            $crate::suite::exchange::refusals(&$provider);
        }

        // verifies: RFC7748-6.1
        #[test]
        fn x25519_refuses_points_of_small_order() {
            $crate::suite::exchange::small_order(&$provider);
        }

        // verifies: RFC9383-C
        #[test]
        fn spake2plus_gives_the_published_shares_and_secrets() {
            $crate::suite::pake::vectors(&$provider);
        }

        #[test]
        fn stretched_passwords_are_taken_modulo_the_order() {
            $crate::suite::pake::passwords(&$provider);
        }

        #[test]
        fn spake2plus_refuses_what_is_out_of_range_and_infinity() {
            $crate::suite::pake::refusals(&$provider);
        }

        // verifies: RFC7914-12
        #[test]
        fn scrypt_gives_the_published_keys() {
            $crate::suite::pake::scrypt_vectors(&$provider);
        }

        #[test]
        fn rsa_verifies_the_published_signatures_only() {
            $crate::suite::rsa::published_signatures(&$provider);
        }

        #[test]
        fn oaep_encryption_refuses_what_it_cannot_take() {
            $crate::suite::rsa::encryption_refusals(&$provider);
        }
    };
}
