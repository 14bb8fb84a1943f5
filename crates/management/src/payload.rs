//! The messages that a device replays to itself, and the parameter choice they follow.

use assure_json::{ChoiceMessage, Method, ParameterChoice};
use assure_proto::{Address, ChannelDefinition, MESSAGES_MAX, Privileges};
use coap_proto::{Code, ContentFormat, store_request};
use model::{KeyId, Uuid};

use crate::device::{ApplicationMessage, KeyKind, OwnedDevice};

/// The number of the channel to the management system.
pub const MANAGEMENT_CHANNEL: u16 = 1;

/// A message before it has its place in the image.
struct Planned {
    method: Code,
    path: String,
    /// The name of the payload's form in parameter sets.
    form: &'static str,
    payload: Vec<u8>,
}

/// Why there is no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPayload {
    /// The operator asked for a parameter choice that the configuration does not offer.
    NoSuchChoice,
    /// The messages do not meet the choice that was asked for, or with application messages none at all.
    ChoiceNotMet,
    /// An application message has a method that is none.
    BadMethod,
    /// More messages than an image holds.
    TooManyMessages,
}

/// The payload of an image, message by message.
pub(crate) struct Payload {
    pub(crate) messages: Vec<Vec<u8>>,
    /// The choice that the messages follow; `None` when the configuration offers none that they meet.
    pub(crate) choice: Option<String>,
}

/// What the payload depends on besides the device.
pub(crate) struct Wishes<'a> {
    /// Where the device finds us.
    pub(crate) address: &'a Address,
    pub(crate) messages: &'a [ApplicationMessage],
    pub(crate) choice: Option<&'a str>,
    pub(crate) choices: &'a [ParameterChoice],
}

impl Payload {
    /// No messages: what a device gets that is to have no channel any more.
    /// Source: TS-M12.
    pub(crate) const fn without_channels() -> Self {
        Self { messages: Vec::new(), choice: None }
    }

    /// The messages for a device that is to open its management channel.
    ///
    /// The first choice that the messages meet is followed; a management system may also give a set of its
    /// own, which it does when the configuration offers nothing that fits and nobody asked for anything.
    /// Source: aSSURE 15.2, 15.5.4; decision G 19; rulings A-ASSURE-44, A-ASSURE-98.
    pub(crate) fn plan(device: Uuid, owned: &OwnedDevice, wishes: &Wishes<'_>) -> Result<Self, NoPayload> {
        let mut planned = Vec::new();
        if let Some(channel) = &owned.channel {
            planned.push(Planned {
                method: Code::PUT,
                path: format!("v1/keys/{}", channel.id),
                form: "authenticated_key",
                payload: channel.device_copy.clone(),
            });
        }
        planned.push(Planned {
            method: Code::PUT,
            path: format!("v1/channels/{MANAGEMENT_CHANNEL}"),
            form: "channel",
            payload: management_channel(device, owned, wishes.address).encode(),
        });
        for message in wishes.messages {
            planned.push(Planned {
                method: method(message.method).ok_or(NoPayload::BadMethod)?,
                path: message.path.trim_start_matches('/').to_owned(),
                form: if message.payload.is_empty() { "empty" } else { "cbor-any" },
                payload: message.payload.clone(),
            });
        }
        let choice = pick(wishes, &planned)?;
        if planned.len() > MESSAGES_MAX {
            return Err(NoPayload::TooManyMessages);
        }
        let stored = |(index, message): (usize, &Planned)| {
            let index = u16::try_from(index).expect("an image holds at most 256 messages");
            store_request(index, message.method, &message.path, &[], ContentFormat::CBOR, &message.payload)
        };
        Ok(Self { messages: planned.iter().enumerate().map(stored).collect(), choice })
    }
}

fn method(number: u8) -> Option<Code> {
    [Code::GET, Code::POST, Code::PUT, Code::DELETE].into_iter().find(|code| code.byte() == number)
}

/// The channel to us with all privileges: the shared secret of the channel, or the keys of both ends.
fn management_channel(device: Uuid, owned: &OwnedDevice, address: &Address) -> ChannelDefinition {
    let (local_key, peer_key) = match (&owned.channel, owned.kind) {
        (Some(channel), KeyKind::SharedSecret | KeyKind::Ec | KeyKind::Rsa) => (channel.id, None),
        (None, KeyKind::SharedSecret | KeyKind::Ec | KeyKind::Rsa) => {
            (KeyId::from(device), Some(owned.owner_key))
        }
    };
    ChannelDefinition {
        local_key,
        peer_key,
        persistent_across_reboots: true,
        open_immediately: true,
        privileges: Privileges::ALL,
        further_flags: Vec::new(),
        address: address.clone(),
    }
}

