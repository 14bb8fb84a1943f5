//! The first administrator: by a token that is shown once to whoever started the server.
//!
//! Source: `004` 6.2.4 g; ruling A-SECDEV-06.

use alloc::string::ToString as _;
use core::time::Duration;

use clock::{Now, Timestamp};
use minicbor::{Decode, Encode};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::account::{Account, AccountName, Duties, PasswordHash, Role};
use crate::asked::{Asked, CannotDecide};
use crate::people::{ACCOUNT_COUNT_MAX, accounts, every_account};
use crate::session::{TokenHash, begin, every_session};
use crate::settings::Settings;
use crate::spaces::{account_key, activation_key, read, settings_key, to_value};

/// How long an activation may be used.
pub const ACTIVATION_TIME: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Activation {
    #[n(0)]
    token: TokenHash,
    #[n(1)]
    ends_unix_millis: u64,
}

/// Offers the activation of an administrator; an earlier offer ends.
#[derive(Clone, Debug)]
pub struct OfferActivation {
    /// The SHA-256 of its token.
    pub token: TokenHash,
    /// Whether it is offered also when there is an administrator.
    pub beside_others: bool,
    /// Who asks.
    pub asked: Asked,
}

/// What became of [`OfferActivation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It may be used until then.
    Until(Timestamp),
    /// There is an administrator.
    NotNeeded,
}

impl Operation for OfferActivation {
    type Reply = Result<Offered, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([activation_key()]).with_range(every_account())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let everyone = accounts(snapshot)?;
            let has_one = everyone.iter().any(|(_, account)| account.role == Role::Administrator);
            if has_one && !self.beside_others {
                return Ok(Offered::NotNeeded);
            }
            let time = u64::try_from(ACTIVATION_TIME.as_millis()).unwrap_or(u64::MAX);
            let ends_unix_millis = at.as_unix_millis().saturating_add(time);
            batch.put(activation_key(), to_value(&Activation { token: self.token, ends_unix_millis }));
            self.asked.audit(batch, "account.offer", "done", at);
            Ok(Offered::Until(Timestamp::from_unix_millis(ends_unix_millis)))
        })
    }
}

/// Makes an administrator by the token of an offer, and signs it in.
#[derive(Clone, Debug)]
pub struct Activate {
    /// The SHA-256 of the token.
    pub token: TokenHash,
    /// The new account.
    pub name: AccountName,
    /// The hash of its password.
    pub hash: PasswordHash,
    /// The SHA-256 of its session's token.
    pub session: TokenHash,
    /// From where; `by` is not looked at.
    pub asked: Asked,
}

/// A new administrator is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activated {
    /// The idle time.
    pub idle_minutes: u8,
    /// When the session ends if nothing happens.
    pub ends: Timestamp,
}

/// Why there is no new administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotActivated {
    /// The token was used, is too late, or never was one; all alike.
    Ended,
    /// There is an account of this name.
    Exists,
    /// There are as many accounts as may be.
    Full,
}

impl Activate {
    fn activate(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<Result<Activated, NotActivated>, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let millis = at.as_unix_millis();
        let offer: Option<Activation> = read(snapshot, &activation_key())?;
        let holds = |offer: &Activation| offer.token == self.token && millis < offer.ends_unix_millis;
        if !offer.as_ref().is_some_and(holds) {
            self.asked.audit_as("unknown", batch, "account.activate", "refused", at);
            return Ok(Err(NotActivated::Ended));
        }
        let everyone = accounts(snapshot)?;
        if everyone.iter().any(|(name, _)| *name == self.name) {
            return Ok(Err(NotActivated::Exists));
        }
        if everyone.len() >= ACCOUNT_COUNT_MAX {
            return Ok(Err(NotActivated::Full));
        }
        let account = Account {
            role: Role::Administrator,
            duties: Duties::default(),
            hash: self.hash.clone(),
            made_unix_millis: millis,
            is_locked: false,
            known: self.asked.address.map(crate::network::Source::of).into_iter().collect(),
        };
        batch.put(account_key(&self.name), to_value(&account)).delete(activation_key());
        let page = snapshot.page(&every_session());
        begin(page, batch, &self.session, (&self.name, &account), self.asked.address, at)?;
        self.asked.audit_as(&self.name.to_string(), batch, "account.activate", "done", at);
        let settings = Settings::read(snapshot)?;
        let ends = Timestamp::from_unix_millis(millis.saturating_add(settings.idle_millis()));
        Ok(Ok(Activated { idle_minutes: settings.idle_minutes, ends }))
    }
}

impl Operation for Activate {
    type Reply = Result<Result<Activated, NotActivated>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([activation_key(), settings_key()])
            .with_range(every_account())
            .with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.activate(snapshot, now, batch))
    }
}
