//! Devices as they leave the maker.

use super::*;
use crate::device::smart::models::text_of;
use crypto_server::Server;

fn lot<'a>(birth: SmartBirth, out: &'a Path) -> SmartLot<'a> {
    SmartLot {
        birth,
        is_hub: false,
        types: TypeGroup::new(&[4, 2]).unwrap(),
        lbs_tls_key: None,
        issuer: None,
        model: text_of("door-lock").unwrap(),
        out,
    }
}

fn scratch(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("maker-smart-{name}-{}", std::process::id()));
    let _gone = fs::remove_dir_all(&path);
    path
}

#[test]
fn a_record_has_all_that_an_operator_needs_and_never_the_code() {
    let out = scratch("code");
    let provider: Arc<dyn Provider> = Arc::new(Server::new());
    let mut dice = Dice::numbered(1);
    let realm = Realm::new(b"lbs.example").unwrap();
    let serial = draw_serial(&mut dice);
    let made =
        make(&lot(SmartBirth::Code(realm.clone()), &out), serial.clone(), &provider, &mut dice).unwrap();
    let label = smart_label::read(made.label.as_ref().unwrap()).unwrap();
    assert_eq!(label.serial, serial);
    let text = fs::read_to_string(&made.record).unwrap();
    assert!(!text.contains(std::str::from_utf8(label.code.as_bytes()).unwrap()));
    let record: Value = serde_json::from_str(&text).unwrap();
    let code = Secret::from(&label.code.as_bytes()[..]);
    let (_, expected) =
        StretchedCode::of_label(provider.as_ref(), &code, &serial, &realm, Kdf::Scrypt).unwrap();
    assert_eq!(record["code"]["w0"], hex(expected.w0.expose()));
    assert_eq!(record["code"]["l"], hex(expected.point_l.point().unwrap().1));
    assert_eq!(record["model"]["title"], "Door lock");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        for path in [&made.record, made.label.as_ref().unwrap(), &made.folder.join("state.0")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        }
    }
    let again = make(&lot(SmartBirth::Psk, &out), serial, &provider, &mut dice).err().unwrap();
    assert_eq!(again.code(), "already-there");
    fs::remove_dir_all(&out).unwrap();
}

#[test]
fn keys_are_in_the_record_as_far_as_the_operator_needs_them() {
    let out = scratch("keys");
    let provider: Arc<dyn Provider> = Arc::new(Server::new());
    let mut dice = Dice::numbered(2);
    let pin = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
    let pin_file = out.join("lbs.pin");
    files::make_folder(&out).unwrap();
    fs::write(&pin_file, format!("{}\n", hex(pin.public().spki()))).unwrap();
    let pins = vec![read_pin(&pin_file).unwrap()];
    assert_eq!(&pins[0], pin.public());
    for birth in [SmartBirth::Psk, SmartBirth::KeyPair(pins)] {
        let serial = draw_serial(&mut dice);
        let made = make(&lot(birth, &out), serial, &provider, &mut dice).unwrap();
        assert!(made.label.is_none());
        let record: Value = serde_json::from_str(&fs::read_to_string(&made.record).unwrap()).unwrap();
        let psk = record["psk"].as_str().and_then(|text| bytes_from_hex(text).ok());
        let key = record["key"].as_str().and_then(|text| bytes_from_hex(text).ok());
        match (psk, key) {
            (Some(psk), None) => assert_eq!(psk.len(), 32),
            (None, Some(key)) => {
                assert_eq!(PublicKey::from_spki(&key).unwrap().kind(), KeyKind::Ec(Curve::P256))
            }
            other => panic!("{other:?}"),
        }
    }
    fs::write(&pin_file, "xyz").unwrap();
    assert_eq!(read_pin(&pin_file).err().unwrap().code(), "file-malformed");
    fs::remove_dir_all(&out).unwrap();
}
