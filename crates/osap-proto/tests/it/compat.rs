//! Type 1: the recorded dialogues on both sides, and what a listener learns from them.

use core::time::Duration;
use std::net::IpAddr;

use clock::Dice;
use crypto::{CryptoError, Curve, KeyExchange, Provider, PublicKey, Secret, ec_to_pkcs8};
use crypto_portable::Portable;
use osap_proto::compat::*;
use osap_proto::*;
use serde_json::Value;

use crate::world::*;

/// One recorded connection to a load balancer: its messages in order.
struct Recorded {
    name: String,
    messages: Vec<Value>,
}

fn recorded() -> Vec<Recorded> {
    let mut all: Vec<Recorded> = Vec::new();
    for message in vectors("transcript.json") {
        let connection = message["connection"].as_str().unwrap();
        if !connection.starts_with("lbs") {
            continue;
        }
        let dialogue = name(&message).split('/').next().unwrap();
        let name = format!("{dialogue} {connection}");
        match all.last_mut().filter(|last| last.name == name) {
            Some(last) => last.messages.push(message),
            None => all.push(Recorded { name, messages: vec![message] }),
        }
    }
    all
}

impl Recorded {
    fn field(&self, message: &str, field: &str) -> Option<Value> {
        let found = self.messages.iter().find(|one| one["message"] == message)?;
        Some(found["fields"][field].clone()).filter(|value| !value.is_null())
    }

    fn any(&self, fields: &[(&str, &str)]) -> Option<Value> {
        fields.iter().find_map(|(message, field)| self.field(message, field))
    }

    fn serial(&self) -> Serial {
        serial(&self.any(&[("auth-i", "serial"), ("refresh-i", "serial")]).unwrap())
    }

    fn bytes_from(&self, side: &str) -> Vec<Vec<u8>> {
        self.messages.iter().filter(|one| one["from"] == side).map(|one| hex(&one["bytes"])).collect()
    }

    fn keys(&self) -> CodeKeys {
        let code: &[u8] =
            if self.serial().as_bytes().starts_with(b"TEST") { b"TestLicense00000000001" } else { b"QWERTY" };
        CodeKeys::of_code(&Portable, &Secret::from(code), &self.serial())
    }

    /// What the side of the load balancer drew.
    fn chance(&self) -> CompatChance {
        let devid = self.any(&[("apply-answer", "devid"), ("refresh-answer", "devid")]);
        let session = self.any(&[
            ("apply-answer", "session_key"),
            ("refresh-answer", "session_key"),
            ("refresh-ii", "session_key"),
        ]);
        let point = self.field("auth-ii", "point").map(|point| hex(&point));
        let z = self.field("auth-ii", "z").map(|z| secret(&z));
        CompatChance {
            devid: devid.map_or(devid_of_nobody(), |devid| Devid::new(&hex(&devid)).unwrap()),
            session_key: session.map_or(Secret::new(vec![b'x'; 16]), |session| secret(&session)),
            challenge: self.field("refresh-ii", "random_2").map_or(0, |one| hex(&one)[0]),
            exchange: Box::new(Known {
                point: point.unwrap_or_default(),
                z: z.unwrap_or(Secret::new(vec![0; 48])),
            }),
        }
    }
}

pub(crate) fn devid_of_nobody() -> Devid {
    Devid::from_random([0; 16])
}

/// An exchange whose result is on record.
struct Known {
    point: Vec<u8>,
    z: Secret,
}

impl KeyExchange for Known {
    fn public(&self) -> &[u8] {
        &self.point
    }

    fn finish(self: Box<Self>, _: &[u8]) -> Result<Secret, CryptoError> {
        Ok(self.z)
    }
}

/// An exchange of a recorded scalar.
struct Scalar {
    key: std::sync::Arc<dyn crypto::PrivateKey>,
    point: Vec<u8>,
}

impl KeyExchange for Scalar {
    fn public(&self) -> &[u8] {
        &self.point
    }

    fn finish(self: Box<Self>, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.key.agree(&PublicKey::from_point(Curve::P384, peer).map_err(|_| CryptoError::BadInput)?)
    }
}

