//! The sessions of one account, as an administrator sees and ends them.

use alloc::string::String;
use alloc::vec::Vec;

use clock::{Now, Timestamp};
use store::{Batch, Decision, Operation, Page, ReadSet, Snapshot, decided};

use crate::account::AccountName;
use crate::asked::{Asked, CannotDecide};
use crate::session::{TokenHash, every_session, sessions};
use crate::spaces::session_key;

/// Ends the sessions of `name`, all but `but`; how many those are.
pub(crate) fn end_sessions(
    page: &Page,
    name: &AccountName,
    but: Option<&TokenHash>,
    batch: &mut Batch,
) -> Result<usize, CannotDecide> {
    let kept = but.map(session_key);
    let mut ended = 0;
    for session in sessions(page) {
        let (key, session) = session?;
        if session.account == *name && Some(key) != kept.as_ref() {
            batch.delete(key.clone());
            ended += 1;
        }
    }
    Ok(ended)
}

/// Lists the sessions of an account.
#[derive(Clone, Debug)]
pub struct ListSessions {
    /// Whose.
    pub name: AccountName,
}

/// A session; nothing in it opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// When it began.
    pub began: Timestamp,
    /// When it was used last, to a twentieth of the idle time.
    pub seen: Timestamp,
    /// From where; empty when unknown.
    pub address: String,
}

impl Operation for ListSessions {
    /// The latest first.
    type Reply = Result<Vec<SessionView>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let mut views = Vec::new();
            for session in sessions(snapshot.page(&every_session())) {
                let (_, session) = session?;
                if session.account == self.name {
                    let (began, seen) = (session.began_unix_millis, session.seen_unix_millis);
                    let (began, seen) =
                        (Timestamp::from_unix_millis(began), Timestamp::from_unix_millis(seen));
                    views.push(SessionView { began, seen, address: session.address });
                }
            }
            views.sort_by_key(|view| core::cmp::Reverse(view.began.as_unix_millis()));
            Ok(views)
        })
    }
}

/// Ends every session of an account.
#[derive(Clone, Debug)]
pub struct EndSessionsOf {
    /// Whose.
    pub name: AccountName,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for EndSessionsOf {
    /// How many there were.
    type Reply = Result<usize, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(every_session())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let ended = end_sessions(snapshot.page(&every_session()), &self.name, None, batch)?;
            self.asked.audit(batch, "account.sign-out", self.name.as_str(), at);
            Ok(ended)
        })
    }
}
