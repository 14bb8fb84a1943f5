//! The server role, response side: from a whole response to messages.

use alloc::vec::Vec;

use clock::Moment;

use super::compose::{Added, Envelope, body_tag, compose};
use super::peer::Peer;
use super::seen::Reply;
use super::sending::About;
use super::serve::Exchange;
use super::shared::Shared;
use super::unproven::small_block;
use crate::options::uint_bytes;
use crate::{Block, BlockSize, Code, Gone, Kind, MessageId, OptionNumber, Response, Token};

/// Room for what the endpoint adds to a response: Observe, Block1, Block2, Size2 and the payload marker,
/// each with the longest header it can have.
pub(super) const ADDED_SIZE_MAX: usize = 4 * 6 + 1;

/// One block of a response: where it stands, and whether it is the whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The body fits one message.
    Whole,
    /// This block of it, from `start` to `end`.
    Part { block: Block, start: usize, end: usize },
    /// The client asked for a block behind the end.
    OutOfRange,
    /// Not even the smallest block fits beside the options.
    DoesNotFit,
}

impl Cut {
    pub(super) const fn has_more(self) -> bool {
        matches!(self, Self::Part { block: Block { more: true, .. }, .. })
    }
}

impl Peer {
    /// Cuts the block a client asked for out of a body that is sent beside `head_size` bytes.
    pub(super) fn cut(
        &self,
        asked: Option<Block>,
        body_size: usize,
        head_size: usize,
        shared: &Shared,
    ) -> Cut {
        let room = self.path.datagram_size_max.saturating_sub(head_size + ADDED_SIZE_MAX);
        let Some(fits) = BlockSize::within(room) else {
            return if body_size == 0 { Cut::Whole } else { Cut::DoesNotFit };
        };
        let size = asked.map_or(fits, |block| block.size.min(fits)).min(shared.config.block_size_max);
        let start = asked.map_or(0, |block| block.offset());
        if start == 0 && body_size <= size.bytes() {
            return Cut::Whole;
        }
        if start >= body_size {
            return Cut::OutOfRange;
        }
        let end = body_size.min(start + size.bytes());
        match Block::at(start, size, end < body_size) {
            Some(block) => Cut::Part { block, start, end },
            None => Cut::DoesNotFit,
        }
    }

