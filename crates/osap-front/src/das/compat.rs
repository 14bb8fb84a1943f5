//! Devices of type 1, at a door of their own.
//!
//! Their CONNECT is read here, since no strict reader of MQTT takes it: no client id, NULs behind the topic of the will,
//! and the will is a registration. What follows is MQTT 3.1.1, with both subscriptions standing by themselves.
//! Source: the wire facts of type 1; OSAP secure profile section 12; ADR 0300.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clock::{Now, Timestamp};
use mqtt_proto::{Accept, Publication, QoS, Server, ServerOutput};
use osap_proto::compat::{CompatConnect, CompatGeneral, CompatSession, admit_compat, seal_compat};
use osap_proto::{Devid, General, ProtocolType, Serial};

use super::line::{Cover, Line, Live, Stage};
use super::words::DasEvent;
use super::{DasFace, Due, mqtt_settings};
use crate::LineId;

/// Bytes of a CONNECT, and of what may come behind it before its answer.
const WAITING_SIZE_MAX: usize = 8 * 1024;
/// A device that names no keep alive, or a longer one, is lost after this and a half.
const KEEP_ALIVE_MAX: u16 = 300;
/// Where devices ask whose they are.
const WHOSE: &str = "/1100/13381";
/// Numbers of messages stay below this: devices read them as 32 bits with a sign.
const SEQ_MAX: u32 = 0x7FFF_FFFF;

/// What has come of a first packet.
enum First {
    /// Not all of it.
    Part,
    /// All of it: so many bytes.
    Whole(usize),
    /// It is none, or too long.
    Wrong,
}

fn first_of(bytes: &[u8]) -> First {
    let Some((kind, rest)) = bytes.split_first() else { return First::Part };
    if *kind != 0x10 {
        return First::Wrong;
    }
    let mut length = 0;
    for (place, part) in rest.iter().take(2).enumerate() {
        length |= usize::from(part & 0x7F) << (7 * place);
        if part & 0x80 == 0 {
            let size = 2 + place + length;
            return match size {
                _ if size > WAITING_SIZE_MAX => First::Wrong,
                _ if bytes.len() < size => First::Part,
                _ => First::Whole(size),
            };
        }
    }
    // A third byte of length is more than any device needs.
    if rest.len() < 2 { First::Part } else { First::Wrong }
}

/// A CONNECT that says the same to a strict reader.
fn strict_connect(devid: &Devid, keep_alive: u16) -> Vec<u8> {
    let keep_alive = match keep_alive {
        0 => KEEP_ALIVE_MAX,
        secs => secs.min(KEEP_ALIVE_MAX),
    };
    let id = devid.as_bytes();
    let mut packet = vec![0x10, 12 + 32, 0, 4];
    packet.extend_from_slice(b"MQTT\x04\x02");
    packet.extend_from_slice(&keep_alive.to_be_bytes());
    packet.extend_from_slice(&[0, 32]);
    packet.extend_from_slice(id);
    packet
}

impl DasFace {
    /// A connection is there, at the door where type 1 is switched on.
    pub fn opened_compat(&mut self, line: LineId, now: Now) {
        let mut settings = mqtt_settings();
        // Every message of these devices says so; nothing is retained for it.
        settings.capabilities.retain = true;
        let mqtt = Server::new(settings, now.moment);
        let stage = Stage::Registering(Vec::new());
        self.lines.insert(line, Line { mqtt, is_tls: false, stage });
        self.settle(line, now);
    }

