//! Protocol type 8: devices that show a certificate.

use std::fs;
use std::sync::Arc;

use certificate::{CERTIFICATE, Issuer, Lifetime, PRIVATE_KEY, Profile, pem_from_der};
use clock::{Dice, Timestamp};
use crypto::{Curve, KeyKind, Provider};

use super::played::{Played, made};
use super::{ROLE, Smart};

struct Maker {
    provider: crypto_server::Server,
    dice: Dice,
    issuer: Issuer,
    now: Timestamp,
    until: Timestamp,
}

impl Maker {
    fn new(name: &str, seed: u64) -> Self {
        let provider = crypto_server::Server::new();
        let mut dice = Dice::numbered(seed);
        let key = provider.generate_key(KeyKind::Ec(Curve::P256), &mut dice).unwrap();
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = Timestamp::from_unix_millis(u64::try_from(unix.as_millis()).unwrap());
        let until = Timestamp::from_unix_millis(now.as_unix_millis() + 86_400_000);
        let lifetime = Lifetime { from: now, until: Some(until) };
        let issuer = Issuer::self_signed_ca(&provider, Arc::clone(&key), name, lifetime, &mut dice).unwrap();
        Self { provider, dice, issuer, now, until }
    }

    fn certificate(&self) -> String {
        pem_from_der(CERTIFICATE, self.issuer.certificate()).unwrap()
    }

    /// A certificate for a key of its own, and the key.
    fn issue(&mut self, serial: &str) -> String {
        let key = self.provider.generate_key(KeyKind::Ec(Curve::P256), &mut self.dice).unwrap();
        let number = certificate::Serial::random(&mut self.dice);
        let profile = Profile::SmartDevice { serial: serial.to_owned(), until: self.until };
        let leaf =
            self.issuer.issue(&self.provider, key.public(), number, &profile, self.now, &mut self.dice);
        let key = pem_from_der(PRIVATE_KEY, key.pkcs8().unwrap().expose()).unwrap();
        pem_from_der(CERTIFICATE, &leaf.unwrap()).unwrap() + &key
    }
}

// verifies: OSAP-5-20, TS-M17
#[test]
fn ts_m17_type_8_is_for_the_certificate_of_this_device_by_its_key_or_an_issuer_on_the_list() {
    let (mut listed, mut other) = (Maker::new("Makers", 61), Maker::new("Strangers", 62));
    let list = std::env::temp_dir().join(format!("thingstead-issuers-{}.pem", std::process::id()));
    fs::write(&list, listed.certificate()).unwrap();
    let smart = Smart::start_with("smart-mutual", &format!("device_issuers = {list:?}"), "");
    let pin = smart.world.path(&format!("{ROLE}/lbs.pin"));
    let serial = made(&smart, &["--model", "radar", "--kind", "key-pair", "--pin", &pin, "--types", "8"]);
    let file = smart.world.path(&format!("made/{serial}/client.pem"));
    let own = fs::read_to_string(&file).unwrap();
    let refused = [
        ("another issuer", Some(other.issue(&serial))),
        ("another serial", Some(listed.issue("T99999999"))),
        ("no certificate", None),
    ];
    for (name, shown) in refused {
        match shown {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let mut device = Played::run(&smart, &serial);
        device.until("failed", 2);
        let said = device.kill();
        assert!(said.iter().all(|said| said["event"] != "admitted"), "{name}: {said:#?}");
    }
    for shown in [listed.issue(&serial), own] {
        fs::write(&file, shown).unwrap();
        let mut device = Played::run(&smart, &serial);
        assert_eq!(device.until("admitted", 1)[0]["type"], 8);
        device.until("online", 1);
        device.kill();
    }
    fs::remove_file(&list).unwrap();
}
