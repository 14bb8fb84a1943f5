//! Accounts: made, changed, locked, removed. There is always an administrator who may sign in.
//!
//! Source: `004` 6.2.4 a to d; 6.2.6 a 2.

use alloc::vec::Vec;

use clock::{Now, Timestamp};
use store::{Batch, Decision, Operation, Range, ReadSet, Snapshot, decided};

use crate::account::{Account, AccountName, Duties, PasswordHash, Role};
use crate::asked::{Asked, CannotDecide};
use crate::people_sessions::end_sessions;
use crate::session::{TokenHash, every_session, sessions};
use crate::spaces::{ACCOUNT, TRIES, account_key, all_of, from_value, read, to_value};
use crate::tries::{SLOT_COUNT_MAX, besieged_until, forget, key_of_name, number_of};

/// Accounts that may be.
pub const ACCOUNT_COUNT_MAX: usize = 200;

pub(crate) fn every_account() -> Range {
    all_of(ACCOUNT, ACCOUNT_COUNT_MAX + 1)
}

/// Every account of a snapshot with [`every_account`], by name.
pub(crate) fn accounts(from: &Snapshot) -> Result<Vec<(AccountName, Account)>, CannotDecide> {
    let read = from.page(&every_account()).records.iter().map(|(key, record)| {
        let name = core::str::from_utf8(&key.name).map_err(|_| CannotDecide::BadRecord)?;
        let name = AccountName::from_typed(name).map_err(|_| CannotDecide::BadRecord)?;
        Ok((name, from_value(&record.value)?))
    });
    read.collect()
}

/// Whether somebody besides `name` may sign in as an administrator.
fn another_administrator(everyone: &[(AccountName, Account)], name: &AccountName) -> bool {
    let may = |account: &Account| account.role == Role::Administrator && !account.is_locked;
    everyone.iter().any(|(other, account)| other != name && may(account))
}

/// Makes an account.
#[derive(Clone, Debug)]
pub struct AddAccount {
    /// Its name.
    pub name: AccountName,
    /// Its role.
    pub role: Role,
    /// Its duties.
    pub duties: Duties,
    /// The hash of its password.
    pub hash: PasswordHash,
    /// Who asks.
    pub asked: Asked,
}

/// Why an account is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// There is one of this name.
    Exists,
    /// There are as many as may be.
    Full,
}

impl Operation for AddAccount {
    type Reply = Result<Result<(), NotAdded>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([account_key(&self.name)]).with_range(every_account())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let why = if read::<Account>(snapshot, &account_key(&self.name))?.is_some() {
                Some(NotAdded::Exists)
            } else {
                let is_full = snapshot.page(&every_account()).records.len() >= ACCOUNT_COUNT_MAX;
                is_full.then_some(NotAdded::Full)
            };
            if let Some(why) = why {
                self.asked.audit(batch, "account.add", "refused", at);
                return Ok(Err(why));
            }
            let account = Account {
                role: self.role,
                duties: self.duties,
                hash: self.hash.clone(),
                made_unix_millis: at.as_unix_millis(),
                is_locked: false,
                known: Vec::new(),
            };
            batch.put(account_key(&self.name), to_value(&account));
            self.asked.audit(batch, "account.add", self.name.as_str(), at);
            Ok(Ok(()))
        })
    }
}

/// A change of an account by an administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// What it may do from now on, also in sessions that are open.
    Duties(Role, Duties),
    /// It may not sign in; its sessions end.
    Lock,
    /// It may; failed tries are forgotten, whoever made them.
    Unlock,
    /// It is no more; its sessions end.
    Remove,
}

impl AccountChange {
    const fn operation(self) -> &'static str {
        match self {
            Self::Duties(..) => "account.duties",
            Self::Lock => "account.lock",
            Self::Unlock => "account.unlock",
            Self::Remove => "account.remove",
        }
    }

    /// Whether an administrator is no longer one after it.
    fn takes_away(self) -> bool {
        match self {
            Self::Duties(role, _) => role != Role::Administrator,
            Self::Lock | Self::Remove => true,
            Self::Unlock => false,
        }
    }
}

/// Changes an account.
#[derive(Clone, Debug)]
pub struct ChangeAccount {
    /// Which.
    pub name: AccountName,
    /// To what.
    pub change: AccountChange,
    /// Who asks.
    pub asked: Asked,
}

/// Why an account is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotChanged {
    /// There is none of this name.
    Unknown,
    /// Nobody could manage accounts any more.
    LastAdministrator,
}

