//! Public keys: raw and in certificates, every curve, RSA.

use std::time::Duration;

use clock::Dice;
use crypto::{Curve, KeyKind};
use dtls_proto::{
    Alert, CertificateType, CipherSuite, ClientAuthentication, ClientSetup, Closing, Credential, Output,
    PeerKey, PeerProof, Question, Session, SetupError,
};

use crate::pair::{CLIENT_NAME, Fate, Pair, To, key, keyed_choice, providers};

const ECDSA: [CipherSuite; 3] = [
    CipherSuite::EcdheEcdsaAes128Ccm8,
    CipherSuite::EcdheEcdsaAes128GcmSha256,
    CipherSuite::EcdheEcdsaAes256GcmSha384,
];
const RSA: [CipherSuite; 2] = [CipherSuite::EcdheRsaAes128GcmSha256, CipherSuite::EcdheRsaAes256GcmSha384];
pub(crate) const RSA_2048: KeyKind = KeyKind::Rsa { modulus_bits: 2048 };

fn raw_required() -> ClientAuthentication {
    ClientAuthentication::Required(vec![CertificateType::RawPublicKey])
}

/// A pair with raw keys of these kinds on both sides.
pub(crate) fn raw_pair(
    provider: &std::sync::Arc<dyn crypto::Provider>,
    suites: &[CipherSuite],
    client: KeyKind,
    server: KeyKind,
) -> Pair {
    let client = Credential::raw(key(&**provider, client, 11));
    let server = Credential::raw(key(&**provider, server, 12));
    let mut setup = ClientSetup::keyed(provider.clone(), Dice::numbered(1), suites, Some(client.clone()));
    setup.name = Some(CLIENT_NAME);
    let mut pair = Pair::new(setup);
    pair.client_policy.trusted = Some(PeerKey::Raw(server.key.public().clone()));
    pair.server_policy.trusted = Some(PeerKey::Raw(client.key.public().clone()));
    pair.server_policy.choice = keyed_choice(server, raw_required());
    pair
}

// verifies: RFC7250-4, RFC8422-5, ASSURE-8.3-06, ASSURE-8.3-08
#[test]
fn raw_keys_of_every_curve_connect_with_both_providers() {
    for provider in providers() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            for suite in ECDSA {
                let mut pair = raw_pair(&provider, &[suite], KeyKind::Ec(curve), KeyKind::Ec(curve));
                pair.run();
                pair.exchange_data();
                let client_key = key(&*provider, KeyKind::Ec(curve), 11).public().clone();
                assert_eq!(pair.server_heard.summary().proof, PeerProof::RawKey(client_key));
                assert_eq!(pair.server_heard.summary().suite, suite);
            }
        }
    }
}

// verifies: RFC8422-5, ASSURE-8.3-06
#[test]
fn raw_rsa_keys_connect_also_with_an_ec_peer() {
    let provider = crate::pair::provider();
    for suite in RSA {
        for client in [RSA_2048, KeyKind::Ec(Curve::P256)] {
            let mut pair = raw_pair(&provider, &[suite], client, RSA_2048);
            // RSA keys are not drawn from the dice, so the pair must trust what it sees.
            pair.client_policy.trusted = None;
            pair.server_policy.trusted = None;
            pair.run();
            pair.exchange_data();
            assert!(matches!(pair.client_heard.summary().proof, PeerProof::RawKey(_)));
        }
    }
}

