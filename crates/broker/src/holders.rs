//! What waits for sessions: for those of one account, and in all.

use std::collections::HashMap;
use std::sync::Arc;

/// Bytes that wait, by the account that a client identifier begins with: what stands before its first slash.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    numbers: HashMap<Arc<str>, u32>,
    queue_bytes: Vec<usize>,
    in_all: usize,
}

impl Holders {
    /// The number of the account to which a client identifier belongs.
    pub(crate) fn number_of(&mut self, client_id: &str) -> u32 {
        let account = client_id.split('/').next().unwrap_or_default();
        if let Some(number) = self.numbers.get(account) {
            return *number;
        }
        let number = u32::try_from(self.queue_bytes.len()).expect("accounts are counted");
        self.numbers.insert(account.into(), number);
        self.queue_bytes.push(0);
        number
    }

    pub(crate) const fn in_all(&self) -> usize {
        self.in_all
    }

    pub(crate) fn bytes(&self, holder: u32) -> usize {
        self.queue_bytes[holder as usize]
    }

    pub(crate) fn add(&mut self, holder: u32, bytes: usize) {
        self.queue_bytes[holder as usize] += bytes;
        self.in_all += bytes;
    }

    pub(crate) fn take(&mut self, holder: u32, bytes: usize) {
        self.queue_bytes[holder as usize] -= bytes;
        self.in_all -= bytes;
    }
}
