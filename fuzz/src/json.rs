//! JSON of the registration and gateway APIs.

use assure_json::{
    Capabilities, Configuration, ConfiguredDevice, CreateMessage, DeviceDataMessage, DeviceKey, DeviceRecord,
    KeysMessage, MirrorMessage, OwnerChangeMessage, OwnerMessage, StatusAnswer,
};
use crypto::Secret;
use model::Uuid;
use serde_json::Value;

use crate::rules::{bounded, reached};
use crate::{Reached, Target, vectors};

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "json_record",
        about: "DeviceRecord::from_json",
        length_max: 4096,
        run: record,
        seeds: record_seeds,
    },
    Target {
        name: "json_configuration",
        about: "Configuration::from_json and ConfiguredDevice::from_json",
        length_max: 4096,
        run: configuration,
        seeds: configuration_seeds,
    },
    Target {
        name: "json_authority",
        about: "the messages between the servers of an authority",
        length_max: 4096,
        run: authority,
        seeds: authority_seeds,
    },
];

fn record(input: &[u8]) -> Reached {
    let Ok(record) = bounded(input, DeviceRecord::from_json) else { return Reached::Refused };
    let written = record.to_json();
    assert_eq!(DeviceRecord::from_json(written.expose()).as_ref(), Ok(&record), "the record changed");
    Reached::Accepted
}

fn record_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for vector in vectors::load("record.json")["vectors"].as_array().expect("a list").iter().take(40) {
        match &vector["json"] {
            Value::String(text) => seeds.push(text.clone().into_bytes()),
            Value::Null => {}
            other => seeds.push(other.to_string().into_bytes()),
        }
    }
    let whole = DeviceRecord {
        id: Uuid([4; 16]),
        bootstrap_server: 7,
        case_string: Secret::new(b"000102030405060708090a0b0c0d0e0f".to_vec()),
        key: DeviceKey::Secret(Secret::new(vec![9; 32])),
        parameter_set: Uuid([5; 16]),
        capabilities: Capabilities { ec_capable: true, ..Capabilities::default() },
    };
    seeds.push(whole.to_json().expose().to_vec());
    seeds.push(DeviceRecord { key: DeviceKey::Public(public_key()), ..whole }.to_json().expose().to_vec());
    seeds
}

fn public_key() -> crypto::PublicKey {
    use crypto::Provider as _;
    let kind = crypto::KeyKind::Ec(crypto::Curve::P256);
    let key = crypto_server::Server.generate_key(kind, &mut clock::Dice::numbered(3));
    key.expect("the provider has P-256").public().clone()
}

fn configuration(input: &[u8]) -> Reached {
    let device = bounded(input, ConfiguredDevice::from_json);
    if let Ok(device) = &device {
        assert_eq!(ConfiguredDevice::from_json(&device.to_json()).ok().as_ref(), Some(device));
    }
    let whole = bounded(input, Configuration::from_json);
    if let Ok(whole) = &whole {
        assert_eq!(Configuration::from_json(&whole.to_json()).ok().as_ref(), Some(whole));
    }
    reached(device.is_ok() || whole.is_ok())
}

fn device() -> ConfiguredDevice {
    let more = [("further".to_owned(), Value::from(true))].into();
    ConfiguredDevice {
        id: Uuid([4; 16]),
        bootstrap_server: 7,
        public_key: Some(public_key()),
        capabilities: Capabilities { more, ..Capabilities::default() },
    }
}

fn configuration_seeds() -> Vec<Vec<u8>> {
    let choices = r#"[{"name":"a","messages":[{"method":"PUT","path":"/v1/keys","payload":"channel","required":true,"min":1,"max":1}]}]"#;
    let whole = Configuration {
        device: device(),
        authenticated_keys: vec![vec![1; 40], vec![2; 40]],
        owner_information: vec![3; 40],
        parameter_choices: serde_json::from_str(choices).expect("choices of the API"),
    };
    vec![whole.to_json(), device().to_json()]
}

/// Reads one kind of message and writes it back: the same value must come out.
fn kept<T>(input: &[u8]) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    let Ok(read) = bounded(input, |json| serde_json::from_slice::<T>(json)) else { return false };
    let written = serde_json::to_vec(&read).expect("messages have text keys");
    assert!(serde_json::from_slice::<T>(&written).is_ok_and(|again| again == read), "the message changed");
    true
}

fn authority(input: &[u8]) -> Reached {
    let read = [
        kept::<OwnerMessage>(input),
        kept::<OwnerChangeMessage>(input),
        kept::<CreateMessage>(input),
        kept::<DeviceDataMessage>(input),
        kept::<KeysMessage>(input),
        kept::<MirrorMessage>(input),
        kept::<StatusAnswer>(input),
    ];
    reached(read.contains(&true))
}

fn authority_seeds() -> Vec<Vec<u8>> {
    let data = DeviceDataMessage { device: device(), bootstrap_key: vec![1; 20] };
    let texts = [
        r#"{"seq":1,"owner":null}"#,
        r#"{"operation":"claim","seq":4294967295,"owner":"ab"}"#,
        r#"{"operation":"create"}"#,
        r#"{"keys":["AAEC","AwQF"]}"#,
        r#"{"device":"04040404-0404-0404-0404-040404040404","seq":1,"owner":"x"}"#,
        r#"{"status":3,"description":"x"}"#,
    ];
    let mut seeds: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push(serde_json::to_vec(&data).expect("messages have text keys"));
    seeds
}
