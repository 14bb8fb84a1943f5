//! The client role, request side: from a whole request to messages.
//!
//! ```text
//! request --> body fits? --yes--> Whole ----------------------------.
//!                |no                                                v
//!              Upload: block, 2.31, block, 2.31, .. last block --> response
//!                                                                   |-- more blocks: Download, block by block
//!                                                                   '-- Output::Answer or Notification
//! ```

use alloc::vec::Vec;

use clock::Moment;

use super::compose::{Added, Envelope, compose};
use super::download::Download;
use super::peer::Peer;
use super::sending::About;
use super::shared::Shared;
use crate::options::uint_bytes;
use crate::{
    Block, BlockSize, Busy, Code, Delivery, Failure, Kind, MessageId, OptionNumber, Output, Request,
    RequestId, Token,
};

/// Room for what the endpoint adds to a request: Observe, Block2, Block1, Size1, Echo, Request-Tag and the
/// payload marker, each with the longest header it can have.
const ADDED_SIZE_MAX: usize = 6 + 6 + 6 + 7 + 43 + 7 + 1;

/// How far a request of ours is.
#[derive(Debug)]
pub(super) enum Stage {
    /// The whole request is in one message.
    Whole,
    /// The body goes out in blocks; the one at `offset` is under way.
    Upload { offset: usize, size: BlockSize },
    /// The response comes in blocks.
    Download(Download),
}

/// Standing interest of ours.
#[derive(Debug)]
pub(super) struct Observation {
    /// The token of every notification.
    pub(super) token: Token,
    /// Sequence number and arrival of the newest notification.
    pub(super) newest: Option<(u32, Moment)>,
    /// When the state is no longer fresh and interest is registered again.
    pub(super) renew_at: Option<Moment>,
    /// Whether interest is being withdrawn.
    pub(super) leaving: bool,
}

/// A request of ours that is not done.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(super) serial: u64,
    pub(super) request: Request,
    pub(super) stage: Stage,
    /// Token and id of the message under way.
    pub(super) token: Token,
    pub(super) id: Option<MessageId>,
    /// When the answer to the message under way is no longer waited for; `None` between notifications.
    pub(super) ends: Option<Moment>,
    /// The Echo value the server asked us to return.
    pub(super) echo: Option<Vec<u8>>,
    /// Tells this upload from others to the same resource.
    pub(super) tag: [u8; 4],
    pub(super) observation: Option<Observation>,
    /// How often a download started anew because the representation changed.
    pub(super) restarts: u8,
}

impl Ask {
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let renew_at = self.observation.as_ref().and_then(|observation| observation.renew_at);
        self.ends.into_iter().chain(renew_at).min()
    }

    /// Whether a response with this token belongs to the request: to the message under way, or as a
    /// notification.
    pub(super) fn awaits(&self, token: Token) -> bool {
        let notifies = self.observation.as_ref().is_some_and(|own| own.token == token && !own.leaving);
        notifies || (self.token == token && self.ends.is_some())
    }

    /// Whether the message to be sent carries Observe, and which value.
    fn observe_value(&self) -> Option<u32> {
        let observation = self.observation.as_ref()?;
        match self.stage {
            Stage::Whole | Stage::Upload { .. } => Some(u32::from(observation.leaving)),
            Stage::Download(_) => None,
        }
    }
}

