//! ServerKeyExchange and ClientKeyExchange of all four key agreements.
//!
//! | agreement | server | client |
//! |---|---|---|
//! | PSK | hint (absent message: no hint) | identity |
//! | ECDHE_PSK | hint, group, point | identity, point |
//! | ECDHE_ECDSA, ECDHE_RSA | group, point, scheme, signature | point |
//!
//! Source: RFC 4279 section 2, RFC 5489 section 2, RFC 8422 section 5.4 and 5.7.

use alloc::vec::Vec;

use wire::{Builder, Cursor};

use crate::alert::{Alert, Stop};
use crate::codec::MESSAGE_LIMIT;
use crate::{HINT_LENGTH_MAX, IDENTITY_LENGTH_MAX, KeyAgreement};

const NAMED_CURVE: u8 = 3;

/// An ephemeral public value and its group's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) group: u16,
    pub(crate) point: Vec<u8>,
}

/// A signature and its scheme's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) scheme: u16,
    pub(crate) signature: Vec<u8>,
}

impl Signed {
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, wire::DecodeError> {
        Ok(Self { scheme: cursor.u16()?, signature: cursor.vec16()?.to_vec() })
    }

    pub(crate) fn encode(&self, out: &mut Builder) -> Result<(), wire::Full> {
        out.u16(self.scheme)?.vec16(&self.signature).map(drop)
    }
}

/// What the server contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange {
    pub(crate) hint: Option<Vec<u8>>,
    pub(crate) share: Option<Share>,
    pub(crate) signed: Option<Signed>,
}

impl ServerKeyExchange {
    /// # Errors
    /// When it is malformed, a hint is over its limit or a curve is not a named one.
    pub(crate) fn decode(body: &[u8], agreement: KeyAgreement) -> Result<Self, Stop> {
        let mut cursor = Cursor::new(body);
        let mut out = Self::default();
        if agreement.uses_psk() {
            let hint = cursor.vec16()?;
            if hint.len() > HINT_LENGTH_MAX {
                return Err(Stop::rule(Alert::IllegalParameter, "RFC4279-5.2"));
            }
            out.hint = Some(hint.to_vec());
        }
        if agreement.uses_group() {
            if cursor.u8()? != NAMED_CURVE {
                return Err(Stop::rule(Alert::HandshakeFailure, "RFC8422-5.4"));
            }
            out.share = Some(Share { group: cursor.u16()?, point: cursor.vec8()?.to_vec() });
        }
        if !agreement.uses_psk() {
            out.signed = Some(Signed::decode(&mut cursor)?);
        }
        cursor.finish()?;
        Ok(out)
    }

    /// # Errors
    /// When a part does not fit its field.
    pub(crate) fn encode(&self, agreement: KeyAgreement) -> Result<Vec<u8>, Stop> {
        let mut out = Builder::with_limit(MESSAGE_LIMIT);
        if agreement.uses_psk() {
            out.vec16(self.hint.as_deref().unwrap_or_default())?;
        }
        if let Some(share) = &self.share {
            out.put(&share_params(share)?)?;
        }
        if let Some(signed) = &self.signed {
            signed.encode(&mut out)?;
        }
        Ok(out.finish())
    }
}

/// The part of an exchange that is signed, after both randoms.
///
/// # Errors
/// When the point does not fit its field.
pub(crate) fn share_params(share: &Share) -> Result<Vec<u8>, Stop> {
    let mut out = Builder::with_limit(MESSAGE_LIMIT);
    out.u8(NAMED_CURVE)?.u16(share.group)?.vec8(&share.point)?;
    Ok(out.finish())
}

/// What the client contributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientKeyExchange {
    pub(crate) identity: Option<Vec<u8>>,
    pub(crate) point: Option<Vec<u8>>,
}

impl ClientKeyExchange {
    /// # Errors
    /// When it is malformed or an identity is over its limit.
    pub(crate) fn decode(body: &[u8], agreement: KeyAgreement) -> Result<Self, Stop> {
        let mut cursor = Cursor::new(body);
        let mut out = Self::default();
        if agreement.uses_psk() {
            let identity = cursor.vec16()?;
            if identity.len() > IDENTITY_LENGTH_MAX {
                return Err(Stop::rule(Alert::IllegalParameter, "RFC4279-5.3"));
            }
            out.identity = Some(identity.to_vec());
        }
        if agreement.uses_group() {
            out.point = Some(cursor.vec8()?.to_vec());
        }
        cursor.finish()?;
        Ok(out)
    }

    /// # Errors
    /// When a part does not fit its field.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Stop> {
        let mut out = Builder::with_limit(MESSAGE_LIMIT);
        if let Some(identity) = &self.identity {
            out.vec16(identity)?;
        }
        if let Some(point) = &self.point {
            out.vec8(point)?;
        }
        Ok(out.finish())
    }
}
