//! A store in memory with a clock that the test turns, and words for what people do.

use std::cell::Cell;
use std::net::IpAddr;

use accounts::{
    AUDIT, AccountName, Activate, AddAccount, Asked, AuditEntry, Checked, Duties, OfferActivation,
    PasswordHash, PrepareSignIn, Prepared, ResumeSession, Resumed, Role, SettleSignIn, SignedIn, TokenHash,
    TypedName,
};
use clock::{Moment, Now, Timestamp};
use model::CorrelationId;
use store::{Memory, Operation, Range, Table as _, run};

pub(crate) const MINUTE: u64 = 60_000;
pub(crate) const HERE: [u8; 4] = [192, 0, 2, 1];
pub(crate) const THERE: [u8; 4] = [192, 0, 2, 2];

pub(crate) struct House {
    pub(crate) table: Memory,
    millis: Cell<u64>,
    drawn: Cell<u64>,
}

pub(crate) fn name(text: &str) -> AccountName {
    AccountName::from_typed(text).unwrap()
}

/// What stands for the hash of a password here: the crate never looks into one.
pub(crate) fn hash(password: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$test${password}"))
}

pub(crate) fn token(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

impl House {
    pub(crate) fn new() -> Self {
        let (millis, drawn) = (Cell::new(1_767_225_600_000), Cell::new(0));
        Self { table: Memory::new(), millis, drawn }
    }

    /// With one administrator `root` whose password is `root-1234`, signed in from here with token 1.
    pub(crate) fn activated() -> Self {
        let house = Self::new();
        let asked = house.asked("operator", None);
        house.run(OfferActivation { token: token(0), beside_others: false, asked }).unwrap();
        let asked = house.asked("", Some(HERE));
        let activate = Activate {
            token: token(0),
            name: name("root"),
            hash: hash("root-1234"),
            session: token(1),
            asked,
        };
        house.run(activate).unwrap().unwrap();
        house
    }

    pub(crate) fn now(&self) -> u64 {
        self.millis.get()
    }

    pub(crate) fn later(&self, millis: u64) {
        self.millis.set(self.millis.get() + millis);
    }

    pub(crate) fn set(&self, millis: u64) {
        self.millis.set(millis);
    }

    pub(crate) fn run<O: Operation>(&self, operation: O) -> O::Reply {
        let now = Now::new(Moment::from_micros(0), Timestamp::from_unix_millis(self.now()));
        run(&self.table, &operation, now).map(|done| done.reply).unwrap()
    }

    pub(crate) fn correlation(&self) -> CorrelationId {
        self.drawn.set(self.drawn.get() + 1);
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.drawn.get().to_be_bytes());
        CorrelationId(bytes)
    }

    pub(crate) fn asked(&self, by: &str, from: Option<[u8; 4]>) -> Asked {
        let address = from.map(IpAddr::from);
        Asked { role: "management", by: by.into(), address, correlation: self.correlation() }
    }

    pub(crate) fn add(&self, who: &str, role: Role, duties: Duties) {
        let asked = self.asked("root", Some(HERE));
        let add = AddAccount { name: name(who), role, duties, hash: hash("right-123"), asked };
        self.run(add).unwrap().unwrap();
    }

    /// Both steps of a sign-in, as the edge takes them.
    pub(crate) fn sign_in(&self, who: &str, password: &str, from: [u8; 4], token: TokenHash) -> SignedIn {
        let typed = TypedName::new(who);
        match self.run(PrepareSignIn { name: typed.clone(), address: from.into() }).unwrap() {
            Prepared::Wait(wait) => SignedIn::Wait(wait),
            Prepared::Check(against) => {
                let fits = against.filter(|against| *against == hash(password));
                self.settle(typed, fits.map_or(Checked::Wrong, Checked::Fits), from, token)
            }
        }
    }

    pub(crate) fn settle(
        &self,
        name: TypedName,
        checked: Checked,
        from: [u8; 4],
        token: TokenHash,
    ) -> SignedIn {
        let asked = self.asked("", Some(from));
        self.run(SettleSignIn { name, checked, token, asked }).unwrap()
    }

    pub(crate) fn resume(&self, token: TokenHash) -> Option<Resumed> {
        self.look(token, true)
    }

    pub(crate) fn look(&self, token: TokenHash, is_activity: bool) -> Option<Resumed> {
        let correlation = self.correlation();
        self.run(ResumeSession { token, is_activity, correlation, role: "management" }).unwrap()
    }

    /// The log: actor, operation, result, address.
    pub(crate) fn log(&self) -> Vec<String> {
        let all = Range { space: AUDIT, prefix: Vec::new(), after: None, limit: 10_000 };
        let entries = self.table.scan(&all).unwrap().records.into_iter().map(|(_, record)| {
            let entry = AuditEntry::from_bytes(&record.value).unwrap();
            assert_eq!(entry.role, "management");
            let from = entry.address.map_or("-".into(), |address| address.to_string());
            format!("{} {} {} {from}", entry.actor, entry.operation, entry.result)
        });
        entries.collect()
    }
}