fn pick(wishes: &Wishes<'_>, planned: &[Planned]) -> Result<Option<String>, NoPayload> {
    if let Some(name) = wishes.choice {
        let choice = wishes.choices.iter().find(|choice| choice.name == name);
        let choice = choice.ok_or(NoPayload::NoSuchChoice)?;
        return if is_met(choice, planned) {
            Ok(Some(name.to_owned()))
        } else {
            Err(NoPayload::ChoiceNotMet)
        };
    }
    let met = wishes.choices.iter().find(|choice| is_met(choice, planned));
    match met {
        Some(choice) => Ok(Some(choice.name.clone())),
        None if wishes.choices.is_empty() || wishes.messages.is_empty() => Ok(None),
        None => Err(NoPayload::ChoiceNotMet),
    }
}

/// Whether every message finds its line in the choice and every line has as many messages as it wants. The
/// key of the management channel needs no line: whoever wants the channel wants its key.
fn is_met(choice: &ParameterChoice, planned: &[Planned]) -> bool {
    let mut counts = vec![0_u32; choice.messages.len()];
    for message in planned {
        let line = choice.messages.iter().position(|line| line_takes(line, message));
        match line {
            Some(line) => counts[line] += 1,
            None if message.form == "authenticated_key" => {}
            None => return false,
        }
    }
    let wanted = |line: &ChoiceMessage| line.min.max(u32::from(line.required))..=line.max;
    choice.messages.iter().zip(counts).all(|(line, count)| wanted(line).contains(&count))
}

fn line_takes(line: &ChoiceMessage, message: &Planned) -> bool {
    let method = match line.method {
        Method::Get => Code::GET,
        Method::Post => Code::POST,
        Method::Put => Code::PUT,
        Method::Delete => Code::DELETE,
    };
    // A form that only the maker knows is taken on trust: we carry such payloads without reading them.
    let known = ["authenticated_key", "channel", "empty"].contains(&line.payload.as_str());
    let form = if known { line.payload == message.form } else { message.form == "cbor-any" };
    method == message.method && form && path_fits(&line.path, &message.path)
}

/// Whether `path` is `template` with each `{name}` filled in.
fn path_fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.trim_start_matches('/').split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) => {
                let free = wanted.starts_with('{') && wanted.ends_with('}') && !given.is_empty();
                if !free && wanted != given {
                    return false;
                }
            }
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, payload: &str, required: bool, max: u32) -> ChoiceMessage {
        let (path, payload) = (path.into(), payload.into());
        ChoiceMessage { method: Method::Put, path, payload, required, min: 0, max, description: None }
    }

    fn choice(name: &str, messages: Vec<ChoiceMessage>) -> ParameterChoice {
        ParameterChoice { name: name.into(), messages }
    }

    fn owned() -> OwnedDevice {
        OwnedDevice {
            kind: KeyKind::Ec,
            ec_capable: true,
            rsa_capable: false,
            aes256_capable: false,
            spki: Vec::new(),
            owner_key: KeyId([2; 16]),
            owner_secret: crypto::Secret::new(Vec::new()),
            seq: 1,
            channel: None,
        }
    }

    fn planned(
        choices: &[ParameterChoice],
        choice: Option<&str>,
        messages: &[ApplicationMessage],
    ) -> Result<Payload, NoPayload> {
        let address = Address::Ip { remote: [127, 0, 0, 1].into(), local_port: 0, remote_port: 49683 };
        let wishes = Wishes { address: &address, messages, choice, choices };
        Payload::plan(Uuid([1; 16]), &owned(), &wishes)
    }

    // verifies: ASSURE-15.2-05
    #[test]
    fn exactly_one_choice_is_followed_the_first_that_is_met() {
        let channel = || line("/v1/channels/{id}", "channel", true, 1);
        let with_zone = choice("zone", vec![channel(), line("/zone", "cbor-any", true, 1)]);
        let plain = choice("plain", vec![channel()]);
        let choices = [with_zone, plain];
        let zone = ApplicationMessage { method: 3, path: "/zone".into(), payload: vec![0x07] };
        assert_eq!(planned(&choices, None, &[]).unwrap().choice.as_deref(), Some("plain"));
        let zoned = planned(&choices, None, std::slice::from_ref(&zone)).unwrap();
        assert_eq!((zoned.choice.as_deref(), zoned.messages.len()), (Some("zone"), 2));
        assert_eq!(planned(&choices, Some("zone"), &[]).err(), Some(NoPayload::ChoiceNotMet));
        assert_eq!(planned(&choices, Some("none"), &[]).err(), Some(NoPayload::NoSuchChoice));
        let twice = [zone.clone(), zone];
        assert_eq!(planned(&choices, None, &twice).err(), Some(NoPayload::ChoiceNotMet));
        let other = [choice("other", vec![line("/other", "cbor-any", true, 1)])];
        assert_eq!(planned(&other, None, &[]).unwrap().choice, None, "a set of our own");
        let bad = ApplicationMessage { method: 9, path: "x".into(), payload: vec![] };
        assert_eq!(planned(&[], None, &[bad]).err(), Some(NoPayload::BadMethod));
    }

    #[test]
    fn templates_match_segment_by_segment() {
        assert!(path_fits("/v1/keys/{id}", "v1/keys/7"));
        for path in ["v1/keys", "v1/keys/", "v1/keys/7/8", "v1/key/7"] {
            assert!(!path_fits("/v1/keys/{id}", path), "{path}");
        }
    }
}
