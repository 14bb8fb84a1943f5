//! The cipher suites, and the numbers of groups and signature schemes.

use alloc::vec::Vec;

use crypto::{Aead, Curve, Group, HashAlgorithm, KeyKind, SignatureScheme};

/// A cipher suite. What is not listed does not exist here: no CBC, no SHA-1, no RSA key transport.
///
/// Source: RFC 6655, RFC 5487, RFC 7251, RFC 5289, RFC 8442; rulings A-ASSURE-55 and D-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CipherSuite {
    /// C0A8 TLS_PSK_WITH_AES_128_CCM_8.
    PskAes128Ccm8,
    /// 00A8 TLS_PSK_WITH_AES_128_GCM_SHA256.
    PskAes128GcmSha256,
    /// 00A9 TLS_PSK_WITH_AES_256_GCM_SHA384.
    PskAes256GcmSha384,
    /// D003 TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256.
    EcdhePskAes128Ccm8Sha256,
    /// D001 TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256.
    EcdhePskAes128GcmSha256,
    /// C0AE TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8.
    EcdheEcdsaAes128Ccm8,
    /// C02B TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256.
    EcdheEcdsaAes128GcmSha256,
    /// C02C TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384.
    EcdheEcdsaAes256GcmSha384,
    /// C02F TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.
    EcdheRsaAes128GcmSha256,
    /// C030 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384.
    EcdheRsaAes256GcmSha384,
}

/// How the parties of a suite agree on a secret and prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAgreement {
    /// A shared secret alone.
    Psk,
    /// A shared secret and an ephemeral exchange.
    EcdhePsk,
    /// An ephemeral exchange signed by an EC key.
    EcdheEcdsa,
    /// An ephemeral exchange signed by an RSA key.
    EcdheRsa,
}

impl KeyAgreement {
    /// Whether a shared secret authenticates both sides.
    #[must_use]
    pub const fn uses_psk(self) -> bool {
        matches!(self, Self::Psk | Self::EcdhePsk)
    }

    /// Whether an ephemeral exchange takes place.
    #[must_use]
    pub const fn uses_group(self) -> bool {
        !matches!(self, Self::Psk)
    }
}

const NUMBERS: [(u16, CipherSuite); 10] = [
    (0xC0A8, CipherSuite::PskAes128Ccm8),
    (0x00A8, CipherSuite::PskAes128GcmSha256),
    (0x00A9, CipherSuite::PskAes256GcmSha384),
    (0xD003, CipherSuite::EcdhePskAes128Ccm8Sha256),
    (0xD001, CipherSuite::EcdhePskAes128GcmSha256),
    (0xC0AE, CipherSuite::EcdheEcdsaAes128Ccm8),
    (0xC02B, CipherSuite::EcdheEcdsaAes128GcmSha256),
    (0xC02C, CipherSuite::EcdheEcdsaAes256GcmSha384),
    (0xC02F, CipherSuite::EcdheRsaAes128GcmSha256),
    (0xC030, CipherSuite::EcdheRsaAes256GcmSha384),
];

impl CipherSuite {
    /// All suites, those a small device affords first.
    pub const ALL: [Self; 10] = [
        Self::PskAes128Ccm8,
        Self::PskAes128GcmSha256,
        Self::PskAes256GcmSha384,
        Self::EcdhePskAes128Ccm8Sha256,
        Self::EcdhePskAes128GcmSha256,
        Self::EcdheEcdsaAes128Ccm8,
        Self::EcdheEcdsaAes128GcmSha256,
        Self::EcdheEcdsaAes256GcmSha384,
        Self::EcdheRsaAes128GcmSha256,
        Self::EcdheRsaAes256GcmSha384,
    ];

    /// The suites that need nothing but a shared secret.
    pub const PSK: [Self; 3] = [Self::PskAes128Ccm8, Self::PskAes128GcmSha256, Self::PskAes256GcmSha384];

    /// The suite of a number, if it is one of ours.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        NUMBERS.iter().find(|(number, _)| *number == code).map(|(_, suite)| *suite)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xC0A8,
            Self::PskAes128GcmSha256 => 0x00A8,
            Self::PskAes256GcmSha384 => 0x00A9,
            Self::EcdhePskAes128Ccm8Sha256 => 0xD003,
            Self::EcdhePskAes128GcmSha256 => 0xD001,
            Self::EcdheEcdsaAes128Ccm8 => 0xC0AE,
            Self::EcdheEcdsaAes128GcmSha256 => 0xC02B,
            Self::EcdheEcdsaAes256GcmSha384 => 0xC02C,
            Self::EcdheRsaAes128GcmSha256 => 0xC02F,
            Self::EcdheRsaAes256GcmSha384 => 0xC030,
        }
    }

    /// How keys are agreed on.
    #[must_use]
    pub const fn key_agreement(self) -> KeyAgreement {
        match self {
            Self::PskAes128Ccm8 | Self::PskAes128GcmSha256 | Self::PskAes256GcmSha384 => KeyAgreement::Psk,
            Self::EcdhePskAes128Ccm8Sha256 | Self::EcdhePskAes128GcmSha256 => KeyAgreement::EcdhePsk,
            Self::EcdheEcdsaAes128Ccm8
            | Self::EcdheEcdsaAes128GcmSha256
            | Self::EcdheEcdsaAes256GcmSha384 => KeyAgreement::EcdheEcdsa,
            Self::EcdheRsaAes128GcmSha256 | Self::EcdheRsaAes256GcmSha384 => KeyAgreement::EcdheRsa,
        }
    }

    /// What protects the records.
    #[must_use]
    pub const fn aead(self) -> Aead {
        match self {
            Self::PskAes128Ccm8 | Self::EcdhePskAes128Ccm8Sha256 | Self::EcdheEcdsaAes128Ccm8 => {
                Aead::Aes128Ccm8
            }
            Self::PskAes128GcmSha256
            | Self::EcdhePskAes128GcmSha256
            | Self::EcdheEcdsaAes128GcmSha256
            | Self::EcdheRsaAes128GcmSha256 => Aead::Aes128Gcm,
            Self::PskAes256GcmSha384 | Self::EcdheEcdsaAes256GcmSha384 | Self::EcdheRsaAes256GcmSha384 => {
                Aead::Aes256Gcm
            }
        }
    }

    /// The hash of key derivation and transcript.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self.aead() {
            Aead::Aes256Gcm => HashAlgorithm::Sha384,
            _ => HashAlgorithm::Sha256,
        }
    }
}

