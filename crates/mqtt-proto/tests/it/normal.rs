//! Packets in a form in which those of other codecs can be compared. The fuzz targets compile this file too.

use mqtt_proto::{Packet, Properties};

fn sorted(properties: &mut Properties<'_>) -> Vec<String> {
    let mut list: Vec<_> = properties.iter().map(|property| format!("{property:?}")).collect();
    // User properties and subscription identifiers have an order among themselves.
    list.sort_by_key(|text| text[..4].to_owned());
    *properties = Properties::NONE;
    list
}

/// A packet as text; the order of different properties says nothing.
pub(crate) fn normal(packet: Packet<'_>) -> (String, Vec<String>, Vec<String>) {
    let mut packet = packet;
    let mut of_will = Vec::new();
    let mut password = Vec::new();
    let properties = match &mut packet {
        Packet::Connect(connect) => {
            of_will = connect.will.as_mut().map(|will| sorted(&mut will.properties)).unwrap_or_default();
            password = connect.password.map(|password| password.0.to_vec()).unwrap_or_default();
            sorted(&mut connect.properties)
        }
        Packet::ConnAck(connack) => sorted(&mut connack.properties),
        Packet::Publish(publish) => sorted(&mut publish.properties),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            sorted(&mut ack.properties)
        }
        Packet::Subscribe(subscribe) => sorted(&mut subscribe.properties),
        Packet::SubAck(suback) => sorted(&mut suback.properties),
        Packet::Unsubscribe(unsubscribe) => sorted(&mut unsubscribe.properties),
        Packet::UnsubAck(unsuback) => sorted(&mut unsuback.properties),
        Packet::PingReq | Packet::PingResp => Vec::new(),
        Packet::Disconnect(disconnect) => sorted(&mut disconnect.properties),
        Packet::Auth(auth) => sorted(&mut auth.properties),
    };
    (format!("{packet:?} {password:?}"), properties, of_will)
}
