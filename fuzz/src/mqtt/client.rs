//! A client's machine: a server that sends anything, and an application that does anything.

use std::time::Duration;

use clock::Moment;
use mqtt_proto::{
    Authentication, Client, ClientOutput, ConnectOptions, Limits, PacketId, Publication, QoS, ReasonCode,
    SavedSession, SubscriptionOptions, Version,
};

use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const CLIENT: Target = Target {
    name: "mqtt_client",
    about: "Client: bytes of a server, time, messages, requests",
    length_max: 1024,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

fn limits() -> Limits {
    Limits {
        packet_size_max: 512,
        receive_maximum: 3.try_into().expect("not zero"),
        receive_maximum_untold: 4.try_into().expect("not zero"),
        topic_alias_maximum: 2,
        alias_bytes_max: 16,
        inflight_max: 3,
        request_count_max: 2,
        authentication_round_max: 3,
        ..Limits::default()
    }
}

fn connect(choice: u8, now: Moment) -> Client {
    let version = if choice & 1 == 0 { Version::V3_1_1 } else { Version::V5 };
    let method = choice & 2 != 0 && version == Version::V5;
    let clean_start = choice & 4 == 0;
    let options = ConnectOptions {
        clean_start,
        session_expiry_secs: if choice & 8 == 0 { 0 } else { 60 },
        authentication: method.then_some(Authentication { method: "m", data: None }),
        ..ConnectOptions::new(version, "c")
    };
    let session = (!clean_start).then(SavedSession::default);
    Client::connect(&options, limits(), session, now).expect("the options are valid")
}

struct Run {
    client: Client,
    now: Moment,
    is_over: bool,
    was_open: bool,
    messages: Vec<PacketId>,
    under_way: Vec<PacketId>,
    requests: Vec<PacketId>,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        client: connect(script.u8(), Moment::START),
        now: Moment::START,
        is_over: false,
        was_open: false,
        messages: Vec::new(),
        under_way: Vec::new(),
        requests: Vec::new(),
    };
    run.drain();
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    run.client.transport_lost(run.now);
    run.drain();
    assert!(run.is_over, "every connection ends");
    assert_eq!((run.client.next_output(), run.client.next_deadline()), (None, None));
    reached(run.was_open)
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let (operation, now) = (script.u8(), self.now);
        match operation & 0x0f {
            0..=4 => self.client.receive(script.bytes(), now),
            5 => {
                self.now = now + Duration::from_millis(u64::from(script.u16()) * 10);
                self.client.expire(self.now);
                assert!(self.client.next_deadline().is_none_or(|due| due > self.now), "nothing stays due");
            }
            6 => {
                let _ = self.client.authenticate(Some(b"d"), now);
            }
            7 => {
                let _ = self.client.reauthenticate(None, now);
            }
            8 => {
                if let Some(id) = self.messages.pop() {
                    let _ = self.client.acknowledge(id, ReasonCode(script.u8()), Some("why"), now);
                }
            }
            9 => {
                let plain = SubscriptionOptions::plain(QoS::AtLeastOnce);
                let asked = self.client.subscribe(&[("a/#", plain), ("b", plain)], None, now);
                self.requests.extend(asked.ok());
            }
            10 => self.requests.extend(self.client.unsubscribe(&["a/#"], now).ok()),
            11..=13 => {
                let qos =
                    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(operation >> 4) % 3];
                let size = script.u8();
                let publication = Publication::new("t", &vec![size; usize::from(size)], qos);
                if let Ok(Some(id)) = self.client.publish(publication.expect("a topic name"), now) {
                    assert!(
                        !self.under_way.contains(&id) && !self.requests.contains(&id),
                        "an id has one use"
                    );
                    self.under_way.push(id);
                    assert!(self.under_way.len() <= 3, "no more than the limit are under way");
                }
            }
            14 => {
                let _ = self.client.disconnect(ReasonCode(script.u8()), None, now);
            }
            _ => self.client.transport_lost(now),
        }
        assert!(self.requests.len() <= 2, "no more than the limit wait");
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.next_output() {
            assert!(!self.is_over, "nothing follows the end: {output:?}");
            self.note(output);
        }
        self.was_open |= self.client.is_open();
    }

    fn note(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Transmit(bytes) => assert!(!bytes.is_empty()),
            ClientOutput::Challenge { .. }
            | ClientOutput::Connected(_)
            | ClientOutput::Reauthenticated { .. } => {}
            ClientOutput::Message(incoming) => {
                if let Some(id) = incoming.id {
                    assert!(!self.messages.contains(&id), "an identifier waits once");
                    self.messages.push(id);
                    assert!(self.messages.len() <= 4, "no more than the limit wait");
                }
            }
            ClientOutput::Released { id } => assert!(!self.messages.contains(&id)),
            ClientOutput::Received { id } => assert!(self.under_way.contains(&id)),
            ClientOutput::Delivered { id, .. } => {
                let before = self.under_way.len();
                self.under_way.retain(|open| *open != id);
                assert_eq!(self.under_way.len() + 1, before, "a message ends once");
            }
            ClientOutput::Subscribed { id, .. } | ClientOutput::Unsubscribed { id, .. } => {
                assert!(self.requests.contains(&id), "a request is answered once");
                self.requests.retain(|open| *open != id);
            }
            ClientOutput::Ended(_) => self.is_over = true,
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, connack, none) in
        [(0, &b"\x20\x02\0\0"[..], &b""[..]), (1, b"\x20\x03\0\0\0", b"\0"), (13, b"\x20\x03\x01\0\0", b"\0")]
    {
        let mut script = Recorder::default();
        let publish = [&[0x34, 6 + none.len() as u8][..], b"\0\x01t\0\x07", none, b"m"].concat();
        script.u8(choice).u8(0).bytes(connack).u8(0x1b).u8(2).u8(0x2b).u8(2).u8(9);
        script.u8(0).bytes(b"\x40\x02\0\x01\x50\x02\0\x02\x70\x02\0\x02").u8(0).bytes(&publish).u8(8).u8(0);
        script.u8(0).bytes(b"\x62\x02\0\x07").u8(5).u16(6000).u8(0).bytes(b"\xd0\0").u8(14).u8(0);
        seeds.push(script.0);
        let mut asked = Recorder::default();
        let suback = [&[0x90, 4 + none.len() as u8, 0, 1][..], none, b"\0\x01"].concat();
        asked.u8(choice).u8(0).bytes(connack).u8(9).u8(10).u8(0).bytes(&suback).u8(0).bytes(b"\xe0\0");
        seeds.push(asked.0);
    }
    let mut authenticated = Recorder::default();
    let auth = b"\xf0\x06\x18\x04\x15\0\x01m";
    authenticated.u8(3).u8(0).bytes(auth).u8(6).u8(0).bytes(b"\x20\x07\0\0\x04\x15\0\x01m").u8(7);
    authenticated.u8(0).bytes(auth).u8(6).u8(0).bytes(b"\xf0\x06\x00\x04\x15\0\x01m");
    seeds.push(authenticated.0);
    seeds
}
