//! Topic names and topic filters.

use super::Version;

/// Whether `text` is a topic name: not empty, without wildcards, at most 65,535 bytes, no null character.
///
/// Source: MQTT 5.0 section 4.7.
#[must_use]
pub fn is_topic_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= usize::from(u16::MAX)
        && !text.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

/// A valid topic filter, perhaps of a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicFilter<'a> {
    share: Option<&'a str>,
    filter: &'a str,
}

impl<'a> TopicFilter<'a> {
    /// Reads a filter as `version` does: `$share/` means something in 5.0 only.
    ///
    /// `None`: it is empty or too long, a wildcard does not stand alone on its level, `#` is not last, or a
    /// share lacks its name or its filter. Source: MQTT 5.0 sections 4.7 and 4.8.2.
    #[must_use]
    pub fn parse(text: &'a str, version: Version) -> Option<Self> {
        if text.len() > usize::from(u16::MAX) {
            return None;
        }
        let shared = (version == Version::V5).then(|| text.strip_prefix("$share/")).flatten();
        let (share, filter) = match shared {
            Some(rest) => rest.split_once('/').map(|(name, filter)| (Some(name), filter))?,
            None => (None, text),
        };
        if share.is_some_and(|name| name.is_empty() || name.contains(['+', '#'])) {
            return None;
        }
        is_filter(filter).then_some(Self { share, filter })
    }

    /// The name of the share, if the subscription is shared.
    #[must_use]
    pub const fn share(&self) -> Option<&'a str> {
        self.share
    }

    /// What topics are compared with; behind the name of the share if there is one.
    #[must_use]
    pub const fn filter(&self) -> &'a str {
        self.filter
    }

    /// Whether it has a wildcard.
    #[must_use]
    pub fn has_wildcard(&self) -> bool {
        self.filter.contains(['+', '#'])
    }

    /// Whether `topic` matches, byte for byte and without any normalisation.
    ///
    /// A wildcard on the first level does not match topics that begin with `$`. Source: MQTT 5.0 section 4.7.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.filter.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

fn is_filter(text: &str) -> bool {
    let mut levels = text.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        match level {
            "#" if !is_last => return false,
            "#" | "+" => {}
            plain if plain.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0)) => return false,
            _ => {}
        }
    }
    !text.is_empty()
}
