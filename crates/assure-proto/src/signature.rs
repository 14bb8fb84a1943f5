//! Signatures: a small CBOR array at the end of the array that it covers.

use alloc::vec::Vec;

use crypto::{Curve, HashAlgorithm, KeyKind, Provider, PublicKey, Secret, SignatureScheme};
use model::KeyId;
use wire::{DecodeError, Reason};

use crate::cbor::Reader;
use crate::time::SimpleTime;

/// Content type of a signature.
/// Source: aSSURE table 7.5.
pub(crate) const SIGNATURE_CONTENT: u8 = 4;
/// What stands for each final value while signing and verifying: an empty byte string.
pub(crate) const EMPTY_VALUE: u8 = 0x40;

/// The format of a signature.
///
/// ECDSA formats are tied to their curve; RSA and HMAC formats are free, writers use SHA-256.
/// Source: aSSURE table 7.9 with decision G 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureFormat {
    /// 0 to 2: ECDSA on P-256, P-384, P-521 with SHA-256, SHA-384, SHA-512.
    Ecdsa(Curve),
    /// 8 to 10: RSASSA-PKCS1-v1_5.
    Rsa(HashAlgorithm),
    /// 16 to 18: HMAC, never truncated.
    Hmac(HashAlgorithm),
}

impl SignatureFormat {
    /// All formats, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Ecdsa(Curve::P256),
        Self::Ecdsa(Curve::P384),
        Self::Ecdsa(Curve::P521),
        Self::Rsa(HashAlgorithm::Sha256),
        Self::Rsa(HashAlgorithm::Sha384),
        Self::Rsa(HashAlgorithm::Sha512),
        Self::Hmac(HashAlgorithm::Sha256),
        Self::Hmac(HashAlgorithm::Sha384),
        Self::Hmac(HashAlgorithm::Sha512),
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        const fn of_hash(hash: HashAlgorithm) -> u8 {
            match hash {
                HashAlgorithm::Sha256 => 0,
                HashAlgorithm::Sha384 => 1,
                HashAlgorithm::Sha512 => 2,
            }
        }
        match self {
            Self::Ecdsa(curve) => of_hash(curve.hash()),
            Self::Rsa(hash) => 8 + of_hash(hash),
            Self::Hmac(hash) => 16 + of_hash(hash),
        }
    }

    /// The format with this number, when there is one; all others are reserved and refused.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.number() == number)
    }

    /// Final values: `r` and `s`, or one.
    pub(crate) const fn value_count(self) -> usize {
        match self {
            Self::Ecdsa(_) => 2,
            Self::Rsa(_) | Self::Hmac(_) => 1,
        }
    }

    fn value_length_is_right(self, length: usize) -> bool {
        match self {
            Self::Ecdsa(curve) => (1..=curve.field_length()).contains(&length),
            Self::Rsa(_) => (256..=512).contains(&length),
            Self::Hmac(hash) => length == hash.digest_length(),
        }
    }
}

/// From when to when a signature holds; zero means no limit on that side.
///
/// Source: aSSURE 7.3 with decision G 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Time of signing. Authority and management systems always write it.
    pub created_at: SimpleTime,
    /// Last second at which the signature holds.
    pub valid_until: SimpleTime,
}

impl Validity {
    /// No limit on either side: what a device without a clock writes on keys it made.
    pub const UNLIMITED: Self =
        Self { created_at: SimpleTime { secs: 0 }, valid_until: SimpleTime { secs: 0 } };

    /// From `created_at` on, without end.
    #[must_use]
    pub const fn since(created_at: SimpleTime) -> Self {
        Self { created_at, valid_until: SimpleTime { secs: 0 } }
    }

    /// What is wrong at `now`, if anything.
    pub(crate) fn at(self, now: SimpleTime) -> Result<(), TimeRefusal> {
        if self.created_at.secs != 0 && now < self.created_at {
            return Err(TimeRefusal::NotYetValid);
        }
        if self.valid_until.secs != 0 && now > self.valid_until {
            return Err(TimeRefusal::Expired);
        }
        Ok(())
    }
}

/// A time outside a signature's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRefusal {
    /// Before `created_at`.
    NotYetValid,
    /// After `valid_until`.
    Expired,
}

/// The final values of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureValue {
    /// ECDSA, unsigned big-endian, at most as long as the curve's field; writers use exactly that length.
    Ecdsa {
        /// The value r.
        r: Vec<u8>,
        /// The value s.
        s: Vec<u8>,
    },
    /// RSA, as long as the modulus.
    Rsa(Vec<u8>),
    /// HMAC, as long as the hash.
    Hmac(Vec<u8>),
}

