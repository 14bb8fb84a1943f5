//! Channels, addresses, device information and goodbyes.

use core::net::{IpAddr, Ipv4Addr};

use assure_proto::{
    Address, BACNET_ADDRESS_LENGTH_MAX, BOOTSTRAP_SUFFIX, BootstrapServerId, CHANNEL_FLAGS_MAX,
    CHANNEL_LIST_MAX, ChannelDefinition, ChannelId, ChannelState, ChannelStatus, DeviceInfo, GoodbyeReason,
    INFO_TEXT_LENGTH_MAX, Privileges, decode_channel_list, encode_channel_list,
};
use model::{KeyId, Uuid, hex as to_hex};
use serde_json::{Value, json};
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, load, name, number, reason};

fn definition() -> ChannelDefinition {
    ChannelDefinition {
        local_key: KeyId([1; 16]),
        peer_key: Some(KeyId([2; 16])),
        persistent_across_reboots: true,
        open_immediately: true,
        privileges: Privileges::NONE,
        further_flags: Vec::new(),
        address: Address::Ip {
            remote: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
            local_port: 0,
            remote_port: 49_683,
        },
    }
}

// verifies: ASSURE-10.1.6-02, ASSURE-10.1.6-03, ASSURE-10.1.6-04, ASSURE-10.1.6-08, ASSURE-10.1.6-09
// verifies: ASSURE-12.2-06, ASSURE-12.2-07, ASSURE-12.3-02, ASSURE-12.3-03, ASSURE-12.4-00, ASSURE-12.4-01
// verifies: ASSURE-12.4-02, ASSURE-10.1.17-02, ASSURE-10.1.17-03, ASSURE-10.1.17-04, ASSURE-10.1.17-05
// verifies: ASSURE-10.1.17-06, ASSURE-11.3.2-02, ASSURE-11.3.2-03, ASSURE-11.3.2-04, ASSURE-11.3.2-05
// verifies: ASSURE-11.3.2-06, ASSURE-11.3.2-07, ASSURE-10.1.6-10, ASSURE-10.1.11-02, ASSURE-10.1.11-04
// verifies: ASSURE-10.1.11-05, ASSURE-10.1.11-06, ASSURE-10.1.11-07, ASSURE-10.1.11-08, ASSURE-10.1.11-09
// verifies: ASSURE-10.1.11-10, ASSURE-10.1.11-11, ASSURE-10.1.11-12
#[test]
fn channel_formats_of_the_oracle_are_read_alike() {
    let file = load("channel.json");
    for vector in vectors::vectors(&file) {
        let bytes = hex(vector, "bytes");
        let accepted = reason(vector).is_none();
        let written = match vector["kind"].as_str().unwrap() {
            "channel" => ChannelDefinition::decode(&bytes).map(|found| {
                assert_eq!(shown_channel(&found), vector["read"], "{}", name(vector));
                found.encode()
            }),
            "info" => DeviceInfo::decode(&bytes).map(|found| {
                assert_eq!(shown_info(&found), vector["read"], "{}", name(vector));
                found.encode()
            }),
            "goodbye" => GoodbyeReason::decode(&bytes).map(|found| {
                assert_eq!(u32::from(found.number()), number(vector, "reason_code"), "{}", name(vector));
                found.encode()
            }),
            "channel_id" => ChannelId::decode(&bytes).map(|found| {
                assert_eq!(found.number(), number(vector, "channel_id"), "{}", name(vector));
                found.encode()
            }),
            "status" => ChannelStatus::decode(&bytes).map(|found| {
                assert_eq!(u32::from(found.state.number()), number(vector, "state"), "{}", name(vector));
                assert_eq!(found.id.number(), number(vector, "channel_id"), "{}", name(vector));
                assert_eq!(found.definition.encode(), hex(vector, "definition"), "{}", name(vector));
                found.encode()
            }),
            other => panic!("{other}: no such kind of vector"),
        };
        assert_eq!(written.is_ok(), accepted, "{}: {written:?}", name(vector));
        assert!(written.is_err() || written == Ok(bytes), "{}", name(vector));
    }
}

