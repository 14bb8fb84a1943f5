//! Headers, types and fields of offers; what a device makes of answers.

use osap_proto::*;
use serde_json::Value;

use crate::world::*;

/// What a load balancer does with an offer: `None` when a run goes on, else what it sends before it closes.
fn answer_to(world: &World, vector: &Value) -> Option<Vec<u8>> {
    let connection = match vector["connection"].as_str().unwrap() {
        "mutual" => Connection::Mutual,
        "tls" => Connection::Tls,
        _ => Connection::Plain,
    };
    let setup = LbsSetup {
        served: group(&vector["server_group"]),
        connection,
        exporter: (connection != Connection::Plain).then_some([1; 32]),
        from: AddressPrefix::of(std::net::IpAddr::from([192, 0, 2, 1])),
        realm: Realm::new(b"lbs.example").unwrap(),
        certificate_serial: None,
        key: world.key.clone(),
        fakes: world.fakes.clone(),
    };
    let dice = clock::Dice::numbered(3);
    let mut lbs = LbsRun::new(provider(), setup, dice, NOW);
    lbs.receive(&hex(&vector["h1_i"]), &mut LbsMemory::new(), NOW);
    let mut outputs = lbs_outputs(&mut lbs);
    if outputs.is_empty() {
        // What is no whole message is waited for, and then closed unanswered as well.
        lbs.expire(lbs.next_deadline().unwrap());
        outputs = lbs_outputs(&mut lbs);
    }
    match &outputs[..] {
        [LbsOutput::LookUp { .. }] => None,
        [LbsOutput::Send(answer), LbsOutput::Close(LbsEnd::Refused(_))] => Some(answer.clone()),
        [LbsOutput::Close(LbsEnd::Framing(_) | LbsEnd::NoOffer | LbsEnd::TimeOver)] => Some(Vec::new()),
        other => panic!("{}: {other:?}", name(vector)),
    }
}

// verifies: TS-M17, TS-M18, TS-L9, OSAP-5-18, OSAP-5-20, OSAP-5-21, OSAP-5-22, OSAP-5-24, OSAP-5-31, OSAP-5-62, OSAP-5-63, OSAP-5-68
#[test]
fn ts_m17_offers_are_answered_as_published_whatever_they_ask_for() {
    let world = World::new();
    let mut count = 0;
    for vector in vectors("negotiation.json").iter().filter(|one| one["kind"].is_null()) {
        count += 1;
        let expected = match (is_good(vector), vector["answer"].is_null()) {
            (true, _) => None,
            (false, true) => Some(Vec::new()),
            (false, false) => Some(hex(&vector["answer"])),
        };
        assert_eq!(answer_to(&world, vector), expected, "{}", name(vector));
    }
    assert!(count > 50, "{count}");
}

#[test]
fn the_first_byte_of_a_connection_decides() {
    let mut count = 0;
    for vector in vectors("negotiation.json").iter().filter(|one| one["kind"] == "first") {
        count += 1;
        let judged = FirstByte::of(hex(&vector["octet"])[0]);
        // Compat is off unless somebody switched it on.
        let is_taken = matches!(judged, FirstByte::Tls | FirstByte::Offer);
        let expected = is_good(vector) && vector["taken_as"] != "compat";
        assert_eq!(is_taken, expected, "{} {}", name(vector), vector["taken_as"]);
    }
    assert!(count > 4, "{count}");
}

// verifies: TS-H13, TS-M17, OSAP-5-23, OSAP-5-25, OSAP-5-63
#[test]
fn ts_h13_a_device_follows_no_answer_below_its_floor_and_none_to_type_1() {
    let mut count = 0;
    for vector in vectors("negotiation.json").iter().filter(|one| one["kind"] == "choice") {
        count += 1;
        let min_type = || protocol(&vector["min_type"]);
        let is_set = |member: &str| vector[member].as_bool().unwrap();
        if !vector["asked"].is_null() {
            let answer = hex(&vector["answer"]);
            let then = rematch(protocol(&vector["asked"]), &group(&vector["group"]), min_type(), &answer);
            assert_eq!(then.map(|one| u64::from(one.0)), vector["then"].as_u64(), "{}", name(vector));
            let longer = [&answer[..], &[0]].concat();
            assert_eq!(
                rematch(protocol(&vector["asked"]), &group(&vector["group"]), min_type(), &longer),
                None
            );
        } else if !vector["ran"].is_null() {
            let (own, served) = (group(&vector["group"]), group(&vector["srv_group"]));
            let after = floor_after(protocol(&vector["ran"]), &own, &served, min_type());
            assert_eq!(after, protocol(&vector["min_type_after"]), "{}", name(vector));
        } else if !vector["json"].is_null() {
            let shows = shows_downgrade(&group(&vector["group"]), &hex(&vector["json"]));
            assert_eq!(!shows, is_good(vector), "{}", name(vector));
        } else {
            let may = may_send_compat(min_type(), is_set("seen_h1"), is_set("hold"));
            assert_eq!(may, is_good(vector), "{}", name(vector));
        }
    }
    assert!(count > 20, "{count}");
}

// verifies: TS-H13, TS-M17
#[test]
fn silence_leads_to_weaker_types_down_to_the_floor_and_then_back_to_the_strongest() {
    let own = TypeGroup::new(&[1, 2, 4, 8]).unwrap();
    let mut asked = None;
    let mut types = Vec::new();
    for _ in 0..4 {
        asked = asked_next(asked, &own, ProtocolType::PLAIN);
        types.push(asked.unwrap().0);
    }
    assert_eq!(types, [8, 4, 2, 8]);
    assert_eq!(asked_next(Some(ProtocolType::TLS), &own, ProtocolType::TLS), Some(ProtocolType::MUTUAL));
    assert_eq!(asked_next(None, &TypeGroup::new(&[1]).unwrap(), ProtocolType::COMPAT), None, "never type 1");
}
