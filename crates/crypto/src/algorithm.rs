//! Names and sizes of the algorithms.

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl HashAlgorithm {
    /// Length of a digest in bytes.
    #[must_use]
    pub const fn digest_length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A curve on which keys sign and agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384 (secp384r1).
    P384,
    /// NIST P-521 (secp521r1).
    P521,
}

impl Curve {
    /// Length in bytes of a coordinate, of a scalar, and of each of `r` and `s`.
    #[must_use]
    pub const fn field_length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The hash that signatures by this curve use.
    /// Source: decision G 8 of the aSSURE layouts.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::P256 => HashAlgorithm::Sha256,
            Self::P384 => HashAlgorithm::Sha384,
            Self::P521 => HashAlgorithm::Sha512,
        }
    }
}

/// A group for ephemeral key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// A NIST curve; public values are uncompressed points (`04 || X || Y`).
    Nist(Curve),
    /// X25519; public values are 32 bytes.
    X25519,
}

/// What a key pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// An elliptic-curve key.
    Ec(Curve),
    /// An RSA key with a modulus of so many bits (2048 to 4096), exponent 65537.
    Rsa {
        /// Bits of the modulus.
        modulus_bits: u16,
    },
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureScheme {
    /// ECDSA with the hash of the key's curve; `r || s`, each of the curve's field length.
    Ecdsa(Curve),
    /// RSASSA-PKCS1-v1_5 with the given hash; as long as the modulus.
    RsaPkcs1(HashAlgorithm),
}

/// Authenticated encryption with associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aead {
    /// AES-128-CCM with a 12-byte nonce and an 8-byte tag (RFC 6655).
    Aes128Ccm8,
    /// AES-128-CCM with a 13-byte nonce and a 16-byte tag (A-ASSURE-95).
    Aes128Ccm,
    /// AES-192-CCM, else as above.
    Aes192Ccm,
    /// AES-256-CCM, else as above.
    Aes256Ccm,
    /// AES-128-GCM with a 12-byte nonce and a 16-byte tag.
    Aes128Gcm,
    /// AES-192-GCM, else as above.
    Aes192Gcm,
    /// AES-256-GCM, else as above.
    Aes256Gcm,
}

impl Aead {
    /// Length of the key in bytes.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::Aes128Ccm8 | Self::Aes128Ccm | Self::Aes128Gcm => 16,
            Self::Aes192Ccm | Self::Aes192Gcm => 24,
            Self::Aes256Ccm | Self::Aes256Gcm => 32,
        }
    }

    /// Length of the nonce in bytes.
    #[must_use]
    pub const fn nonce_length(self) -> usize {
        match self {
            Self::Aes128Ccm | Self::Aes192Ccm | Self::Aes256Ccm => 13,
            Self::Aes128Ccm8 | Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 12,
        }
    }

    /// Length of the tag in bytes.
    #[must_use]
    pub const fn tag_length(self) -> usize {
        match self {
            Self::Aes128Ccm8 => 8,
            Self::Aes128Ccm
            | Self::Aes192Ccm
            | Self::Aes256Ccm
            | Self::Aes128Gcm
            | Self::Aes192Gcm
            | Self::Aes256Gcm => 16,
        }
    }
}