pub(crate) fn lbs(served: &[u8], chance: CompatChance) -> CompatLbsRun {
    let from = AddressPrefix::of(IpAddr::from([192, 0, 2, 1]));
    let setup = CompatLbsSetup { served: TypeGroup::new(served).unwrap(), from };
    CompatLbsRun::new(provider(), setup, chance, NOW)
}

pub(crate) fn said(lbs: &mut CompatLbsRun) -> Vec<CompatLbsOutput> {
    std::iter::from_fn(|| lbs.next_output()).collect()
}

pub(crate) fn das() -> CompatDas {
    CompatDas {
        address: "127.0.0.1".to_owned(),
        port: 28667,
        udp_port: 28667,
        domain: "das.test".to_owned(),
        server_id: ServerId::new(b"das-0001").unwrap(),
    }
}

pub(crate) fn code_keys() -> CodeKeys {
    CodeKeys::of_code(&Portable, &Secret::from(&b"QWERTY"[..]), &Serial::new(b"T12345678").unwrap())
}

pub(crate) fn nothing_known() -> CompatDevice {
    CompatDevice { keys: code_keys(), devid: None, master_key: None }
}

/// Runs the side of the load balancer with the recorded bytes of the device, three pieces for a message.
fn replay(recorded: &Recorded, device: &CompatDevice) -> (Vec<Vec<u8>>, Option<CompatCommit>) {
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    let (mut sent, mut kept) = (Vec::new(), None);
    for message in recorded.bytes_from("device") {
        for piece in [&message[..1], &message[1..3], &message[3..]] {
            lbs.receive(piece, &mut memory, NOW);
        }
        while let Some(output) = lbs.next_output() {
            match output {
                CompatLbsOutput::Send(bytes) => sent.push(bytes),
                CompatLbsOutput::LookUp { serial, .. } => {
                    assert_eq!(serial, recorded.serial());
                    lbs.record(Some(device), &mut memory, NOW);
                }
                CompatLbsOutput::Ask { request, commit } => {
                    assert_eq!(request.serial, recorded.serial());
                    kept = Some(*commit);
                    lbs.das(Some(&das()), NOW);
                }
                CompatLbsOutput::CodeShown { serial } => assert_eq!(serial, recorded.serial()),
                CompatLbsOutput::Close(_) => {}
                CompatLbsOutput::ManyTries { .. } => panic!("{}: too many tries", recorded.name),
            }
        }
    }
    (sent, kept)
}

// verifies: OSAP-5-01, OSAP-5-02, OSAP-5-03, OSAP-5-04, OSAP-5-05, OSAP-5-06, OSAP-5-08, OSAP-5-15, OSAP-5-16,
// OSAP-5-17, OSAP-5-19, OSAP-5-26, OSAP-5-27, OSAP-5-36, OSAP-5-40, OSAP-5-43, OSAP-5-44, OSAP-5-47, OSAP-5-50,
// OSAP-5-53, OSAP-5-57, OSAP-5-59, OSAP-6-04, OSAP-6-06
#[test]
fn the_load_balancer_answers_recorded_devices_byte_for_byte() {
    let (mut whole, mut count) = (0, 0);
    for recorded in recorded() {
        let answers = recorded.bytes_from("server");
        if answers.is_empty() || recorded.messages.iter().any(|one| name(one).contains("mismatch")) {
            continue;
        }
        count += 1;
        let devid = recorded.any(&[("refresh-i", "devid"), ("refresh-request", "devid")]);
        let has_answer = recorded.field("refresh-ii", "session_key").is_some();
        let mut device = CompatDevice {
            keys: recorded.keys(),
            devid: devid.map(|devid| Devid::new(&hex(&devid)).unwrap()),
            // Where the recorded one had no good key, ours has none.
            master_key: recorded
                .field("refresh-i", "master_key")
                .filter(|_| has_answer)
                .map(|key| secret(&key)),
        };
        if recorded.name.starts_with("4 ") {
            // That one knew the lower case alone.
            let mut keys = device.keys.to_bytes().expose().to_vec();
            keys[32..48].fill(0);
            device.keys = CodeKeys::from_bytes(&Secret::new(keys)).unwrap();
        }
        let (sent, kept) = replay(&recorded, &device);
        assert_eq!(sent, answers, "{}", recorded.name);
        if let Some(commit) = kept {
            whole += 1;
            let given = recorded.chance();
            assert_eq!(commit.session_key, given.session_key);
            assert_eq!(commit.dialogue == Dialogue::Refresh, recorded.field("refresh-i", "devid").is_some());
        }
    }
    assert!(whole >= 5 && count >= 7, "{whole} of {count}");
}

