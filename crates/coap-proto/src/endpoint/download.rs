//! The client role, response side: from response messages to whole responses.

use alloc::vec::Vec;
use core::time::Duration;

use clock::Moment;

use super::ask::{Ask, Stage};
use super::peer::Peer;
use super::seen::Reply;
use super::sending::About;
use super::shared::Shared;
use crate::message::empty;
use crate::reading::{Objection, vet};
use crate::{
    Block, BlockSize, Code, Failure, Kind, Message, OptionNumber, OptionSet, Output, RequestId, Response,
};

/// How often a download starts anew when the representation changes under it.
const RESTARTS_MAX: u8 = 2;
/// How long a notification stays the newest, whatever its number. Source: RFC 7641 section 3.4.
const REORDER_SPAN: Duration = Duration::from_secs(128);
/// Observations whose state ages faster are renewed as if it lived this long.
const RENEW_SECS_MIN: u32 = 30;

/// A response that comes in blocks.
#[derive(Debug)]
pub(super) struct Download {
    code: Code,
    options: OptionSet,
    bytes: Vec<u8>,
    size: BlockSize,
}

impl Download {
    /// The block to ask for next.
    pub(super) fn next_block(&self) -> Option<Block> {
        Block::at(self.bytes.len(), self.size, false)
    }

    /// Bytes received so far.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// What a response means for the request it belongs to.
enum Step {
    /// Ask for, or send, the next block.
    Next,
    /// The response is whole.
    Done(Response),
    /// The request has no answer.
    Failed(Failure),
}

impl Peer {
    /// A response on an acknowledgement.
    pub(super) fn piggybacked(&mut self, message: Message<'_>, shared: &mut Shared, now: Moment) {
        let known = self.asks.iter().find(|ask| ask.id == Some(message.id) && ask.token == message.token);
        let Some(serial) = known.map(|ask| ask.serial) else {
            shared.counters.unmatched += 1;
            return;
        };
        self.proven = true;
        self.advance(serial, message, shared, now);
    }

    /// A separate response or a notification.
    pub(super) fn responded(&mut self, message: Message<'_>, shared: &mut Shared, now: Moment) {
        let Some(serial) = self.asks.iter().find(|ask| ask.awaits(message.token)).map(|ask| ask.serial)
        else {
            shared.counters.unmatched += 1;
            return self.reject(message, shared);
        };
        if !is_understood(message, shared) {
            self.reject(message, shared);
        } else if message.kind == Kind::Confirmable {
            self.reply_empty(message.id, Kind::Acknowledgement, shared);
        } else {
            self.seen.close(message.id, Reply::Nothing, &shared.config.limits);
        }
        self.proven = true;
        self.advance(serial, message, shared, now);
    }

    /// Rejects a response. Source: RFC 7252 section 4.2, 4.3.
    fn reject(&mut self, message: Message<'_>, shared: &mut Shared) {
        if message.kind == Kind::Confirmable {
            self.reply_empty(message.id, Kind::Reset, shared);
        } else {
            shared.transmit(self.id, empty(Kind::Reset, message.id));
            self.seen.close(message.id, Reply::Nothing, &shared.config.limits);
        }
    }

    fn advance(&mut self, serial: u64, message: Message<'_>, shared: &mut Shared, now: Moment) {
        let Some(at) = self.asks.iter().position(|ask| ask.serial == serial) else { return };
        if let Err(Objection::Option(number)) = vet(message.options, &shared.config.critical_options) {
            return self.fail(serial, Failure::UnknownOption(number), shared, now);
        }
        if self.asks[at].observation.as_ref().is_some_and(|observation| observation.leaving) {
            self.asks.swap_remove(at);
            return self.sending.withdraw(self.id, About::Request(serial), shared, now);
        }
        let ask = &self.asks[at];
        let notifies = ask.observation.as_ref().is_some_and(|observation| observation.token == message.token);
        if notifies && !self.note_notification(at, message, shared, now) {
            return;
        }
        // The response says that the request arrived, even if its acknowledgement was lost.
        self.sending.withdraw(self.id, About::Request(serial), shared, now);
        self.asks[at].ends = None;
        match self.step(at, message, shared) {
            Step::Next => {
                if let Err(reason) = self.send_ask(serial, shared, now) {
                    self.fail(serial, reason, shared, now);
                }
            }
            Step::Done(response) => self.deliver(at, response, shared),
            Step::Failed(reason) => self.fail(serial, reason, shared, now),
        }
    }

