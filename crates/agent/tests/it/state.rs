//! The stored state: what comes back, and what is refused.

use std::sync::Arc;

use agent::{Agent, DeviceKey, Factory, Settings, StartError};
use assure_proto::DeviceInfo;
use clock::{Dice, Moment, Now};
use crypto::{CryptoError, Secret};
use crypto_portable::Portable;
use wire::Reason;

use crate::bench::Bench;
use crate::world::{BOOTSTRAP_ID, EC, Kind, World};

fn start(stored: &[u8]) -> Result<Agent, StartError> {
    let now = Now::without_utc(Moment::START);
    Agent::start(stored, &Settings::default(), Arc::new(Portable::new()), Dice::numbered(1), now)
}

// verifies: TS-M13, ASSURE-15.5-08
#[test]
fn a_state_comes_back_byte_for_byte() {
    for kind in [Kind::Secret, EC] {
        let mut bench = Bench::in_service(World::new(kind));
        let disk = bench.device().disk.clone();
        let again = start(disk.expose()).expect("a stored state");
        assert_eq!(again.snapshot(), disk);
        assert_eq!((again.sequence_number(), again.is_configured()), (1, true));
    }
}

#[test]
fn every_cut_of_a_state_and_later_versions_are_refused() {
    let mut bench = Bench::in_service(World::new(Kind::Secret));
    let disk = bench.device().disk.clone();
    for length in 0..disk.len() {
        assert!(matches!(start(&disk.expose()[..length]), Err(StartError::Malformed(_))), "cut at {length}");
    }
    let mut later = disk.expose().to_vec();
    assert_eq!(later[1], 1, "the version comes first");
    later[1] = 2;
    let refused = start(&later).map(|_| ());
    assert!(matches!(refused, Err(StartError::Malformed(error)) if error.reason == Reason::UnknownVersion));
}

#[test]
fn a_device_key_that_is_none_is_refused() {
    let device = model::Uuid([1; 16]);
    let factory = |key| Factory {
        device,
        key,
        roots: Vec::new(),
        bootstrap_server: BOOTSTRAP_ID,
        generation: 1,
        info: DeviceInfo::only(device),
    };
    for key in [DeviceKey::Secret(Secret::new(vec![1; 15])), DeviceKey::Private(Secret::new(vec![1; 15]))] {
        let stored = factory(key).first_state();
        assert!(matches!(start(stored.expose()), Err(StartError::Key(CryptoError::BadInput))));
    }
    assert!(start(factory(DeviceKey::Secret(Secret::new(vec![1; 16]))).first_state().expose()).is_ok());
}

// verifies: ASSURE-6.2.2-02
#[test]
fn no_debug_form_shows_a_secret() {
    let world = World::new(Kind::Secret);
    let shown = format!("{:?}", world.factory());
    let secret = world.device.secret().expose();
    assert!(!shown.contains(&format!("{secret:?}")), "{shown}");
    assert!(shown.contains("Secret(32 bytes)"));
}
