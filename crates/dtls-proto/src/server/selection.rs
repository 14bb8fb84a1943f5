//! Which suite, group and key a server uses with a client. The server's order wins.
//!
//! Source: RFC 5246 section 7.4.1.4.1, RFC 8422 section 5.1, RFC 7250 section 4.2.

use crypto::{Curve, Group, KeyKind};

use crate::codec::client_hello::ClientHello;
use crate::suite::{group_code, scheme_for};
use crate::{
    CertificateType, CipherSuite, ClientAuthentication, Credential, HelloChoice, HelloOffer, KeyAgreement,
};

/// What was picked.
pub(crate) struct Selection {
    pub(crate) suite: CipherSuite,
    pub(crate) group: Option<Group>,
    pub(crate) credential: Option<Credential>,
    /// The form in which the client must show its key, when it must.
    pub(crate) client_form: Option<CertificateType>,
}

/// The first suite of the choice for which everything needed is there.
pub(crate) fn select(hello: &ClientHello, offer: &HelloOffer, choice: &HelloChoice) -> Option<Selection> {
    let group = choice.groups.iter().copied().find(|group| knows_group(hello, *group));
    choice
        .suites
        .iter()
        .filter(|suite| offer.suites.contains(suite))
        .find_map(|suite| with_suite(*suite, group, hello, offer, choice))
}

fn with_suite(
    suite: CipherSuite,
    group: Option<Group>,
    hello: &ClientHello,
    offer: &HelloOffer,
    choice: &HelloChoice,
) -> Option<Selection> {
    let agreement = suite.key_agreement();
    let group = if agreement.uses_group() { Some(group?) } else { None };
    if agreement.uses_psk() {
        return Some(Selection { suite, group, credential: None, client_form: None });
    }
    let credential = choice.credentials.iter().find(|own| fits(own, agreement, hello, offer))?.clone();
    let client_form = match &choice.client_authentication {
        ClientAuthentication::None => None,
        ClientAuthentication::Required(forms) => {
            Some(*forms.iter().find(|form| offer.client_certificate_types.contains(form))?)
        }
    };
    Some(Selection { suite, group, credential: Some(credential), client_form })
}

/// A client that lists no groups takes P-256 (RFC 8422 section 4 leaves it open; it is the mandatory one).
fn knows_group(hello: &ClientHello, group: Group) -> bool {
    match &hello.extensions.groups {
        Some(groups) => groups.contains(&group_code(group)),
        None => group == Group::Nist(Curve::P256),
    }
}

fn fits(own: &Credential, agreement: KeyAgreement, hello: &ClientHello, offer: &HelloOffer) -> bool {
    let kind_fits = match (agreement, own.kind()) {
        (KeyAgreement::EcdheEcdsa, KeyKind::Ec(curve)) => knows_group(hello, Group::Nist(curve)),
        (KeyAgreement::EcdheRsa, KeyKind::Rsa { .. }) => true,
        _ => false,
    };
    let schemes = hello.extensions.signature_schemes.as_deref().unwrap_or_default();
    kind_fits
        && scheme_for(own.kind(), schemes).is_some()
        && offer.server_certificate_types.contains(&own.certificate_type())
}
