//! Numbers, texts and messages as they are stored: big-endian, lengths in front.

use std::sync::Arc;

use mqtt_proto::{
    Delivery, Frame, LastWill, Message, PACKET_SIZE_MAX, Packet, Property, PropertyList, Publication,
    Publish, QoS, Version,
};

/// Why stored bytes cannot be read: they are not as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Takes fields off the front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        self.take(N)?.try_into().map_err(|_| Broken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Broken> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Broken> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| Broken)
    }

    /// A message, written by [`put_publication`].
    pub(crate) fn publication(&mut self) -> Result<Publication, Broken> {
        let frame = Frame::first_of(self.0, PACKET_SIZE_MAX).ok().flatten().ok_or(Broken)?;
        let packet = Packet::decode(frame, Version::V5).map_err(|_| Broken)?;
        let Packet::Publish(publish) = packet else { return Err(Broken) };
        let mut properties = PropertyList::new();
        let mut expiry_secs = None;
        for property in publish.properties.iter() {
            match property {
                Property::MessageExpiryInterval(secs) => expiry_secs = Some(secs),
                other => properties.push(other).map_err(|_| Broken)?,
            }
        }
        let message = Message { topic: publish.topic.into(), payload: publish.payload.to_vec(), properties };
        self.take(frame.size())?;
        Ok(Publication {
            message: Arc::new(message),
            qos: QoS::AtMostOnce,
            retain: publish.retain,
            expiry_secs,
            subscription_ids: Vec::new(),
        })
    }

    pub(crate) fn qos(&mut self) -> Result<QoS, Broken> {
        qos_of(self.u8()?)
    }

    /// A will, written by [`put_will`].
    pub(crate) fn will(&mut self) -> Result<LastWill, Broken> {
        let delay_secs = self.u32()?;
        let qos = self.qos()?;
        Ok(LastWill { publication: Publication { qos, ..self.publication()? }, delay_secs })
    }
}

pub(crate) fn qos_of(number: u8) -> Result<QoS, Broken> {
    match number {
        0 => Ok(QoS::AtMostOnce),
        1 => Ok(QoS::AtLeastOnce),
        2 => Ok(QoS::ExactlyOnce),
        _ => Err(Broken),
    }
}

pub(crate) const fn qos_number(qos: QoS) -> u8 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}

pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    let length = u32::try_from(text.len()).expect("texts of MQTT are shorter than 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A message as a PUBLISH of MQTT 5.0 with QoS 0: topic, retain flag, expiry, properties and payload.
pub(crate) fn put_publication(publication: &Publication, out: &mut Vec<u8>) {
    let message = &publication.message;
    let mut with_expiry = PropertyList::new();
    let properties = match publication.expiry_secs {
        None => message.properties.as_properties(),
        Some(secs) => {
            with_expiry.extend(message.properties.as_properties());
            with_expiry.push(Property::MessageExpiryInterval(secs)).expect("any number of seconds is one");
            with_expiry.as_properties()
        }
    };
    let publish = Publish {
        delivery: Delivery::AtMostOnce,
        retain: publication.retain,
        topic: &message.topic,
        properties,
        payload: &message.payload,
    };
    let written = Packet::Publish(publish).encode(Version::V5, PACKET_SIZE_MAX, out);
    written.expect("what came as a message can be written as one");
}

pub(crate) fn put_will(will: &LastWill, out: &mut Vec<u8>) {
    out.extend_from_slice(&will.delay_secs.to_be_bytes());
    out.push(qos_number(will.publication.qos));
    put_publication(&will.publication, out);
}
