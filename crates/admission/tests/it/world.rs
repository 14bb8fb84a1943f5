//! A store, a clock, and a device as its maker made it.

use core::cell::Cell;

use accounts::AuditEntry;
use admission::*;
use clock::{Moment, Now, Timestamp};
use crypto::{Curve, KeyKind, Provider, PublicKey, Secret};
use crypto_portable::Portable;
use model::{CorrelationId, Uuid};
use osap_proto::*;
use store::{Memory, Operation, Range, Table};

pub(crate) const THING: Uuid = Uuid([7; 16]);
pub(crate) const START_MILLIS: u64 = 1_795_307_861_000;

/// A load balancer's store at a point in time.
pub(crate) struct World {
    pub(crate) table: Memory,
    pub(crate) millis: u64,
    count: Cell<u8>,
}

pub(crate) fn camera() -> Serial {
    Serial::new(b"T12345678").unwrap()
}

pub(crate) fn key(number: u64) -> PublicKey {
    let key = Portable.generate_key(KeyKind::Ec(Curve::P256), &mut clock::Dice::numbered(number)).unwrap();
    key.public().clone()
}

pub(crate) fn code_record() -> CodeRecord {
    CodeRecord { w0: Secret::from(&[5; 32][..]), point_l: key(5), kdf: Kdf::Scrypt }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { table: Memory::new(), millis: START_MILLIS, count: Cell::new(0) }
    }

    /// A world where the camera is on record.
    pub(crate) fn with(credentials: Credentials) -> Self {
        let world = Self::new();
        assert_eq!(world.enrol(&camera(), credentials), Ok(Enrolled::Added));
        world
    }

    pub(crate) const fn now(&self) -> Now {
        Now::new(Moment::from_micros(1), Timestamp::from_unix_millis(self.millis))
    }

    pub(crate) fn origin(&self) -> Origin {
        let count = self.count.get() + 1;
        self.count.set(count);
        let correlation = CorrelationId([count; 16]);
        Origin { role: "lbs", actor: "owner".into(), address: None, correlation, seed: [count; 32] }
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        store::run(&self.table, operation, self.now()).unwrap().reply
    }

    pub(crate) fn enrol(&self, serial: &Serial, credentials: Credentials) -> Result<Enrolled, CannotDecide> {
        let origin = self.origin();
        let (serial, mode, thing) = (serial.clone(), Mode::Serial, Some(THING));
        self.run(&Enrol { serial, mode, credentials, thing, origin })
    }

    pub(crate) fn look_up(&self) -> Found {
        self.run(&LookUp { serial: camera(), mode: Mode::Serial }).unwrap().unwrap()
    }

    pub(crate) fn look_up_of(&self, serial: &Serial) -> Found {
        self.run(&LookUp { serial: serial.clone(), mode: Mode::Serial }).unwrap().unwrap()
    }

    /// A commit of the camera, as a run of `claim` asks for it; its ticket is called `number`.
    pub(crate) fn commit(claim: Claim, number: u8) -> Commit {
        Commit {
            serial: camera(),
            claim,
            devid: Devid::from_random([number; 16]),
            ticket: Ticket { id: [number; 16], secret: Secret::from(&[number; 32][..]) },
            lifetime_secs: 2_592_000,
            enrol_psk: matches!(claim, Claim::Code(_)).then(|| Secret::from(&[number; 32][..])),
        }
    }

    pub(crate) fn complete(&self, claim: Claim, number: u8, generation: Generation) -> RunCommitted {
        let origin = self.origin();
        self.run(&CommitRun { commit: Self::commit(claim, number), generation, origin }).unwrap()
    }

    /// What the audit log says, oldest first.
    pub(crate) fn audit(&self) -> Vec<(String, Option<Uuid>)> {
        let range = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 100 };
        let page = self.table.scan(&range).unwrap();
        let entries = page.records.iter().map(|(_, record)| AuditEntry::from_bytes(&record.value).unwrap());
        entries.map(|entry| (entry.operation, entry.device)).collect()
    }
}

/// The credentials of a maker who gave a pre-shared key alone.
pub(crate) fn factory_key() -> Credentials {
    Credentials { psk: Some(Secret::from(&[9; 32][..])), ..Credentials::default() }
}

/// The credentials of a maker who printed a code.
pub(crate) fn label() -> Credentials {
    Credentials { code: Some(code_record()), ..Credentials::default() }
}
