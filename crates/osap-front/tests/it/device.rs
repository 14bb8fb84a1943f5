//! A device at the access service, and what it says there.

use std::sync::Arc;

use clock::{Dice, Now};
use crypto::{Provider, Secret};
use mqtt_proto::{
    Client, ClientOutput, ConnectOptions, Incoming, LastWill, Limits, Password, Publication, QoS, ReasonCode,
    SignIn, Version,
};
use osap_front::LineId;
use osap_proto::*;
use osap_things::{DownMessage, UpMessage, decode_down, encode_up};

use crate::world::{EPOCH_MILLIS, World, at};

/// A device with a ticket for the access service.
pub(crate) struct Device {
    pub(crate) serial: Serial,
    pub(crate) devid: Devid,
    pub(crate) completed: Completed,
    pub(crate) conn_no: u32,
    pub(crate) seq: u64,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) dice: Dice,
    pub(crate) version: Version,
    pub(crate) limits: Limits,
    /// Topic and application part.
    pub(crate) will: Option<(String, Vec<u8>)>,
}

impl Device {
    pub(crate) fn numbers(&mut self) -> ConnectionNumbers {
        self.conn_no += 1;
        ConnectionNumbers {
            epoch: self.completed.das.epoch,
            conn_no: self.conn_no,
            conn_nonce: self.dice.bytes(),
        }
    }

    pub(crate) fn connect(&mut self, server_id: &ServerId) -> (Client, ConnectionNumbers) {
        let numbers = self.numbers();
        (self.connect_with(server_id, &numbers, |_| {}), numbers)
    }

    pub(crate) fn connect_with(
        &self,
        server_id: &ServerId,
        numbers: &ConnectionNumbers,
        change: impl FnOnce(&mut ConnectOptions<'_>),
    ) -> Client {
        let will = self.will.as_ref().map(|(topic, application)| {
            let general = General { seq: 1, ts: EPOCH_MILLIS };
            let sealed = seal_will(
                self.provider.as_ref(),
                &self.completed.das_secret,
                numbers,
                topic.as_bytes(),
                general,
                application,
            );
            let publication = Publication::new(topic, &sealed.unwrap(), QoS::AtLeastOnce).unwrap();
            LastWill { publication, delay_secs: 0 }
        });
        let header = ConnectHeader {
            level: if self.version == Version::V5 { 5 } else { 4 },
            flags: 0xC2 | if will.is_some() { 0x0C } else { 0 },
            keep_alive: 30,
        };
        let password = connect_password(
            self.provider.as_ref(),
            &self.completed.das_secret,
            server_id,
            &self.serial,
            numbers,
            header,
        );
        let client_id = std::str::from_utf8(self.devid.as_bytes()).unwrap().to_owned();
        let mut options = ConnectOptions {
            keep_alive_secs: 30,
            will,
            sign_in: Some(SignIn {
                user_name: &self.completed.das.das_ticket,
                password: Some(Password(&password)),
            }),
            ..ConnectOptions::new(self.version, &client_id)
        };
        change(&mut options);
        Client::connect(&options, self.limits, None, at(0).moment).unwrap()
    }

    pub(crate) fn general(&mut self, now: Now) -> General {
        self.seq += 1;
        General { seq: self.seq, ts: now.utc.unwrap().as_unix_millis() }
    }
}

/// What a device got, opened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) general: General,
    pub(crate) message: DownMessage,
}

/// One connection of a device.
pub(crate) struct Talk {
    pub(crate) line: LineId,
    pub(crate) client: Client,
    pub(crate) numbers: ConnectionNumbers,
    pub(crate) session: Option<Session>,
    pub(crate) serial: Serial,
    pub(crate) das_secret: Secret,
    /// Every byte that the device sent.
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) heard: Vec<Got>,
    pub(crate) delivered: Vec<ReasonCode>,
    pub(crate) end: Option<mqtt_proto::End>,
    pub(crate) acknowledges: bool,
}

impl Talk {
    /// Lets both ends say what they have to say.
    pub(crate) fn turn(&mut self, world: &mut World, now: Now) {
        for _ in 0..30 {
            while let Some(output) = self.client.next_output() {
                match output {
                    ClientOutput::Transmit(bytes) => {
                        self.sent.push(bytes.clone());
                        if !world.is_closed(self.line) {
                            world.das.receive(self.line, &bytes, now);
                        }
                    }
                    ClientOutput::Connected(_) => {}
                    ClientOutput::Message(incoming) => self.message(world, incoming, now),
                    ClientOutput::Delivered { reason, .. } => self.delivered.push(reason),
                    ClientOutput::Ended(end) => self.end = Some(end.end),
                    other => panic!("{other:?}"),
                }
            }
            world.drain_das(now);
            let bytes = world.heard(self.line);
            if bytes.is_empty() {
                return;
            }
            self.client.receive(&bytes, now.moment);
        }
        panic!("they never come to rest")
    }

    fn message(&mut self, world: &World, incoming: Incoming, now: Now) {
        let message = &incoming.publication.message;
        let topic = message.topic.as_bytes();
        match &mut self.session {
            None => {
                let session = open_greeting(
                    &world.provider,
                    &self.das_secret,
                    &self.serial,
                    &self.numbers,
                    topic,
                    &message.payload,
                    now.moment,
                );
                self.session = Some(session.expect("the greeting is for this connection"));
            }
            Some(session) => {
                let opened = session.opener.receive(topic, &message.payload, now.moment).unwrap();
                let said = decode_down(&message.topic, opened.application()).unwrap();
                self.heard.push(Got { general: opened.general, message: said });
                if let Some(id) = incoming.id.filter(|_| self.acknowledges) {
                    self.client.acknowledge(id, ReasonCode::SUCCESS, None, now.moment).unwrap();
                }
            }
        }
    }

    /// Seals and sends.
    pub(crate) fn say(&mut self, world: &mut World, general: General, message: &UpMessage, now: Now) {
        let (topic, payload) = self.seal(general, message, now);
        self.publish(world, &topic, &payload, now);
    }

    pub(crate) fn seal(&mut self, general: General, message: &UpMessage, now: Now) -> (String, Vec<u8>) {
        let (topic, body) = encode_up(message, &self.serial).unwrap();
        let sealer = &mut self.session.as_mut().unwrap().sealer;
        let payload = sealer.seal(topic.as_bytes(), general, &body, now.moment).unwrap();
        (topic, payload)
    }

    pub(crate) fn publish(&mut self, world: &mut World, topic: &str, payload: &[u8], now: Now) {
        let publication = Publication::new(topic, payload, QoS::AtLeastOnce).unwrap();
        self.client.publish(publication, now.moment).unwrap();
        self.turn(world, now);
    }
}