fn setup_of(recorded: &Recorded) -> (CompatDeviceSetup, CompatChance) {
    let is_upper = recorded.field("auth-i", "share_key_upper").is_none_or(|upper| upper == true);
    let devid = |value: Value| Devid::new(&hex(&value)).unwrap();
    let stored = match (recorded.field("refresh-i", "devid"), recorded.field("refresh-request", "devid")) {
        (Some(id), _) => {
            CompatStored::Both(devid(id), secret(&recorded.field("refresh-i", "master_key").unwrap()))
        }
        (None, Some(id)) => CompatStored::Devid(devid(id)),
        (None, None) => CompatStored::Nothing,
    };
    let setup = CompatDeviceSetup {
        group: TypeGroup::new(&[1]).unwrap(),
        min_type: ProtocolType::COMPAT,
        has_seen_secure: false,
        is_held: false,
        mode: if recorded.field("auth-i", "mode").is_some_and(|mode| mode == 1) {
            Mode::ProductKey
        } else {
            Mode::Serial
        },
        serial: recorded.serial(),
        is_hub: false,
        keys: recorded.keys(),
        case: if is_upper { Case::Upper } else { Case::Lower },
        generation: Generation::Third,
        stored,
    };
    let exchange: Box<dyn KeyExchange> = match recorded.field("auth-i", "scalar") {
        Some(scalar) => {
            let point = hex(&recorded.field("auth-i", "point").unwrap());
            let pkcs8 = ec_to_pkcs8(Curve::P384, &hex(&scalar), &point).unwrap();
            Box::new(Scalar { key: Portable.import_key(pkcs8.expose()).unwrap(), point })
        }
        None => Portable.start_exchange(crypto::Group::Nist(Curve::P384), &mut Dice::numbered(1)).unwrap(),
    };
    let challenge = recorded.field("refresh-i", "random_1").map_or(0, |one| hex(&one)[0]);
    let chance =
        CompatChance { devid: devid_of_nobody(), session_key: Secret::new(vec![0; 16]), challenge, exchange };
    (setup, chance)
}

pub(crate) fn asked(device: &mut CompatDeviceRun) -> Vec<CompatDeviceOutput> {
    std::iter::from_fn(|| device.next_output()).collect()
}

// verifies: OSAP-5-07, OSAP-5-10, OSAP-5-11, OSAP-5-12, OSAP-5-13, OSAP-5-14, OSAP-5-29, OSAP-5-32, OSAP-5-34,
// OSAP-5-35, OSAP-5-38, OSAP-5-39, OSAP-5-42, OSAP-5-44, OSAP-5-46, OSAP-5-48, OSAP-5-49, OSAP-5-52, OSAP-5-55,
// OSAP-5-58, OSAP-6-05
#[test]
fn the_device_says_what_recorded_devices_said_byte_for_byte() {
    let (mut whole, mut ended) = (0, Vec::new());
    for recorded in recorded() {
        if recorded.bytes_from("server").is_empty() {
            continue;
        }
        let (setup, chance) = setup_of(&recorded);
        let mut device = CompatDeviceRun::start(provider(), setup, chance, NOW).unwrap();
        let mut outputs = asked(&mut device);
        for answer in recorded.bytes_from("server") {
            for byte in answer {
                device.receive(&[byte], NOW);
            }
            outputs.extend(asked(&mut device));
        }
        let mut sent = Vec::new();
        for output in outputs {
            match output {
                CompatDeviceOutput::Send(bytes) => sent.push(bytes),
                CompatDeviceOutput::Done(done) => {
                    whole += 1;
                    assert_eq!(done.das, das(), "{}", recorded.name);
                    assert_eq!(done.session_key, recorded.chance().session_key);
                }
                CompatDeviceOutput::Failed(end) => ended.push((recorded.name.clone(), end)),
            }
        }
        let said = recorded.bytes_from("device");
        // Of dialogue 10 the last request is not on record.
        let sent = if recorded.name.starts_with("10 ") { &sent[..said.len()] } else { &sent[..] };
        assert_eq!(sent, said, "{}", recorded.name);
    }
    assert!(whole >= 5, "{whole}");
    let end = |name: &str, end| (name.to_owned(), end);
    assert_eq!(
        ended.into_iter().filter(|(name, _)| !name.starts_with("10 ")).collect::<Vec<_>>(),
        [
            end("3 lbs1", CompatDeviceEnd::Hint(ResultCode(10))),
            end("4 lbs1", CompatDeviceEnd::Hint(ResultCode::NOT_PROVEN)),
            end("6 lbs1", CompatDeviceEnd::OtherType(ProtocolType(16))),
            end("7 lbs1", CompatDeviceEnd::OtherType(ProtocolType(0))),
        ]
    );
}

