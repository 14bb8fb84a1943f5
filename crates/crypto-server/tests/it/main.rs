//! The server provider against the suite that every provider passes.

use crypto::suite;
use crypto_server::Server;

crypto::provider_suite!(Server::new());

// verifies: RFC8017-7.1, RFC8017-8.2
#[test]
fn private_rsa_gives_the_published_texts_and_refuses_changes() {
    suite::rsa::private_key_work(&Server::new());
}

#[test]
fn rsa_keys_of_the_offered_sizes_are_made() {
    suite::rsa::key_generation(&Server::new());
}
