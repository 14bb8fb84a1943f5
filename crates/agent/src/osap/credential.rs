//! Which credential a device tries, and in which order.
//!
//! Source: sections 7 and 8.

use alloc::vec::Vec;

use super::factory::FactoryCredential;
use super::state::Stored;

/// What a device proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The code on its label (kind 1).
    Code,
    /// A pre-shared key (kind 2).
    Psk,
    /// A key pair (kind 3).
    KeyPair,
    /// A ticket of an earlier run (kind 4).
    Ticket,
}

/// One of the credentials that a device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The ticket of a run whose end was never seen: newer than the final one.
    PendingTicket,
    Ticket,
    KeyPair,
    /// The key of the enrolment, or the factory's.
    Psk,
    /// The key of an enrolment whose end was never seen, by its place.
    PendingPsk(usize),
    Code,
}

impl Choice {
    pub(crate) const fn kind(self) -> CredentialKind {
        match self {
            Self::PendingTicket | Self::Ticket => CredentialKind::Ticket,
            Self::KeyPair => CredentialKind::KeyPair,
            Self::Psk | Self::PendingPsk(_) => CredentialKind::Psk,
            Self::Code => CredentialKind::Code,
        }
    }
}

/// The credentials in their order; the one after the last is the first again. Never empty.
///
/// `enrols_again`: a person at the device asked for the code.
pub(crate) fn choices(factory: &FactoryCredential, stored: &Stored, enrols_again: bool) -> Vec<Choice> {
    let is_final = stored.psk.is_some() && !enrols_again;
    if matches!(factory, FactoryCredential::Code { .. }) && !is_final {
        let pending = stored.pending.as_ref().map_or(0, |pending| pending.psks.len());
        return (0..pending).map(Choice::PendingPsk).chain([Choice::Code]).collect();
    }
    let lasting = match factory {
        FactoryCredential::KeyPair { .. } => Choice::KeyPair,
        FactoryCredential::Psk(_) | FactoryCredential::Code { .. } => Choice::Psk,
    };
    let newer = stored.pending.as_ref().map(|_| Choice::PendingTicket);
    let older = stored.ticket.as_ref().map(|_| Choice::Ticket);
    newer.into_iter().chain(older).chain([lasting]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osap::state::PendingEnrolment;
    use crypto::Secret;
    use osap_proto::{Devid, Ticket};

    fn ticket(id: u8) -> Ticket {
        Ticket { id: [id; 16], secret: Secret::from(&[id; 32][..]) }
    }

    fn pending(psks: &[u8]) -> Option<PendingEnrolment> {
        let psks = psks.iter().map(|psk| Secret::from(&[*psk; 32][..])).collect();
        Some(PendingEnrolment { devid: Devid::from_random([1; 16]), ticket: ticket(9), psks })
    }

    fn code() -> FactoryCredential {
        FactoryCredential::Code {
            code: Secret::from(&b"QWERTY"[..]),
            realm: osap_proto::Realm::new(b"r").unwrap(),
        }
    }

    #[test]
    fn a_code_counts_until_the_enrolment_is_final_and_never_after() {
        let mut stored = Stored::new();
        assert_eq!(choices(&code(), &stored, false), [Choice::Code]);
        stored.pending = pending(&[1, 2]);
        let both = [Choice::PendingPsk(0), Choice::PendingPsk(1), Choice::Code];
        assert_eq!(choices(&code(), &stored, false), both);
        stored.complete(osap_proto::ProtocolType::PLAIN, true);
        assert_eq!(choices(&code(), &stored, false), [Choice::Ticket, Choice::Psk]);
        stored.pending = pending(&[]);
        assert_eq!(choices(&code(), &stored, false), [Choice::PendingTicket, Choice::Ticket, Choice::Psk]);
        assert_eq!(choices(&code(), &stored, true), [Choice::Code], "a person asked for it");
    }

    #[test]
    fn a_ticket_comes_first_and_what_lasts_after_it() {
        let psk = FactoryCredential::Psk(Secret::from(&[7; 16][..]));
        let mut stored = Stored::new();
        assert_eq!(choices(&psk, &stored, false), [Choice::Psk]);
        stored.ticket = Some(ticket(1));
        assert_eq!(choices(&psk, &stored, false), [Choice::Ticket, Choice::Psk]);
        let pair = FactoryCredential::KeyPair { pkcs8: Secret::from(&[0; 3][..]), pins: Vec::new() };
        assert_eq!(choices(&pair, &stored, false), [Choice::Ticket, Choice::KeyPair]);
    }
}
