//! What a machine hands out, in order.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Places that stay when all has been handed out: a burst of messages takes no memory for good.
const PLACES_KEPT: usize = 8;

/// Bytes to send and events, in the order they came about; bytes that follow each other are one piece.
#[derive(Debug)]
pub(crate) struct Outbox<E> {
    queue: VecDeque<Item<E>>,
    open: Vec<u8>,
    wrote: bool,
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Item<E> {
    Bytes(Vec<u8>),
    Event(E),
}

impl<E> Outbox<E> {
    pub(crate) const fn new() -> Self {
        Self { queue: VecDeque::new(), open: Vec::new(), wrote: false }
    }

    /// Where bytes are appended.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        self.wrote = true;
        &mut self.open
    }

    pub(crate) fn event(&mut self, event: E) {
        self.close_piece();
        self.queue.push_back(Item::Event(event));
    }

    fn close_piece(&mut self) {
        if !self.open.is_empty() {
            self.queue.push_back(Item::Bytes(core::mem::take(&mut self.open)));
        }
    }

    pub(crate) fn next(&mut self) -> Option<Item<E>> {
        if self.queue.is_empty() {
            self.close_piece();
        }
        let next = self.queue.pop_front();
        if self.queue.is_empty() && self.queue.capacity() > PLACES_KEPT {
            self.queue.shrink_to(PLACES_KEPT);
        }
        next
    }

    /// Whether bytes were written since this was last asked.
    pub(crate) fn take_wrote(&mut self) -> bool {
        core::mem::take(&mut self.wrote)
    }
}