/// A signature: `[4, format, created_at, valid_until, key id, r, s]` or with one final value.
///
/// Source: aSSURE 7.3; layouts 2.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The format.
    pub format: SignatureFormat,
    /// From when to when it holds.
    pub validity: Validity,
    /// The key that signed.
    pub key_id: KeyId,
    /// The final values.
    pub value: SignatureValue,
}

/// What verifies a signature.
#[derive(Clone, Copy, Debug)]
pub enum VerifyingKey<'a> {
    /// An EC or RSA key.
    Public(&'a PublicKey),
    /// A shared secret.
    Secret(&'a Secret),
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// The format is not one for this kind or curve of key.
    FormatMismatch,
    /// It is not this key's signature over these bytes.
    NotGenuine,
}

/// A signature as it stands in received bytes.
pub(crate) struct Placed {
    pub(crate) signature: Signature,
    /// Offset of the first final value in the slice of the reader.
    pub(crate) values_at: usize,
}

impl Signature {
    /// Reads a signature that ends an enclosing array.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Placed, DecodeError> {
        let start = reader.position();
        let count = reader.array()?;
        reader.constant(SIGNATURE_CONTENT.into())?;
        let format_at = reader.position();
        let format = SignatureFormat::from_number(reader.u8()?);
        let format = format.ok_or(DecodeError::new(format_at, Reason::OutOfRange))?;
        if count != 5 + format.value_count() {
            return Err(DecodeError::new(start, Reason::OutOfRange));
        }
        let created_at = SimpleTime { secs: reader.u32()? };
        let valid_until = SimpleTime { secs: reader.u32()? };
        let key_id = KeyId(reader.bytes_of()?);
        let values_at = reader.position();
        let mut value = || {
            let at = reader.position();
            let value = reader.bytes()?;
            let fits = format.value_length_is_right(value.len());
            if fits { Ok(value.to_vec()) } else { Err(DecodeError::new(at, Reason::OutOfRange)) }
        };
        let value = match format {
            SignatureFormat::Ecdsa(_) => SignatureValue::Ecdsa { r: value()?, s: value()? },
            SignatureFormat::Rsa(_) => SignatureValue::Rsa(value()?),
            SignatureFormat::Hmac(_) => SignatureValue::Hmac(value()?),
        };
        let validity = Validity { created_at, valid_until };
        Ok(Placed { signature: Self { format, validity, key_id, value }, values_at })
    }

    /// Checks the signature over `to_be_signed`: the received array, each final value of this signature emptied.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(
        &self,
        provider: &dyn Provider,
        key: VerifyingKey<'_>,
        to_be_signed: &[u8],
    ) -> Result<(), SignatureError> {
        match (self.format, &self.value, key) {
            (SignatureFormat::Ecdsa(curve), SignatureValue::Ecdsa { r, s }, VerifyingKey::Public(key))
                if key.kind() == KeyKind::Ec(curve) =>
            {
                let width = curve.field_length();
                let fixed = [padded(r, width), padded(s, width)].concat();
                let scheme = SignatureScheme::Ecdsa(curve);
                provider.verify(key, scheme, to_be_signed, &fixed).map_err(|_| SignatureError::NotGenuine)
            }
            (SignatureFormat::Rsa(hash), SignatureValue::Rsa(value), VerifyingKey::Public(key))
                if matches!(key.kind(), KeyKind::Rsa { .. }) =>
            {
                let scheme = SignatureScheme::RsaPkcs1(hash);
                provider.verify(key, scheme, to_be_signed, value).map_err(|_| SignatureError::NotGenuine)
            }
            (SignatureFormat::Hmac(hash), SignatureValue::Hmac(value), VerifyingKey::Secret(secret)) => {
                let mac = provider.hmac(hash, secret.expose(), &[to_be_signed]);
                // comparing as secrets takes the same time wherever the bytes differ
                let equal = Secret::from(mac.as_ref()) == Secret::from(value.as_slice());
                if equal { Ok(()) } else { Err(SignatureError::NotGenuine) }
            }
            _ => Err(SignatureError::FormatMismatch),
        }
    }
}

fn padded(number: &[u8], width: usize) -> Vec<u8> {
    let mut out = alloc::vec![0; width - number.len()];
    out.extend_from_slice(number);
    out
}

/// The bytes a signature covers: the received array, each final value of its own signature emptied.
///
/// `array` is the whole enclosing array, `values_at` the offset of the first final value in it.
/// Source: rulings A-ASSURE-18, A-ASSURE-19.
pub(crate) fn covered(array: &[u8], values_at: usize, format: SignatureFormat) -> Vec<u8> {
    let mut out = Vec::with_capacity(values_at + 2);
    out.extend_from_slice(&array[..values_at]);
    out.resize(values_at + format.value_count(), EMPTY_VALUE);
    out
}