/// Number of a group. Source: RFC 8422 section 5.1.1.
pub(crate) const fn group_code(group: Group) -> u16 {
    match group {
        Group::Nist(Curve::P256) => 23,
        Group::Nist(Curve::P384) => 24,
        Group::Nist(Curve::P521) => 25,
        Group::X25519 => 29,
    }
}

pub(crate) const fn group_from_code(code: u16) -> Option<Group> {
    match code {
        23 => Some(Group::Nist(Curve::P256)),
        24 => Some(Group::Nist(Curve::P384)),
        25 => Some(Group::Nist(Curve::P521)),
        29 => Some(Group::X25519),
        _ => None,
    }
}

/// Number of a signature scheme. Source: RFC 5246 section 7.4.1.4.1.
pub(crate) const fn scheme_code(scheme: SignatureScheme) -> u16 {
    match scheme {
        SignatureScheme::Ecdsa(Curve::P256) => 0x0403,
        SignatureScheme::Ecdsa(Curve::P384) => 0x0503,
        SignatureScheme::Ecdsa(Curve::P521) => 0x0603,
        SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256) => 0x0401,
        SignatureScheme::RsaPkcs1(HashAlgorithm::Sha384) => 0x0501,
        SignatureScheme::RsaPkcs1(HashAlgorithm::Sha512) => 0x0601,
    }
}

/// The schemes we ask for: those of the curves in `groups`, and RSA.
///
/// A peer may sign with any scheme that is listed, also with the hash of another curve than its key's,
/// which no provider here verifies. Who expects keys of one curve lists that curve alone (ADR 0041).
pub(crate) fn schemes_of(groups: &[Group]) -> Vec<u16> {
    let wanted = |scheme: &SignatureScheme| match scheme {
        SignatureScheme::Ecdsa(curve) => groups.contains(&Group::Nist(*curve)),
        SignatureScheme::RsaPkcs1(_) => true,
    };
    SCHEMES.into_iter().filter(wanted).map(scheme_code).collect()
}

/// The schemes we can verify, cheapest first.
pub(crate) const SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::Ecdsa(Curve::P256),
    SignatureScheme::Ecdsa(Curve::P384),
    SignatureScheme::Ecdsa(Curve::P521),
    SignatureScheme::RsaPkcs1(HashAlgorithm::Sha256),
    SignatureScheme::RsaPkcs1(HashAlgorithm::Sha384),
    SignatureScheme::RsaPkcs1(HashAlgorithm::Sha512),
];

/// The scheme a key of `kind` signs with when the verifier lists `offered`.
pub(crate) fn scheme_for(kind: KeyKind, offered: &[u16]) -> Option<SignatureScheme> {
    SCHEMES.into_iter().find(|scheme| scheme_fits(*scheme, kind) && offered.contains(&scheme_code(*scheme)))
}

/// Whether a key of `kind` makes signatures of `scheme`.
pub(crate) fn scheme_fits(scheme: SignatureScheme, kind: KeyKind) -> bool {
    match (scheme, kind) {
        (SignatureScheme::Ecdsa(curve), KeyKind::Ec(of_key)) => curve == of_key,
        (SignatureScheme::RsaPkcs1(_), KeyKind::Rsa { .. }) => true,
        (SignatureScheme::Ecdsa(_), KeyKind::Rsa { .. }) | (SignatureScheme::RsaPkcs1(_), KeyKind::Ec(_)) => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_keeps_its_number() {
        for suite in CipherSuite::ALL {
            assert_eq!(CipherSuite::from_code(suite.code()), Some(suite));
        }
        for refused in [0x008C, 0xC0A4, 0x002F, 0xC023, 0xCCAB, 0x0000, 0x00FF] {
            assert_eq!(CipherSuite::from_code(refused), None, "{refused:04x}");
        }
    }

    #[test]
    fn a_key_signs_only_with_the_hash_of_its_curve() {
        assert_eq!(
            scheme_for(KeyKind::Ec(Curve::P384), &[0x0403, 0x0503]),
            Some(SignatureScheme::Ecdsa(Curve::P384))
        );
        assert_eq!(scheme_for(KeyKind::Ec(Curve::P521), &[0x0403, 0x0503]), None);
        assert_eq!(scheme_for(KeyKind::Rsa { modulus_bits: 2048 }, &[0x0201, 0x0403]), None, "no SHA-1");
    }
}
