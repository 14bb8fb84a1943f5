//! Topic names, filters, and what matches.

use mqtt_proto::{TopicFilter, Version, is_topic_name};

// verifies: MQTT-4.7.0-1, MQTT-4.7.3-1, MQTT-4.7.3-2, MQTT-4.7.3-3, MQTT311-4.7.3-1, MQTT311-4.7.3-2,
// MQTT311-4.7.3-3
#[test]
fn topic_names_have_no_wildcards_and_a_length() {
    for name in ["/", "a", "a/b", "$SYS/x", " ", "ä/漢", "a//b"] {
        assert!(is_topic_name(name), "{name}");
    }
    for name in ["", "+", "#", "a/+", "a#", "a\0b"] {
        assert!(!is_topic_name(name), "{name:?}");
    }
    assert!(is_topic_name(&"x".repeat(65_535)) && !is_topic_name(&"x".repeat(65_536)));
    let parse = |length| TopicFilter::parse(&"x".repeat(length), Version::V5).is_some();
    assert!(parse(65_535) && !parse(65_536));
}

// verifies: MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.8.2-1, MQTT-4.8.2-2, MQTT311-4.7.1-2, MQTT311-4.7.1-3
#[test]
fn wildcards_stand_alone_and_hash_at_the_end() {
    for filter in ["#", "+", "a/#", "+/#", "/+", "+/", "a/+/b", "//", "$SYS/#", "$share", "$shared/a"] {
        assert!(TopicFilter::parse(filter, Version::V5).is_some(), "{filter}");
    }
    for filter in ["", "a#", "#/", "a/#/b", "a+", "+a", "a/b+/c", "##", "++", "a\0"] {
        assert!(TopicFilter::parse(filter, Version::V5).is_none(), "{filter:?}");
        assert!(TopicFilter::parse(filter, Version::V3_1_1).is_none(), "{filter:?}");
    }
    let shared = TopicFilter::parse("$share/group/a/+/#", Version::V5).unwrap();
    assert_eq!((shared.share(), shared.filter(), shared.has_wildcard()), (Some("group"), "a/+/#", true));
    let plain = TopicFilter::parse("$share/group/a", Version::V3_1_1).unwrap();
    assert_eq!((plain.share(), plain.filter()), (None, "$share/group/a"), "3.1.1 knows no shares");
    for filter in
        ["$share/", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/#/a", "$share/g/a#"]
    {
        assert!(TopicFilter::parse(filter, Version::V5).is_none(), "{filter}");
    }
}

// verifies: MQTT-4.7.2-1, MQTT-4.7.3-4, MQTT-3.10.4-1, MQTT311-4.7.2-1, MQTT311-4.7.3-4
#[test]
fn filters_match_level_by_level_and_byte_by_byte() {
    let cases = [
        ("a/b/c", "a/b/c", true),
        ("a/b/#", "a/b", true),
        ("a/b/#", "a/b/c/d", true),
        ("a/b/#", "a/bc", false),
        ("#", "a/b", true),
        ("#", "/", true),
        ("a/+", "a/b", true),
        ("a/+", "a", false),
        ("a/+", "a/", true),
        ("a/+", "a/b/c", false),
        ("+", "a", true),
        ("+", "/a", false),
        ("+/+", "/a", true),
        ("/+", "/a", true),
        ("+/a/#", "x/a", true),
        ("#", "$SYS/x", false),
        ("+/x", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/+", "$SYS/x", true),
        ("a/B", "a/b", false),
        ("caf\u{e9}", "cafe\u{301}", false),
        ("a", "a/", false),
        ("a/", "a", false),
    ];
    for (filter, topic, is_match) in cases {
        let parsed = TopicFilter::parse(filter, Version::V5).unwrap();
        assert_eq!(parsed.matches(topic), is_match, "{filter} {topic}");
    }
    let shared = TopicFilter::parse("$share/g/a/+", Version::V5).unwrap();
    assert!(shared.matches("a/b") && !shared.matches("$share/g/a/b"));
}
