//! Records of sessions and retained messages.

use std::num::NonZeroU32;

use mqtt_proto::{LastWill, Publication, QoS, RetainHandling, SubscriptionOptions, Version};
use store::{Key, Space};

use crate::layout::{Broken, Fields, put_publication, put_text, put_will, qos_number, qos_of};
use crate::session::Subscription;

/// The space of the journal.
pub const MESSAGES: Space = Space(0x70);
/// Sessions that outlive their connection, by their serial number.
pub const SESSIONS: Space = Space(0x71);
/// Retained messages, by a number.
pub const RETAINED: Space = Space(0x72);
/// The one journal of [`MESSAGES`].
pub const JOURNAL_NAME: &[u8] = b"deliveries";

/// The version byte in front of a record.
const FORMAT: u8 = 1;

pub(crate) fn session_key(serial: u64) -> Key {
    Key::new(SESSIONS, serial.to_be_bytes())
}

pub(crate) fn retained_key(number: u64) -> Key {
    Key::new(RETAINED, number.to_be_bytes())
}

pub(crate) fn number_of(key: &Key) -> Result<u64, Broken> {
    key.name.as_slice().try_into().map(u64::from_be_bytes).map_err(|_| Broken)
}

/// A session beside its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) namespace: String,
    pub(crate) client_id: String,
    pub(crate) version: Version,
    pub(crate) expiry_secs: u32,
    /// Milliseconds since 1970 when it ends; 0 while its client is connected or time is not known.
    pub(crate) ends_unix_millis: u64,
    pub(crate) subscriptions: Vec<(String, Subscription)>,
    /// Published when its delay is over and the client is not back.
    pub(crate) will: Option<LastWill>,
}

impl SessionRecord {
    pub(crate) fn to_value(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_text(&self.namespace, &mut out);
        put_text(&self.client_id, &mut out);
        out.push(match self.version {
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        });
        out.extend_from_slice(&self.expiry_secs.to_be_bytes());
        out.extend_from_slice(&self.ends_unix_millis.to_be_bytes());
        let count = u32::try_from(self.subscriptions.len()).expect("subscriptions are counted");
        out.extend_from_slice(&count.to_be_bytes());
        for (filter, subscription) in &self.subscriptions {
            put_text(filter, &mut out);
            put_options(subscription.options, &mut out);
            out.extend_from_slice(&subscription.id.map_or(0, NonZeroU32::get).to_be_bytes());
        }
        out.push(u8::from(self.will.is_some()));
        self.will.iter().for_each(|will| put_will(will, &mut out));
        out
    }

    pub(crate) fn from_value(value: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(value);
        let f = &mut fields;
        if f.u8()? != FORMAT {
            return Err(Broken);
        }
        let (namespace, client_id) = (f.text()?.to_owned(), f.text()?.to_owned());
        let version = match f.u8()? {
            4 => Version::V3_1_1,
            5 => Version::V5,
            _ => return Err(Broken),
        };
        let (expiry_secs, ends_unix_millis) = (f.u32()?, f.u64()?);
        let count = f.u32()?;
        let mut subscriptions = Vec::new();
        for _ in 0..count {
            let filter = f.text()?.to_owned();
            let options = options_of(f.u8()?)?;
            subscriptions.push((filter, Subscription { options, id: NonZeroU32::new(f.u32()?) }));
        }
        let will = match f.u8()? {
            0 => None,
            1 => Some(f.will()?),
            _ => return Err(Broken),
        };
        if !f.0.is_empty() {
            return Err(Broken);
        }
        Ok(Self { namespace, client_id, version, expiry_secs, ends_unix_millis, subscriptions, will })
    }
}

/// As SUBSCRIBE of MQTT 5.0 has them.
fn put_options(options: SubscriptionOptions, out: &mut Vec<u8>) {
    let handling = match options.retain_handling {
        RetainHandling::Send => 0,
        RetainHandling::SendIfNew => 1,
        RetainHandling::DoNotSend => 2,
    };
    let flags = u8::from(options.no_local) << 2 | u8::from(options.retain_as_published) << 3;
    out.push(qos_number(options.qos) | flags | handling << 4);
}

fn options_of(byte: u8) -> Result<SubscriptionOptions, Broken> {
    let retain_handling = match byte >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(Broken),
    };
    Ok(SubscriptionOptions {
        qos: qos_of(byte & 3)?,
        no_local: byte & 4 != 0,
        retain_as_published: byte & 8 != 0,
        retain_handling,
    })
}

/// A retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetainedRecord {
    pub(crate) namespace: String,
    pub(crate) qos: QoS,
    /// Milliseconds since 1970 when its time is over; 0: never, or not known.
    pub(crate) ends_unix_millis: u64,
    pub(crate) publication: Publication,
}

impl RetainedRecord {
    pub(crate) fn to_value(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put_text(&self.namespace, &mut out);
        out.push(qos_number(self.qos));
        out.extend_from_slice(&self.ends_unix_millis.to_be_bytes());
        put_publication(&self.publication, &mut out);
        out
    }

    pub(crate) fn from_value(value: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(value);
        let f = &mut fields;
        if f.u8()? != FORMAT {
            return Err(Broken);
        }
        let (namespace, qos, ends_unix_millis) = (f.text()?.to_owned(), f.qos()?, f.u64()?);
        let publication = Publication { qos, ..f.publication()? };
        if f.0.is_empty() { Ok(Self { namespace, qos, ends_unix_millis, publication }) } else { Err(Broken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_no_cut_is_read() {
        let will = Publication::new("w", b"gone", QoS::ExactlyOnce).unwrap();
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        let session = SessionRecord {
            namespace: "owner".into(),
            client_id: "lamp ä".into(),
            version: Version::V3_1_1,
            expiry_secs: 60,
            ends_unix_millis: 99,
            subscriptions: vec![
                ("a/#".into(), Subscription { options, id: NonZeroU32::new(3) }),
                ("b".into(), Subscription { options: SubscriptionOptions::plain(QoS::AtMostOnce), id: None }),
            ],
            will: Some(LastWill { publication: will, delay_secs: 5 }),
        };
        let value = session.to_value();
        assert_eq!(SessionRecord::from_value(&value), Ok(session));
        assert!((0..value.len()).all(|cut| SessionRecord::from_value(&value[..cut]).is_err()));
        let publication = Publication::new("a", b"1", QoS::AtLeastOnce).unwrap();
        let retained =
            RetainedRecord { namespace: "o".into(), qos: QoS::AtLeastOnce, ends_unix_millis: 0, publication };
        let value = retained.to_value();
        assert_eq!(RetainedRecord::from_value(&value), Ok(retained));
        assert!((0..value.len()).all(|cut| RetainedRecord::from_value(&value[..cut]).is_err()));
        assert!(RetainedRecord::from_value(&[value, vec![0]].concat()).is_err());
    }
}
