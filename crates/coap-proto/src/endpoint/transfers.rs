//! Bodies of one peer that come or go in blocks, and the budget they live in.

use alloc::vec::Vec;

use clock::Moment;

use super::shared::Shared;
use crate::{Block, Limits, Response};

/// What became of a block of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Taken (or taken before): ask for the next.
    More,
    /// That was the last: the whole body.
    Whole(Vec<u8>),
    /// A block before it is missing, or it differs from what stands there.
    Incomplete,
    /// Longer than this many bytes, which is all we take.
    TooLarge(usize),
    /// No room at the moment.
    NoRoom,
    /// The block has not the size it says.
    Malformed,
}

#[derive(Debug)]
enum Body {
    Upload(Vec<u8>),
    Response(Response),
}

#[derive(Debug)]
struct Transfer {
    key: u64,
    body: Body,
    until: Moment,
}

/// Unfinished uploads and response bodies that are being fetched, least recently used first.
///
/// `key` stands for method and resource as far as the request names it. Uploads are atomic: the application
/// sees a body whole or not at all. Source: RFC 7959 section 2.4, 2.5; RFC 9175 section 3.3.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    entries: Vec<Transfer>,
    bytes: usize,
}

impl Transfers {
    /// Takes one block of an upload.
    pub(crate) fn upload(
        &mut self,
        key: u64,
        block: Block,
        size_told: Option<u32>,
        payload: &[u8],
        shared: &mut Shared,
        now: Moment,
    ) -> Upload {
        let limits = shared.config.limits;
        let whole_max = limits.body_size_max.min(limits.transfer_bytes_per_peer_max);
        let fits_size = if block.more {
            payload.len() == block.size.bytes()
        } else {
            payload.len() <= block.size.bytes()
        };
        if !fits_size || (payload.is_empty() && block.number > 0) {
            return Upload::Malformed;
        }
        let end = block.offset() + payload.len();
        if end > whole_max || size_told.is_some_and(|size| size as usize > whole_max) {
            self.drop_upload(key, shared);
            return Upload::TooLarge(whole_max);
        }
        if block.number == 0 {
            self.drop_upload(key, shared);
            if !block.more {
                return Upload::Whole(payload.to_vec());
            }
        }
        let mut bytes = match self.take(key, |body| matches!(body, Body::Upload(_))) {
            Some(Transfer { body: Body::Upload(bytes), .. }) => bytes,
            Some(_) | None if block.number == 0 => Vec::new(),
            Some(_) | None => return Upload::Incomplete,
        };
        let until = now + shared.config.transmission.transfer_lifetime;
        if block.offset() < bytes.len() {
            let same = bytes.get(block.offset()..end) == Some(payload) && block.more;
            self.entries.push(Transfer { key, body: Body::Upload(bytes), until });
            return if same { Upload::More } else { Upload::Incomplete };
        }
        if block.offset() > bytes.len() {
            self.entries.push(Transfer { key, body: Body::Upload(bytes), until });
            return Upload::Incomplete;
        }
        if !block.more {
            self.release(bytes.len(), shared);
            bytes.extend_from_slice(payload);
            return Upload::Whole(bytes);
        }
        if !self.claim(payload.len(), shared) {
            self.release(bytes.len(), shared);
            return Upload::NoRoom;
        }
        bytes.extend_from_slice(payload);
        self.make_place(&limits, shared);
        self.entries.push(Transfer { key, body: Body::Upload(bytes), until });
        Upload::More
    }

    /// Keeps a response so that its later blocks can be fetched; `false` when there is no room.
    pub(crate) fn keep(&mut self, key: u64, response: Response, shared: &mut Shared, now: Moment) -> bool {
        self.drop_response(key, shared);
        if !self.claim(response.payload.len(), shared) {
            shared.counters.over_budget += 1;
            return false;
        }
        let limits = shared.config.limits;
        self.make_place(&limits, shared);
        let until = now + shared.config.transmission.transfer_lifetime;
        self.entries.push(Transfer { key, body: Body::Response(response), until });
        true
    }

    /// Takes out a kept response to serve a block of it; give it back with [`Self::put_back`].
    pub(crate) fn take_response(&mut self, key: u64) -> Option<Response> {
        match self.take(key, |body| matches!(body, Body::Response(_)))?.body {
            Body::Response(response) => Some(response),
            Body::Upload(_) => None,
        }
    }

    /// Gives back what [`Self::take_response`] took; it is kept until `until`.
    pub(crate) fn put_back(&mut self, key: u64, response: Response, until: Moment) {
        self.entries.push(Transfer { key, body: Body::Response(response), until });
    }

    /// Forgets the response kept under `key`, if there is one.
    pub(crate) fn drop_response(&mut self, key: u64, shared: &mut Shared) {
        if let Some(response) = self.take_response(key) {
            self.release(response.payload.len(), shared);
        }
    }

    /// Reserves `count` bytes, at the cost of the least recently used bodies of the same peer.
    pub(crate) fn claim(&mut self, count: usize, shared: &mut Shared) -> bool {
        let limits = shared.config.limits;
        while self.bytes + count > limits.transfer_bytes_per_peer_max {
            if self.entries.is_empty() {
                return false;
            }
            self.evict(0, shared);
        }
        if shared.transfer_bytes + count > limits.transfer_bytes_max {
            return false;
        }
        self.bytes += count;
        shared.transfer_bytes += count;
        true
    }

    /// Gives back `count` reserved bytes.
    pub(crate) fn release(&mut self, count: usize, shared: &mut Shared) {
        self.bytes -= count;
        shared.transfer_bytes -= count;
    }

    /// Forgets transfers that were left alone for too long.
    pub(crate) fn expire(&mut self, shared: &mut Shared, now: Moment) {
        while let Some(at) = self.entries.iter().position(|entry| entry.until <= now) {
            self.evict(at, shared);
        }
        if self.entries.is_empty() {
            self.entries = Vec::new();
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self, shared: &mut Shared) {
        while !self.entries.is_empty() {
            self.evict(0, shared);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        self.entries.iter().map(|entry| entry.until).min()
    }

    fn drop_upload(&mut self, key: u64, shared: &mut Shared) {
        if let Some(entry) = self.take(key, |body| matches!(body, Body::Upload(_))) {
            self.release(entry.body.size(), shared);
        }
    }

    fn make_place(&mut self, limits: &Limits, shared: &mut Shared) {
        while self.entries.len() >= limits.transfers_per_peer_max.max(1) {
            self.evict(0, shared);
        }
    }

    fn take(&mut self, key: u64, is_kind: impl Fn(&Body) -> bool) -> Option<Transfer> {
        let at = self.entries.iter().position(|entry| entry.key == key && is_kind(&entry.body))?;
        Some(self.entries.remove(at))
    }

    fn evict(&mut self, at: usize, shared: &mut Shared) {
        let entry = self.entries.remove(at);
        self.release(entry.body.size(), shared);
    }
}

impl Body {
    fn size(&self) -> usize {
        match self {
            Self::Upload(bytes) => bytes.len(),
            Self::Response(response) => response.payload.len(),
        }
    }
}
