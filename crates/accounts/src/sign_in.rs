//! Signing in, in two steps: the password is checked between them, at the edge.

use alloc::string::{String, ToString as _};
use core::net::IpAddr;
use core::time::Duration;

use clock::{Now, Timestamp};
use store::{Batch, Decision, Key, Operation, ReadSet, Snapshot, decided};

use crate::account::{Account, AccountName, Duties, PasswordHash, Role};
use crate::asked::{Asked, CannotDecide};
use crate::network::Source;
use crate::session::{TokenHash, begin, every_session};
use crate::settings::Settings;
use crate::spaces::{ACCOUNT, account_key, read, settings_key};
use crate::tries::{Tries, number_of};

/// What stands in the audit log for a name that is no account: never what was typed.
const NOBODY: &str = "unknown";

/// A name as somebody typed it; that there is such an account is not said.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedName {
    name: Option<AccountName>,
    number: u64,
}

impl core::fmt::Debug for TypedName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TypedName(..)")
    }
}

impl TypedName {
    /// What was typed.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        Self { name: AccountName::from_typed(typed).ok(), number: number_of(typed) }
    }

    /// The record of the account, or one that never is.
    fn key(&self) -> Key {
        self.name.as_ref().map_or_else(|| Key::new(ACCOUNT, [0]), account_key)
    }

    fn account(&self, from: &Snapshot) -> Result<Option<(AccountName, Account)>, CannotDecide> {
        let record = read(from, &self.key())?;
        Ok(self.name.clone().zip(record))
    }

    fn reads(&self, source: Source) -> ReadSet {
        let tries = Tries::keys(source, self.number);
        ReadSet::of(tries.into_iter().chain([settings_key(), self.key()]))
    }
}

/// Asks whether a sign-in may be tried, and against which hash.
#[derive(Clone, Debug)]
pub struct PrepareSignIn {
    /// The name.
    pub name: TypedName,
    /// From where.
    pub address: IpAddr,
}

/// What the edge does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing: too many failures; a right password is not taken either.
    Wait(Duration),
    /// Check the password against this hash, or, for a name that is no account, against one that nobody's
    /// password fits, so that it takes as long.
    Check(Option<PasswordHash>),
}

impl Operation for PrepareSignIn {
    type Reply = Result<Prepared, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        self.name.reads(Source::of(self.address))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let now = now.utc.ok_or(CannotDecide::NoClock)?.as_unix_millis();
            let source = Source::of(self.address);
            let settings = Settings::read(snapshot)?;
            let account = self.name.account(snapshot)?;
            let is_known = account.as_ref().is_some_and(|(_, account)| account.known.contains(&source));
            let tries = Tries::read(snapshot, source, self.name.number)?;
            Ok(match tries.wait(is_known, &settings, now) {
                Some(wait) => Prepared::Wait(wait),
                None => Prepared::Check(account.map(|(_, account)| account.hash)),
            })
        })
    }
}

/// What the edge found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The password fits this hash of [`Prepared::Check`].
    Fits(PasswordHash),
    /// It does not, or there was none.
    Wrong,
}

/// Ends a sign-in: a session, or a failure that counts.
#[derive(Clone, Debug)]
pub struct SettleSignIn {
    /// The name.
    pub name: TypedName,
    /// What the edge found.
    pub checked: Checked,
    /// The SHA-256 of the token that the session gets.
    pub token: TokenHash,
    /// From where; `by` is not looked at.
    pub asked: Asked,
}

/// How a sign-in ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedIn {
    /// Signed in.
    Welcome {
        /// The account.
        account: AccountName,
        /// Its role.
        role: Role,
        /// Its duties.
        duties: Duties,
        /// The idle time.
        idle_minutes: u8,
        /// When the session ends if nothing happens.
        ends: Timestamp,
    },
    /// Name or password wrong; which of them is not said.
    Wrong,
    /// Too many failures meanwhile.
    Wait(Duration),
}

impl SettleSignIn {
    fn source(&self) -> Source {
        // A device without addresses counts for itself.
        self.asked.address.map_or(Source::EVERY, Source::of)
    }

    fn settle(&self, snapshot: &Snapshot, now: Now, batch: &mut Batch) -> Result<SignedIn, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let (millis, source) = (at.as_unix_millis(), self.source());
        let settings = Settings::read(snapshot)?;
        let account = self.name.account(snapshot)?;
        let mut tries = Tries::read(snapshot, source, self.name.number)?;
        let is_known = account.as_ref().is_some_and(|(_, account)| account.known.contains(&source));
        // Tries that were checked at the same time do not get past the limit together.
        if let Some(wait) = tries.wait(is_known, &settings, millis) {
            return Ok(SignedIn::Wait(wait));
        }
        let actor = account.as_ref().map_or_else(|| String::from(NOBODY), |(name, _)| name.to_string());
        let fits =
            |account: &Account| !account.is_locked && self.checked == Checked::Fits(account.hash.clone());
        let Some((name, mut account)) = account.filter(|(_, account)| fits(account)) else {
            let locks = tries.fail(&settings, millis);
            tries.write(batch);
            self.asked.audit_as(&actor, batch, "login", if locks { "locked" } else { "refused" }, at);
            return Ok(SignedIn::Wrong);
        };
        tries.succeed();
        tries.write(batch);
        account.knows(source);
        batch.put(account_key(&name), crate::spaces::to_value(&account));
        let page = snapshot.page(&every_session());
        begin(page, batch, &self.token, (&name, &account), self.asked.address, at)?;
        self.asked.audit_as(&actor, batch, "login", "done", at);
        let ends = Timestamp::from_unix_millis(millis.saturating_add(settings.idle_millis()));
        Ok(SignedIn::Welcome {
            account: name,
            role: account.role,
            duties: account.duties,
            idle_minutes: settings.idle_minutes,
            ends,
        })
    }
}

impl Operation for SettleSignIn {
    type Reply = Result<SignedIn, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        self.name.reads(self.source()).with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.settle(snapshot, now, batch))
    }
}
