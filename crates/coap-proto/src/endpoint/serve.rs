//! The server role, request side: from a request message to a whole request for the application.
//!
//! ```text
//! request --> options vetted --> block of a kept response? --yes--> that block
//!                 | 4.02, 5.05          |no
//!                                block of an upload? --not last--> 2.31, 4.08, 4.13
//!                                       |no, or last: whole
//!                                Exchange --> Output::Request      (5.03 when too many wait)
//! ```

use alloc::vec::Vec;

use clock::Moment;

use super::peer::Peer;
use super::seen::Reply;
use super::shared::Shared;
use super::transfers::Upload;
use crate::message::empty;
use crate::reading::{Objection, Reading};
use crate::{
    Block, Code, ExchangeId, Incoming, Interest, Kind, Message, MessageId, OptionNumber, OptionSet, Output,
    Response, Token,
};

/// Seconds after which a client may try again when we are short of room.
const RETRY_SECS: u32 = 5;

/// A request that was received and what is needed to answer it.
pub(crate) struct Exchange {
    pub(super) serial: u64,
    pub(super) token: Token,
    pub(super) id: MessageId,
    /// Whether the request was confirmable.
    pub(super) confirmable: bool,
    /// Whether an empty acknowledgement went out, so that the response goes separately.
    pub(super) acknowledged: bool,
    /// When the empty acknowledgement goes out.
    pub(super) acknowledge_at: Moment,
    /// When the application can no longer answer.
    pub(super) ends: Moment,
    /// Stands for method and resource.
    pub(super) key: u64,
    pub(super) block1: Option<Block>,
    pub(super) block2: Option<Block>,
    /// Classes of responses the client does not want, one bit each.
    pub(super) unwanted: u8,
    pub(super) registers: bool,
    /// Whether the client may be asked to send the request again: nothing was done and nothing used up.
    pub(super) repeatable: bool,
    pub(super) size: usize,
}

impl Exchange {
    pub(super) fn next_deadline(&self) -> Moment {
        if self.confirmable && !self.acknowledged { self.acknowledge_at } else { self.ends }
    }

    fn of(
        message: &Message<'_>,
        reading: &Reading<'_>,
        size: usize,
        shared: &mut Shared,
        now: Moment,
    ) -> Self {
        let times = &shared.config.transmission;
        let confirmable = message.kind == Kind::Confirmable;
        let lifetime = if confirmable { times.exchange_lifetime } else { times.non_lifetime };
        let (acknowledge_at, ends) = (now + times.ack_delay, now + lifetime);
        Self {
            serial: shared.next_serial(),
            token: message.token,
            id: message.id,
            confirmable,
            acknowledged: false,
            acknowledge_at,
            ends,
            key: 0,
            block1: None,
            block2: None,
            unwanted: reading.no_response.map_or(0, |mask| mask as u8),
            registers: false,
            repeatable: message.code.is_safe(),
            size,
        }
    }
}

impl Peer {
    pub(super) fn requested(&mut self, message: Message<'_>, size: usize, shared: &mut Shared, now: Moment) {
        let reading = Reading::of(message.options, &shared.config.critical_options);
        let mut exchange = Exchange::of(&message, &reading, size, shared, now);
        match reading.objection {
            None => {}
            Some(Objection::Proxy) => {
                let refusal = Response::new(Code::PROXYING_NOT_SUPPORTED);
                return self.refuse(exchange, refusal, shared, now);
            }
            // Source: RFC 7252 section 5.4.1: a non-confirmable one is rejected, not answered.
            Some(Objection::Option(_)) if !exchange.confirmable => {
                shared.transmit(self.id, empty(Kind::Reset, message.id));
                self.seen.close(message.id, Reply::Nothing, &shared.config.limits);
                return;
            }
            Some(Objection::Option(_)) => {
                return self.refuse(exchange, Response::new(Code::BAD_OPTION), shared, now);
            }
        }
        let is_fresh = self.echo.is_some_and(|value| reading.echo == Some(&value[..]));
        self.proven |= is_fresh;
        let (Ok(block1), Ok(block2)) = (read_block(reading.block1), read_block(reading.block2)) else {
            return self.refuse(exchange, Response::new(Code::BAD_REQUEST), shared, now);
        };
        (exchange.block1, exchange.block2) = (block1, block2);
        exchange.repeatable &= block1.is_none_or(|block| block.number == 0);
        exchange.key = response_key(&message, &reading);
        if block2.is_some_and(|block| block.number > 0) {
            if let Some(response) = self.transfers.take_response(exchange.key) {
                return self.serve_block(exchange, response, shared, now);
            }
            if !message.code.is_safe() {
                return self.refuse(exchange, Response::new(Code::REQUEST_ENTITY_INCOMPLETE), shared, now);
            }
        }
        let payload = match block1 {
            None => message.payload.to_vec(),
            Some(block) => match self.take_block(&message, &reading, block, shared, now) {
                Ok(whole) => whole,
                Err(response) => return self.refuse(exchange, response, shared, now),
            },
        };
        let limits = &shared.config.limits;
        let crowded = self.exchanges.len() >= limits.exchanges_per_peer_max
            || shared.exchange_count >= limits.exchange_count_max;
        if crowded {
            shared.counters.overloaded += 1;
            return self.refuse(exchange, Response::busy(RETRY_SECS), shared, now);
        }
        let interest = self.read_interest(&message, &reading, block2, shared, now);
        exchange.registers = interest == Some(Interest::Register);
        shared.emit(Output::Request(Incoming {
            exchange: ExchangeId { peer: self.id, serial: exchange.serial },
            peer: self.id,
            method: message.code,
            options: for_application(&message, &reading),
            payload,
            interest,
            is_fresh,
        }));
        shared.exchange_count += 1;
        // Nearly every peer has one request under way at most.
        if self.exchanges.is_empty() {
            self.exchanges.reserve_exact(1);
        }
        self.exchanges.push(exchange);
    }

