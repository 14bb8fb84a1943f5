//! Files that a played device carries itself, at a real server.

use std::fs;

use serde_json::Value;

use super::Smart;
use super::played::{Played, made, thing_of};

// verifies: OSAP-3-02, OSAP-3-05
#[test]
fn a_played_device_brings_a_file_to_its_owner_and_fetches_it_again() {
    let smart = Smart::start("smart-carried", "");
    let words = ["--model", "camera", "--kind", "psk", "--types", "2"];
    let (serial, thing) = (made(&smart, &words), thing_of(&words));
    let mut device = Played::run(&smart, &serial);
    device.until("online", 1);
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    let clip = smart.world.path("at the door.bin");
    fs::write(&clip, &content).unwrap();
    device.type_in(&format!("bring {clip}"));
    let brought = device.until("file-brought", 1).remove(0);
    let listed = smart.files(&["list", &thing]);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&brought["file"], &"at the door.bin".into()));
    assert!(listed[0]["arrived_unix_millis"].is_u64(), "it is there, every byte: {listed}");
    // What an earlier try left is not fetched again.
    let (id, back) = (brought["file"].as_str().unwrap(), smart.world.path("back.bin"));
    fs::write(format!("{back}.part"), &content[..100_001]).unwrap();
    device.type_in(&format!("fetch {id} {back}"));
    let fetched = device.until("file-fetched", 1).remove(0);
    assert_eq!((&fetched["path"], &fetched["size"]), (&back.clone().into(), &content.len().into()));
    assert!(fs::read(&back).unwrap() == content);
    // All of it was there; then more than all of it.
    for extra in [&[][..], b"more"] {
        fs::write(format!("{back}.part"), [&content, extra].concat()).unwrap();
        fs::remove_file(&back).unwrap();
        device.type_in(&format!("fetch {id} {back}"));
        device.until("file-fetched", if extra.is_empty() { 2 } else { 3 });
        assert!(fs::read(&back).unwrap() == content);
    }
    // What was there before is another file: the digest says so, and what was there under the name stays.
    fs::write(format!("{back}.part"), [1; 1000]).unwrap();
    device.type_in(&format!("fetch {id} {back}"));
    device.until("file-failed", 1);
    assert!(fs::read(&back).unwrap() == content && !fs::exists(format!("{back}.part")).unwrap());
    device.type_in(&format!("fetch {} {back}", "00".repeat(16)));
    device.type_in(&format!("bring {clip}.not"));
    let failed = device.until("file-failed", 3);
    assert!(failed.iter().all(|said| said["why"].is_string()), "{failed:?}");
    assert!(failed[1]["path"] != failed[2]["path"]);
    assert_eq!(
        smart.files(&["list", &thing]).as_array().map(Vec::len),
        Some(1),
        "a try leaves nothing behind"
    );
    let shows = |said: &Value| said.to_string().contains("token");
    assert!(!device.said.iter().any(shows), "what opens a file is said to nobody");
}
