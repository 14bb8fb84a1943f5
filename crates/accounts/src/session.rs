//! Sessions: who is signed in, from where, and until when.
//!
//! A session is found by the SHA-256 of its token, so that the store holds nothing that opens one. It lives as
//! long as its account of that time of making, and as long as it is used. When there are too many, the one that
//! was used longest ago ends.
//! Source: `004` 6.2.4 c, 6.4.4 a, b; ruling A-SECDEV-09.

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

use clock::{Now, Timestamp};
use minicbor::{Decode, Encode};
use store::{Batch, Decision, Key, Operation, Page, Range, ReadSet, Snapshot, decided};

use crate::account::{Account, AccountName, Duties, Role};
use crate::asked::{Asked, CannotDecide};
use crate::settings::Settings;
use crate::spaces::{SESSION, account_key, all_of, from_value, read, session_key, settings_key, to_value};

/// Sessions of one account.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 8;
/// Sessions in all.
pub const SESSION_COUNT_MAX: usize = 256;

/// A use of a session is stored when this part of its idle time has passed: it ends up to so much early, never
/// late.
const SEEN_PARTS: u64 = 20;

/// The SHA-256 of a session's or an activation's token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct TokenHash(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Session {
    #[n(0)]
    pub(crate) account: AccountName,
    /// The making of that account.
    #[n(1)]
    account_made_unix_millis: u64,
    #[n(2)]
    pub(crate) began_unix_millis: u64,
    #[n(3)]
    pub(crate) seen_unix_millis: u64,
    /// As text.
    #[n(4)]
    pub(crate) address: String,
}

impl Session {
    /// Whether it has been without use for too long. One that was used after now has seen another clock: it
    /// ends, too.
    fn is_idle(&self, settings: &Settings, now: u64) -> bool {
        now < self.seen_unix_millis.saturating_sub(settings.idle_millis())
            || now >= self.seen_unix_millis.saturating_add(settings.idle_millis())
    }
}

/// All sessions.
pub(crate) fn every_session() -> Range {
    all_of(SESSION, SESSION_COUNT_MAX + 1)
}

/// A page of sessions, read.
pub(crate) fn sessions(page: &Page) -> impl Iterator<Item = Result<(&Key, Session), CannotDecide>> {
    page.records.iter().map(|(key, record)| Ok((key, from_value(&record.value)?)))
}

/// Begins a session of `account`, and ends those for which there is no more room.
pub(crate) fn begin(
    page: &Page,
    batch: &mut Batch,
    token: &TokenHash,
    who: (&AccountName, &Account),
    address: Option<IpAddr>,
    at: Timestamp,
) -> Result<(), CannotDecide> {
    let (account, record) = who;
    let mut own: alloc::vec::Vec<(u64, &Key)> = alloc::vec::Vec::new();
    let mut others = own.clone();
    for session in sessions(page) {
        let (key, session) = session?;
        let of = if session.account == *account { &mut own } else { &mut others };
        of.push((session.seen_unix_millis, key));
    }
    own.sort_unstable_by(|a, b| b.cmp(a));
    while own.len() >= SESSIONS_PER_ACCOUNT_MAX
        && let Some((_, key)) = own.pop()
    {
        batch.delete(key.clone());
    }
    others.append(&mut own);
    others.sort_unstable_by(|a, b| b.cmp(a));
    while others.len() >= SESSION_COUNT_MAX
        && let Some((_, key)) = others.pop()
    {
        batch.delete(key.clone());
    }
    let now = at.as_unix_millis();
    let session = Session {
        account: account.clone(),
        account_made_unix_millis: record.made_unix_millis,
        began_unix_millis: now,
        seen_unix_millis: now,
        address: address.map(|address| alloc::format!("{address}")).unwrap_or_default(),
    };
    batch.put(session_key(token), to_value(&session));
    Ok(())
}

/// Whose request it is that came with a token.
#[derive(Clone, Copy, Debug)]
pub struct ResumeSession {
    /// The token.
    pub token: TokenHash,
    /// Whether the person did something: what a page asks for by itself is no activity.
    pub is_activity: bool,
    /// For the entry that an idle session leaves.
    pub correlation: model::CorrelationId,
    /// The server or device, as it stands in the audit log.
    pub role: &'static str,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The account.
    pub account: AccountName,
    /// Its role now.
    pub role: Role,
    /// Its duties now.
    pub duties: Duties,
    /// The idle time.
    pub idle_minutes: u8,
    /// When the session ends if nothing happens.
    pub ends: Timestamp,
}

impl Operation for ResumeSession {
    /// `None`: nobody is signed in with this token.
    type Reply = Result<Option<Resumed>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([settings_key(), session_key(&self.token)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        let key = session_key(&self.token);
        if let Ok(Some(session)) = read::<Session>(snapshot, &key)
            && !snapshot.covers(&account_key(&session.account))
        {
            return Decision::Need(ReadSet::of([account_key(&session.account)]));
        }
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let Some(mut session) = read::<Session>(snapshot, &key)? else { return Ok(None) };
            let settings = Settings::read(snapshot)?;
            let account: Option<Account> = read(snapshot, &account_key(&session.account))?;
            let lives = |account: &Account| {
                account.made_unix_millis == session.account_made_unix_millis && !account.is_locked
            };
            let Some(account) = account.filter(lives) else {
                batch.delete(key.clone());
                return Ok(None);
            };
            let now = at.as_unix_millis();
            if session.is_idle(&settings, now) {
                batch.delete(key.clone());
                let (by, address) = (String::from(session.account.as_str()), session.address.parse().ok());
                Asked { role: self.role, by, address, correlation: self.correlation }
                    .audit(batch, "logout", "idle", at);
                return Ok(None);
            }
            if self.is_activity
                && now.abs_diff(session.seen_unix_millis) >= settings.idle_millis() / SEEN_PARTS
            {
                session.seen_unix_millis = now;
                batch.put(key.clone(), to_value(&session));
            }
            let ends = session.seen_unix_millis.saturating_add(settings.idle_millis());
            Ok(Some(Resumed {
                account: session.account,
                role: account.role,
                duties: account.duties,
                idle_minutes: settings.idle_minutes,
                ends: Timestamp::from_unix_millis(ends),
            }))
        })
    }
}

/// A person signs out.
#[derive(Clone, Debug)]
pub struct EndSession {
    /// The token.
    pub token: TokenHash,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for EndSession {
    /// Whether there was one.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([session_key(&self.token)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let key = session_key(&self.token);
            let there = read::<Session>(snapshot, &key)?.is_some();
            if there {
                batch.delete(key);
                self.asked.audit(batch, "logout", "done", at);
            }
            Ok(there)
        })
    }
}
