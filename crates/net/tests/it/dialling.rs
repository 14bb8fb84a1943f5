//! Streams that a device opens, against the driver that takes them.

use std::io;

use certificate::{Leaf, Profile};
use net::https_client::Endpoint;
use net::stream::{Security, StreamLimits};
use net::stream_client::{Cover, open, open_as};
use net::tls::DeviceIssuers;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::streams::{Kind, Running};
use crate::world::{World, within};

fn endpoint(running: &Running) -> Endpoint {
    Endpoint { host: running.at.ip().to_string(), port: running.at.port() }
}

// verifies: OSAP-5-68
#[tokio::test]
async fn a_device_takes_the_key_it_was_told_and_both_ends_export_the_same() {
    let mut running = Running::start(Kind::Tls, StreamLimits::default()).await;
    let key = running.key_hash;
    let mut stream = within(open(&endpoint(&running), Cover::Tls { key: Some(key) })).await.unwrap();
    let (conn, arrival) = running.opened().await;
    let Security::Tls { exporter, client_certificate: None } = arrival.security else {
        panic!("{:?}", arrival.security)
    };
    assert_eq!(stream.exporter, Some(exporter));
    stream.output.write_all(b"hello").await.unwrap();
    stream.output.flush().await.unwrap();
    assert_eq!(running.bytes(conn, 5).await, b"hello");
    let mut back = [0; 5];
    within(stream.input.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn another_key_is_no_connection_and_without_a_pin_any_is() {
    let running = Running::start(Kind::Tls, StreamLimits::default()).await;
    let mut other = running.key_hash;
    other[0] ^= 1;
    let refused = within(open(&endpoint(&running), Cover::Tls { key: Some(other) })).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(io::ErrorKind::InvalidData));
    assert!(within(open(&endpoint(&running), Cover::Tls { key: None })).await.is_ok());
}

#[tokio::test]
async fn a_plain_stream_has_nothing_to_export() {
    let mut running = Running::start(Kind::Plain, StreamLimits::default()).await;
    let mut stream = within(open(&endpoint(&running), Cover::Plain)).await.unwrap();
    assert_eq!(stream.exporter, None);
    stream.output.write_all(b"x").await.unwrap();
    let (_, arrival) = running.opened().await;
    assert_eq!(arrival.security, Security::Plain);
}

// verifies: OSAP-5-20
#[tokio::test]
async fn a_device_shows_its_certificate_and_one_of_the_issuers_on_the_list_vouches_for_it_or_none() {
    let mut running = Running::start(Kind::Tls, StreamLimits::default()).await;
    let (mut makers, strangers) = (World::new("Makers"), World::new("Strangers"));
    let until = makers.later(1);
    let holder = makers.holder(&Profile::SmartDevice { serial: "T12345678".into(), until });
    let cover = Cover::Tls { key: Some(running.key_hash) };
    let _stream = within(open_as(&endpoint(&running), cover, Some(&holder.identity))).await.unwrap();
    let (_, arrival) = running.opened().await;
    let Security::Tls { client_certificate: Some(shown), .. } = arrival.security else {
        panic!("{:?}", arrival.security)
    };
    assert_eq!(Leaf::from_der(&shown).unwrap().subject_serial_number(), Some("T12345678"));
    let now = makers.now.as_unix_millis() / 1000;
    let issuers = |of: &[&World]| {
        let all: Vec<Vec<u8>> = of.iter().map(|world| world.issuer.certificate().to_vec()).collect();
        DeviceIssuers::new(&all).unwrap()
    };
    assert!(issuers(&[&makers]).vouch_for(&shown, now));
    assert!(issuers(&[&strangers, &makers]).vouch_for(&shown, now));
    assert!(!issuers(&[&strangers]).vouch_for(&shown, now), "another issuer");
    assert!(!issuers(&[]).vouch_for(&shown, now), "no issuer");
    assert!(!issuers(&[&makers]).vouch_for(&shown, until.as_unix_millis() / 1000 + 1), "it has ended");
    assert!(!issuers(&[&makers]).vouch_for(&shown[1..], now), "it is none");
    let server = makers.server_profile();
    let server = makers.holder(&server);
    assert!(!issuers(&[&makers]).vouch_for(&server.leaf, now), "it is for servers");
    assert!(DeviceIssuers::new(&[vec![1, 2, 3]]).is_err());
}
