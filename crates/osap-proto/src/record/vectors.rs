//! Records compared with the published ones, at any number.

extern crate std;

use alloc::vec::Vec;

use crypto::Secret;
use crypto_portable::Portable;
use serde_json::Value;

use super::*;

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn file(name: &str) -> Vec<Value> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/vectors/osap");
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn keys(runs: &[Value], run: &Value, kind: MessageKind) -> RecordKeys {
    let keys = &runs.iter().find(|one| one["name"] == *run).unwrap()["keys"];
    let way = if Way::FromDevice.carries(kind) { Way::FromDevice } else { Way::FromLbs };
    let label = if way == Way::FromDevice { "lbs d2s" } else { "lbs s2d" };
    let part = |part| Secret::new(hex(&keys[std::format!("{label} {part}")]));
    RecordKeys::new(&Portable, way, &part("key"), &part("iv"))
}

// verifies: OSAP-5-66, TS-M18
#[test]
fn records_are_the_published_ones_and_open_only_in_their_place() {
    let runs = file("handshake.json");
    let mut counts = [0; 2];
    for vector in file("records.json") {
        let name = vector["name"].as_str().unwrap();
        let seq = vector["seq"].as_str().unwrap().parse().unwrap();
        let bytes = hex(&vector["bytes"]);
        if vector["kind"] == "seal" {
            counts[0] += 1;
            let kind = MessageKind::from_byte0(hex(&vector["byte0"])[0]).unwrap();
            let keys = keys(&runs, &vector["run"], kind);
            assert_eq!(keys.seal(kind, seq, &hex(&vector["plain"])), bytes, "{name}");
            let opened = keys.open(&Frame::read(&bytes).unwrap().unwrap(), kind, seq).unwrap();
            assert_eq!(opened.expose(), hex(&vector["plain"]), "{name}");
        } else {
            counts[1] += 1;
            let kind = MessageKind::from_byte0(hex(&vector["expects"])[0]).unwrap();
            let keys = keys(&runs, &vector["run"], kind);
            let opened = keys.open(&Frame::read(&bytes).unwrap().unwrap(), kind, seq);
            assert_eq!(opened.is_ok(), vector["accept"].as_bool().unwrap(), "{name}");
        }
    }
    assert!(counts[0] >= 11 && counts[1] >= 14, "{counts:?}");
}
