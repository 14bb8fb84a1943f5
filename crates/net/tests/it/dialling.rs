//! Streams that a device opens, against the driver that takes them.

use std::io;

use net::https_client::Endpoint;
use net::stream::{Security, StreamLimits};
use net::stream_client::{Cover, open};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::streams::{Kind, Running};
use crate::world::within;

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
