//! A device that gives a handshake up and begins another one from the same address, as it does with a new image.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use assure_proto::PskHint;
use clock::{Dice, Moment, Now};
use coap_front::channels::{ChannelCommand, ChannelEvent, ChannelFace, ChannelSetup};
use coap_front::{Admission, AdmissionKey, Output};
use crypto::Secret;
use model::KeyId;

use crate::client::{Client, ClientKey};
use crate::system::{Managed, client, face, linked};

/// A device that has begun again is served within this.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client and a server with everything under way between them.
struct Scene {
    client: Client,
    face: ChannelFace,
    admission: Admission,
    to_server: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    /// What came to the client before it began again, for a network that delivers twice.
    heard: Vec<Vec<u8>>,
    asked: VecDeque<ChannelEvent>,
    now: Now,
    story: Vec<String>,
}

impl Scene {
    fn server() -> SocketAddr {
        crate::world::server()
    }

    fn collect(&mut self) {
        self.to_server.extend(self.client.drain(self.now).into_iter().map(|(_, datagram)| datagram));
        while let Some(output) = self.face.next_output() {
            match output {
                Output::Transmit { datagram, .. } => self.to_client.push_back(datagram),
                Output::Event(event @ ChannelEvent::WhoIs { .. }) => self.asked.push_back(event),
                Output::Event(_) => {}
            }
        }
    }

    fn answer(&mut self) {
        let Some(ChannelEvent::WhoIs { association, .. }) = self.asked.pop_front() else { return };
        let admission = Box::new(self.admission.clone());
        self.face.command(ChannelCommand::Known { association, admission }, self.now);
    }

    fn turn(&mut self, which: u8) -> bool {
        match which {
            0 if !self.to_server.is_empty() => {
                let datagram = self.to_server.pop_front().unwrap();
                self.face.receive(self.client.address, &datagram, self.now);
            }
            1 if !self.to_client.is_empty() => {
                let datagram = self.to_client.pop_front().unwrap();
                self.heard.push(datagram.clone());
                self.client.lines.receive(Self::server(), &datagram, self.now);
            }
            2 if !self.asked.is_empty() => self.answer(),
            _ => return false,
        }
        self.story.push(["to server", "to client", "answered"][usize::from(which)].to_owned());
        self.collect();
        true
    }

    fn is_quiet(&self) -> bool {
        self.to_server.is_empty() && self.to_client.is_empty() && self.asked.is_empty()
    }

    fn next_deadline(&self) -> Option<Moment> {
        [self.client.lines.next_deadline(), self.face.next_deadline()].into_iter().flatten().min()
    }
}

fn other_key(device: &Managed) -> (ClientKey, Admission) {
    let (id, secret) = (KeyId([0x77; 16]), Secret::new(vec![0x77; 32]));
    let key = AdmissionKey::Secret { id, secret: secret.clone(), hint: PskHint::KeyId(id) };
    (ClientKey::Shared(id, secret), Admission { key, ..device.admission.clone() })
}

/// Plays one history; gives what happened when the device was kept waiting.
fn plays(number: u64) -> Option<Vec<String>> {
    let mut dice = Dice::numbered(number);
    let device: Managed = linked(1);
    let (key, admission) = other_key(&device);
    let mut scene = Scene {
        client: client(1, &device),
        face: face(ChannelSetup::LIMITS),
        admission,
        to_server: VecDeque::new(),
        to_client: VecDeque::new(),
        heard: Vec::new(),
        asked: VecDeque::new(),
        now: crate::world::start(),
        story: Vec::new(),
    };
    scene.client.offers_connection_id = number.is_multiple_of(2);
    scene.client.connect(Scene::server(), scene.now);
    scene.collect();
    for _ in 0..dice.bytes::<1>()[0] % 12 {
        scene.turn(dice.bytes::<1>()[0] % 3);
    }
    scene.story.push("begins again".into());
    let before = scene.client.association.unwrap();
    scene.client.lines.close(before, scene.now);
    scene.collect();
    scene.client.key = key;
    scene.client.connect(Scene::server(), scene.now);
    let since = scene.now.moment;
    scene.collect();
    let mut late = if number.is_multiple_of(3) { std::mem::take(&mut scene.heard) } else { Vec::new() };
    loop {
        while !scene.is_quiet() {
            scene.turn(dice.bytes::<1>()[0] % 3);
            if dice.bytes::<1>()[0].is_multiple_of(4)
                && let Some(datagram) = late.pop()
            {
                scene.story.push("twice".into());
                scene.to_client.push_front(datagram);
            }
        }
        if scene.client.summary.is_some() {
            return None;
        }
        if scene.client.end.is_some() {
            scene.story.push(format!("ended: {:?}; again", scene.client.end));
            scene.client.connect(Scene::server(), scene.now);
            scene.collect();
            continue;
        }
        let Some(next) = scene.next_deadline().filter(|next| *next <= since + PATIENCE) else {
            return Some(scene.story);
        };
        scene.story.push(format!("{:?}", next - since));
        scene.now.moment = next;
        scene.client.lines.expire(scene.now);
        scene.face.expire(scene.now);
        scene.collect();
    }
}

#[test]
fn who_begins_again_in_the_midst_of_a_handshake_is_not_kept_waiting() {
    for number in 0..1_000 {
        assert_eq!(plays(number), None, "history {number}");
    }
}
