//! A server's machine: a client that sends anything, and an application that does anything.

use std::time::Duration;

use clock::Moment;
use mqtt_proto::{
    Accept, Capabilities, Limits, PacketId, Publication, QoS, ReasonCode, Server, ServerOutput,
    ServerSettings,
};

use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const SERVER: Target = Target {
    name: "mqtt_server",
    about: "Server: bytes of a client, time, answers, messages",
    length_max: 1024,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

fn settings(choice: u8) -> ServerSettings {
    let limits = Limits {
        packet_size_max: 512,
        connect_size_max: 256,
        receive_maximum: 3.try_into().expect("not zero"),
        receive_maximum_untold: 4.try_into().expect("not zero"),
        topic_alias_maximum: 2,
        alias_bytes_max: 16,
        inflight_max: 3,
        request_count_max: 2,
        early_size_max: 64,
        authentication_round_max: 3,
        ..Limits::default()
    };
    let capabilities = if choice & 1 == 0 {
        Capabilities::default()
    } else {
        Capabilities { maximum_qos: QoS::AtLeastOnce, retain: false, ..Capabilities::default() }
    };
    ServerSettings { limits, capabilities, session_expiry_max_secs: 1000, ..ServerSettings::default() }
}

struct Run {
    server: Server,
    now: Moment,
    is_asked: bool,
    is_named: bool,
    is_over: bool,
    was_open: bool,
    messages: Vec<PacketId>,
    subscriptions: Vec<(PacketId, usize)>,
    unsubscriptions: Vec<(PacketId, usize)>,
    under_way: Vec<PacketId>,
}

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut run = Run {
        server: Server::new(settings(script.u8()), Moment::START),
        now: Moment::START,
        is_asked: false,
        is_named: true,
        is_over: false,
        was_open: false,
        messages: Vec::new(),
        subscriptions: Vec::new(),
        unsubscriptions: Vec::new(),
        under_way: Vec::new(),
    };
    while !script.is_empty() {
        run.step(&mut script);
        run.drain();
    }
    run.server.transport_lost(run.now);
    run.drain();
    assert!(run.is_over, "every connection ends");
    assert_eq!((run.server.next_output().is_none(), run.server.next_deadline()), (true, None));
    reached(run.was_open)
}

impl Run {
    fn step(&mut self, script: &mut Script<'_>) {
        let (operation, now) = (script.u8(), self.now);
        match operation & 0x0f {
            0..=3 => self.server.receive(script.bytes(), now),
            4 => self.pass(Duration::from_millis(u64::from(script.u16()) * 10)),
            5 => {
                let accept =
                    Accept { assigned_client_id: (!self.is_named).then_some("n"), ..Accept::default() };
                let accepted = self.server.accept(accept, now);
                assert_eq!(accepted.is_ok(), self.is_asked, "{accepted:?}");
                self.is_asked = false;
            }
            6 => {
                let refused = self.server.refuse(ReasonCode(script.u8()), Some("no"), None, now);
                assert!(refused.is_err() || self.is_asked);
                self.is_asked &= refused.is_err();
            }
            7 => {
                if self.server.challenge(Some(b"c"), now).is_ok() {
                    self.is_asked = false;
                }
            }
            8 => {
                let _ = self.server.reauthenticated(None, now);
            }
            9 => {
                if let Some(id) = self.messages.pop() {
                    let answered = self.server.acknowledge(id, ReasonCode(script.u8()), Some("why"), now);
                    assert!(answered.is_ok() || self.is_over || !self.server.is_open());
                }
            }
            10 => {
                if let Some((id, count)) = self.subscriptions.pop() {
                    let _ = self.server.subscribed(id, &vec![ReasonCode::SUCCESS; count], None, now);
                }
                if let Some((id, count)) = self.unsubscriptions.pop() {
                    let _ = self.server.unsubscribed(id, &vec![ReasonCode::SUCCESS; count], None, now);
                }
            }
            11..=13 => self.publish(operation >> 4, script.u8()),
            14 => self.server.disconnect(ReasonCode(script.u8()), Some("why"), now),
            _ => self.server.transport_lost(now),
        }
    }

