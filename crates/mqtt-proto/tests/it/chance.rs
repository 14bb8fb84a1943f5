//! Packets made by chance.

use std::num::{NonZeroU16, NonZeroU32};

use clock::Dice;
use mqtt_proto::{
    Ack, Auth, ConnAck, Connect, Delivery, Disconnect, FilterList, Kind, Packet, PacketId, Password,
    PayloadFormat, Place, Property, PropertyList, Publish, QoS, ReasonCode, RetainHandling, SubAck,
    Subscribe, SubscriptionList, SubscriptionOptions, UnsubAck, Unsubscribe, Version, Will,
};

/// One of `choices`.
pub(crate) fn one<T: Copy>(dice: &mut Dice, choices: &[T]) -> T {
    choices[dice.below(choices.len() as u64) as usize]
}

fn coin(dice: &mut Dice) -> bool {
    dice.below(2) == 0
}

pub(crate) fn text(dice: &mut Dice) -> String {
    let letters = ['a', 'Z', '0', ' ', 'ä', '\u{feff}', '漢', '🌳', '\u{1}', '$'];
    let length = if dice.below(40) == 0 { 300 } else { dice.below(9) };
    (0..length).map(|_| one(dice, &letters)).collect()
}

pub(crate) fn topic(dice: &mut Dice) -> String {
    format!("t/{}", text(dice))
}

fn filter(dice: &mut Dice) -> String {
    let base = one(dice, &["#", "+", "a/+/b", "a/b/#", "/", "$SYS/x", "+/+", "$share/g/a/#", "$share/h//"]);
    if coin(dice) { base.into() } else { topic(dice) }
}

fn blob(dice: &mut Dice) -> Vec<u8> {
    let length = if dice.below(30) == 0 { 20_000 } else { dice.below(20) };
    (0..length).map(|_| dice.below(256) as u8).collect()
}

fn id(dice: &mut Dice) -> PacketId {
    PacketId::new(dice.below(65_535) as u16 + 1).unwrap()
}

