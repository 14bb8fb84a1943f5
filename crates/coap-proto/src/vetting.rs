//! Whether the options of a message may be acted upon.

use crate::{OptionNumber, Options};

/// What stands against acting on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// A critical option that is unknown, out of range, not UTF-8, or there too often.
    Option(OptionNumber),
    /// The request is meant for a proxy.
    Proxy,
}

/// Checks every critical option. An elective option that is out of range is left in place; reading it as a
/// number gives nothing.
///
/// A request for a proxy is told apart even when its options are out of range, since 5.05 says more.
/// Source: RFC 7252 section 5.4.1, 5.4.3, 5.4.5, 5.7.2.
pub(crate) fn vet(options: Options<'_>, also_known: &[OptionNumber]) -> Result<(), Objection> {
    let mut previous = None;
    let mut objection = Ok(());
    for (number, value) in options.iter() {
        if number == OptionNumber::PROXY_URI || number == OptionNumber::PROXY_SCHEME {
            return Err(Objection::Proxy);
        }
        let known = number.is_known() || also_known.contains(&number);
        let sound = known
            && number.allows_length(value.len())
            && (number.may_repeat() || previous != Some(number))
            && (!number.is_text() || core::str::from_utf8(value).is_ok());
        if number.is_critical() && !sound && objection.is_ok() {
            objection = Err(Objection::Option(number));
        }
        previous = Some(number);
    }
    objection
}
