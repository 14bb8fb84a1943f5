//! Which connections have something to be done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use tokio::sync::Notify;

use super::ConnId;

/// The line of connections that the operating system called; each stands in it once.
#[derive(Debug, Default)]
pub(super) struct ReadyLine {
    line: Mutex<Vec<ConnId>>,
    notify: Notify,
}

impl ReadyLine {
    /// Puts what stands in line into `taken`, which is empty.
    pub(super) fn take(&self, taken: &mut Vec<ConnId>) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *line, taken);
    }

    /// Ends when a connection has come into line since it was taken.
    pub(super) async fn called(&self) {
        self.notify.notified().await;
    }
}

/// Puts its connection into line when it is woken.
#[derive(Debug)]
pub(super) struct Caller {
    conn: ConnId,
    is_in_line: AtomicBool,
    line: Arc<ReadyLine>,
}

impl Caller {
    pub(super) fn new(conn: ConnId, line: &Arc<ReadyLine>) -> Arc<Self> {
        Arc::new(Self { conn, is_in_line: AtomicBool::new(false), line: Arc::clone(line) })
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// The connection is looked at now: a call from now on counts anew.
    pub(super) fn taken(&self) {
        self.is_in_line.store(false, Ordering::Release);
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_in_line.swap(true, Ordering::AcqRel) {
            self.line.line.lock().unwrap_or_else(PoisonError::into_inner).push(self.conn);
            self.line.notify.notify_one();
        }
    }
}