    fn publish(&mut self, choice: u8, size: u8) {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(choice % 3)];
        let topic = ["a", "b/c", "d"][usize::from(choice / 3) % 3];
        let room = self.server.quota();
        let publication = Publication::new(topic, &vec![size; usize::from(size)], qos).expect("a topic name");
        if let Ok(Some(id)) = self.server.publish(publication) {
            assert!(room > 0 && self.server.quota() < room && !self.under_way.contains(&id));
            self.under_way.push(id);
            assert!(self.under_way.len() <= 3, "no more than the limit are under way");
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.server.expire(self.now);
        assert!(self.server.next_deadline().is_none_or(|due| due > self.now), "nothing stays due");
    }

    fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.server.next_output() {
            assert!(!self.is_over, "nothing follows the end: {output:?}");
            count += 1;
            assert!(count < 1000, "outputs are bounded by the input");
            self.note(output);
        }
        self.was_open |= self.server.is_open();
    }

    fn note(&mut self, output: ServerOutput) {
        match output {
            ServerOutput::Transmit(bytes) => assert!(!bytes.is_empty()),
            ServerOutput::Connect(request) => {
                self.is_asked = true;
                self.is_named = !request.client_id.is_empty();
            }
            ServerOutput::Authenticate { .. } => self.is_asked = !self.server.is_open(),
            ServerOutput::Message(incoming) => {
                if let Some(id) = incoming.id {
                    assert!(!self.messages.contains(&id), "an identifier waits once");
                    self.messages.push(id);
                    assert!(self.messages.len() <= 4, "no more than the limit wait");
                }
            }
            ServerOutput::Released { id } => assert!(!self.messages.contains(&id)),
            ServerOutput::Received { id } => assert!(self.under_way.contains(&id)),
            ServerOutput::Delivered { id, .. } => {
                let before = self.under_way.len();
                self.under_way.retain(|open| *open != id);
                assert_eq!(self.under_way.len() + 1, before, "a message ends once");
            }
            ServerOutput::Subscribe(request) => {
                self.subscriptions.push((request.id, request.subscriptions.len()))
            }
            ServerOutput::Unsubscribe(request) => {
                self.unsubscriptions.push((request.id, request.filters.len()))
            }
            ServerOutput::Ended(end) => {
                self.is_over = true;
                self.is_asked = false;
                assert!(end.absence.is_some() || !self.was_open);
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for connect in [
        &b"\x10\x0d\0\x04MQTT\x04\x02\0\x0a\0\x01c"[..],
        b"\x10\x0e\0\x04MQTT\x05\x02\0\x0a\0\0\x01c",
        b"\x10\x12\0\x04MQTT\x05\x02\0\x0a\x05\x11\0\0\0\x09\0\0",
    ] {
        let none: &[u8] = if connect[8] == 5 { &[0] } else { &[] };
        let publish = |first, id: u8| {
            let body = [b"\0\x01t\0", &[id][..], none, b"m"].concat();
            [&[first, body.len() as u8], &body[..]].concat()
        };
        let mut script = Recorder::default();
        script.u8(0).u8(0).bytes(connect).u8(5).u8(0).bytes(&publish(0x32, 1)).u8(0).bytes(&publish(0x34, 2));
        script.u8(9).u8(0).u8(9).u8(0).u8(0).bytes(b"\x62\x02\0\x02").u8(0x1b).u8(3).u8(0x2b).u8(3);
        script.u8(0).bytes(b"\x40\x02\0\x01\x50\x02\0\x02\x70\x02\0\x02").u8(4).u16(2000);
        seeds.push(script.0);
        let mut asked = Recorder::default();
        let subscribe = [&[0x82, 6 + none.len() as u8, 0, 1][..], none, b"\0\x01a\0"].concat();
        asked.u8(1).u8(0).bytes(connect).u8(0).bytes(&subscribe).u8(5).u8(10).u8(0).bytes(b"\xc0\0\xe0\0");
        seeds.push(asked.0);
    }
    let mut authenticated = Recorder::default();
    authenticated.u8(0).u8(0).bytes(b"\x10\x12\0\x04MQTT\x05\x02\0\x0a\x04\x15\0\x01m\0\x01c").u8(7);
    authenticated
        .u8(0)
        .bytes(b"\xf0\x06\x18\x04\x15\0\x01m")
        .u8(5)
        .u8(0)
        .bytes(b"\xf0\x06\x19\x04\x15\0\x01m")
        .u8(8);
    seeds.push(authenticated.0);
    seeds
}