    /// Orders notifications; `false`: an older state than the one we have, to be ignored.
    fn note_notification(
        &mut self,
        at: usize,
        message: Message<'_>,
        shared: &mut Shared,
        now: Moment,
    ) -> bool {
        let sequence = message.options.uint(OptionNumber::OBSERVE).filter(|_| message.code.is_success());
        let ask = &mut self.asks[at];
        let Some(observation) = ask.observation.as_mut() else { return true };
        let Some(sequence) = sequence else {
            // No Observe option: a blank answer, or the end of the notifications.
            if message.code != Code::CONTINUE && !is_challenge(message) {
                ask.observation = None;
                self.drop_download(at, shared);
            }
            return true;
        };
        let is_newer = observation.newest.is_none_or(|(newest, heard)| {
            let ahead = sequence.wrapping_sub(newest) & 0x00ff_ffff;
            (ahead != 0 && ahead < 1 << 23) || now - heard > REORDER_SPAN
        });
        // A renewed registration is answered with the state as it is, perhaps under the same number.
        let is_answer = ask.ends.is_some() && ask.token == message.token;
        if !is_newer && !is_answer {
            return false;
        }
        observation.newest = Some((sequence, now));
        let fresh_secs =
            u64::from(message.options.max_age_secs().max(RENEW_SECS_MIN)) + 5 + shared.dice.below(11);
        observation.renew_at = Some(now + Duration::from_secs(fresh_secs));
        if matches!(ask.stage, Stage::Download(_)) {
            self.drop_download(at, shared);
        }
        true
    }

    fn step(&mut self, at: usize, message: Message<'_>, shared: &mut Shared) -> Step {
        let ask = &mut self.asks[at];
        if is_challenge(message) && ask.echo.is_none() {
            ask.echo = message.options.first(OptionNumber::ECHO).map(<[u8]>::to_vec);
            // The server has dropped what came before: the request starts over.
            self.asks[at].stage = self.first_stage(&self.asks[at].request, shared);
            return Step::Next;
        }
        let Ok(block1) = message.options.first(OptionNumber::BLOCK1).map(Block::decode).transpose() else {
            return Step::Failed(Failure::BrokenTransfer);
        };
        match &ask.stage {
            Stage::Upload { .. } => self.step_upload(at, block1, message, shared),
            Stage::Whole if message.code == Code::CONTINUE => Step::Failed(Failure::BrokenTransfer),
            Stage::Whole | Stage::Download(_) => self.step_download(at, message, shared),
        }
    }

    fn step_upload(
        &mut self,
        at: usize,
        block1: Option<Block>,
        message: Message<'_>,
        shared: &mut Shared,
    ) -> Step {
        let ask = &mut self.asks[at];
        let Stage::Upload { offset, size } = &mut ask.stage else {
            return Step::Failed(Failure::BrokenTransfer);
        };
        let sent = *size;
        let is_last = *offset + sent.bytes() >= ask.request.payload.len();
        if message.code == Code::CONTINUE {
            let expected = block1.filter(|block| block.number as usize == *offset / sent.bytes());
            let Some(block) = expected.filter(|_| !is_last) else {
                return Step::Failed(Failure::BrokenTransfer);
            };
            *offset += sent.bytes();
            *size = sent.min(block.size);
            return Step::Next;
        }
        let smaller = block1.map(|block| block.size).filter(|wish| *wish < sent);
        if let (Code::REQUEST_ENTITY_TOO_LARGE, 0, Some(wish)) = (message.code, *offset, smaller) {
            *size = wish;
            return Step::Next;
        }
        if message.code.is_success() && !is_last {
            // The server acted on a part of the body: that is no success of the whole.
            return Step::Failed(Failure::BrokenTransfer);
        }
        self.step_download(at, message, shared)
    }