impl Peer {
    pub(super) fn request(
        &mut self,
        request: Request,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<RequestId, Busy> {
        self.start(request, None, shared, now)
    }

    pub(super) fn observe(
        &mut self,
        request: Request,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<RequestId, Busy> {
        let token = self.new_token(&mut shared.dice);
        let observation = Observation { token, newest: None, renew_at: None, leaving: false };
        self.start(request, Some(observation), shared, now)
    }

    pub(super) fn ping(&mut self, shared: &mut Shared, now: Moment) -> Result<RequestId, Busy> {
        if self.sending.queued() >= shared.config.limits.queued_per_peer_max {
            return Err(Busy::TooManyRequests);
        }
        let id = self.new_id(shared, now).ok_or(Busy::OutOfMessageIds)?;
        let serial = shared.next_serial();
        let datagram = crate::message::empty(Kind::Confirmable, id);
        self.sending.push(self.id, id, datagram, About::Ping(serial), shared, now);
        Ok(RequestId { peer: self.id, serial })
    }

    fn start(
        &mut self,
        request: Request,
        observation: Option<Observation>,
        shared: &mut Shared,
        now: Moment,
    ) -> Result<RequestId, Busy> {
        assert!(request.method.is_request(), "the application asks with a method");
        if self.asks.len() >= shared.config.limits.requests_per_peer_max {
            return Err(Busy::TooManyRequests);
        }
        if request.delivery == Delivery::NonConfirmable && self.must_probe(shared, now) {
            return Err(Busy::Probing);
        }
        let serial = shared.next_serial();
        let stage = self.first_stage(&request, shared);
        self.asks.push(Ask {
            serial,
            request,
            stage,
            token: Token::EMPTY,
            id: None,
            ends: None,
            echo: None,
            tag: shared.dice.bytes(),
            observation,
            restarts: 0,
        });
        match self.send_ask(serial, shared, now) {
            Err(Failure::OutOfMessageIds) => {
                self.asks.retain(|ask| ask.serial != serial);
                return Err(Busy::OutOfMessageIds);
            }
            Err(reason) => self.fail(serial, reason, shared, now),
            Ok(()) => {}
        }
        Ok(RequestId { peer: self.id, serial })
    }

    /// How a request starts: whole, or with the first block of its body.
    pub(super) fn first_stage(&self, request: &Request, shared: &Shared) -> Stage {
        match self.block_size(request, shared) {
            Some(size) if request.payload.len() > size.bytes() => Stage::Upload { offset: 0, size },
            Some(_) | None => Stage::Whole,
        }
    }

    /// The largest block of `request` that fits the path.
    pub(super) fn block_size(&self, request: &Request, shared: &Shared) -> Option<BlockSize> {
        let head = 4 + 8 + request.options.view().encoded().len() + ADDED_SIZE_MAX;
        let room = self.path.datagram_size_max.saturating_sub(head);
        BlockSize::within(room).map(|size| size.min(shared.config.block_size_max))
    }

    /// Sends the message of the request's present stage under a fresh token.
    pub(super) fn send_ask(&mut self, serial: u64, shared: &mut Shared, now: Moment) -> Result<(), Failure> {
        let Some(at) = self.asks.iter().position(|ask| ask.serial == serial) else { return Ok(()) };
        self.sending.withdraw(self.id, About::Request(serial), shared, now);
        let id = self.new_id(shared, now).ok_or(Failure::OutOfMessageIds)?;
        let registering = self.asks[at].observe_value().is_some();
        let token = match &self.asks[at].observation {
            Some(observation) if registering => observation.token,
            Some(_) | None => self.new_token(&mut shared.dice),
        };
        let datagram = self.write_ask(at, id, token, shared)?;
        let times = &shared.config.transmission;
        let (exchange_lifetime, non_lifetime) = (times.exchange_lifetime, times.non_lifetime);
        let ask = &mut self.asks[at];
        (ask.token, ask.id) = (token, Some(id));
        match ask.request.delivery {
            Delivery::Confirmable => {
                ask.ends = Some(now + exchange_lifetime);
                self.sending.push(self.id, id, datagram, About::Request(serial), shared, now);
            }
            Delivery::NonConfirmable => {
                ask.ends = Some(now + non_lifetime);
                let (since, bytes) = self.unheard.unwrap_or((now, 0));
                self.unheard = Some((since, bytes + datagram.len()));
                shared.transmit(self.id, datagram);
            }
        }
        Ok(())
    }

    fn write_ask(&self, at: usize, id: MessageId, token: Token, shared: &Shared) -> Result<Vec<u8>, Failure> {
        let ask = &self.asks[at];
        let body = &ask.request.payload;
        let preferred = self.block_size(&ask.request, shared);
        let (block1, block2, payload) = match &ask.stage {
            Stage::Whole => {
                let small = preferred.filter(|size| *size < BlockSize::LARGEST);
                (None, small.map(|size| Block { number: 0, more: false, size }), &body[..])
            }
            Stage::Upload { offset, size } => {
                let end = body.len().min(offset + size.bytes());
                let block = Block::at(*offset, *size, end < body.len()).ok_or(Failure::TooLarge)?;
                (Some(block), None, &body[*offset..end])
            }
            Stage::Download(download) => {
                let block = download.next_block().ok_or(Failure::TooLarge)?;
                // The body of FETCH is part of what is asked for, when it went in one message.
                let whole = preferred.is_some_and(|size| body.len() <= size.bytes());
                let keeps_body = ask.request.method == Code::FETCH && whole;
                (None, Some(block), if keeps_body { &body[..] } else { &[] })
            }
        };
        // One operation keeps its tag, from the first block up to the last block down.
        let in_blocks = preferred.is_some_and(|size| body.len() > size.bytes());
        let observe = ask.observe_value().map(uint_bytes);
        let value2 = block2.and_then(|block| block.encode());
        let value1 = block1.and_then(|block| block.encode());
        let is_first = block1.is_some_and(|block| block.number == 0);
        let size1 = u32::try_from(body.len()).ok().filter(|_| is_first).map(uint_bytes);
        let added: Added<'_> = [
            observe.as_ref().map(|(bytes, start)| (OptionNumber::OBSERVE, &bytes[*start..])),
            value2.as_ref().map(|value| (OptionNumber::BLOCK2, value.as_bytes())),
            value1.as_ref().map(|value| (OptionNumber::BLOCK1, value.as_bytes())),
            size1.as_ref().map(|(bytes, start)| (OptionNumber::SIZE1, &bytes[*start..])),
            ask.echo.as_ref().map(|value| (OptionNumber::ECHO, &value[..])),
            in_blocks.then_some((OptionNumber::REQUEST_TAG, &ask.tag[..])),
        ];
        let kind = match ask.request.delivery {
            Delivery::Confirmable => Kind::Confirmable,
            Delivery::NonConfirmable => Kind::NonConfirmable,
        };
        let envelope = Envelope { kind, code: ask.request.method, id, token };
        let own = ask.request.options.view();
        compose(envelope, own, &added, payload, self.path.datagram_size_max).map_err(|_| Failure::DoesNotFit)
    }

    /// Whether the next non-confirmable request has to wait for `PROBING_RATE`.
    fn must_probe(&self, shared: &Shared, now: Moment) -> bool {
        let Some((since, bytes)) = self.unheard else { return false };
        let times = &shared.config.transmission;
        let elapsed = now - since;
        let allowed = elapsed.as_secs().saturating_mul(u64::from(times.probing_bytes_per_sec));
        elapsed > times.ack_timeout && (bytes as u64) > allowed
    }

    /// The request whose present message has this id.
    pub(super) fn ask_sent_as(&self, id: MessageId) -> Option<u64> {
        self.asks.iter().find(|ask| ask.id == Some(id)).map(|ask| ask.serial)
    }

    pub(super) fn cancel(&mut self, serial: u64, shared: &mut Shared, now: Moment) {
        self.sending.withdraw(self.id, About::Ping(serial), shared, now);
        let Some(at) = self.asks.iter().position(|ask| ask.serial == serial) else { return };
        self.sending.withdraw(self.id, About::Request(serial), shared, now);
        self.drop_download(at, shared);
        let stage = self.first_stage(&self.asks[at].request, shared);
        let ask = &mut self.asks[at];
        match &mut ask.observation {
            Some(observation) if !observation.leaving => {
                observation.leaving = true;
                observation.renew_at = None;
                ask.stage = stage;
                if self.send_ask(serial, shared, now).is_err() {
                    self.asks.retain(|ask| ask.serial != serial);
                }
            }
            Some(_) => {}
            None => {
                self.asks.swap_remove(at);
            }
        }
    }

    /// Ends a request without an answer.
    pub(super) fn fail(&mut self, serial: u64, reason: Failure, shared: &mut Shared, now: Moment) {
        let Some(at) = self.asks.iter().position(|ask| ask.serial == serial) else { return };
        self.drop_download(at, shared);
        let ask = self.asks.swap_remove(at);
        self.sending.withdraw(self.id, About::Request(serial), shared, now);
        if !ask.observation.is_some_and(|observation| observation.leaving) {
            shared.emit(Output::Failed { request: RequestId { peer: self.id, serial }, reason });
        }
    }

    pub(super) fn drop_download(&mut self, at: usize, shared: &mut Shared) {
        let stage = core::mem::replace(&mut self.asks[at].stage, Stage::Whole);
        if let Stage::Download(download) = stage {
            self.transfers.release(download.size(), shared);
        }
    }

    pub(super) fn expire_asks(&mut self, shared: &mut Shared, now: Moment) {
        while let Some(late) = self.asks.iter().find(|ask| ask.ends.is_some_and(|ends| ends <= now)) {
            self.fail(late.serial, Failure::NotAnswered, shared, now);
        }
        while let Some(serial) = self.take_stale_observation(now) {
            if let Some(at) = self.asks.iter().position(|ask| ask.serial == serial) {
                self.drop_download(at, shared);
                self.asks[at].stage = self.first_stage(&self.asks[at].request, shared);
            }
            if let Err(reason) = self.send_ask(serial, shared, now) {
                self.fail(serial, reason, shared, now);
            }
        }
    }

    /// An observation to be registered again, its deadline taken out.
    fn take_stale_observation(&mut self, now: Moment) -> Option<u64> {
        self.asks.iter_mut().find_map(|ask| {
            let observation = ask.observation.as_mut()?;
            observation.renew_at.take_if(|at| *at <= now)?;
            Some(ask.serial)
        })
    }
}
