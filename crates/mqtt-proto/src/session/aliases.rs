//! Topic aliases, per direction and connection.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::num::NonZeroU16;

use super::Violation;

/// What the peer's aliases stand for.
#[derive(Debug)]
pub(crate) struct AliasesOfPeer {
    topics: BTreeMap<NonZeroU16, String>,
    bytes: usize,
    maximum: u16,
    bytes_max: usize,
}

impl AliasesOfPeer {
    pub(crate) const fn new(maximum: u16, bytes_max: usize) -> Self {
        Self { topics: BTreeMap::new(), bytes: 0, maximum, bytes_max }
    }

    /// The topic of a message with `alias`; a topic that is not empty is what it stands for from now on.
    pub(crate) fn resolve<'a>(&'a mut self, alias: NonZeroU16, topic: &'a str) -> Result<&'a str, Violation> {
        if alias.get() > self.maximum {
            return Err(Violation::AliasOverMaximum);
        }
        if topic.is_empty() {
            return self.topics.get(&alias).map(String::as_str).ok_or(Violation::UnknownAlias);
        }
        let before = self.topics.get(&alias).map_or(0, String::len);
        let bytes = self.bytes - before + topic.len();
        if bytes > self.bytes_max {
            return Err(Violation::AliasMemory);
        }
        self.bytes = bytes;
        self.topics.insert(alias, topic.into());
        Ok(topic)
    }
}

/// Our aliases. The first topics get them, and keep them.
#[derive(Debug)]
pub(crate) struct OwnAliases {
    numbers: BTreeMap<String, NonZeroU16>,
    count_max: u16,
}

/// How a topic is written.
pub(crate) enum Spelling {
    /// In full.
    Plain,
    /// In full, with an alias for the next time.
    Introduced(NonZeroU16),
    /// By its alias alone.
    Known(NonZeroU16),
}

impl OwnAliases {
    pub(crate) const fn new(count_max: u16) -> Self {
        Self { numbers: BTreeMap::new(), count_max }
    }

    pub(crate) fn spell(&self, topic: &str) -> Spelling {
        if let Some(alias) = self.numbers.get(topic) {
            return Spelling::Known(*alias);
        }
        let next = u16::try_from(self.numbers.len()).ok().and_then(|count| count.checked_add(1));
        match next.filter(|next| *next <= self.count_max).and_then(NonZeroU16::new) {
            Some(alias) => Spelling::Introduced(alias),
            None => Spelling::Plain,
        }
    }

    /// Notes that the peer has been told.
    pub(crate) fn introduce(&mut self, topic: &str, alias: NonZeroU16) {
        self.numbers.insert(topic.into(), alias);
    }
}