    /// Adds a block to its upload: the whole body, or the response to give.
    fn take_block(
        &mut self,
        message: &Message<'_>,
        reading: &Reading<'_>,
        block: Block,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<Vec<u8>, Response> {
        let key = reading.key(message.code);
        match self.transfers.upload(key, block, reading.size1, message.payload, shared, now) {
            Upload::Whole(body) => Ok(body),
            Upload::More => Err(Response::new(Code::CONTINUE)),
            Upload::Incomplete => Err(Response::new(Code::REQUEST_ENTITY_INCOMPLETE)),
            Upload::TooLarge(size_max) => {
                let mut response = Response::new(Code::REQUEST_ENTITY_TOO_LARGE);
                response.options.add_uint(OptionNumber::SIZE1, u32::try_from(size_max).unwrap_or(u32::MAX));
                Err(response)
            }
            Upload::NoRoom => {
                shared.counters.over_budget += 1;
                Err(Response::busy(RETRY_SECS))
            }
            Upload::Malformed => Err(Response::new(Code::BAD_REQUEST)),
        }
    }

    fn read_interest(
        &mut self,
        message: &Message<'_>,
        reading: &Reading<'_>,
        block2: Option<Block>,
        shared: &mut Shared,
        now: Moment,
    ) -> Option<Interest> {
        if !message.code.is_safe() || block2.is_some_and(|block| block.number > 0) {
            return None;
        }
        match reading.observe? {
            0 => Some(Interest::Register),
            1 => {
                self.deregister(message.token, shared, now);
                Some(Interest::Deregister)
            }
            _ => None,
        }
    }

    pub(super) fn expire_exchanges(&mut self, shared: &mut Shared, now: Moment) {
        for at in 0..self.exchanges.len() {
            let exchange = &mut self.exchanges[at];
            if exchange.confirmable && !exchange.acknowledged && exchange.acknowledge_at <= now {
                exchange.acknowledged = true;
                let id = exchange.id;
                self.reply_empty(id, Kind::Acknowledgement, shared);
            }
        }
        let before = self.exchanges.len();
        self.exchanges.retain(|exchange| exchange.ends > now);
        shared.exchange_count -= before - self.exchanges.len();
        if self.exchanges.is_empty() {
            self.exchanges = Vec::new();
        }
    }
}

/// The options without those that are the endpoint's business alone.
fn for_application(message: &Message<'_>, reading: &Reading<'_>) -> OptionSet {
    if reading.is_steered {
        return message.options.without(steers);
    }
    message.options.to_set_ending_in(reading.last)
}

/// Whether an option is.
const fn steers(number: OptionNumber) -> bool {
    matches!(number, OptionNumber::OBSERVE | OptionNumber::BLOCK1 | OptionNumber::BLOCK2)
}

fn read_block(value: Option<&[u8]>) -> Result<Option<Block>, crate::BadBlock> {
    value.map(Block::decode).transpose()
}

/// Names what a response answers. The body of FETCH is part of that, unless it came in blocks: the requests
/// for later blocks of the response then come without it.
fn response_key(message: &Message<'_>, reading: &Reading<'_>) -> u64 {
    let key = reading.key(message.code);
    if message.code == Code::FETCH && reading.block1.is_none() {
        return key ^ u64::from_be_bytes(super::compose::body_tag(message.payload));
    }
    key
}