#[test]
fn the_first_bytes_tell_type_1_from_the_profile() {
    let offer = hex(&run("kind 2, factory key")["h1_i"]);
    let auth = recorded()[0].bytes_from("device")[0].clone();
    for (bytes, at_least) in [(&offer, 3), (&auth, 4)] {
        for size in 0..at_least {
            assert_eq!(beginning(&bytes[..size]), Beginning::More, "{size}");
        }
    }
    assert_eq!(beginning(&offer), Beginning::Other);
    assert_eq!(beginning(&auth), Beginning::Compat);
    for byte in [0x12, 0x70] {
        assert_eq!(beginning(&[byte]), Beginning::Compat);
    }
    for bytes in [&[0x16][..], &[0x72], &[0x1A, 0x80, 0x80, 0x80, 0x80]] {
        assert_eq!(beginning(bytes), Beginning::Other);
    }
}

// verifies: OSAP-5-61
#[test]
fn what_is_out_of_order_too_long_or_late_ends_a_run() {
    let mut memory = LbsMemory::new();
    let chance = || CompatChance::draw(&Portable, &mut Dice::numbered(9)).unwrap();
    let closed = |lbs: &mut CompatLbsRun| said(lbs).pop();
    for bytes in [&[0x72, 0][..], &[0x12, 0xFF, 0xFF, 0xFF, 0x7F], &[0x12, 0x81, 0x08], &[0; 4097]] {
        let mut lbs = lbs(&[1], chance());
        lbs.receive(bytes, &mut memory, NOW);
        assert_eq!(closed(&mut lbs), Some(CompatLbsOutput::Close(CompatLbsEnd::Malformed)), "{bytes:02x?}");
    }
    let mut late = lbs(&[1], chance());
    late.receive(&[0x12], &mut memory, NOW);
    late.expire(NOW + Duration::from_secs(10));
    assert_eq!(closed(&mut late), Some(CompatLbsOutput::Close(CompatLbsEnd::TimeOver)));
    // A0 without an exchange before it, and 90 in the place of 72.
    let recorded = &recorded()[0];
    let messages = recorded.bytes_from("device");
    let mut lbs = lbs(&[1], recorded.chance());
    lbs.receive(&messages[0], &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    lbs.receive(&messages[2], &mut memory, NOW);
    let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::ORDER));
    assert_eq!(closed(&mut lbs), Some(end));
    lbs.receive(&messages[1], &mut memory, NOW);
    assert_eq!(closed(&mut lbs), None, "it is over");
}

/// The messages of the recorded first authentication, and a load balancer after its answer.
fn authenticated() -> (Vec<Vec<u8>>, CompatLbsRun, LbsMemory) {
    let recorded = &recorded()[0];
    let messages = recorded.bytes_from("device");
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    lbs.receive(&messages[0], &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    said(&mut lbs);
    (messages, lbs, memory)
}

// verifies: OSAP-5-54, OSAP-5-56
#[test]
fn messages_3_and_5_mean_nothing_in_type_1() {
    for byte0 in [0x32, 0x52] {
        let (_, mut lbs, mut memory) = authenticated();
        lbs.receive(&[byte0, 4, 1, 1, 0, 0], &mut memory, NOW);
        let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::MALFORMED));
        assert_eq!(said(&mut lbs).pop(), Some(end), "{byte0:02x}");
    }
}