fn qos(dice: &mut Dice) -> QoS {
    one(dice, &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

/// Properties that may stand in `place`, in any order. Values that others cannot express are left out: an expiry of
/// zero, and the values that mean the same as nothing.
pub(crate) fn properties(dice: &mut Dice, place: Place) -> PropertyList {
    let words: [String; 9] = std::array::from_fn(|_| text(dice));
    let response = topic(dice);
    let number = dice.below(1_000_000) as u32 + 1;
    let small = NonZeroU16::new(dice.below(65_535) as u16 + 1).unwrap();
    let wide = NonZeroU32::new(dice.below(268_435_455) as u32 + 1).unwrap();
    let mut possible = match place {
        Place::Connect => vec![
            Property::SessionExpiryInterval(number),
            Property::ReceiveMaximum(small),
            Property::MaximumPacketSize(wide),
            Property::TopicAliasMaximum(small.get()),
            Property::RequestResponseInformation(true),
            Property::RequestProblemInformation(false),
        ],
        Place::ConnAck => vec![
            Property::SessionExpiryInterval(number),
            Property::ReceiveMaximum(small),
            Property::MaximumQos(one(dice, &[QoS::AtMostOnce, QoS::AtLeastOnce])),
            Property::RetainAvailable(false),
            Property::MaximumPacketSize(wide),
            Property::AssignedClientIdentifier(&words[0]),
            Property::TopicAliasMaximum(small.get()),
            Property::ReasonString(&words[1]),
            Property::WildcardSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
            Property::SharedSubscriptionAvailable(false),
            Property::ServerKeepAlive(small.get()),
            Property::ResponseInformation(&words[2]),
            Property::ServerReference(&words[3]),
        ],
        Place::Publish | Place::Will => vec![
            Property::PayloadFormat(PayloadFormat::Utf8),
            Property::MessageExpiryInterval(number),
            Property::ContentType(&words[0]),
            Property::ResponseTopic(&response),
            Property::CorrelationData(words[1].as_bytes()),
        ],
        Place::Ack => vec![Property::ReasonString(&words[0])],
        Place::Subscribe => vec![Property::SubscriptionIdentifier(wide)],
        Place::Unsubscribe => vec![],
        Place::Disconnect => vec![
            Property::SessionExpiryInterval(number),
            Property::ReasonString(&words[0]),
            Property::ServerReference(&words[1]),
        ],
        Place::Auth => vec![Property::ReasonString(&words[0])],
    };
    match place {
        Place::Publish => {
            possible.push(Property::TopicAlias(small));
            possible.push(Property::SubscriptionIdentifier(wide));
            possible.push(Property::SubscriptionIdentifier(NonZeroU32::MIN));
        }
        Place::Will => possible.push(Property::WillDelayInterval(number)),
        _ => {}
    }
    possible.extend([Property::UserProperty(&words[7], &words[8]), Property::UserProperty("", "")]);
    let mut list = PropertyList::new();
    let has_method = matches!(place, Place::Connect | Place::ConnAck) && coin(dice) || place == Place::Auth;
    if has_method {
        authentication(dice, &mut list);
    }
    while !possible.is_empty() && dice.below(4) != 0 {
        let at = dice.below(possible.len() as u64) as usize;
        list.push(possible.swap_remove(at)).unwrap();
    }
    list
}

/// A method, and now and then data for it.
fn authentication(dice: &mut Dice, list: &mut PropertyList) {
    list.push(Property::AuthenticationMethod(&text(dice))).unwrap();
    if coin(dice) {
        list.push(Property::AuthenticationData(text(dice).as_bytes())).unwrap();
    }
}

fn reason(dice: &mut Dice, kind: Kind, version: Version) -> ReasonCode {
    let known: Vec<_> = (0..=255).map(ReasonCode).filter(|code| code.is_of(kind, version)).collect();
    if known.is_empty() { ReasonCode::SUCCESS } else { one(dice, &known) }
}

/// Properties for `place`, which only 5.0 has.
fn list(dice: &mut Dice, version: Version, place: Place) -> PropertyList {
    match version {
        Version::V5 => properties(dice, place),
        Version::V3_1_1 => PropertyList::new(),
    }
}

fn publish(dice: &mut Dice, version: Version, see: &mut dyn FnMut(&Packet<'_>)) {
    let (id, dup) = (id(dice), coin(dice));
    let delivery = match qos(dice) {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce { id, dup },
        QoS::ExactlyOnce => Delivery::ExactlyOnce { id, dup },
    };
    let (topic, payload, properties) = (topic(dice), blob(dice), list(dice, version, Place::Publish));
    let properties = properties.as_properties();
    let is_short = properties.topic_alias().is_some() && coin(dice);
    let topic = if is_short { "" } else { &topic };
    see(&Packet::Publish(Publish { delivery, retain: coin(dice), topic, properties, payload: &payload }));
}

fn subscribe(dice: &mut Dice, version: Version, see: &mut dyn FnMut(&Packet<'_>)) {
    let properties = list(dice, version, Place::Subscribe);
    let mut subscriptions = SubscriptionList::new();
    for _ in 0..=dice.below(4) {
        let filter = filter(dice);
        let options = options(dice, version, filter.starts_with("$share/"));
        subscriptions.push(&filter, options).unwrap();
    }
    see(&Packet::Subscribe(Subscribe {
        id: id(dice),
        properties: properties.as_properties(),
        subscriptions: subscriptions.as_subscriptions(),
    }));
}

/// Gives `see` a packet of `kind`.
pub(crate) fn packet(dice: &mut Dice, kind: Kind, version: Version, see: &mut dyn FnMut(&Packet<'_>)) {
    match kind {
        Kind::Connect => connect(dice, version, see),
        Kind::ConnAck => {
            let (reason, properties) = (reason(dice, kind, version), list(dice, version, Place::ConnAck));
            let session_present = reason == ReasonCode::SUCCESS && coin(dice);
            see(&Packet::ConnAck(ConnAck {
                session_present,
                reason,
                properties: properties.as_properties(),
            }));
        }
        Kind::Publish => publish(dice, version, see),
        Kind::PubAck | Kind::PubRec | Kind::PubRel | Kind::PubComp => {
            let properties = list(dice, version, Place::Ack);
            let reason = reason(dice, kind, version);
            let ack = Ack { id: id(dice), reason, properties: properties.as_properties() };
            see(&match kind {
                Kind::PubAck => Packet::PubAck(ack),
                Kind::PubRec => Packet::PubRec(ack),
                Kind::PubRel => Packet::PubRel(ack),
                _ => Packet::PubComp(ack),
            });
        }
        Kind::Subscribe => subscribe(dice, version, see),
        Kind::Unsubscribe => {
            let properties = list(dice, version, Place::Unsubscribe);
            let mut filters = FilterList::new();
            for _ in 0..=dice.below(4) {
                filters.push(&filter(dice)).unwrap();
            }
            let (id, properties) = (id(dice), properties.as_properties());
            see(&Packet::Unsubscribe(Unsubscribe { id, properties, filters: filters.as_filters() }));
        }
        Kind::SubAck | Kind::UnsubAck => answers(dice, kind, version, see),
        Kind::PingReq => see(&Packet::PingReq),
        Kind::PingResp => see(&Packet::PingResp),
        Kind::Disconnect => {
            let properties = list(dice, version, Place::Disconnect);
            let reason = reason(dice, kind, version);
            see(&Packet::Disconnect(Disconnect { reason, properties: properties.as_properties() }));
        }
        Kind::Auth => {
            let properties = properties(dice, Place::Auth);
            let reason = reason(dice, kind, Version::V5);
            see(&Packet::Auth(Auth { reason, properties: properties.as_properties() }));
        }
    }
}

fn options(dice: &mut Dice, version: Version, is_shared: bool) -> SubscriptionOptions {
    if version == Version::V3_1_1 {
        return SubscriptionOptions::plain(qos(dice));
    }
    SubscriptionOptions {
        qos: qos(dice),
        no_local: !is_shared && coin(dice),
        retain_as_published: coin(dice),
        retain_handling: one(
            dice,
            &[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend],
        ),
    }
}

fn answers(dice: &mut Dice, kind: Kind, version: Version, see: &mut dyn FnMut(&Packet<'_>)) {
    let mut properties = PropertyList::new();
    if version == Version::V5 {
        properties = self::properties(dice, Place::Ack);
    }
    let (id, properties) = (id(dice), properties.as_properties());
    let codes: Vec<u8> = (0..=dice.below(5)).map(|_| reason(dice, kind, version).0).collect();
    match (kind, version) {
        (Kind::SubAck, _) => see(&Packet::SubAck(SubAck { id, properties, codes: &codes })),
        (_, Version::V5) => see(&Packet::UnsubAck(UnsubAck { id, properties, codes: &codes })),
        (_, Version::V3_1_1) => see(&Packet::UnsubAck(UnsubAck { id, properties, codes: &[] })),
    }
}

fn connect(dice: &mut Dice, version: Version, see: &mut dyn FnMut(&Packet<'_>)) {
    let is_v5 = version == Version::V5;
    let list = |dice: &mut Dice, place| if is_v5 { properties(dice, place) } else { PropertyList::new() };
    let (own, of_will) = (list(dice, Place::Connect), list(dice, Place::Will));
    let (client_id, user_name, topic) = (text(dice), text(dice), topic(dice));
    let (payload, password) = (blob(dice), blob(dice));
    let will = Will {
        qos: qos(dice),
        retain: coin(dice),
        topic: &topic,
        payload: &payload,
        properties: of_will.as_properties(),
    };
    let user_name = coin(dice).then_some(user_name.as_str());
    let may_have_password = is_v5 || user_name.is_some();
    see(&Packet::Connect(Connect {
        version,
        clean_start: client_id.is_empty() || coin(dice),
        keep_alive_secs: dice.below(65_536) as u16,
        properties: own.as_properties(),
        client_id: &client_id,
        will: coin(dice).then_some(will),
        user_name,
        password: (may_have_password && coin(dice)).then_some(Password(&password)),
    }));
}

/// Every kind of packet of `version`.
pub(crate) fn kinds(version: Version) -> &'static [Kind] {
    const ALL: &[Kind] = &[
        Kind::Connect,
        Kind::ConnAck,
        Kind::Publish,
        Kind::PubAck,
        Kind::PubRec,
        Kind::PubRel,
        Kind::PubComp,
        Kind::Subscribe,
        Kind::SubAck,
        Kind::Unsubscribe,
        Kind::UnsubAck,
        Kind::PingReq,
        Kind::PingResp,
        Kind::Disconnect,
        Kind::Auth,
    ];
    match version {
        Version::V3_1_1 => &ALL[..14],
        Version::V5 => ALL,
    }
}
