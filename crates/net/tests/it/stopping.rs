//! Shutdown: calls in flight end, nothing new begins, and nothing waits for ever.

use net::https_client::CallError;
use net::https_server::Limits;
use net::shutdown::shutdown;

use crate::world::{Running, SHORT, get_request, within};

#[tokio::test]
async fn a_call_in_flight_is_answered_and_idle_connections_close() {
    let server = Running::open(Limits::default()).await;
    let idle = server.tls().await;
    let stopping = async {
        within(server.doors.entered.acquire()).await.unwrap().forget();
        server.trigger.request();
        // Idle connections end first: the call goes on after that.
        let mut idle = idle;
        let mut byte = [0];
        let read = within(tokio::io::AsyncReadExt::read(&mut idle, &mut byte)).await;
        assert!(matches!(read, Ok(0) | Err(_)), "closed, not answered");
        server.doors.leave.add_permits(1);
    };
    let (answer, ()) = tokio::join!(server.call(get_request("/wait")), stopping);
    assert_eq!(&answer.unwrap().body()[..], b"waited");
    let tally = server.stop().await;
    assert_eq!((tally.cut_at_shutdown, tally.panicked), (0, 0));
    // Whoever may have the port by now, it is no server of this root.
    assert!(server.call(get_request("/who")).await.is_err());
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_after_the_drain_time() {
    let server = Running::open(Limits { drain_time_max: SHORT, ..Limits::default() }).await;
    let stopping = async {
        within(server.doors.entered.acquire()).await.unwrap().forget();
        server.stop().await
    };
    let (answer, tally) = tokio::join!(server.call(get_request("/wait")), stopping);
    assert_eq!(answer.err(), Some(CallError::Broken));
    assert!(CallError::Broken.outcome_is_unknown());
    assert_eq!((tally.cut_at_shutdown, tally.ended_well), (1, 0));
}

#[tokio::test]
async fn tokens_learn_of_the_request_whenever_they_were_made() {
    let (trigger, token) = shutdown();
    let early = token.clone();
    assert!(!token.is_requested());
    trigger.request();
    trigger.request();
    within(early.requested()).await;
    within(token.clone().requested()).await;
    assert!(token.is_requested());

    let (abandoned, token) = shutdown();
    drop(abandoned);
    within(token.requested()).await;
    assert!(token.is_requested(), "a token whose owner is gone is not left waiting");
}
