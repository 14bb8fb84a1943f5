//! A table of named deadlines.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Moment;

/// At most one deadline per key; the earliest is found and taken in logarithmic time.
///
/// Holds exactly the keys that were set and not yet taken or cleared, so its size is bounded by whatever
/// bounds the keys.
#[derive(Clone, Debug)]
pub struct Deadlines<K> {
    by_key: BTreeMap<K, Moment>,
    by_moment: BTreeSet<(Moment, K)>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), by_moment: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the deadline of `key`, replacing an earlier setting.
    pub fn set(&mut self, key: K, at: Moment) {
        match self.by_key.insert(key.clone(), at) {
            // Many set again what is set already.
            Some(before) if before == at => return,
            Some(before) => drop(self.by_moment.remove(&(before, key.clone()))),
            None => {}
        }
        self.by_moment.insert((at, key));
    }

    /// Forgets the deadline of `key`, if there is one.
    pub fn clear(&mut self, key: &K) {
        if let Some(before) = self.by_key.remove(key) {
            self.by_moment.remove(&(before, key.clone()));
        }
    }

    /// The deadline of `key`.
    #[must_use]
    pub fn of(&self, key: &K) -> Option<Moment> {
        self.by_key.get(key).copied()
    }

    /// The earliest deadline of all.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        self.by_moment.first().map(|(at, _)| *at)
    }

    /// Takes out the key with the earliest deadline at or before `now`; ties go to the smallest key.
    pub fn take_due(&mut self, now: Moment) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_moment.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many keys wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Moment {
        Moment::from_micros(micros)
    }

    #[test]
    fn due_keys_come_out_in_order_and_once() {
        let mut table = Deadlines::new();
        table.set("late", at(30));
        table.set("early", at(10));
        table.set("moved", at(5));
        table.set("moved", at(20));
        table.set("gone", at(1));
        table.clear(&"gone");
        assert_eq!(table.next(), Some(at(10)));
        assert_eq!(table.take_due(at(9)), None);
        assert_eq!(table.take_due(at(20)), Some("early"));
        assert_eq!(table.take_due(at(20)), Some("moved"));
        assert_eq!(table.take_due(at(20)), None, "a deadline is taken once and never early");
        assert_eq!(table.of(&"late"), Some(at(30)));
        assert_eq!(table.len(), 1);
    }
}