fn shown_channel(found: &ChannelDefinition) -> Value {
    let privileges = found.privileges;
    let address = match &found.address {
        Address::Bacnet { network, address } => {
            json!({ "type": 0, "net": network, "address": to_hex(address) })
        }
        Address::Ip { remote, local_port, remote_port } => {
            let remote = match remote {
                IpAddr::V4(remote) => to_hex(&remote.octets()),
                IpAddr::V6(remote) => to_hex(&remote.octets()),
            };
            json!({ "type": 1, "remote": remote, "local_port": local_port, "remote_port": remote_port })
        }
        Address::Bluetooth { mac } => json!({ "type": 2, "mac": to_hex(mac) }),
    };
    json!({
        "local_key_id": to_hex(&found.local_key.0),
        "peer_key_id": to_hex(&found.peer_key.unwrap_or(found.local_key).0),
        "flags": [
            found.persistent_across_reboots,
            found.open_immediately,
            privileges.channel_management,
            privileges.system_management,
            privileges.key_management,
        ],
        "address": address,
    })
}

fn shown_info(found: &DeviceInfo) -> Value {
    json!({
        "device_id": to_hex(&found.device.0),
        "device_mac_address": found.mac_address.map_or(String::new(), |mac| to_hex(&mac)),
        "device_manufacturer": found.device_manufacturer,
        "device_product_code": found.device_product_code,
        "device_serial_number": found.device_serial_number,
        "device_build_date": found.device_build_date,
        "software_manufacturer": found.software_manufacturer,
        "software_product_code": found.software_product_code,
        "software_version": found.software_version,
    })
}

// verifies: ASSURE-10.1.6-03
#[test]
fn an_empty_peer_key_means_the_secret_that_both_ends_share() {
    let shared = ChannelDefinition { peer_key: None, ..definition() };
    let bytes = shared.encode();
    assert_eq!(bytes[18], 0x40);
    assert_eq!(ChannelDefinition::decode(&bytes), Ok(shared));
}

// verifies: ASSURE-10.1.6-08
#[test]
fn further_flags_are_kept_up_to_a_limit() {
    let with = |count| ChannelDefinition { further_flags: vec![true; count], ..definition() };
    let most = with(CHANNEL_FLAGS_MAX - 5);
    assert_eq!(ChannelDefinition::decode(&most.encode()), Ok(most));
    let over = with(CHANNEL_FLAGS_MAX - 4).encode();
    assert_eq!(ChannelDefinition::decode(&over), Err(DecodeError::new(35, Reason::OverLimit)));
}

// verifies: ASSURE-10.1.6-14
#[test]
fn nobody_grants_what_he_lacks() {
    let channel_only = Privileges { channel_management: true, ..Privileges::NONE };
    let key_only = Privileges { key_management: true, ..Privileges::NONE };
    let system_only = Privileges { system_management: true, ..Privileges::NONE };
    let single = [channel_only, key_only, system_only];
    for held in single {
        for asked in single {
            assert_eq!(held.covers(asked), held == asked, "{held:?} {asked:?}");
        }
        assert!(held.covers(Privileges::NONE) && Privileges::ALL.covers(held));
        assert!(!Privileges::NONE.covers(held) && !held.covers(Privileges::ALL));
    }
}

// verifies: ASSURE-10.1.7-04
#[test]
fn channel_numbers_have_two_ranges() {
    assert_eq!(ChannelId::new(0), None);
    assert_eq!(ChannelId::explicit(0), None);
    assert_eq!(ChannelId::explicit(0xffff), ChannelId::new(0xffff));
    assert_eq!(ChannelId::explicit(0x1_0000), None);
    assert_eq!(ChannelId::FIRST_ASSIGNED.number(), 0x1_0000);
}

// verifies: ASSURE-10.1.11-03, ASSURE-10.1.12-01, ASSURE-10.1.11-02
#[test]
fn lists_hold_channels_in_their_order_up_to_a_limit() {
    let id = |number| ChannelId::new(number).unwrap();
    let channels: Vec<_> = ChannelState::ALL
        .into_iter()
        .zip(1..)
        .map(|(state, number)| ChannelStatus { definition: definition(), id: id(number), state })
        .collect();
    let bytes = encode_channel_list(&channels);
    assert_eq!(decode_channel_list(&bytes), Ok(channels.clone()));
    reject::cuts_and_additions(&encode_channel_list(&channels[..2]), decode_channel_list);
    assert_eq!(decode_channel_list(&[0x80]), Ok(Vec::new()));
    let over = encode_channel_list(&vec![channels[0].clone(); CHANNEL_LIST_MAX + 1]);
    assert_eq!(decode_channel_list(&over), Err(DecodeError::new(0, Reason::OverLimit)));

    let status = channels[0].encode();
    let inner = status.len() - 3;
    let further = [&status[..inner], &[0x83, 1, 0, 0x18, 99]].concat();
    assert_eq!(ChannelStatus::decode(&further), Ok(channels[0].clone()), "more items are tolerated");
    for reserved in 5..10 {
        let bad = [&status[..inner], &[0x82, 1, reserved]].concat();
        assert_eq!(ChannelStatus::decode(&bad), Err(DecodeError::new(inner + 2, Reason::OutOfRange)));
    }
    let swapped = [&[0x82, 0x82, 1, 0][..], &status[1..inner]].concat();
    assert!(ChannelStatus::decode(&swapped).is_err(), "status before definition");
}

