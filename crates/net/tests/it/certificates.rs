//! Who gets in with which certificate, and whom our client trusts.

use certificate::Profile;
use clock::Timestamp;
use crypto::KeyKind;
use model::{KeyId, Uuid};
use net::https_client::{CallError, CallLimits, Client, Endpoint};
use net::https_server::Limits;
use net::tls::{ClientCertificates, TlsIdentity, TlsSetupError, server_config};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Running, SHORT, World, get_request, within};

async fn who(world: &World, server: &Running, identity: Option<&TlsIdentity>) -> Result<String, CallError> {
    let client = Client::new(&world.roots(), identity, CallLimits::default()).unwrap();
    let answer = within(client.call(&server.endpoint, get_request("/who"))).await?;
    assert_eq!(answer.status(), 200);
    Ok(String::from_utf8(answer.body().to_vec()).unwrap())
}

// verifies: ASSURE-9.2-01, ASSURE-9.3-01
#[tokio::test]
async fn required_certificates_name_the_caller_and_their_lack_ends_the_handshake() {
    let mut world = World::new("Root");
    let mut strangers = World::new("Root of others");
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Required(&roots), Limits::default()).await;
    let maker = Uuid::v4([5; 16]);
    let until = world.later(1);
    let holder = world.holder(&Profile::Maker { maker, until });
    let wrong = strangers.holder(&Profile::Maker { maker, until });

    assert_eq!(who(&world, &server, Some(&holder.identity)).await, Ok(format!("Maker({maker})")));
    assert_eq!(who(&world, &server, None).await, Err(CallError::CertificateRefused));
    assert_eq!(who(&world, &server, Some(&wrong.identity)).await, Err(CallError::CertificateRefused));
    let tally = server.stop().await;
    assert_eq!((tally.admitted, tally.handshakes_failed, tally.ended_well), (3, 2, 1));
}

// verifies: ASSURE-9.3.1-01, ASSURE-9.3.2-02
#[tokio::test]
async fn optional_certificates_let_strangers_in_but_no_wrong_certificate() {
    let mut world = World::new("Root");
    let mut strangers = World::new("Root of others");
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Optional(&roots), Limits::default()).await;
    let profile = Profile::Management { class_2_key: KeyId([3; 16]), renewal_of: None };
    let (holder, wrong) = (world.holder(&profile), strangers.holder(&profile));

    assert_eq!(who(&world, &server, None).await, Ok("Stranger".to_owned()));
    let named = who(&world, &server, Some(&holder.identity)).await.unwrap();
    assert!(named.starts_with("Management("), "{named}");
    assert_eq!(who(&world, &server, Some(&wrong.identity)).await, Err(CallError::CertificateRefused));
}

#[tokio::test]
async fn ended_future_and_server_certificates_are_no_client_certificates() {
    let mut world = World::new("Root");
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Required(&roots), Limits::default()).await;
    let wrong_purpose = world.holder(&world.server_profile());
    let present = world.now;
    world.now = Timestamp::from_unix_millis(present.as_unix_millis() - 7_200_000);
    let ended = world.holder(&Profile::Operator { until: world.later(1) });
    world.now = Timestamp::from_unix_millis(present.as_unix_millis() + 7_200_000);
    let ahead = world.holder(&Profile::Operator { until: world.later(1) });
    for holder in [ended, ahead, wrong_purpose] {
        let outcome = who(&world, &server, Some(&holder.identity)).await;
        assert_eq!(outcome, Err(CallError::CertificateRefused));
    }
}

// verifies: ASSURE-9.2-01
#[tokio::test]
async fn rsa_certificates_work_on_both_sides() {
    let mut world = World::new("Root");
    let rsa = KeyKind::Rsa { modulus_bits: 2048 };
    let until = world.later(1);
    let client = world.holder_with(&Profile::Operator { until }, rsa);
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Required(&roots), Limits::default()).await;
    assert_eq!(who(&world, &server, Some(&client.identity)).await, Ok("Operator".to_owned()));
}

// verifies: ASSURE-1-01
#[tokio::test]
async fn the_client_trusts_the_right_name_under_the_right_root_only() {
    let mut world = World::new("Root");
    let other = World::new("Root of others");
    let server = Running::start(&mut world, ClientCertificates::NotAsked, Limits::default()).await;
    let client = Client::new(&world.roots(), None, CallLimits::default()).unwrap();
    let port = server.endpoint.port;
    let at = |host: &str| Endpoint { host: host.to_owned(), port };

    for host in ["127.0.0.1", "localhost"] {
        let answer = within(client.call(&at(host), get_request("/who"))).await.unwrap();
        assert_eq!(answer.status(), 200, "{host}");
    }
    let mistrusting = Client::new(&other.roots(), None, CallLimits::default()).unwrap();
    let outcome = within(mistrusting.call(&server.endpoint, get_request("/who"))).await;
    assert_eq!(outcome.err(), Some(CallError::UntrustedServer));
    // The same server under a name that is not in its certificate.
    let outcome = within(client.call(&at("localhost.localdomain"), get_request("/who"))).await;
    assert!(matches!(outcome.err(), Some(CallError::UntrustedServer | CallError::Unreachable(_))));
    let outcome = within(client.call(&at("not a name"), get_request("/who"))).await;
    assert_eq!(outcome.err(), Some(CallError::BadHost));
}

