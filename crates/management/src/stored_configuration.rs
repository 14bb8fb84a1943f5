//! The configuration of a device, as it rests in the store.
//!
//! It comes as JSON with keys in Base64 and rests as `2 | CBOR` with keys as bytes, without the UUID, which
//! the record is named after. What this release has no field for (capabilities of later versions) rests as
//! `1 | JSON`, as every configuration did before; both are read. Source: docs/adr/0180.

use assure_json::{Capabilities, ChoiceMessage, Configuration, ConfiguredDevice, Method, ParameterChoice};
use crypto::PublicKey;
use ledger::{BadRecord, fields};
use minicbor::{Decode, Decoder, Encode};
use model::Uuid;

const JSON: u8 = 1;
const BINARY: u8 = 2;

/// Fields are numbered, so later versions add.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Stored {
    #[n(0)]
    bootstrap_server: u32,
    /// SubjectPublicKeyInfo; absent for a shared secret.
    #[cbor(n(1), with = "minicbor::bytes")]
    public_key: Option<Vec<u8>>,
    /// From the lowest bit: EC, RSA, SHA-384, SHA-512, AES-256.
    #[n(2)]
    capabilities: u8,
    #[cbor(n(3), with = "fields::byte_list")]
    authenticated_keys: Vec<Vec<u8>>,
    #[cbor(n(4), with = "minicbor::bytes")]
    owner_information: Vec<u8>,
    #[n(5)]
    parameter_choices: Vec<StoredChoice>,
}

#[derive(Encode, Decode)]
struct StoredChoice {
    #[n(0)]
    name: String,
    #[n(1)]
    messages: Vec<StoredMessage>,
}

#[derive(Encode, Decode)]
struct StoredMessage {
    /// As in CoAP: 1 GET, 2 POST, 3 PUT, 4 DELETE.
    #[n(0)]
    method: u8,
    #[n(1)]
    path: String,
    #[n(2)]
    payload: String,
    #[n(3)]
    required: bool,
    #[n(4)]
    min: u32,
    #[n(5)]
    max: u32,
    #[n(6)]
    description: Option<String>,
}

/// The stored form of `configuration`, which is that of the device the record is named after.
pub(crate) fn to_bytes(configuration: &Configuration) -> Vec<u8> {
    if !configuration.device.capabilities.more.is_empty() {
        return [&[JSON], &configuration.to_json()[..]].concat();
    }
    let device = &configuration.device;
    let stored = Stored {
        bootstrap_server: device.bootstrap_server,
        public_key: device.public_key.as_ref().map(|key| key.spki().to_vec()),
        capabilities: bits(&device.capabilities),
        authenticated_keys: configuration.authenticated_keys.clone(),
        owner_information: configuration.owner_information.clone(),
        parameter_choices: configuration.parameter_choices.iter().map(StoredChoice::of).collect(),
    };
    let mut out = vec![BINARY];
    minicbor::encode(&stored, &mut out).expect("writing to a vector does not fail");
    out
}

/// Reads either stored form of the configuration of `device`.
///
/// # Errors
/// [`BadRecord`] when it is none of them, longer than a configuration may be, or goes on behind its end.
pub(crate) fn from_bytes(device: Uuid, stored: &[u8]) -> Result<Configuration, BadRecord> {
    let (form, body) = stored.split_first().ok_or(BadRecord)?;
    if body.len() > Configuration::LENGTH_MAX {
        return Err(BadRecord);
    }
    match *form {
        JSON => Configuration::from_json(body).map_err(|_| BadRecord),
        BINARY => {
            let mut decoder = Decoder::new(body);
            let stored: Stored = decoder.decode().map_err(|_| BadRecord)?;
            if decoder.position() < body.len() {
                return Err(BadRecord);
            }
            stored.of(device)
        }
        _ => Err(BadRecord),
    }
}

impl Stored {
    fn of(self, id: Uuid) -> Result<Configuration, BadRecord> {
        let public_key = self.public_key.as_deref().map(PublicKey::from_spki).transpose();
        let device = ConfiguredDevice {
            id,
            bootstrap_server: self.bootstrap_server,
            public_key: public_key.map_err(|_| BadRecord)?,
            capabilities: capabilities(self.capabilities)?,
        };
        let choices = self.parameter_choices.into_iter().map(StoredChoice::into_choice);
        Ok(Configuration {
            device,
            authenticated_keys: self.authenticated_keys,
            owner_information: self.owner_information,
            parameter_choices: choices.collect::<Result<_, _>>()?,
        })
    }
}

fn bits(capabilities: &Capabilities) -> u8 {
    let Capabilities { ec_capable, rsa_capable, sha384_capable, sha512_capable, aes256_capable, more: _ } =
        capabilities;
    let flags = [ec_capable, rsa_capable, sha384_capable, sha512_capable, aes256_capable];
    flags.iter().enumerate().fold(0, |bits, (at, flag)| bits | (u8::from(**flag) << at))
}

fn capabilities(bits: u8) -> Result<Capabilities, BadRecord> {
    if bits >= 1 << 5 {
        return Err(BadRecord);
    }
    let has = |at: u8| bits & (1 << at) != 0;
    Ok(Capabilities {
        ec_capable: has(0),
        rsa_capable: has(1),
        sha384_capable: has(2),
        sha512_capable: has(3),
        aes256_capable: has(4),
        ..Capabilities::default()
    })
}