#[test]
fn malformed_channels_and_information_are_refused() {
    let good = definition().encode();
    reject::cuts_and_additions(&good, ChannelDefinition::decode);
    reject::flips(&good, ChannelDefinition::decode);
    let status =
        ChannelStatus { definition: definition(), id: ChannelId::FIRST_ASSIGNED, state: ChannelState::Open };
    reject::cuts_and_additions(&status.encode(), ChannelStatus::decode);
    reject::flips(&status.encode(), ChannelStatus::decode);
    let addresses = [
        Address::Bacnet { network: None, address: vec![7; BACNET_ADDRESS_LENGTH_MAX] },
        Address::Bacnet { network: Some(5), address: vec![7] },
        Address::Ip { remote: "2001:db8::1".parse().unwrap(), local_port: 1, remote_port: 2 },
        Address::Bluetooth { mac: [7; 6] },
    ];
    for address in addresses {
        assert_eq!(Address::decode(&address.encode()), Ok(address.clone()));
        reject::cuts_and_additions(&address.encode(), Address::decode);
        reject::flips(&address.encode(), Address::decode);
    }
    let long = Address::Bacnet { network: None, address: vec![7; BACNET_ADDRESS_LENGTH_MAX + 1] };
    assert_eq!(Address::decode(&long.encode()), Err(DecodeError::new(3, Reason::OutOfRange)));
}

// verifies: ASSURE-10.1.17-01
#[test]
fn information_has_nine_items_and_bounded_texts() {
    let full = DeviceInfo {
        mac_address: Some([1, 2, 3, 4, 5, 6]),
        device_manufacturer: "a".into(),
        software_version: "x".repeat(INFO_TEXT_LENGTH_MAX),
        ..DeviceInfo::only(Uuid([9; 16]))
    };
    assert_eq!(DeviceInfo::decode(&full.encode()), Ok(full.clone()));
    reject::cuts_and_additions(&full.encode(), DeviceInfo::decode);
    let over = DeviceInfo { software_version: "x".repeat(INFO_TEXT_LENGTH_MAX + 1), ..full };
    assert_eq!(DeviceInfo::decode(&over.encode()).unwrap_err().reason, Reason::OverLimit);
    let only = DeviceInfo::only(Uuid([9; 16]));
    assert_eq!(only.encode(), [&[0x89, 0x50][..], &[9; 16], &[0x40], &[0x60; 7]].concat());
    reject::flips(&only.encode(), DeviceInfo::decode);
}

// verifies: ASSURE-12.2.1-01, ASSURE-12.2.1-02
#[test]
fn bootstrap_servers_are_found_by_their_number() {
    let id = BootstrapServerId(42);
    assert_eq!(id.domain_name(BOOTSTRAP_SUFFIX), "42.bootstrap.assure.internal");
    let read = |name: &str| BootstrapServerId::from_domain_name(name, BOOTSTRAP_SUFFIX);
    for id in [0, 42, u32::MAX] {
        assert_eq!(read(&BootstrapServerId(id).domain_name(BOOTSTRAP_SUFFIX)), Some(BootstrapServerId(id)));
    }
    for bad in ["042", "+42", "-1", "", " 42", "4294967296", "42.x", "forty"] {
        assert_eq!(read(&format!("{bad}{BOOTSTRAP_SUFFIX}")), None, "{bad}");
    }
    assert_eq!(read("42.example"), None);
    assert!(BootstrapServerId(0xffff_0000).is_private() && !BootstrapServerId(0xfffe_ffff).is_private());
}
