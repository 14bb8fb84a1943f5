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

const NAMED: [(u8, Alert); 22] = [
    (0, Alert::CloseNotify),
    (10, Alert::UnexpectedMessage),
    (20, Alert::BadRecordMac),
    (22, Alert::RecordOverflow),
    (40, Alert::HandshakeFailure),
    (42, Alert::BadCertificate),
    (43, Alert::UnsupportedCertificate),
    (44, Alert::CertificateRevoked),
    (45, Alert::CertificateExpired),
    (46, Alert::CertificateUnknown),
    (47, Alert::IllegalParameter),
    (48, Alert::UnknownCa),
    (49, Alert::AccessDenied),
    (50, Alert::DecodeError),
    (51, Alert::DecryptError),
    (70, Alert::ProtocolVersion),
    (71, Alert::InsufficientSecurity),
    (80, Alert::InternalError),
    (90, Alert::UserCanceled),
    (100, Alert::NoRenegotiation),
    (110, Alert::UnsupportedExtension),
    (115, Alert::UnknownPskIdentity),
];

impl Alert {
    /// The alert of a number.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        NAMED.iter().find(|(number, _)| *number == code).map_or(Self::Other(code), |(_, alert)| *alert)
    }

    /// Its number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Other(code) => code,
            named => NAMED
                .iter()
                .find(|(_, alert)| *alert == named)
                .map_or(Self::InternalError.code(), |(number, _)| *number),
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
