//! Sessions without a connection, and messages that wait.

use std::time::Duration;

use clock::Moment;
use mqtt_proto::{Absence, AbsenceOutput, Countdown, LastWill, Publication, QoS, Remaining, SavedSession};

use crate::desk::{id, secs};

fn will(delay_secs: u32) -> Option<LastWill> {
    Some(LastWill { publication: Publication::new("w", b"gone", QoS::AtMostOnce).unwrap(), delay_secs })
}

fn outputs(absence: &mut Absence) -> Vec<&'static str> {
    let mut seen = Vec::new();
    while let Some(output) = absence.next_output() {
        seen.push(match output {
            AbsenceOutput::PublishWill(_) => "will",
            AbsenceOutput::SessionOver => "over",
        });
    }
    seen
}

// verifies: MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-4.1.0-2
#[test]
fn the_will_waits_for_its_delay_or_the_end_of_the_session() {
    let start = Moment::START;
    for (expiry, delay, will_at, over_at) in
        [(100, 10, 10, Some(100)), (10, 100, 10, Some(10)), (0, 5, 0, Some(0)), (u32::MAX, 7, 7, None)]
    {
        let mut absence = Absence::begin(SavedSession::default(), expiry, will(delay), start);
        let mut seen = Vec::new();
        let mut now = start;
        loop {
            seen.extend(outputs(&mut absence).into_iter().map(|what| (what, (now - start).as_secs())));
            let Some(due) = absence.next_deadline() else { break };
            absence.expire(start + (due - start - Duration::from_micros(1)));
            assert_eq!(outputs(&mut absence), [""; 0], "not before");
            now = due;
            absence.expire(now);
        }
        let mut expected = vec![("will", will_at)];
        expected.extend(over_at.map(|at| ("over", at)));
        assert_eq!(seen, expected);
        assert_eq!(absence.session().is_some(), over_at.is_none());
    }
}

// verifies: MQTT-3.1.3-9, MQTT-3.1.2-5
#[test]
fn a_client_that_is_back_in_time_has_no_will_published() {
    let saved = SavedSession { received: vec![id(4)], ..SavedSession::default() };
    let mut absence = Absence::begin(saved.clone(), 100, will(10), Moment::START);
    absence.expire(Moment::START + secs(9));
    assert_eq!(outputs(&mut absence), [""; 0]);
    assert_eq!(absence.resume(), Some(saved));
}

// verifies: MQTT-3.1.2-4, MQTT-3.1.2-8
#[test]
fn a_clean_start_ends_the_session_and_its_will_goes_out() {
    let mut absence = Absence::begin(SavedSession::default(), u32::MAX, will(10), Moment::START);
    absence.discard(Moment::START + secs(1));
    assert_eq!(outputs(&mut absence), ["will", "over"]);
    assert_eq!((absence.next_deadline(), absence.resume()), (None, None));
}

#[test]
fn a_message_stored_after_the_connection_ended_is_noted_once() {
    let mut absence = Absence::begin(SavedSession::default(), 5, None, Moment::START);
    let session = absence.session_mut().unwrap();
    session.take(id(3));
    session.take(id(3));
    assert_eq!(absence.resume().unwrap().received, [id(3)]);
}

// verifies: MQTT-3.3.2-5, MQTT-3.3.2-6
#[test]
fn a_waiting_message_loses_the_seconds_it_waited() {
    let start = Moment::START + secs(1000);
    let countdown = Countdown::start(Some(10), start);
    for (waited, left) in [
        (Duration::ZERO, Remaining::Secs(10)),
        (Duration::from_millis(999), Remaining::Secs(10)),
        (secs(1), Remaining::Secs(9)),
        (secs(9), Remaining::Secs(1)),
        (secs(10), Remaining::Over),
        (secs(11), Remaining::Over),
    ] {
        assert_eq!(countdown.remaining(start + waited), left, "{waited:?}");
    }
    assert_eq!(Countdown::start(None, start).remaining(start + secs(1 << 40)), Remaining::Unlimited);
    assert_eq!(Countdown::start(Some(0), start).remaining(start), Remaining::Over);
}
