//! Alerts: what one side tells the other when it ends or refuses something.

/// An alert description, as sent on the wire.
///
/// Numbers this crate has no name for stay visible as [`Alert::Other`].
/// Source: RFC 5246 section 7.2, RFC 4279 section 6, RFC 6066 section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alert {
    /// 0: an orderly end.
    CloseNotify,
    /// 10: a message that has no place here.
    UnexpectedMessage,
    /// 20: records could not be authenticated.
    BadRecordMac,
    /// 22: a record longer than allowed.
    RecordOverflow,
    /// 40: no common parameters.
    HandshakeFailure,
    /// 42: a certificate is corrupt.
    BadCertificate,
    /// 43: a certificate is of a kind that is not supported.
    UnsupportedCertificate,
    /// 44: a certificate was revoked.
    CertificateRevoked,
    /// 45: a certificate is not valid now.
    CertificateExpired,
    /// 46: a certificate or key is not acceptable for another reason.
    CertificateUnknown,
    /// 47: a field is out of range or inconsistent.
    IllegalParameter,
    /// 48: the issuer is not trusted.
    UnknownCa,
    /// 49: the peer is known, but may not come in.
    AccessDenied,
    /// 50: a message could not be decoded.
    DecodeError,
    /// 51: a signature or Finished does not verify.
    DecryptError,
    /// 70: no common protocol version.
    ProtocolVersion,
    /// 71: the parameters are weaker than demanded.
    InsufficientSecurity,
    /// 80: a failure of this side that is not the peer's fault.
    InternalError,
    /// 90: the handshake was cancelled for no protocol reason.
    UserCanceled,
    /// 100: renegotiation is refused (a warning).
    NoRenegotiation,
    /// 110: an extension that was not offered.
    UnsupportedExtension,
    /// 115: the key identity, or the key a hint names, is not known.
    UnknownPskIdentity,
    /// Any other number.
    Other(u8),
}

impl Alert {
    /// The alert of a number.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::CloseNotify,
            10 => Self::UnexpectedMessage,
            20 => Self::BadRecordMac,
            22 => Self::RecordOverflow,
            40 => Self::HandshakeFailure,
            42 => Self::BadCertificate,
            43 => Self::UnsupportedCertificate,
            44 => Self::CertificateRevoked,
            45 => Self::CertificateExpired,
            46 => Self::CertificateUnknown,
            47 => Self::IllegalParameter,
            48 => Self::UnknownCa,
            49 => Self::AccessDenied,
            50 => Self::DecodeError,
            51 => Self::DecryptError,
            70 => Self::ProtocolVersion,
            71 => Self::InsufficientSecurity,
            80 => Self::InternalError,
            90 => Self::UserCanceled,
            100 => Self::NoRenegotiation,
            110 => Self::UnsupportedExtension,
            115 => Self::UnknownPskIdentity,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::CloseNotify => 0,
            Self::UnexpectedMessage => 10,
            Self::BadRecordMac => 20,
            Self::RecordOverflow => 22,
            Self::HandshakeFailure => 40,
            Self::BadCertificate => 42,
            Self::UnsupportedCertificate => 43,
            Self::CertificateRevoked => 44,
            Self::CertificateExpired => 45,
            Self::CertificateUnknown => 46,
            Self::IllegalParameter => 47,
            Self::UnknownCa => 48,
            Self::AccessDenied => 49,
            Self::DecodeError => 50,
            Self::DecryptError => 51,
            Self::ProtocolVersion => 70,
            Self::InsufficientSecurity => 71,
            Self::InternalError => 80,
            Self::UserCanceled => 90,
            Self::NoRenegotiation => 100,
            Self::UnsupportedExtension => 110,
            Self::UnknownPskIdentity => 115,
            Self::Other(code) => code,
        }
    }
}

/// How much an alert weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Warning,
    Fatal,
}

impl Level {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Warning => 1,
            Self::Fatal => 2,
        }
    }
}

/// A rule of the protocol that the peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The alert we answered with.
    pub alert: Alert,
    /// The clause that was broken, as `RFC<number>-<section>` or a ruling's id.
    pub clause: &'static str,
}

impl Violation {
    pub(crate) const fn new(alert: Alert, clause: &'static str) -> Self {
        Self { alert, clause }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The peer sent this alert: [`Alert::CloseNotify`] for an orderly end, else a fatal one.
    ByPeer(Alert),
    /// We sent this alert because a command or an answer asked for it.
    ByUs(Alert),
    /// The peer broke a rule; the alert inside was sent.
    Violated(Violation),
    /// Our own machine could not go on (a provider without the operation, a value of our own that does not
    /// fit its field); [`Alert::InternalError`] was sent.
    Fault,
    /// The peer fell silent during the handshake; nothing was sent.
    TimedOut,
    /// Record numbers of this association are used up; a new handshake is needed.
    Exhausted,
}

impl Closing {
    /// The alert that crossed the wire, if one did.
    #[must_use]
    pub const fn alert(&self) -> Option<Alert> {
        match self {
            Self::ByPeer(alert) | Self::ByUs(alert) => Some(*alert),
            Self::Violated(violation) => Some(violation.alert),
            Self::Fault => Some(Alert::InternalError),
            Self::TimedOut | Self::Exhausted => None,
        }
    }
}

/// Why a step of the handshake cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Violated(Violation),
    Refused(Alert),
    Fault,
    Exhausted,
}

impl Stop {
    pub(crate) const fn rule(alert: Alert, clause: &'static str) -> Self {
        Self::Violated(Violation::new(alert, clause))
    }
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

impl From<wire::Full> for Stop {
    /// Only our own messages are written with a builder, so a full one is our fault.
    fn from(_: wire::Full) -> Self {
        Self::Fault
    }
}

impl From<wire::DecodeError> for Stop {
    fn from(_: wire::DecodeError) -> Self {
        Self::rule(Alert::DecodeError, "RFC5246-7.2.2")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: RFC5246-7.2
    #[test]
    fn every_alert_keeps_its_number() {
        for code in 0..=255 {
            assert_eq!(Alert::from_code(code).code(), code);
        }
        assert_eq!(Alert::from_code(115), Alert::UnknownPskIdentity);
        assert_eq!(Alert::from_code(49), Alert::AccessDenied);
        assert_eq!(Alert::from_code(21), Alert::Other(21), "decryption_failed is not used any more");
    }
}
