//! Who subscribes to what: a tree of levels.

use std::cell::Cell;
use std::collections::HashMap;
use std::num::NonZeroU32;

use mqtt_proto::SubscriptionOptions;

use crate::SessionKey;

/// One subscription as routing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) key: SessionKey,
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<NonZeroU32>,
}

/// The members of one shared subscription.
#[derive(Debug)]
pub(crate) struct Share {
    name: Box<str>,
    pub(crate) members: Vec<Route>,
    /// Whose turn it is.
    pub(crate) turn: Cell<usize>,
}

/// Subscriptions of one filter.
#[derive(Debug, Default)]
struct Routes {
    plain: Vec<Route>,
    shares: Vec<Share>,
}

impl Routes {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.shares.is_empty()
    }

    fn set(&mut self, share: Option<&str>, route: Route) {
        let list = match share {
            None => &mut self.plain,
            Some(name) => {
                let at = self.shares.iter().position(|share| &*share.name == name).unwrap_or_else(|| {
                    self.shares.push(Share { name: name.into(), members: Vec::new(), turn: Cell::new(0) });
                    self.shares.len() - 1
                });
                &mut self.shares[at].members
            }
        };
        match list.iter_mut().find(|known| known.key == route.key) {
            Some(known) => *known = route,
            None => list.push(route),
        }
    }

    fn remove(&mut self, share: Option<&str>, key: SessionKey) {
        match share {
            None => self.plain.retain(|route| route.key != key),
            Some(name) => {
                for share in self.shares.iter_mut().filter(|share| &*share.name == name) {
                    share.members.retain(|route| route.key != key);
                }
                self.shares.retain(|share| !share.members.is_empty());
            }
        }
    }
}

/// One level of filters.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Self>,
    plus: Option<Box<Self>>,
    /// Filters that end here.
    here: Routes,
    /// Filters that end in `#` below here.
    below: Routes,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

/// The subscriptions of one namespace. Its depth is bounded by the levels of a filter.
#[derive(Debug, Default)]
pub(crate) struct Trie(Node);

impl Trie {
    /// Makes or replaces the subscription of `route.key` to `filter`, a valid one without its share.
    pub(crate) fn set(&mut self, share: Option<&str>, filter: &str, route: Route) {
        let mut node = &mut self.0;
        for level in filter.split('/') {
            node = match level {
                "#" => return node.below.set(share, route),
                "+" => node.plus.get_or_insert_default(),
                plain => node.children.entry(plain.into()).or_default(),
            };
        }
        node.here.set(share, route);
    }

    /// Takes the subscription out, and every level that nobody needs any more.
    pub(crate) fn remove(&mut self, share: Option<&str>, filter: &str, key: SessionKey) {
        remove_below(&mut self.0, Some(filter), share, key);
    }