// verifies: ASSURE-8.3-07
#[test]
fn a_swapped_key_is_refused_on_either_side() {
    let provider = crate::pair::provider();
    let stranger = PeerKey::Raw(key(&*provider, KeyKind::Ec(Curve::P256), 99).public().clone());
    let p256 = KeyKind::Ec(Curve::P256);
    let mut pair = raw_pair(&provider, &ECDSA, p256, p256);
    pair.client_policy.trusted = Some(stranger.clone());
    pair.run();
    assert_eq!(pair.client_heard.closing, Some(Closing::ByUs(Alert::CertificateUnknown)));
    assert_eq!(pair.server_heard.closing, Some(Closing::ByPeer(Alert::CertificateUnknown)));
    let mut pair = raw_pair(&provider, &ECDSA, p256, p256);
    pair.server_policy.trusted = Some(stranger);
    pair.run();
    assert_eq!(pair.server_heard.closing, Some(Closing::ByUs(Alert::CertificateUnknown)));
    assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::CertificateUnknown)));
    let Some(Question::PeerKey { peer_name, .. }) = pair.server_policy.asked.last() else {
        panic!("the key was the last question")
    };
    assert_eq!(*peer_name, Some(CLIENT_NAME), "name and key are judged together");
}

// verifies: RFC5246-7.4.8
#[test]
fn a_key_that_is_shown_but_not_held_is_not_proven() {
    let provider = crate::pair::provider();
    let p256 = KeyKind::Ec(Curve::P256);
    for liar_is_client in [true, false] {
        let shown = key(&*provider, p256, 41);
        let liar = Credential::raw(std::sync::Arc::new(Liar { shown, held: key(&*provider, p256, 42) }));
        let honest = Credential::raw(key(&*provider, p256, 43));
        let (client, server) = if liar_is_client { (liar, honest) } else { (honest, liar) };
        let setup = ClientSetup::keyed(provider.clone(), Dice::numbered(1), &ECDSA, Some(client));
        let mut pair = Pair::new(setup);
        pair.server_policy.choice = keyed_choice(server, raw_required());
        pair.run();
        assert!(!pair.both_connected());
        assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (0, 0));
        let victim = if liar_is_client { &pair.server_heard } else { &pair.client_heard };
        assert_eq!(victim.closing.and_then(|closing| closing.alert()), Some(Alert::DecryptError));
    }
}

/// Shows one key and signs with another.
struct Liar {
    shown: std::sync::Arc<dyn crypto::PrivateKey>,
    held: std::sync::Arc<dyn crypto::PrivateKey>,
}

impl crypto::PrivateKey for Liar {
    fn public(&self) -> &crypto::PublicKey {
        self.shown.public()
    }

    fn pkcs8(&self) -> Result<crypto::Secret, crypto::CryptoError> {
        self.held.pkcs8()
    }

    fn sign(
        &self,
        scheme: crypto::SignatureScheme,
        message: &[u8],
        dice: &mut Dice,
    ) -> Result<Vec<u8>, crypto::CryptoError> {
        self.held.sign(scheme, message, dice)
    }

    fn agree(&self, peer: &crypto::PublicKey) -> Result<crypto::Secret, crypto::CryptoError> {
        self.held.agree(peer)
    }

