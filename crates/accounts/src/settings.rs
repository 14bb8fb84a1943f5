//! What an administrator may set.

use alloc::vec::Vec;
use core::net::IpAddr;

use clock::Now;
use minicbor::{Decode, Encode};
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::asked::{Asked, CannotDecide};
use crate::audit_ring::{AuditMode, AuditPolicy};
use crate::network::Network;
use crate::spaces::{read, settings_key, to_value};

/// Networks in the list of allowed addresses.
const NETWORK_COUNT_MAX: usize = 64;

/// The settings of accounts and audit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Settings {
    /// Minutes without a request after which a session ends: 1 to 60.
    #[n(0)]
    pub idle_minutes: u8,
    /// Failed tries of one account from one source within ten minutes that lock both: 3 to 10.
    #[n(1)]
    pub lock_failures: u8,
    /// How long that lasts: 5 to 60 minutes.
    #[n(2)]
    pub lock_minutes: u8,
    /// What happens when the audit log is full.
    #[n(3)]
    pub audit_mode: AuditMode,
    /// Entries that the audit log keeps: 100 to 1,000,000.
    #[n(4)]
    pub audit_limit: u32,
    /// From where people may come; empty: from everywhere.
    #[n(5)]
    pub allowed: Vec<Network>,
    /// Whether there is an audit log.
    #[n(6)]
    pub audit_is_on: bool,
}

impl Default for Settings {
    /// Source: rulings A-SECDEV-01, -09, -12.
    fn default() -> Self {
        Self {
            idle_minutes: 15,
            lock_failures: 5,
            lock_minutes: 30,
            audit_mode: AuditMode::Ring,
            audit_limit: 100_000,
            allowed: Vec::new(),
            audit_is_on: true,
        }
    }
}

/// Which setting cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadSettings {
    /// `idle_minutes` is not 1 to 60.
    IdleMinutes,
    /// `lock_failures` is not 3 to 10.
    LockFailures,
    /// `lock_minutes` is not 5 to 60.
    LockMinutes,
    /// `audit_limit` is not 100 to 1,000,000.
    AuditLimit,
    /// More than 64 networks.
    TooManyNetworks,
    /// The list of allowed addresses leaves out whoever sets it.
    LocksOutTheCaller,
}

impl Settings {
    /// Whether people may come from `address`.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|network| network.contains(address))
    }

    /// What is kept of the audit log.
    #[must_use]
    pub const fn audit_policy(&self) -> AuditPolicy {
        AuditPolicy { is_on: self.audit_is_on, mode: self.audit_mode, limit: self.audit_limit }
    }

    pub(crate) const fn idle_millis(&self) -> u64 {
        self.idle_minutes as u64 * 60_000
    }

    pub(crate) const fn lock_millis(&self) -> u64 {
        self.lock_minutes as u64 * 60_000
    }

    pub(crate) fn read(from: &Snapshot) -> Result<Self, CannotDecide> {
        Ok(read(from, &settings_key())?.unwrap_or_default())
    }

    fn check(&self, caller: Option<IpAddr>) -> Result<(), BadSettings> {
        if !(1..=60).contains(&self.idle_minutes) {
            return Err(BadSettings::IdleMinutes);
        }
        if !(3..=10).contains(&self.lock_failures) {
            return Err(BadSettings::LockFailures);
        }
        if !(5..=60).contains(&self.lock_minutes) {
            return Err(BadSettings::LockMinutes);
        }
        if !(100..=1_000_000).contains(&self.audit_limit) {
            return Err(BadSettings::AuditLimit);
        }
        if self.allowed.len() > NETWORK_COUNT_MAX {
            return Err(BadSettings::TooManyNetworks);
        }
        match caller {
            Some(address) if !self.admits(address) => Err(BadSettings::LocksOutTheCaller),
            Some(_) | None => Ok(()),
        }
    }
}

/// Reads the settings.
#[derive(Clone, Copy, Debug)]
pub struct ReadSettings;

impl Operation for ReadSettings {
    type Reply = Result<Settings, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([settings_key()])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| Settings::read(snapshot))
    }
}

/// Sets every setting at once.
#[derive(Clone, Debug)]
pub struct SetSettings {
    /// The new ones.
    pub settings: Settings,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for SetSettings {
    type Reply = Result<Result<(), BadSettings>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([settings_key()])
    }

    /// Switching the audit log off or on is an entry of its own, which is always kept.
    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let before = Settings::read(snapshot)?;
            if let Err(bad) = self.settings.check(self.asked.address) {
                return Ok(Err(bad));
            }
            batch.put(settings_key(), to_value(&self.settings));
            self.asked.audit(batch, "settings.set", "done", at);
            if before.audit_is_on != self.settings.audit_is_on {
                let what = if self.settings.audit_is_on { "audit.on" } else { "audit.off" };
                self.asked.audit(batch, what, "done", at);
            }
            Ok(Ok(()))
        })
    }
}