impl ChangeAccount {
    fn change(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Result<(), NotChanged>, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let everyone = accounts(snapshot)?;
        let Some((_, account)) = everyone.iter().find(|(name, _)| *name == self.name) else {
            return Ok(Err(NotChanged::Unknown));
        };
        let mut account = account.clone();
        let is_one = account.role == Role::Administrator && !account.is_locked;
        if is_one && self.change.takes_away() && !another_administrator(&everyone, &self.name) {
            self.asked.audit(batch, self.change.operation(), "refused", at);
            return Ok(Err(NotChanged::LastAdministrator));
        }
        let key = account_key(&self.name);
        let page = snapshot.page(&every_session());
        match self.change {
            AccountChange::Duties(role, duties) => {
                (account.role, account.duties) = (role, duties);
                batch.put(key, to_value(&account));
            }
            AccountChange::Lock => {
                account.is_locked = true;
                batch.put(key, to_value(&account));
                end_sessions(page, &self.name, None, batch)?;
            }
            AccountChange::Unlock => {
                account.is_locked = false;
                batch.put(key, to_value(&account));
                let pages = snapshot.page(&all_of(TRIES, SLOT_COUNT_MAX));
                forget(number_of(self.name.as_str()), pages, snapshot, batch)?;
            }
            AccountChange::Remove => {
                batch.delete(key);
                end_sessions(page, &self.name, None, batch)?;
            }
        }
        self.asked.audit(batch, self.change.operation(), self.name.as_str(), at);
        Ok(Ok(()))
    }
}

impl Operation for ChangeAccount {
    type Reply = Result<Result<(), NotChanged>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let reads = ReadSet::of([key_of_name(number_of(self.name.as_str()))]).with_range(every_account());
        match self.change {
            AccountChange::Unlock => reads.with_range(all_of(TRIES, SLOT_COUNT_MAX)),
            AccountChange::Duties(..) | AccountChange::Lock | AccountChange::Remove => reads,
        }
        .with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.change(snapshot, now, batch))
    }
}

/// Reads the hash of a person who is signed in, for the check of the old password.
#[derive(Clone, Debug)]
pub struct ReadHash {
    /// Whose.
    pub name: AccountName,
}

impl Operation for ReadHash {
    type Reply = Result<Option<PasswordHash>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([account_key(&self.name)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| Ok(read::<Account>(snapshot, &account_key(&self.name))?.map(|account| account.hash)))
    }
}

/// A person sets a new password; every other session of the account ends.
#[derive(Clone, Debug)]
pub struct ChangePassword {
    /// Whose.
    pub name: AccountName,
    /// The hash that the old password fitted; `None`: it fitted none.
    pub old: Option<PasswordHash>,
    /// The hash of the new one.
    pub new: PasswordHash,
    /// The session that goes on.
    pub session: TokenHash,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for ChangePassword {
    /// Whether it is changed: the old password must be right.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([account_key(&self.name)]).with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let account: Option<Account> = read(snapshot, &account_key(&self.name))?;
            let Some(mut account) = account.filter(|account| self.old.as_ref() == Some(&account.hash)) else {
                self.asked.audit(batch, "account.password", "refused", at);
                return Ok(false);
            };
            account.hash = self.new.clone();
            batch.put(account_key(&self.name), to_value(&account));
            end_sessions(snapshot.page(&every_session()), &self.name, Some(&self.session), batch)?;
            self.asked.audit(batch, "account.password", "done", at);
            Ok(true)
        })
    }
}

/// Lists every account.
#[derive(Clone, Copy, Debug)]
pub struct ListAccounts;

/// An account as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its name.
    pub name: AccountName,
    /// Its role.
    pub role: Role,
    /// Its duties.
    pub duties: Duties,
    /// When it was made.
    pub made: Timestamp,
    /// Whether an administrator locked it.
    pub is_locked: bool,
    /// Until when only sources it knows may try, since too many others failed.
    pub besieged_until: Option<Timestamp>,
    /// Its open sessions.
    pub session_count: usize,
}

impl Operation for ListAccounts {
    /// By name.
    type Reply = Result<Vec<AccountView>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(every_account()).with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        if let Ok(everyone) = accounts(snapshot) {
            let keys = everyone.iter().map(|(name, _)| key_of_name(number_of(name.as_str())));
            let missing: Vec<_> = keys.filter(|key| !snapshot.covers(key)).collect();
            if !missing.is_empty() {
                return Decision::Need(ReadSet::of(missing));
            }
        }
        decided(|_| {
            let millis = now.utc.ok_or(CannotDecide::NoClock)?.as_unix_millis();
            let open = sessions(snapshot.page(&every_session()));
            let open: Vec<AccountName> =
                open.map(|session| session.map(|(_, session)| session.account)).collect::<Result<_, _>>()?;
            let view = |(name, account): (AccountName, Account)| {
                let until = besieged_until(snapshot, number_of(name.as_str()), millis)?;
                Ok(AccountView {
                    role: account.role,
                    duties: account.duties,
                    made: Timestamp::from_unix_millis(account.made_unix_millis),
                    is_locked: account.is_locked,
                    besieged_until: until.map(Timestamp::from_unix_millis),
                    session_count: open.iter().filter(|of| **of == name).count(),
                    name,
                })
            };
            accounts(snapshot)?.into_iter().map(view).collect()
        })
    }
}
