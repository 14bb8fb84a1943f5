//! Complete bootstraps: from a device's hello to the last block of its image.
//!
//! The bootstrap server's machine and both servers' operations on their stores, which are files behind sealing keys.
//! The question for the owner, which goes from server to server over HTTPS, is put to the registration server's store
//! directly.

use std::path::Path;
use std::time::Duration;

use authority::bootstrap::ReadDevice;
use clock::{Dice, Now};
use coap_front::Claim;
use coap_front::bootstrap::{
    BootstrapCommand, BootstrapEvent, BootstrapFace, BootstrapSetup, Class3Keys, ImageAnswer,
};
use coap_proto::{Code, Request};
use dtls_proto::CipherSuite;

use super::Effort;
use super::child::internal;
use super::device_line::DeviceLine;
use super::rows::{Figure, Line};
use super::scratch::Scratch;
use super::stored;
use super::world::crowd::Crowd;
use super::world::device::Device;
use super::world::keys::Keys;
use super::world::{self, Stores, did};
use crate::failure::Outcome;
use crate::serve::bootstrap::issued_key;
use crate::serve::device_socket::OnSocket;

/// Devices that come by turns.
const DEVICE_COUNT: usize = 16;

/// How a device is made.
type Maker = fn(&Keys, Dice) -> Outcome<Device>;

/// Rows of this benchmark.
pub(super) fn measure(effort: Effort) -> Outcome<Vec<Line>> {
    let mut dice = Dice::numbered(21);
    let crowd = Crowd::new(&mut dice)?;
    let place = Scratch::new("bench-bootstraps")?;
    let stores = open(place.path(), &mut dice)?;
    crowd.found(&stores)?;
    let kinds: [(&str, Maker, CipherSuite); 2] = [
        ("secret only", Device::with_secret, CipherSuite::PskAes128Ccm8),
        ("P-256", Device::with_key, CipherSuite::EcdheEcdsaAes128Ccm8),
    ];
    let mut lines = Vec::new();
    for (name, make, suite) in kinds {
        let mut side = Side::new(&crowd.keys, &stores, &mut dice);
        let mut image_length = 0;
        for _ in 0..DEVICE_COUNT {
            let mut device = make(&crowd.keys, dice.split())?;
            device.issue(&stores, &crowd.keys)?;
            device.claim(&stores, &crowd.keys)?;
            image_length = device.configure(&stores, &crowd.keys)?;
            side.devices.push(device);
        }
        let mut rates = Vec::new();
        for _ in 0..effort.pairs {
            rates.push(side.per_second(suite, effort.span())?);
        }
        let what = format!("complete bootstraps, {name}, image of {image_length} bytes");
        lines.extend(Figure::of(&what, "per CPU second of the servers", &rates).map(Line::from));
    }
    Ok(lines)
}

fn open(folder: &Path, dice: &mut Dice) -> Outcome<Stores> {
    let mut one = |name: &str| stored::sealed(&folder.join(name), dice);
    Ok(Stores {
        registration: one("registration")?,
        bootstrap: one("bootstrap")?,
        management: one("management")?,
    })
}

/// The servers' side, and the devices.
struct Side<'a> {
    keys: &'a Keys,
    stores: &'a Stores,
    face: OnSocket<BootstrapFace>,
    devices: Vec<Device>,
    now: Now,
    number: u32,
}

impl<'a> Side<'a> {
    fn new(keys: &'a Keys, stores: &'a Stores, dice: &mut Dice) -> Self {
        let now = world::now();
        let [ec, rsa] = keys.class_3.clone();
        let setup = BootstrapSetup {
            provider: keys.provider.clone(),
            dice: dice.split(),
            keys: Class3Keys { ec, rsa },
            limits: BootstrapSetup::LIMITS,
        };
        let face = OnSocket(BootstrapFace::new(setup, now));
        Self { keys, stores, face, devices: Vec::new(), now, number: 0 }
    }

    /// Bootstraps per second of the servers' processor time.
    fn per_second(&mut self, suite: CipherSuite, span: Duration) -> Outcome<f64> {
        let (mut count, mut spent) = (0_u32, Duration::ZERO);
        while spent < span {
            for index in 0..self.devices.len() {
                spent += self.bootstrap(index, suite)?;
                count += 1;
            }
        }
        Ok(f64::from(count) / spent.as_secs_f64())
    }

    fn bootstrap(&mut self, index: usize, suite: CipherSuite) -> Outcome<Duration> {
        self.number += 1;
        self.now.moment = self.now.moment + Duration::from_millis(100);
        // What the face has to do in the meantime is part of what bootstraps cost, and next to nothing.
        self.expire();
        let (stores, device, now) = (self.stores, &mut self.devices[index], self.now);
        let request = Request::new(Code::GET, &format!("/v1/devices/{}/bootstrap", device.uuid));
        let whom = (device.uuid, device.key.clone());
        let mut line = DeviceLine::call(&self.keys.provider, self.number, whom, &[suite], request, now)?;
        let spent = line.talk(&mut self.face, now, |event| decide(event, device, stores).map(Some))?;
        match line.answer {
            Some(answer) if answer.code == Code::CONTENT && !answer.payload.is_empty() => Ok(spent),
            other => Err(internal("a bootstrap", format!("{other:?}"))),
        }
    }

    fn expire(&mut self) {
        use net::udp::DatagramMachine as _;
        if self.face.next_deadline().is_some_and(|due| due <= self.now.moment) {
            self.face.expire(self.now);
        }
        // Goodbyes to devices that are gone.
        while self.face.next_output().is_some() {}
    }
}

fn decide(event: BootstrapEvent, device: &mut Device, stores: &Stores) -> Outcome<BootstrapCommand> {
    match event {
        BootstrapEvent::LookUp { association, claim: Claim::Device(uuid) } => {
            let found = did(&stores.bootstrap, &ReadDevice { device: uuid })?;
            let found = found.map_err(|error| internal("a device's record", format!("{error:?}")))?;
            let found = found.ok_or_else(|| internal("a device's record", "it is not there"))?;
            let key = issued_key(found).map_err(|error| internal("a device's key", error))?;
            Ok(BootstrapCommand::Known { association, device: uuid, key })
        }
        BootstrapEvent::LookUp { association, .. } => Ok(BootstrapCommand::Unknown { association }),
        BootstrapEvent::GetImage { exchange, .. } => {
            let answer = ImageAnswer::Image(device.serve(stores)?);
            Ok(BootstrapCommand::Answer { exchange, answer })
        }
    }
}