// verifies: OSAP-5-60
#[test]
fn a_confirmed_device_id_is_taken_and_never_asked_for() {
    for is_confirmed in [false, true] {
        let (messages, mut lbs, mut memory) = authenticated();
        lbs.receive(&messages[1], &mut memory, NOW);
        said(&mut lbs);
        if is_confirmed {
            lbs.receive(&[0x92, 3, 1, 1, 0], &mut memory, NOW);
            assert_eq!(said(&mut lbs), []);
        }
        lbs.receive(&messages[2], &mut memory, NOW);
        assert!(matches!(said(&mut lbs)[..], [CompatLbsOutput::Ask { .. }]));
    }
}

// verifies: OSAP-5-37, OSAP-5-41
#[test]
fn no_recorded_answer_with_one_bit_changed_is_taken() {
    let recorded = &recorded()[0];
    let answers = recorded.bytes_from("server");
    for which in 0..2 {
        // Byte 0 has a nibble that devices do not look at, as they do not at the version.
        let skipped = [0, 3, 4, 5];
        for at in (1..answers[which].len()).filter(|at| !skipped.contains(at)) {
            let (setup, chance) = setup_of(recorded);
            let mut device = CompatDeviceRun::start(provider(), setup, chance, NOW).unwrap();
            answers[..which].iter().for_each(|answer| device.receive(answer, NOW));
            asked(&mut device);
            let mut changed = answers[which].clone();
            changed[at] ^= 1;
            device.receive(&changed, NOW);
            device.expire(NOW + Duration::from_secs(5));
            let outputs = asked(&mut device);
            assert!(matches!(outputs[..], [CompatDeviceOutput::Failed(_)]), "{which}, {at}: {outputs:?}");
        }
    }
}

// verifies: OSAP-5-31
#[test]
fn a_point_off_p_384_is_refused_under_a_right_code() {
    let recorded = &recorded()[0];
    let mut point = hex(&recorded.field("auth-i", "point").unwrap());
    point[96] ^= 1;
    let keys = recorded.keys().to_bytes();
    let aead = Portable.aead(crypto::Aead::Aes128Gcm, &keys.expose()[32..48]).unwrap();
    aead.seal(b"012345\0\0\0\0\0\0", &[], &mut point).unwrap();
    point.rotate_right(16);
    let mut message = recorded.bytes_from("device")[0].clone();
    let head = message.len() - point.len();
    message[head..].copy_from_slice(&point);
    let (mut lbs, mut memory) = (lbs(&[1], recorded.chance()), LbsMemory::new());
    lbs.receive(&message, &mut memory, NOW);
    lbs.record(Some(&nothing_known()), &mut memory, NOW);
    let end = CompatLbsOutput::Close(CompatLbsEnd::Refused(ResultCode::BAD_POINT));
    assert_eq!(said(&mut lbs).pop(), Some(end));
}

fn session_of(connect: &Value) -> CompatSession {
    let fields = &connect["fields"];
    let about: Value = serde_json::from_str(fields["will"].as_str().unwrap()).unwrap();
    CompatSession {
        serial: serial(&fields["user_name"]),
        devid: Devid::new(about["DeviceID"].as_str().unwrap().as_bytes()).unwrap(),
        session_key: secret(&fields["session_key"]),
        is_exposed: false,
    }
}

