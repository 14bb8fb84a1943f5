//! From secrets to record keys.
//!
//! ```text
//! shared secret, exchange -> premaster -> master (with the transcript or the randoms)
//! master, randoms -> key block -> client key | server key | client nonce | server nonce
//! master, transcript -> verify_data of each Finished
//! ```
//! Source: RFC 5246 sections 6.3, 7.4.9, 8.1; RFC 4279 section 2; RFC 5489 section 2; RFC 7627 section 4.

use alloc::vec;

use crypto::{CryptoError, Provider, Secret};
use zeroize::Zeroizing;

use crate::record::DirectionKey;
use crate::transcript::Transcript;
use crate::{CipherSuite, PeerName};

const MASTER_SECRET_LENGTH: usize = 48;
pub(crate) const VERIFY_DATA_LENGTH: usize = 12;
const IMPLICIT_NONCE_LENGTH: usize = 4;

/// What the two hellos settled.
#[derive(Clone, Debug)]
pub(crate) struct Agreed {
    pub(crate) suite: CipherSuite,
    pub(crate) client_random: [u8; 32],
    pub(crate) server_random: [u8; 32],
    pub(crate) extended_master_secret: bool,
    pub(crate) peer_name: Option<PeerName>,
    pub(crate) own_name: Option<PeerName>,
    pub(crate) resumed: bool,
}

/// Whose Finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// `length(2) other length(2) psk`, where `other` is the exchanged secret or as many zeros as the PSK has.
pub(crate) fn psk_premaster(psk: &Secret, exchanged: Option<&Secret>) -> Secret {
    let zeros = vec![0; psk.len()];
    let other = exchanged.map_or(&zeros[..], Secret::expose);
    let length =
        |part: &[u8]| u16::try_from(part.len()).expect("callers keep secrets under 2^16 bytes").to_be_bytes();
    let parts = [&length(other)[..], other, &length(psk.expose()), psk.expose()];
    Secret::new(parts.concat())
}

pub(crate) fn master_secret(
    provider: &dyn Provider,
    agreed: &Agreed,
    premaster: &Secret,
    transcript: &Transcript,
) -> Secret {
    let hash = agreed.suite.hash();
    let mut master = Zeroizing::new([0; MASTER_SECRET_LENGTH]);
    if agreed.extended_master_secret {
        let session_hash = transcript.digest(provider, agreed.suite);
        let label = b"extended master secret";
        provider.tls12_prf(hash, premaster.expose(), label, &[session_hash.as_ref()], &mut *master);
    } else {
        let randoms = [&agreed.client_random[..], &agreed.server_random];
        provider.tls12_prf(hash, premaster.expose(), b"master secret", &randoms, &mut *master);
    }
    Secret::from(&master[..])
}

/// The keys with which client and server write.
pub(crate) struct RecordKeys {
    pub(crate) client: DirectionKey,
    pub(crate) server: DirectionKey,
}

/// # Errors
/// When the provider does not do the suite.
pub(crate) fn record_keys(
    provider: &dyn Provider,
    agreed: &Agreed,
    master: &Secret,
) -> Result<RecordKeys, CryptoError> {
    let key_length = agreed.suite.aead().key_length();
    let mut block = Zeroizing::new(vec![0; 2 * (key_length + IMPLICIT_NONCE_LENGTH)]);
    let randoms = [&agreed.server_random[..], &agreed.client_random];
    provider.tls12_prf(agreed.suite.hash(), master.expose(), b"key expansion", &randoms, &mut block);
    let (client_key, rest) = block.split_at(key_length);
    let (server_key, nonces) = rest.split_at(key_length);
    let [c0, c1, c2, c3, s0, s1, s2, s3] = nonces else {
        unreachable!("the block was sized for two keys and two nonces");
    };
    let client = DirectionKey::new(provider, agreed.suite, client_key, [*c0, *c1, *c2, *c3])?;
    let server = DirectionKey::new(provider, agreed.suite, server_key, [*s0, *s1, *s2, *s3])?;
    Ok(RecordKeys { client, server })
}

pub(crate) fn verify_data(
    provider: &dyn Provider,
    suite: CipherSuite,
    master: &Secret,
    sender: Sender,
    transcript: &Transcript,
) -> Secret {
    let label: &[u8] = match sender {
        Sender::Client => b"client finished",
        Sender::Server => b"server finished",
    };
    let digest = transcript.digest(provider, suite);
    let mut out = vec![0; VERIFY_DATA_LENGTH];
    provider.tls12_prf(suite.hash(), master.expose(), label, &[digest.as_ref()], &mut out);
    Secret::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    // verifies: RFC4279-2
    #[test]
    fn a_psk_alone_is_padded_with_as_many_zeros() {
        let psk = Secret::from(&[1, 2, 3][..]);
        assert_eq!(psk_premaster(&psk, None).expose(), [0, 3, 0, 0, 0, 0, 3, 1, 2, 3]);
        let exchanged = Secret::from(&[9, 8][..]);
        assert_eq!(psk_premaster(&psk, Some(&exchanged)).expose(), [0, 2, 9, 8, 0, 3, 1, 2, 3]);
    }
}