    pub(super) fn receive_registration(&mut self, line: LineId, bytes: &[u8], now: Now) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let waiting = match &mut open.stage {
            Stage::Registering(waiting) => waiting,
            Stage::Registered(asked) => {
                asked.1.extend_from_slice(bytes);
                if asked.1.len() > WAITING_SIZE_MAX {
                    self.hang_up(line);
                }
                return;
            }
            Stage::New | Stage::Asked(_) | Stage::Live(_) => return,
        };
        waiting.extend_from_slice(bytes);
        let size = match first_of(waiting) {
            First::Part => return self.settle(line, now),
            First::Whole(size) if waiting.len() <= 2 * WAITING_SIZE_MAX => size,
            First::Whole(_) | First::Wrong => return self.hang_up(line),
        };
        let (packet, behind) = (waiting[..size].to_vec(), waiting[size..].to_vec());
        let serial = CompatConnect::decode(&packet).ok().and_then(|connect| Serial::new(connect.user_name));
        let Some(serial) = serial else { return self.hang_up(line) };
        open.stage = Stage::Registered(Box::new((packet, behind)));
        self.tell(DasEvent::WhoIsCompat { line, serial });
    }

    /// Closes without a word.
    fn hang_up(&mut self, line: LineId) {
        self.lines.remove(&line);
        self.due.clear(&Due::Line(line));
        self.outputs.close(line);
    }

    pub(super) fn known_compat(
        &mut self,
        line: LineId,
        standing: Option<Box<(CompatSession, Timestamp)>>,
        now: Now,
    ) {
        let Some(open) = self.lines.get_mut(&line) else { return };
        let Stage::Registered(asked) = &open.stage else { return };
        let (packet, behind) = (asked.0.clone(), asked.1.clone());
        let Ok(connect) = CompatConnect::decode(&packet) else { return self.hang_up(line) };
        let session = standing.as_ref().map(|standing| &standing.0);
        let admitted = admit_compat(self.provider.as_ref(), &connect, session);
        match (admitted, standing) {
            (Ok(taken), Some(standing)) => {
                let (session, until) = *standing;
                let connect = strict_connect(&session.devid, taken.keep_alive);
                self.admit_compat(line, session, until, &connect, now);
                self.receive(line, &behind, now);
            }
            (Err(refusal), _) => {
                self.counters.refused_session += 1;
                let bytes = vec![0x20, 2, 0, refusal.return_code()];
                self.outputs.transmit(line, bytes);
                self.hang_up(line);
            }
            // Nobody is let in without a session.
            (Ok(_), None) => self.hang_up(line),
        }
    }

    fn admit_compat(
        &mut self,
        line: LineId,
        session: CompatSession,
        until: Timestamp,
        connect: &[u8],
        now: Now,
    ) {
        let CompatSession { serial, devid, session_key, .. } = session;
        let earlier = self.devices.get(&serial).and_then(|device| device.line);
        let of_same_id = self.by_devid.get(&devid).copied();
        for before in earlier.into_iter().chain(of_same_id) {
            self.supersede(before, now);
        }
        let unix_millis = now.utc.map_or(0, |utc| utc.as_unix_millis());
        let expiry = now.moment + Duration::from_millis(until.as_unix_millis().saturating_sub(unix_millis));
        let Some(open) = self.lines.get_mut(&line) else { return };
        open.mqtt.receive(connect, now.moment);
        let is_asked = matches!(open.mqtt.next_output(), Some(ServerOutput::Connect(_)));
        if !is_asked || open.mqtt.accept(Accept::default(), now.moment).is_err() {
            return self.hang_up(line);
        }
        open.stage = Stage::Live(Box::new(Live {
            serial: serial.clone(),
            devid,
            issued: 0,
            cover: Cover::Compat { key: session_key, bad: 0 },
            expiry,
            will: None,
            sent: BTreeMap::new(),
            tokens: Default::default(),
        }));
        self.counters.admitted += 1;
        self.counters.compat_admitted += 1;
        self.by_devid.insert(devid, line);
        let device = self.devices.entry(serial.clone()).or_default();
        (device.line, device.is_compat) = (Some(line), true);
        self.remembered.insert(serial.clone(), expiry);
        self.set_device_due(&serial);
        let protocol = ProtocolType::COMPAT;
        self.tell(DasEvent::Online { serial: serial.clone(), devid, protocol, is_tls: false });
        self.send_orders(&serial, now);
        self.settle(line, now);
    }

    /// The number of the next message to a device of type 1.
    pub(super) fn compat_general(&mut self, now: Now) -> General {
        let seq = u64::from(self.next_compat_seq);
        self.next_compat_seq = if self.next_compat_seq >= SEQ_MAX { 1 } else { self.next_compat_seq + 1 };
        General { seq, ts: now.utc.map_or(0, |utc| utc.as_unix_millis()) }
    }

    /// Devices that ask whose they are hear that they are somebody's; who that is concerns nobody on the way.
    pub(super) fn say_whose(&mut self, line: LineId, topic: &str, seq: u64) {
        if topic != WHOSE {
            return;
        }
        let Some(open) = self.lines.get_mut(&line) else { return };
        let Some(live) = open.live() else { return };
        let Cover::Compat { key, .. } = &live.cover else { return };
        let general = CompatGeneral { version: Some("v2.0.0".to_owned()), seq, message_type: 2 };
        let answer = b"<?xml version=\"1.0\" encoding=\"utf-8\"?><Response><Result>0</Result><User Id=\"owner\">owner</User></Response>";
        let payload = seal_compat(Arc::clone(&self.provider).as_ref(), key, &general, answer);
        let topic = format!("/{}/1100/13382", String::from_utf8_lossy(live.serial.as_bytes()));
        if let Some(payload) = payload
            && let Ok(publication) = Publication::new(&topic, &payload, QoS::AtMostOnce)
            && open.mqtt.publish(publication).is_ok()
        {
            self.counters.sent += 1;
        }
    }
}
