//! Whose a topic is.

/// Whose a topic or filter is, by its first level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of the namespace: any client of the same owner may use it.
    Free,
    /// `things/...`: of the hub, which asks consent.
    Things,
    /// `$...` and `/iot/...`: of the server.
    Reserved,
}

impl Place {
    /// Of a topic name or a filter (behind the name of a share). Wildcards on the first levels reach free topics
    /// only: the others are not in the namespace.
    #[must_use]
    pub fn of(topic: &str) -> Self {
        if topic.starts_with('$') || topic == "/iot" || topic.starts_with("/iot/") {
            return Self::Reserved;
        }
        if topic == "things" || topic.starts_with("things/") { Self::Things } else { Self::Free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_levels_say_whose_a_topic_is() {
        for free in ["a", "iot/x", "/", "//iot/x", "/iotx", "thing", "thingsx/1", "a/$b", "#", "+/iot", "/#"]
        {
            assert_eq!(Place::of(free), Place::Free, "{free}");
        }
        for things in ["things", "things/", "things/1/state", "things/#", "things/+/x"] {
            assert_eq!(Place::of(things), Place::Things, "{things}");
        }
        for reserved in ["$SYS/x", "$", "$share/x", "/iot", "/iot/serial/x", "/iot/#", "/iot/+/x"] {
            assert_eq!(Place::of(reserved), Place::Reserved, "{reserved}");
        }
    }
}
