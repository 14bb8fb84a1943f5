//! The face for strangers: keeps nothing about anybody until a cookie came back.
//!
//! ```text
//! ClientHello without or with a stale cookie  -> Reply(HelloVerifyRequest), never longer than the hello
//! ClientHello with a genuine cookie           -> Accept(session)
//! anything else                               -> Drop
//! ```
//! Source: RFC 6347 section 4.2.1.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use clock::{Dice, Moment};
use crypto::Provider;
use wire::Cursor;

use crate::codec::client_hello::CookieView;
use crate::codec::{Fragment, MessageType, push_fragment, verify_request};
use crate::cookie::CookieKeys;
use crate::record::{ContentType, Epoch, RawRecord, RawRecords, stateless_record};
use crate::server::{TicketKeys, TicketReader};
use crate::session::{Accepted, Session};
use crate::{Limits, ListenerSetup, Noise};

/// A hello after more cookies than this is not believed.
const MESSAGE_SEQ_MAX: u16 = 8;

/// What to do with a stranger's datagram.
#[derive(Debug)]
pub enum Verdict {
    /// Send this back; it is never longer than the datagram it answers, and nothing was kept.
    Reply(Vec<u8>),
    /// The stranger can be reached. Drain the session's outputs.
    Accept(Box<Session>),
    /// Ignore it.
    Drop(Noise),
}

/// Answers datagrams of unknown origin, and hellos of known ones.
pub struct Listener {
    provider: Arc<dyn Provider>,
    dice: Dice,
    limits: Limits,
    cookies: CookieKeys,
    tickets: Option<TicketKeys>,
}

impl Listener {
    /// A listener whose keys start at `now`.
    #[must_use]
    pub fn new(setup: ListenerSetup, now: Moment) -> Self {
        let ListenerSetup { provider, mut dice, limits, cookie_key_duration, ticket_key_duration } = setup;
        let cookies = CookieKeys::new(&mut dice, cookie_key_duration, now);
        let tickets =
            ticket_key_duration.map(|duration| TicketKeys::new(&*provider, &mut dice, duration, now));
        Self { provider, dice, limits, cookies, tickets }
    }

    /// Looks at a datagram from the address `from`, which is opaque: equal bytes are the same place.
    pub fn receive(&mut self, from: &[u8], datagram: &[u8], now: Moment) -> Verdict {
        self.cookies.rotate(&mut self.dice, now);
        if let Some(tickets) = &mut self.tickets {
            tickets.rotate(&*self.provider, &mut self.dice, now);
        }
        match self.judge(from, datagram, now) {
            Ok(verdict) => verdict,
            Err(noise) => Verdict::Drop(noise),
        }
    }

    fn judge(&mut self, from: &[u8], datagram: &[u8], now: Moment) -> Result<Verdict, Noise> {
        let (record, hello) = first_hello(datagram)?;
        if !hello.is_whole() || hello.message_seq > MESSAGE_SEQ_MAX {
            return Err(Noise::Unexpected);
        }
        let view = CookieView::of(hello.body).map_err(|_| Noise::Malformed)?;
        if !self.cookies.accepts(&*self.provider, from, &view) {
            let cookie = self.cookies.make(&*self.provider, from, &view);
            let reply = verify_request(&record, hello.message_seq, &cookie);
            return if reply.len() <= datagram.len() {
                Ok(Verdict::Reply(reply))
            } else {
                Err(Noise::Malformed)
            };
        }
        let session = Session::accept(Accepted {
            provider: self.provider.clone(),
            dice: self.dice.split(),
            limits: self.limits,
            tickets: self.tickets.as_ref().map_or_else(TicketReader::default, TicketKeys::reader),
            record_sequence: record.sequence,
            message_seq: hello.message_seq,
            hello: hello.body,
            now,
        });
        Ok(Verdict::Accept(Box::new(session)))
    }
}

impl core::fmt::Debug for Listener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Listener(..)")
    }
}

/// Whether the first record of a datagram begins a ClientHello in clear.
#[must_use]
pub fn starts_handshake(datagram: &[u8]) -> bool {
    first_hello(datagram).is_ok()
}

pub(crate) fn first_hello(datagram: &[u8]) -> Result<(RawRecord<'_>, Fragment<'_>), Noise> {
    let record = RawRecords::new(datagram, 0).next().unwrap_or(Err(Noise::Malformed))?;
    if record.epoch != Epoch::Clear.code() || record.kind != ContentType::Handshake {
        return Err(Noise::Unexpected);
    }
    let fragment = Fragment::read(&mut Cursor::new(record.fragment)).map_err(|_| Noise::Malformed)?;
    if fragment.code == MessageType::ClientHello.code() {
        Ok((record, fragment))
    } else {
        Err(Noise::Unexpected)
    }
}

fn verify_request(record: &RawRecord<'_>, message_seq: u16, cookie: &[u8; 32]) -> Vec<u8> {
    let body = verify_request::encode(cookie);
    let mut message = Vec::new();
    push_fragment(&mut message, MessageType::HelloVerifyRequest.code(), message_seq, &body, 0..body.len());
    stateless_record(ContentType::Handshake, record.sequence, &message)
}