    fn step_download(&mut self, at: usize, message: Message<'_>, shared: &mut Shared) -> Step {
        let Ok(block) = message.options.first(OptionNumber::BLOCK2).map(Block::decode).transpose() else {
            return Step::Failed(Failure::BrokenTransfer);
        };
        let started = matches!(self.asks[at].stage, Stage::Download(_));
        if started && (!message.code.is_success() || block.is_none()) {
            // An error, or a representation that has become small: that is the answer.
            self.drop_download(at, shared);
            return Step::Done(response_of(message));
        }
        let Some(block) = block else { return Step::Done(response_of(message)) };
        if started {
            return self.append(at, block, message, shared);
        }
        if block.number != 0 {
            return Step::Failed(Failure::BrokenTransfer);
        }
        if !block.more {
            return Step::Done(response_of(message));
        }
        if message.payload.len() != block.size.bytes() {
            return Step::Failed(Failure::BrokenTransfer);
        }
        let whole_max = shared.config.limits.body_size_max;
        let told = message.options.uint(OptionNumber::SIZE2).map_or(0, |size| size as usize);
        if told > whole_max || !self.transfers.claim(message.payload.len(), shared) {
            return Step::Failed(Failure::TooLarge);
        }
        let options = response_of(message).options;
        let preferred = self.block_size(&self.asks[at].request, shared).unwrap_or(BlockSize::SMALLEST);
        let size = block.size.min(preferred);
        let download = Download { code: message.code, options, bytes: message.payload.to_vec(), size };
        self.asks[at].stage = Stage::Download(download);
        Step::Next
    }

    fn append(&mut self, at: usize, block: Block, message: Message<'_>, shared: &mut Shared) -> Step {
        let Stage::Download(download) = &mut self.asks[at].stage else {
            return Step::Failed(Failure::BrokenTransfer);
        };
        if download.options.view().etag() != message.options.etag() || download.code != message.code {
            return self.restart(at, shared);
        }
        let full = message.payload.len() == block.size.bytes();
        let fits = if block.more { full } else { message.payload.len() <= block.size.bytes() };
        if block.offset() != download.bytes.len() || !fits || message.payload.is_empty() {
            return Step::Failed(Failure::BrokenTransfer);
        }
        let total = download.bytes.len() + message.payload.len();
        let whole_max = shared.config.limits.body_size_max;
        if total > whole_max || !self.transfers.claim(message.payload.len(), shared) {
            return Step::Failed(Failure::TooLarge);
        }
        download.bytes.extend_from_slice(message.payload);
        download.size = download.size.min(block.size);
        if block.more {
            return Step::Next;
        }
        let response = Response {
            code: download.code,
            options: core::mem::take(&mut download.options),
            payload: core::mem::take(&mut download.bytes),
        };
        self.asks[at].stage = Stage::Whole;
        self.transfers.release(total, shared);
        Step::Done(response)
    }

    /// The representation changed between two blocks: fetches it from the start, if that does no harm.
    fn restart(&mut self, at: usize, shared: &mut Shared) -> Step {
        self.drop_download(at, shared);
        let ask = &mut self.asks[at];
        if !ask.request.method.is_safe() || ask.restarts >= RESTARTS_MAX {
            return Step::Failed(Failure::Changing);
        }
        ask.restarts += 1;
        self.asks[at].stage = self.first_stage(&self.asks[at].request, shared);
        Step::Next
    }

    fn deliver(&mut self, at: usize, response: Response, shared: &mut Shared) {
        let request = RequestId { peer: self.id, serial: self.asks[at].serial };
        if self.asks[at].observation.is_some() {
            let ask: &mut Ask = &mut self.asks[at];
            ask.restarts = 0;
            ask.id = None;
            shared.emit(Output::Notification { request, response });
        } else {
            self.asks.swap_remove(at);
            shared.emit(Output::Answer { request, response });
        }
    }
}

/// Whether every critical option of a response is known and in range.
fn is_understood(message: Message<'_>, shared: &Shared) -> bool {
    vet(message.options, &shared.config.critical_options).is_ok()
}

/// Whether the server wants to see an Echo value. Source: RFC 9175 section 2.3.
fn is_challenge(message: Message<'_>) -> bool {
    message.code == Code::UNAUTHORIZED && message.options.has(OptionNumber::ECHO)
}

/// The response as the application sees it: without what belongs to the transfer.
fn response_of(message: Message<'_>) -> Response {
    let mut options = message.options.to_owned_set();
    for number in [OptionNumber::OBSERVE, OptionNumber::BLOCK1, OptionNumber::BLOCK2] {
        options.remove(number);
    }
    Response { code: message.code, options, payload: message.payload.to_vec() }
}
