//! Peers that break the rules: they lose their connection, and an honest client notices nothing.

use std::io;

use net::https_server::Limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::world::{Running, SHORT, get_request, post_request, within};

/// Everything until the other side closes, in order or not.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match within(stream.read(&mut buffer)).await {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => {
                let closed = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
                assert!(closed.contains(&error.kind()), "{error}");
                break;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection_while_others_are_served() {
    let server = Running::open(Limits { head_time_max: SHORT, ..Limits::default() }).await;
    let mut slow = server.tls().await;
    slow.write_all(b"GET /who HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    server.assert_serves().await;
    let answer = rest(&mut slow).await;
    assert!(!answer.contains("200"), "{answer}");
    server.assert_serves().await;
    assert_eq!(server.stop().await.panicked, 0);
}

#[tokio::test]
async fn a_connection_without_a_next_request_is_closed() {
    let server = Running::open(Limits { head_time_max: SHORT, ..Limits::default() }).await;
    let mut idle = server.tls().await;
    idle.write_all(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = rest(&mut idle).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("Stranger"), "{answer}");
}

#[tokio::test]
async fn a_head_over_the_limit_is_answered_431() {
    let server = Running::open(Limits::default()).await;
    let mut greedy = server.tls().await;
    let head = format!("GET /who HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(20_000));
    greedy.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut greedy).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let mut many = server.tls().await;
    let head = format!("GET /who HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Y: z\r\n".repeat(64));
    many.write_all(head.as_bytes()).await.unwrap();
    assert!(rest(&mut many).await.starts_with("HTTP/1.1 431"));
    server.assert_serves().await;
}

#[tokio::test]
async fn a_body_is_taken_up_to_the_limit_and_not_a_byte_beyond() {
    let limits = Limits { body_size_max: 70_000, ..Limits::default() };
    let server = Running::open(limits).await;
    let at_limit = server.call(post_request("/length", vec![1; 70_000])).await.unwrap();
    assert_eq!((at_limit.status().as_u16(), &at_limit.body()[..]), (200, &b"70000"[..]));
    for length in [70_001, 900_000] {
        let over = server.call(post_request("/length", vec![1; length])).await.unwrap();
        assert_eq!((over.status().as_u16(), over.body().len()), (413, 0), "{length}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn limits_above_the_routers_own_default_hold_too() {
    let limits = Limits { body_size_max: 4 << 20, ..Limits::default() };
    let server = Running::open(limits).await;
    let large = server.call(post_request("/length", vec![1; 3 << 20])).await.unwrap();
    assert_eq!((large.status().as_u16(), &large.body()[..]), (200, &b"3145728"[..]));
}

#[tokio::test]
async fn an_endless_chunked_body_is_cut_off_with_413() {
    let server = Running::open(Limits { body_size_max: 1000, ..Limits::default() }).await;
    let mut flood = server.tls().await;
    flood.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"200\r\n".as_slice(), &[b'x'; 512], b"\r\n"].concat();
    flood.write_all(&chunk.repeat(2)).await.unwrap();
    let mut head = [0; 12];
    within(flood.read_exact(&mut head)).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
    within(async { while flood.write_all(&chunk).await.is_ok() {} }).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408_and_a_slow_answer_503() {
    let server = Running::open(Limits { call_time_max: SHORT, ..Limits::default() }).await;
    let mut slow = server.tls().await;
    slow.write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc").await.unwrap();
    server.assert_serves().await;
    let answer = rest(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let waiting = server.call(get_request("/wait")).await.unwrap();
    assert_eq!(waiting.status(), 503);
}

#[tokio::test]
async fn a_call_that_asks_for_it_may_take_longer_but_not_for_ever() {
    let limits = Limits { call_time_max: SHORT, ..Limits::default() };
    let server = Running::open(limits).await;
    let (patient, usual) = tokio::join!(server.call(get_request("/patient")), async {
        server.doors.entered.acquire().await.unwrap().forget();
        // It came later and its time is over: so is that of the other.
        let usual = server.call(get_request("/wait")).await.unwrap().status();
        server.doors.leave.add_permits(1);
        usual
    });
    assert_eq!((patient.unwrap().status().as_u16(), usual.as_u16()), (200, 503));
    let server = Running::open(Limits { patient_time_max: SHORT, ..limits }).await;
    assert_eq!(server.call(get_request("/patient")).await.unwrap().status(), 503);
}

// verifies: SECDEV-6.4.4-d
#[tokio::test]
async fn connections_over_the_limit_are_closed_and_the_others_keep_their_place() {
    for (limits, for_source) in [
        (Limits { connection_count_per_source_max: 3, ..Limits::default() }, true),
        (Limits { connection_count_max: 3, ..Limits::default() }, false),
    ] {
        let server = Running::open(limits).await;
        let (first, second, third) = (server.tcp().await, server.tcp().await, server.tcp().await);
        let mut fourth = server.tcp().await;
        assert_eq!(rest(&mut fourth).await, "");
        let mut honest = server.tls_over(first).await;
        honest.write_all(b"GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        assert!(rest(&mut honest).await.starts_with("HTTP/1.1 200"));
        drop((second, third));
        let tally = server.stop().await;
        let expected = if for_source { (3, 0, 1) } else { (3, 1, 0) };
        assert_eq!((tally.admitted, tally.refused_in_all, tally.refused_for_source), expected);
    }
}

#[tokio::test]
async fn half_a_handshake_is_closed_in_time() {
    let server = Running::open(Limits { handshake_time_max: SHORT, ..Limits::default() }).await;
    let mut mute = server.tcp().await;
    let mut half = server.tcp().await;
    half.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
    assert_eq!(rest(&mut mute).await, "");
    assert_eq!(rest(&mut half).await, "");
    let tally = server.stop().await;
    assert_eq!((tally.handshakes_late, tally.handshakes_failed), (2, 0));
}

#[tokio::test]
async fn what_is_not_tls_gets_no_answer_of_http() {
    let server = Running::open(Limits::default()).await;
    let noise: [&[u8]; 4] = [
        b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n",
        &[0; 600],
        &[0xff; 600],
        b"\x16\x03\x01\x00\x04\x99\x00\x00\x00",
    ];
    for bytes in noise {
        let mut socket = server.tcp().await;
        // The server may have closed before all of it was written.
        let _may_be_closed = socket.write_all(bytes).await.is_err();
        let answer = rest(&mut socket).await;
        assert!(!answer.contains("HTTP"), "{answer}");
    }
    server.assert_serves().await;
    let tally = server.stop().await;
    assert_eq!((tally.handshakes_failed, tally.panicked), (4, 0));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    let server = Running::open(Limits { stall_time_max: SHORT, ..Limits::default() }).await;
    let mut deaf = server.tls().await;
    deaf.write_all(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    within(deaf.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    server.assert_serves().await;
    let tally = server.stop().await;
    assert_eq!((tally.broken, tally.cut_at_shutdown), (1, 0), "the stall ended it, not the shutdown");
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let server = Running::open(Limits::default()).await;
    assert!(server.call(get_request("/panic")).await.is_err());
    server.assert_serves().await;
    let tally = server.stop().await;
    assert_eq!((tally.panicked, tally.admitted), (1, 2));
}
