//! The portable provider against the suite that every provider passes, and against the server's.

mod cross;

use crypto::suite;
use crypto_portable::Portable;

crypto::provider_suite!(Portable::new());

// verifies: RFC6979-3.2
#[test]
fn ecdsa_is_deterministic() {
    suite::ec::deterministic_signatures(&Portable::new());
}

#[test]
fn private_rsa_keys_are_refused_as_unsupported() {
    suite::rsa::private_keys_are_refused(&Portable::new());
}