    /// The datagram that carries `cut` of `response`.
    pub(super) fn write_part(
        &self,
        envelope: Envelope,
        response: &Response,
        cut: Cut,
        observe: Option<u32>,
        block1: Option<Block>,
    ) -> Option<Vec<u8>> {
        let (block2, payload) = match cut {
            Cut::Whole => (None, &response.payload[..]),
            Cut::Part { block, start, end } => (Some(block), &response.payload[start..end]),
            Cut::OutOfRange | Cut::DoesNotFit => return None,
        };
        let observe = observe.map(uint_bytes);
        let block1 = block1.and_then(|block| block.encode());
        let value2 = block2.and_then(|block| block.encode());
        let total = u32::try_from(response.payload.len()).ok().map(uint_bytes);
        let is_first = block2.is_some_and(|block| block.number == 0);
        let size2 = total.filter(|_| is_first && !response.options.view().has(OptionNumber::SIZE2));
        let added: Added<'_> = [
            observe.as_ref().map(|(bytes, start)| (OptionNumber::OBSERVE, &bytes[*start..])),
            value2.as_ref().map(|value| (OptionNumber::BLOCK2, value.as_bytes())),
            block1.as_ref().map(|value| (OptionNumber::BLOCK1, value.as_bytes())),
            size2.as_ref().map(|(bytes, start)| (OptionNumber::SIZE2, &bytes[*start..])),
            None,
            None,
        ];
        compose(envelope, response.options.view(), &added, payload, self.path.datagram_size_max).ok()
    }

    /// Answers an exchange that the application does not know, or knows no longer.
    pub(super) fn refuse(
        &mut self,
        exchange: Exchange,
        response: Response,
        shared: &mut Shared,
        now: Moment,
    ) {
        let whole = Exchange { block2: None, ..exchange };
        self.send(whole, response, None, shared, now);
    }

    pub(super) fn respond(
        &mut self,
        serial: u64,
        response: Response,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<(), Gone> {
        let exchange = self.close_exchange(serial, shared)?;
        self.send(exchange, response, None, shared, now);
        Ok(())
    }

    pub(super) fn challenge(&mut self, serial: u64, shared: &mut Shared, now: Moment) -> Result<(), Gone> {
        let exchange = self.close_exchange(serial, shared)?;
        let challenge = self.challenge_response(shared);
        self.send(exchange, challenge, None, shared, now);
        Ok(())
    }

    pub(super) fn close_exchange(&mut self, serial: u64, shared: &mut Shared) -> Result<Exchange, Gone> {
        let at = self.exchanges.iter().position(|exchange| exchange.serial == serial).ok_or(Gone)?;
        shared.exchange_count -= 1;
        Ok(self.exchanges.swap_remove(at))
    }

    pub(super) fn challenge_response(&mut self, shared: &mut Shared) -> Response {
        let value = *self.echo.get_or_insert_with(|| shared.dice.bytes());
        let mut challenge = Response::new(Code::UNAUTHORIZED);
        challenge.options.add(OptionNumber::ECHO, &value);
        challenge
    }

    /// Sends a response, its first or asked-for block, and keeps the body if more blocks follow.
    ///
    /// Gives whether the response itself went out, and not an error in its place.
    pub(super) fn send(
        &mut self,
        exchange: Exchange,
        mut response: Response,
        observe: Option<u32>,
        shared: &mut Shared,
        now: Moment,
    ) -> bool {
        assert!(response.code.is_response(), "the application answers with a response code");
        let class = response.code.class();
        // Source: RFC 7967 section 2: bit 1 for 2.xx, bit 3 for 4.xx, bit 4 for 5.xx.
        if response.code != Code::CONTINUE && exchange.unwanted & (1 << (class - 1)) != 0 {
            self.send_nothing(&exchange, shared);
            return true;
        }
        let asked = exchange.block2.filter(|_| response.code.is_success());
        let mut cut = self.cut_tagged(asked, &mut response, exchange.token, shared);
        if self.is_amplified(&exchange, &response, cut, shared) {
            if exchange.repeatable {
                shared.counters.challenged += 1;
                let challenge = self.challenge_response(shared);
                self.send_whole(&exchange, &challenge, shared, now);
                return false;
            }
            // What was done cannot be asked for again: the answer goes out in blocks that are small enough.
            let allowed = self.allowance(exchange.size, shared);
            let small = small_block(allowed, exchange.token, &response, asked);
            cut = self.cut_tagged(Some(small), &mut response, exchange.token, shared);
        }
        let Some(datagram) = self.write_response(&exchange, &response, cut, observe, shared, now) else {
            let code = if cut == Cut::OutOfRange { Code::BAD_REQUEST } else { Code::INTERNAL_SERVER_ERROR };
            self.send_whole(&exchange, &Response::new(code), shared, now);
            return false;
        };
        if cut.has_more() {
            self.transfers.keep(exchange.key, response, shared, now);
        } else if exchange.block2.is_none_or(|block| block.number == 0) {
            self.transfers.drop_response(exchange.key, shared);
        }
        self.dispatch(&exchange, datagram, shared, now);
        true
    }

    /// Cuts a response and gives content that goes out in blocks an entity tag.
    pub(super) fn cut_tagged(
        &self,
        asked: Option<Block>,
        response: &mut Response,
        token: Token,
        shared: &Shared,
    ) -> Cut {
        let head = 4 + token.as_bytes().len();
        let size = response.payload.len();
        let cut = self.cut(asked, size, head + response.options.view().encoded().len(), shared);
        let needs_tag = cut != Cut::Whole && response.code == Code::CONTENT;
        if !needs_tag || response.options.view().has(OptionNumber::ETAG) {
            return cut;
        }
        response.options.add(OptionNumber::ETAG, &body_tag(&response.payload));
        self.cut(asked, size, head + response.options.view().encoded().len(), shared)
    }

    /// Serves a later block of a response that was kept for it.
    pub(super) fn serve_block(
        &mut self,
        exchange: Exchange,
        response: Response,
        shared: &mut Shared,
        now: Moment,
    ) {
        let head = 4 + exchange.token.as_bytes().len() + response.options.view().encoded().len();
        let allowed = self.allowance(exchange.size, shared);
        let asked = small_block(allowed, exchange.token, &response, exchange.block2);
        let cut = self.cut(Some(asked), response.payload.len(), head, shared);
        let datagram = self.write_response(&exchange, &response, cut, None, shared, now);
        let times = &shared.config.transmission;
        let finished = datagram.is_some() && !cut.has_more();
        let until = now + if finished { times.fetched_lifetime } else { times.transfer_lifetime };
        self.transfers.put_back(exchange.key, response, until);
        match datagram {
            Some(datagram) => self.dispatch(&exchange, datagram, shared, now),
            None => {
                self.refuse(exchange, Response::new(Code::BAD_REQUEST), shared, now);
            }
        }
    }

    fn write_response(
        &mut self,
        exchange: &Exchange,
        response: &Response,
        cut: Cut,
        observe: Option<u32>,
        shared: &Shared,
        now: Moment,
    ) -> Option<Vec<u8>> {
        let (kind, id) = self.response_header(exchange, shared, now)?;
        let envelope = Envelope { kind, code: response.code, id, token: exchange.token };
        self.write_part(envelope, response, cut, observe, exchange.block1)
    }

    /// Kind and id of a response: on the acknowledgement while that is still to come, else in the kind of
    /// the request under an id of ours. Source: RFC 7252 section 5.2.
    fn response_header(
        &mut self,
        exchange: &Exchange,
        shared: &Shared,
        now: Moment,
    ) -> Option<(Kind, MessageId)> {
        match (exchange.confirmable, exchange.acknowledged) {
            (true, false) => Some((Kind::Acknowledgement, exchange.id)),
            (true, true) => Some((Kind::Confirmable, self.new_id(shared, now)?)),
            (false, _) => Some((Kind::NonConfirmable, self.new_id(shared, now)?)),
        }
    }

    fn dispatch(&mut self, exchange: &Exchange, datagram: Vec<u8>, shared: &mut Shared, now: Moment) {
        let limits = shared.config.limits;
        match (exchange.confirmable, exchange.acknowledged) {
            (true, false) => {
                self.seen.close(exchange.id, Reply::Datagram(&datagram), &limits);
                shared.transmit(self.id, datagram);
            }
            (true, true) if self.sending.queued() < limits.queued_per_peer_max => {
                let id = MessageId(u16::from_be_bytes([datagram[2], datagram[3]]));
                self.sending.push(self.id, id, datagram, About::Response, shared, now);
            }
            (true, true) => {
                let mut once = datagram;
                once[0] |= Kind::NonConfirmable.bits() << 4;
                shared.transmit(self.id, once);
            }
            (false, _) => {
                self.seen.close(exchange.id, Reply::Nothing, &limits);
                shared.transmit(self.id, datagram);
            }
        }
    }

    fn send_nothing(&mut self, exchange: &Exchange, shared: &mut Shared) {
        if exchange.confirmable && !exchange.acknowledged {
            self.reply_empty(exchange.id, Kind::Acknowledgement, shared);
        } else if !exchange.confirmable {
            self.seen.close(exchange.id, Reply::Nothing, &shared.config.limits);
        }
    }

    fn send_whole(&mut self, exchange: &Exchange, response: &Response, shared: &mut Shared, now: Moment) {
        if let Some(datagram) = self.write_response(exchange, response, Cut::Whole, None, shared, now) {
            self.dispatch(exchange, datagram, shared, now);
        } else {
            shared.counters.undelivered += 1;
        }
    }
}