    fn oaep_decrypt(
        &self,
        hash: crypto::HashAlgorithm,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<crypto::Secret, crypto::CryptoError> {
        self.held.oaep_decrypt(hash, label, ciphertext)
    }
}

#[test]
fn a_client_without_a_key_is_let_in_only_where_none_is_required() {
    let provider = crate::pair::provider();
    let p256 = KeyKind::Ec(Curve::P256);
    let server = Credential::raw(key(&*provider, p256, 12));
    let setup = || ClientSetup::keyed(provider.clone(), Dice::numbered(1), &ECDSA, None);
    let mut pair = Pair::new(setup());
    pair.server_policy.choice = keyed_choice(server.clone(), ClientAuthentication::None);
    pair.run();
    pair.exchange_data();
    assert_eq!(pair.server_heard.summary().proof, PeerProof::Nothing);
    for form in [CertificateType::RawPublicKey, CertificateType::X509] {
        let mut pair = Pair::new(setup());
        pair.server_policy.choice = keyed_choice(server.clone(), ClientAuthentication::Required(vec![form]));
        pair.run();
        assert_eq!(pair.client_heard.closing, Some(Closing::ByPeer(Alert::HandshakeFailure)));
        assert_eq!(pair.server_heard.connected, 0);
    }
}

#[test]
fn a_server_with_keys_of_two_kinds_uses_the_one_that_fits() {
    let provider = crate::pair::provider();
    let ec = Credential::raw(key(&*provider, KeyKind::Ec(Curve::P256), 12));
    let rsa = Credential::raw(key(&*provider, RSA_2048, 13));
    for (suites, expected) in [(&ECDSA[..], &ec), (&RSA[..], &rsa)] {
        let setup = ClientSetup::keyed(provider.clone(), Dice::numbered(1), suites, None);
        let mut pair = Pair::new(setup);
        pair.server_policy.choice = keyed_choice(ec.clone(), ClientAuthentication::None);
        pair.server_policy.choice.credentials = vec![rsa.clone(), ec.clone()];
        pair.run();
        pair.exchange_data();
        let proof = PeerProof::RawKey(expected.key.public().clone());
        assert_eq!(pair.client_heard.summary().proof, proof);
    }
}

// verifies: TS-L8
#[test]
fn ts_l8_suites_of_two_key_kinds_are_never_offered_together() {
    let setup =
        |suites: &[CipherSuite]| ClientSetup::keyed(crate::pair::provider(), Dice::numbered(1), suites, None);
    let now = clock::Moment::START;
    let mixed = setup(&[CipherSuite::EcdheEcdsaAes128Ccm8, CipherSuite::PskAes128Ccm8]);
    assert_eq!(Session::client(mixed, now).err(), Some(SetupError::MixedSuites));
    let mut session = Session::client(setup(&ECDSA), now).expect("suites of one kind");
    let Some(Output::Transmit(hello)) = session.next_output() else { panic!("the hello comes first") };
    let suites = u16::try_from(2 * ECDSA.len()).expect("few suites").to_be_bytes();
    let offered: Vec<u8> = ECDSA.iter().flat_map(|suite| suite.code().to_be_bytes()).collect();
    let list = [&suites[..], &offered].concat();
    assert!(hello.windows(list.len()).any(|bytes| bytes == list), "these suites and no other");
}

// verifies: RFC6347-4.2.3, RFC6347-4.2.4
#[test]
fn raw_keys_fit_datagrams_of_256_bytes_on_a_bad_network() {
    let provider = crate::pair::provider();
    let p521 = KeyKind::Ec(Curve::P521);
    for run in 0..20 {
        let mut pair = raw_pair(&provider, &ECDSA, p521, p521);
        let mut small = dtls_proto::ListenerSetup::new(provider.clone(), Dice::numbered(2));
        small.limits.datagram_size_max = 256;
        pair.listener = dtls_proto::Listener::new(small, pair.now);
        pair.client.set_datagram_size_max(256);
        pair.fate = Fate::by_chance(run);
        pair.run_for(Duration::from_secs(100));
        pair.fate = Box::new(|_, _, _| Fate::Deliver);
        pair.exchange_data();
        assert_eq!((pair.client_heard.connected, pair.server_heard.connected), (1, 1), "run {run}");
        assert!(pair.sent_to(To::Client).iter().all(|datagram| datagram.len() <= 256));
    }
}

/// The suites with a finite field exchange and an RSA certificate: CBC, CCM, GCM and ChaCha20.
/// Source: the registry of TLS cipher suites.
const DHE_RSA: [u16; 13] =
    [0x0033, 0x0039, 0x0067, 0x006b, 0x009e, 0x009f, 0x007c, 0x007d, 0xc09e, 0xc09f, 0xc0a2, 0xc0a3, 0xccaa];

// verifies: TS-D12
#[test]
fn ts_d12_rsa_keys_go_with_ecdhe_alone() {
    for code in DHE_RSA {
        assert_eq!(CipherSuite::from_code(code), None, "{code:04x}");
    }
    for suite in CipherSuite::ALL {
        assert!(!DHE_RSA.contains(&suite.code()), "{suite:?}");
    }
    for suite in RSA {
        assert_eq!(suite.key_agreement(), dtls_proto::KeyAgreement::EcdheRsa);
    }
}