#[tokio::test]
async fn one_connection_serves_many_calls_and_one_that_is_not_let_in_says_why() {
    let mut world = World::new("Root");
    let roots = world.roots();
    let server = Running::start(&mut world, ClientCertificates::Required(&roots), Limits::default()).await;
    let operator = world.operator();
    let known = Client::new(&world.roots(), Some(&operator.identity), CallLimits::default()).unwrap();
    let from = std::net::Ipv4Addr::new(127, 0, 0, 9);
    let mut connection = within(known.open(&server.endpoint, Some(from))).await.unwrap();
    for _ in 0..3 {
        let answer = within(connection.call(get_request("/who"))).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    drop(connection);
    let unknown = Client::new(&world.roots(), None, CallLimits::default()).unwrap();
    let refused = match within(unknown.open(&server.endpoint, None)).await {
        Ok(mut connection) => within(connection.call(get_request("/who"))).await.err(),
        Err(refused) => Some(refused),
    };
    assert_eq!(refused, Some(CallError::CertificateRefused));
    assert_eq!(within(server.stop()).await.admitted, 2, "three calls came over one connection");
}

#[tokio::test]
async fn a_call_says_whether_its_outcome_is_unknown() {
    let mut world = World::new("Root");
    let server = Running::start(&mut world, ClientCertificates::NotAsked, Limits::default()).await;
    let limits = CallLimits { time_max: SHORT, body_size_max: 1000 };
    let client = Client::new(&world.roots(), None, limits).unwrap();

    let late = within(client.call(&server.endpoint, get_request("/wait"))).await.err().unwrap();
    assert_eq!(late, CallError::Late { sent: true });
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: mute.local_addr().unwrap().port() };
    let no_handshake = within(client.call(&endpoint, get_request("/"))).await.err().unwrap();
    assert_eq!(no_handshake, CallError::Late { sent: false });
    // A socket that is bound but does not listen keeps its port from everybody else.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let endpoint = Endpoint { port: silent.local_addr().unwrap().port(), ..endpoint };
    let nobody = within(client.call(&endpoint, get_request("/"))).await.err().unwrap();
    assert_eq!(nobody, CallError::Unreachable(std::io::ErrorKind::ConnectionRefused));
    let patient = CallLimits { body_size_max: 1000, ..CallLimits::default() };
    let patient = Client::new(&world.roots(), None, patient).unwrap();
    let long = within(patient.call(&server.endpoint, get_request("/big"))).await.err().unwrap();
    assert_eq!(long, CallError::AnswerTooLong);
    let unknown = [late, no_handshake, nobody, long].map(CallError::outcome_is_unknown);
    assert_eq!(unknown, [true, false, false, true]);
}

#[test]
fn material_that_does_not_fit_is_refused_at_set_up() {
    let mut world = World::new("Root");
    let (one, other) = (world.operator(), world.operator());
    let blocks = certificate::pem_blocks(&one.key_pem).unwrap();
    let key = &blocks[0].der;
    let refused = |chain: &[Vec<u8>], key| TlsIdentity::new(chain, key).err();
    assert_eq!(refused(&[], key), Some(TlsSetupError::Chain));
    assert_eq!(refused(&[b"x".to_vec()], key), Some(TlsSetupError::Chain));
    assert_eq!(refused(std::slice::from_ref(&other.leaf), key), Some(TlsSetupError::KeyMismatch));
    let garbage = crypto::Secret::new(vec![1, 2, 3]);
    assert_eq!(refused(std::slice::from_ref(&one.leaf), &garbage), Some(TlsSetupError::Key));
    assert_eq!(refused(std::slice::from_ref(&one.leaf), key), None);
    for roots in [&[][..], &[b"x".to_vec()][..]] {
        let outcome = server_config(&one.identity, ClientCertificates::Required(roots));
        assert_eq!(outcome.err(), Some(TlsSetupError::Roots));
    }
}

#[tokio::test]
async fn a_session_is_never_resumed() {
    let mut world = World::new("Root");
    let server = Running::start(&mut world, ClientCertificates::NotAsked, Limits::default()).await;
    let ours = net::tls::client_config(&world.roots(), None).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        // A client that would like to resume: the defaults of the library.
        let mut roots = rustls::RootCertStore::empty();
        roots.add(world.roots()[0].clone().into()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(ours.crypto_provider().clone());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let eager = builder.with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(eager));
        for _ in 0..2 {
            let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
            let mut stream = within(connector.connect(name, server.tcp().await)).await.unwrap();
            // Tickets come after the handshake, with the first answer at the latest.
            let request = b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            within(stream.read_to_end(&mut answer)).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            let connection = stream.get_ref().1;
            assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Full));
            assert_eq!(connection.tls13_tickets_received(), 0);
        }
    }
}
