//! Tickets of an access service, and CONNECT.

use crypto::Secret;
use osap_proto::*;
use serde_json::Value;

use crate::world::*;

/// A ring that has exactly these keys; the first is the newest.
fn ring(keys: &Value) -> TicketKeyRing {
    let mut ring = TicketKeyRing::new();
    for key in keys.as_array().unwrap().iter().rev() {
        ring.add(TicketKey { id: array(&key["key_id"]), key: secret(&key["key"]) });
    }
    ring
}

fn server_id(text: &Value) -> ServerId {
    ServerId::new(text.as_str().unwrap().as_bytes()).unwrap()
}

// verifies: OSAP-6-19, TS-H11
#[test]
fn tickets_are_the_published_ones_and_open_only_where_they_belong() {
    let mut sealed_count = 0;
    for vector in vectors("das_ticket.json") {
        let ring = ring(&vector["ticket_keys"]);
        let opened = DasTicket::open(
            provider().as_ref(),
            &ring,
            &server_id(&vector["reader"]),
            &hex(&vector["bytes"]),
        );
        assert_eq!(opened.is_ok(), is_good(&vector), "{}: {opened:?}", name(&vector));
        let Ok(ticket) = opened else { continue };
        let told = &vector["opened"];
        assert_eq!(ticket.devid.as_bytes()[..], hex(&told["devid"]));
        assert_eq!(ticket.serial.as_bytes(), hex(&told["serial"]));
        assert_eq!(ticket.das_secret.expose(), hex(&told["das_secret"]));
        assert_eq!(ticket.server_id.as_bytes(), hex(&told["server_id"]));
        let numbers = [u64::from(ticket.protocol.0), u64::from(ticket.epoch), ticket.issued, ticket.expiry];
        for (member, number) in ["protocol", "epoch", "issued", "expiry"].into_iter().zip(numbers) {
            assert_eq!(told[member].as_u64(), Some(number), "{}", name(&vector));
        }
        if vector["salt"].is_null() {
            continue;
        }
        let id: [u8; 8] = hex(&vector["bytes"])[1..9].try_into().unwrap();
        let keys = vector["ticket_keys"].as_array().unwrap();
        let key = keys.iter().find(|key| hex(&key["key_id"]) == id).unwrap();
        let text = ticket.seal(
            provider().as_ref(),
            &TicketKey { id, key: secret(&key["key"]) },
            array(&vector["salt"]),
        );
        assert_eq!(text, vector["user_name"].as_str().unwrap().as_bytes(), "{}", name(&vector));
        sealed_count += 1;
    }
    assert!(sealed_count >= 3, "{sealed_count}");
}

#[test]
fn a_ticket_key_ends_with_the_second_one_after_it() {
    let vector = vectors("das_ticket.json").remove(0);
    let mut ring = ring(&vector["ticket_keys"]);
    let open = |ring: &TicketKeyRing| {
        DasTicket::open(provider().as_ref(), ring, &server_id(&vector["reader"]), &hex(&vector["bytes"]))
            .err()
    };
    ring.add(TicketKey { id: [1; 8], key: Secret::new(vec![1; 32]) });
    assert_eq!(open(&ring), None);
    ring.add(TicketKey { id: [2; 8], key: Secret::new(vec![2; 32]) });
    assert_eq!(open(&ring), Some(TicketError::UnknownKey));
}

/// One CONNECT or notice of the vectors at a table.
fn step(
    table: &mut ConnectTable,
    ring: &TicketKeyRing,
    blocked: &[Value],
    step: &Value,
) -> Result<Admitted, ConnectRefusal> {
    let will =
        step["will_topic"].as_str().map(|topic| (topic.as_bytes().to_vec(), hex(&step["will_payload"])));
    let small = |member: &str| u8::try_from(step[member].as_u64().unwrap()).unwrap();
    let header = ConnectHeader {
        level: small("level"),
        flags: small("flags"),
        keep_alive: u16::try_from(step["keep_alive"].as_u64().unwrap()).unwrap(),
    };
    let text = |member: &str| step[member].as_str().unwrap().as_bytes();
    let connect = Connect {
        client_id: text("client_id"),
        user_name: text("user_name"),
        password: text("password"),
        header,
        will: will.as_ref().map(|(topic, payload)| (&topic[..], &payload[..])),
    };
    let is_blocked = blocked.contains(&step["client_id"]);
    table.admit(provider().as_ref(), ring, &connect, is_blocked, step["now"].as_u64().unwrap())
}