    /// Every subscription that matches `topic`, in no order; and of each share the member that `pick` names.
    pub(crate) fn find(
        &self,
        topic: &str,
        pick: &dyn Fn(&Share) -> Option<Route>,
        found: &mut Vec<Route>,
        shared: &mut Vec<Route>,
    ) {
        let mut take = |routes: &Routes| {
            found.extend_from_slice(&routes.plain);
            shared.extend(routes.shares.iter().filter_map(pick));
        };
        if topic.starts_with('$') {
            // A wildcard on the first level does not reach them. Source: MQTT 5.0 section 4.7.2.
            let (level, rest) = split(topic);
            if let Some(child) = self.0.children.get(level) {
                walk(child, rest, &mut take);
            }
        } else {
            walk(&self.0, Some(topic), &mut take);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn split(topic: &str) -> (&str, Option<&str>) {
    topic.split_once('/').map_or((topic, None), |(level, rest)| (level, Some(rest)))
}

/// `rest`: what of the topic lies below `node`; `None` when it ends there.
fn walk(node: &Node, rest: Option<&str>, take: &mut impl FnMut(&Routes)) {
    take(&node.below);
    let Some(rest) = rest else { return take(&node.here) };
    let (level, rest) = split(rest);
    if let Some(child) = node.children.get(level) {
        walk(child, rest, take);
    }
    if let Some(plus) = &node.plus {
        walk(plus, rest, take);
    }
}

fn remove_below(node: &mut Node, filter: Option<&str>, share: Option<&str>, key: SessionKey) {
    let Some(filter) = filter else { return node.here.remove(share, key) };
    let (level, rest) = split(filter);
    match level {
        "#" => node.below.remove(share, key),
        "+" => {
            if let Some(plus) = &mut node.plus {
                remove_below(plus, rest, share, key);
                if plus.is_empty() {
                    node.plus = None;
                }
            }
        }
        plain => {
            if let Some(child) = node.children.get_mut(plain) {
                remove_below(child, rest, share, key);
                if child.is_empty() {
                    node.children.remove(plain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clock::Dice;
    use mqtt_proto::{QoS, TopicFilter, Version};

    use super::*;

    fn key(number: u64) -> SessionKey {
        SessionKey { slot: number as u32, serial: number }
    }

    fn route(number: u64) -> Route {
        Route { key: key(number), options: SubscriptionOptions::plain(QoS::AtMostOnce), id: None }
    }

    fn found(trie: &Trie, topic: &str) -> Vec<u64> {
        let (mut routes, mut shared) = (Vec::new(), Vec::new());
        trie.find(topic, &|share| share.members.first().copied(), &mut routes, &mut shared);
        routes.extend(shared);
        let mut numbers: Vec<u64> = routes.iter().map(|route| route.key.serial).collect();
        numbers.sort_unstable();
        numbers
    }

    // verifies: MQTT-4.7.1-1, MQTT-4.7.2-1, MQTT-4.7.3-4
    #[test]
    fn the_tree_finds_what_the_filters_say() {
        let levels = ["a", "b", "$x", "+", ""];
        let mut dice = Dice::numbered(11);
        for run in 0..60 {
            let mut trie = Trie::default();
            let mut filters: Vec<String> = Vec::new();
            for number in 0..40 {
                let mut parts = vec![levels[dice.below(4) as usize]];
                parts.extend((0..dice.below(3)).map(|_| levels[dice.below(5) as usize]));
                if dice.below(3) == 0 {
                    parts.push("#");
                }
                filters.push(parts.join("/"));
                trie.set(None, &filters[number], route(number as u64));
            }
            for (gone, filter) in filters[..13].iter().enumerate() {
                trie.remove(None, filter, key(gone as u64));
            }
            for _ in 0..200 {
                let mut topic = vec![levels[dice.below(3) as usize]];
                topic.extend((0..dice.below(3)).map(|_| ["a", "b", ""][dice.below(3) as usize]));
                let topic = topic.join("/");
                let matches = |number: &usize| {
                    TopicFilter::parse(&filters[*number], Version::V5).unwrap().matches(&topic)
                };
                let expected: Vec<u64> = (13..40).filter(matches).map(|number| number as u64).collect();
                assert_eq!(found(&trie, &topic), expected, "run {run}: {topic} in {filters:?}");
            }
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_removed() {
        let mut trie = Trie::default();
        let filters = ["a/b/c", "a/+/c", "#", "a/#", "+", "a"];
        for (number, filter) in filters.iter().enumerate() {
            trie.set(None, filter, route(number as u64));
            trie.set(Some("g"), filter, route(number as u64));
        }
        assert_eq!(found(&trie, "a/b/c"), [0, 0, 1, 1, 2, 2, 3, 3]);
        for (number, filter) in filters.iter().enumerate() {
            trie.remove(None, filter, key(number as u64));
            assert!(!trie.is_empty(), "the shared one is left");
        }
        for (number, filter) in filters.iter().enumerate() {
            trie.remove(Some("g"), filter, key(number as u64));
        }
        assert!(trie.is_empty());
    }
}