impl StoredChoice {
    fn of(choice: &ParameterChoice) -> Self {
        let message = |message: &ChoiceMessage| StoredMessage {
            method: match message.method {
                Method::Get => 1,
                Method::Post => 2,
                Method::Put => 3,
                Method::Delete => 4,
            },
            path: message.path.clone(),
            payload: message.payload.clone(),
            required: message.required,
            min: message.min,
            max: message.max,
            description: message.description.clone(),
        };
        Self { name: choice.name.clone(), messages: choice.messages.iter().map(message).collect() }
    }

    fn into_choice(self) -> Result<ParameterChoice, BadRecord> {
        let message = |message: StoredMessage| {
            Ok(ChoiceMessage {
                method: match message.method {
                    1 => Method::Get,
                    2 => Method::Post,
                    3 => Method::Put,
                    4 => Method::Delete,
                    _ => return Err(BadRecord),
                },
                path: message.path,
                payload: message.payload,
                required: message.required,
                min: message.min,
                max: message.max,
                description: message.description,
            })
        };
        let messages = self.messages.into_iter().map(message).collect::<Result<_, _>>()?;
        Ok(ParameterChoice { name: self.name, messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::Curve;

    const DEVICE: Uuid = Uuid([7; 16]);

    fn message(method: Method, description: Option<&str>) -> ChoiceMessage {
        ChoiceMessage {
            method,
            path: "v1/{name}".into(),
            payload: "cbor-any".into(),
            required: true,
            min: 1,
            max: u32::MAX,
            description: description.map(Into::into),
        }
    }

    fn full() -> Configuration {
        let point = [&[4][..], &[7; 64]].concat();
        let methods = [Method::Get, Method::Post, Method::Put, Method::Delete];
        let choice = ParameterChoice {
            name: "plain".into(),
            messages: methods.map(|method| message(method, Some("for people"))).into(),
        };
        let empty = ParameterChoice { name: String::new(), messages: vec![message(Method::Put, None)] };
        Configuration {
            device: ConfiguredDevice {
                id: DEVICE,
                bootstrap_server: u32::MAX,
                public_key: PublicKey::from_point(Curve::P256, &point).ok(),
                capabilities: Capabilities {
                    rsa_capable: true,
                    aes256_capable: true,
                    ..Capabilities::default()
                },
            },
            authenticated_keys: vec![vec![1; 200], vec![]],
            owner_information: vec![0x83, 5, 1],
            parameter_choices: vec![choice, empty],
        }
    }

    fn of_a_secret() -> Configuration {
        let mut configuration = full();
        configuration.device.public_key = None;
        configuration.parameter_choices.clear();
        configuration
    }

    #[test]
    fn configurations_rest_in_binary_and_come_back_whole() {
        for configuration in [full(), of_a_secret()] {
            let stored = to_bytes(&configuration);
            assert_eq!(stored[0], BINARY);
            assert_eq!(from_bytes(DEVICE, &stored), Ok(configuration));
        }
        for bit in 0..5 {
            let capabilities = capabilities(1 << bit).unwrap();
            assert_eq!(bits(&capabilities), 1 << bit);
        }
        let (stored, json) = (to_bytes(&of_a_secret()), of_a_secret().to_json());
        assert!(stored.len() < 225 && json.len() > 450, "{} for {} of JSON", stored.len(), json.len());
    }

    #[test]
    fn what_rests_as_json_is_read_as_before() {
        let old = [&[1], &full().to_json()[..]].concat();
        assert_eq!(from_bytes(DEVICE, &old), Ok(full()));
    }

    #[test]
    fn flags_of_later_versions_are_kept() {
        let mut configuration = of_a_secret();
        configuration.device.capabilities.more.insert("post_quantum_capable".into(), true.into());
        let stored = to_bytes(&configuration);
        assert_eq!(stored[0], JSON);
        assert_eq!(from_bytes(DEVICE, &stored), Ok(configuration));
    }

    #[test]
    fn what_is_cut_malformed_of_another_form_or_too_long_is_refused() {
        let stored = to_bytes(&full());
        for length in 0..stored.len() {
            assert_eq!(from_bytes(DEVICE, &stored[..length]), Err(BadRecord), "cut at {length}");
        }
        assert_eq!(from_bytes(DEVICE, &[&stored[..], &[0]].concat()), Err(BadRecord), "goes on");
        for form in [0, 3, u8::MAX] {
            assert_eq!(from_bytes(DEVICE, &[&[form], &stored[1..]].concat()), Err(BadRecord), "form {form}");
        }
        assert_eq!(from_bytes(DEVICE, &[&[JSON], &stored[1..]].concat()), Err(BadRecord), "CBOR as JSON");
        assert_eq!(from_bytes(DEVICE, &[&[BINARY], &full().to_json()[..]].concat()), Err(BadRecord));
        let mut long = of_a_secret();
        long.owner_information = vec![0; Configuration::LENGTH_MAX];
        assert_eq!(from_bytes(DEVICE, &to_bytes(&long)), Err(BadRecord), "over the limit");
        let mut encoded = Vec::new();
        let unknown = StoredChoice {
            name: String::new(),
            messages: vec![StoredMessage {
                method: 5,
                path: String::new(),
                payload: String::new(),
                required: false,
                min: 0,
                max: 0,
                description: None,
            }],
        };
        minicbor::encode(&unknown, &mut encoded).unwrap();
        assert!(minicbor::decode::<StoredChoice>(&encoded).unwrap().into_choice().is_err(), "no such method");
        assert!(capabilities(1 << 5).is_err(), "no such capability");
    }
}
