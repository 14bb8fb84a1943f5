//! The factory's end of the line, and what a device shows of itself.

use std::fs;

use crypto::{Curve, KeyKind, PublicKey};
use model::Uuid;

use super::authority::Authority;
use super::program::{Folder, Made, answered, failure, files_below, make, order};

const SECRET: &[u8] = b"a secret of the manufacturing line";

fn kind(made: &Made) -> Option<KeyKind> {
    made.public.as_ref().map(PublicKey::kind)
}

// verifies: ASSURE-14.1-01, ASSURE-14.1-02
#[test]
fn a_device_of_every_kind_answers_with_its_uuid_and_public_key() {
    let authority = Authority::new(1);
    let kinds = [
        (0, Some(SECRET), None, "secret"),
        (1, None, Some(KeyKind::Ec(Curve::P256)), "p256"),
        (2, None, Some(KeyKind::Ec(Curve::P384)), "p384"),
        (3, None, Some(KeyKind::Rsa { modulus_bits: 2048 }), "rsa2048"),
    ];
    for (number, secret, expected, name) in kinds {
        let made = Made::of(&authority, number, number, secret);
        assert_eq!(kind(&made), expected);
        let status = made.status();
        assert_eq!(status["device"], made.uuid.to_string());
        assert_eq!(status["kind"], name);
        assert_eq!(status["sequence_number"], 0);
        assert_eq!(status["generation"], 1);
        assert_eq!(status["configured"], false);
        assert_eq!(status["keys"], serde_json::json!([]));
    }
}

// verifies: ASSURE-6.2.2-03
#[test]
fn two_devices_have_two_keys() {
    let authority = Authority::new(1);
    let (one, other) = (Made::p256(&authority, 1), Made::p256(&authority, 2));
    assert_ne!(one.public, other.public);
}

// verifies: ASSURE-6.2.2-02, ASSURE-6.2.3-04
#[test]
fn no_secret_stands_in_a_file_or_in_what_the_device_prints() {
    let authority = Authority::new(1);
    let made = Made::of(&authority, 5, 0, Some(SECRET));
    let status = made.device("status", &[]);
    for (path, bytes) in files_below(&made.folder.0) {
        let is_there = bytes.windows(8).any(|window| SECRET.windows(8).any(|part| part == window));
        assert!(!is_there, "{}", path.display());
    }
    // of a key pair, the public half is all that is known here: the private one is found by its structure
    let pair = Made::p256(&authority, 6);
    for (path, bytes) in files_below(&pair.state()) {
        assert!(!bytes.windows(4).any(|window| window == [0x30, 0x81, 0x87, 0x02]), "{}", path.display());
        assert!(!bytes.windows(16).any(|window| window == pair.uuid.0), "{}", path.display());
    }
    let printed = String::from_utf8(status.stdout).unwrap();
    assert!(!printed.contains("secret of"), "{printed}");
}

#[cfg(unix)]
#[test]
fn what_a_device_keeps_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let made = Made::p256(&Authority::new(1), 1);
    assert_eq!(fs::metadata(made.state()).unwrap().permissions().mode() & 0o777, 0o700);
    for name in ["state.0", "seal.key"] {
        let mode = fs::metadata(made.state().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_second_order_does_not_replace_a_device() {
    let authority = Authority::new(1);
    let made = Made::p256(&authority, 1);
    let before = files_below(&made.state());
    let again = make(&made.state(), &made.folder.join("ta.bundle"), &order(Uuid([9; 16]), 1, None));
    assert_eq!(failure(&again), ("already-there".into(), 3));
    assert_eq!(files_below(&made.state()), before);
}

// verifies: ASSURE-6.2.2-01
#[test]
fn an_order_that_is_none_makes_nothing() {
    let authority = Authority::new(1);
    let folder = Folder::new();
    let (state, bundle) = (folder.join("state"), folder.join("ta.bundle"));
    fs::write(&bundle, &authority.bundle).unwrap();
    let good = order(Uuid([7; 16]), 0, Some(SECRET));
    let mut other_version = good.clone();
    other_version[1] = 2;
    let bad = [
        Vec::new(),
        good[..1].to_vec(),
        good[..good.len() - 1].to_vec(),
        other_version,
        b"make me a device\n".to_vec(),
        vec![0xff; 100_000],
        // a private key from outside, whatever its form, has no place in an order
        order(Uuid([7; 16]), 1, Some(&[1; 32])),
        order(Uuid([7; 16]), 1, Some(&[0x30; 138])),
        order(Uuid([7; 16]), 0, None),
        order(Uuid([7; 16]), 0, Some(&[1; 15])),
        order(Uuid([7; 16]), 4, None),
    ];
    for bytes in bad {
        let output = make(&state, &bundle, &bytes);
        assert_eq!(failure(&output), ("order-refused".into(), 2), "{} bytes", bytes.len());
        assert!(!state.exists());
    }
    answered(&make(&state, &bundle, &good), Uuid([7; 16]));
}

#[test]
fn a_bundle_that_no_authority_signed_makes_nothing() {
    let authority = Authority::new(1);
    let folder = Folder::new();
    let (state, bundle) = (folder.join("state"), folder.join("ta.bundle"));
    let order = order(Uuid([7; 16]), 1, None);
    assert_eq!(failure(&make(&state, &bundle, &order)), ("file-unreadable".into(), 2));
    for at in [0, 20, 60, authority.bundle.len() - 1] {
        let mut changed = authority.bundle.clone();
        changed[at] ^= 1;
        fs::write(&bundle, &changed).unwrap();
        assert_eq!(failure(&make(&state, &bundle, &order)), ("file-malformed".into(), 2), "byte {at}");
    }
    fs::write(&bundle, vec![0; 1_000_000]).unwrap();
    assert_eq!(failure(&make(&state, &bundle, &order)), ("file-malformed".into(), 2));
    assert!(!state.exists());
}

#[test]
fn a_folder_without_a_device_is_told_apart_from_a_damaged_one() {
    let made = Made::p256(&Authority::new(1), 1);
    let other = Made::p256(&Authority::new(2), 2);
    fs::copy(other.state().join("state.0"), made.state().join("state.0")).unwrap();
    for verb in ["status", "run"] {
        assert_eq!(failure(&made.device(verb, &[])), ("state-damaged".into(), 2), "{verb}");
    }
    fs::remove_dir_all(made.state()).unwrap();
    for verb in ["status", "run", "reset"] {
        assert_eq!(failure(&made.device(verb, &[])), ("state-missing".into(), 2), "{verb}");
        assert!(!made.state().exists());
    }
}