// verifies: OSAP-4-01, OSAP-6-09, OSAP-6-11, OSAP-6-12, OSAP-6-13
#[test]
fn recorded_connects_are_read_made_and_judged() {
    let mut count = 0;
    for vector in vectors("transcript.json").iter().filter(|one| one["message"] == "connect") {
        count += 1;
        let packet = hex(&vector["bytes"]);
        let connect = CompatConnect::decode(&packet).unwrap();
        assert_eq!(connect.encode(), packet, "{}", name(vector));
        let session = session_of(vector);
        let taken = admit_compat(&Portable, &connect, Some(&session)).unwrap();
        assert_eq!(taken.is_login, vector["fields"]["flags"] == 0xEE, "{}", name(vector));
        assert_eq!(u64::from(taken.keep_alive), vector["fields"]["keep_alive"].as_u64().unwrap());
        assert_eq!(taken.about.expose(), vector["fields"]["will"].as_str().unwrap().as_bytes());
        let refused =
            |session: Option<&CompatSession>| admit_compat(&Portable, &connect, session).unwrap_err();
        assert_eq!(refused(None), CompatRefusal::Session);
        let other_key = CompatSession { session_key: Secret::new(vec![b'k'; 16]), ..session.clone() };
        assert_eq!(refused(Some(&other_key)), CompatRefusal::NotProven);
        let other_id = CompatSession { devid: devid_of_nobody(), ..session.clone() };
        assert_eq!(refused(Some(&other_id)), CompatRefusal::NotProven);
        let other = CompatSession { serial: Serial::new(b"T12345679").unwrap(), ..session.clone() };
        assert_eq!(refused(Some(&other)), CompatRefusal::Session);
        for size in 0..packet.len() {
            assert!(CompatConnect::decode(&packet[..size]).is_err());
        }
        let mut other_password = packet.clone();
        other_password.splice(packet.len() - 4.., *b"tset");
        assert_eq!(CompatConnect::decode(&other_password), Ok(connect), "the password is not judged");
        assert!(CompatConnect::decode(&[&packet[..], &[0]].concat()).is_err());
    }
    assert!(count >= 10, "{count}");
}

// verifies: OSAP-4-05, OSAP-4-06, OSAP-4-08, OSAP-4-09, OSAP-6-07
#[test]
fn recorded_messages_are_opened_and_made_again() {
    let mut count = 0;
    for vector in vectors("transcript.json").iter().filter(|one| one["message"] == "publish") {
        count += 1;
        let fields = &vector["fields"];
        let packet = hex(&vector["bytes"]);
        let key = secret(&fields["session_key"]);
        let length = 2 + usize::from(packet[1] & 0x80 != 0);
        let topic = usize::from(u16::from_be_bytes([packet[length], packet[length + 1]]));
        let id = if fields["qos"] == 0 { 0 } else { 2 };
        let payload = &packet[length + 2 + topic + id..];
        let opened = open_compat(&Portable, &key, payload).unwrap();
        assert_eq!(
            opened.application,
            fields["application"].as_str().unwrap().as_bytes(),
            "{}",
            name(vector)
        );
        let again = seal_compat(&Portable, &key, &opened.general, &opened.application).unwrap();
        assert_eq!(again, payload, "{}", name(vector));
        let short = &payload[..payload.len() - 1];
        assert_eq!(open_compat(&Portable, &key, short), None);
        assert_eq!(open_compat(&Portable, &Secret::new(vec![1; 16]), payload), None);
    }
    assert!(count >= 40, "{count}");
}

// verifies: OSAP-4-06, OSAP-4-07
#[test]
fn a_message_is_parted_by_the_length_of_its_general_part() {
    let key = Secret::new(vec![b'k'; 16]);
    let opened = |plain: &[u8]| {
        let iv = *b"01234567\0\0\0\0\0\0\0\0";
        let payload = Portable.cbc_encrypt(key.expose(), &iv, plain).unwrap();
        open_compat(&Portable, &key, &payload)
    };
    let general = b"{\"Seq\":5}";
    let message = opened(&[&[0, 9][..], general, b"body"].concat()).unwrap();
    assert_eq!((message.general.seq, &message.application[..]), (5, &b"body"[..]));
    assert_eq!(opened(&[&[0, 9][..], general].concat()).unwrap().application, b"", "nothing behind it");
    for (size, why) in [(10, "behind the end"), (8, "too short"), (0, "none"), (0xFFFF, "far behind")] {
        let size = u16::to_be_bytes(size);
        assert_eq!(opened(&[&size[..], general].concat()), None, "{why}");
    }
    for plain in [&b""[..], b"\0", b"\0\0", b"\0\x02{}", b"\0\x0b{\"Seq\":\"5\"}"] {
        assert_eq!(opened(plain), None, "{plain:?}");
    }
    let long = "x".repeat(40_000);
    let general = CompatGeneral { version: Some(long), seq: 1, message_type: 2 };
    let payload = seal_compat(&Portable, &key, &general, b"b").unwrap();
    assert_eq!(open_compat(&Portable, &key, &payload).unwrap().general, general);
    let odd = CompatGeneral { version: Some("a\"b".to_owned()), seq: 1, message_type: 2 };
    assert_eq!(seal_compat(&Portable, &key, &odd, b""), None, "it would break out of its text");
}