// verifies: OSAP-6-19, OSAP-6-12, TS-H11
#[test]
fn ts_h11_each_connect_is_taken_once_and_only_from_who_can_prove_it() {
    let mut count = 0;
    for vector in vectors("connect.json") {
        let session = &vector["session"];
        let ring = ring(&session["ticket_keys"]);
        let entry_count_max = usize::try_from(vector["table_max"].as_u64().unwrap()).unwrap();
        let mut table = ConnectTable::new(server_id(&session["server_id"]), entry_count_max);
        for one in vector["steps"].as_array().unwrap() {
            if !one["notice"].is_null() {
                let devid =
                    Devid::new(one["client_id"].as_str().or(one["devid"].as_str()).unwrap().as_bytes());
                let epoch = u32::try_from(one["epoch"].as_u64().unwrap()).unwrap();
                table.replaced(devid.unwrap(), one["issued"].as_u64().unwrap(), epoch);
                continue;
            }
            count += 1;
            let taken = step(&mut table, &ring, vector["blocked"].as_array().unwrap(), one);
            match taken {
                Ok(admitted) => {
                    assert_eq!(one["connack"], 0, "{}", name(&vector));
                    let numbers = admitted.numbers;
                    let connection = [
                        &numbers.epoch.to_be_bytes()[..],
                        &numbers.conn_no.to_be_bytes(),
                        &numbers.conn_nonce,
                    ];
                    assert_eq!(connection.concat(), hex(&one["connection"]), "{}", name(&vector));
                    assert_eq!(admitted.will.is_some(), one["will_topic"].is_string());
                    let header = ConnectHeader {
                        level: one["level"].as_u64().unwrap() as u8,
                        flags: one["flags"].as_u64().unwrap() as u8,
                        keep_alive: one["keep_alive"].as_u64().unwrap() as u16,
                    };
                    let ticket = &admitted.ticket;
                    let password = connect_password(
                        provider().as_ref(),
                        &ticket.das_secret,
                        &ticket.server_id,
                        &ticket.serial,
                        &numbers,
                        header,
                    );
                    assert_eq!(password, one["password"].as_str().unwrap().as_bytes(), "{}", name(&vector));
                }
                Err(refusal) => {
                    let told = (u64::from(refusal.return_code()), u64::from(refusal.reason_code()));
                    let expected = (one["connack"].as_u64().unwrap(), one["reason"].as_u64().unwrap());
                    assert_eq!(told, expected, "{}", name(&vector));
                }
            }
        }
    }
    assert!(count > 45, "{count}");
}

// verifies: TS-H11
#[test]
fn ts_h11_a_notice_that_comes_late_reopens_no_number() {
    let vector = vectors("connect.json").remove(0);
    let ring = ring(&vector["session"]["ticket_keys"]);
    let mut table = ConnectTable::new(server_id(&vector["session"]["server_id"]), 10);
    let first = &vector["steps"][0];
    let ticket = step(&mut table, &ring, &[], first).unwrap().ticket;
    table.replaced(ticket.devid, ticket.issued, ticket.epoch);
    assert_eq!(step(&mut table, &ring, &[], first).err(), Some(ConnectRefusal::Session));
}

// verifies: OSAP-6-19
#[test]
fn tickets_cut_or_changed_anywhere_do_not_open() {
    let vector = vectors("das_ticket.json").remove(0);
    let (ring, reader) = (ring(&vector["ticket_keys"]), server_id(&vector["reader"]));
    let good = hex(&vector["bytes"]);
    let open = |bytes: &[u8]| DasTicket::open(provider().as_ref(), &ring, &reader, bytes);
    assert!(open(&good).is_ok());
    for at in 0..good.len() {
        assert!(open(&good[..at]).is_err(), "cut at {at}");
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        assert!(open(&bytes).is_err(), "changed at {at}");
    }
}
