//! What a person at a smart device does, as lines on standard input.

use std::io::{self, BufRead, Read as _};
use std::path::PathBuf;
use std::thread;

use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Longer lines mean nothing; what is over is skipped.
const LINE_LENGTH_MAX: u64 = 64 * 1024;
/// Lines that wait for the device; whoever writes more waits.
const LINE_COUNT_MAX: usize = 16;

/// The lines that exist.
pub(super) const KNOWN: [&str; 12] = [
    "set NAME JSON",
    "event NAME (JSON)",
    "refuse on|off",
    "child SERIAL on|off|gone",
    "child SERIAL set NAME JSON",
    "child SERIAL event NAME (JSON)",
    "bring PATH",
    "fetch FILE PATH",
    "enrol",
    "status",
    "power off",
    "help",
];

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// Give a property this value.
    Set(String, Value),
    /// Raise an event.
    Event(String, Value),
    /// Refuse what the platform asks, or do it again.
    Refuse(bool),
    /// A sub-device comes, goes offline (`Some(false)`) or is no more (`None`).
    Child(String, Option<bool>),
    /// [`Line::Set`] or [`Line::Event`] at a sub-device.
    AtChild(String, Box<Self>),
    /// Bring this file to the platform.
    Bring(PathBuf),
    /// Fetch the file with this id from the platform to this path.
    Fetch(String, PathBuf),
    /// Enrol with the code of the label once more.
    Enrol,
    /// Say how the device stands.
    Status,
    /// Switch off.
    PowerOff,
    /// Nothing that exists.
    Unknown,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let value = value.trim();
        Some(match (verb, name) {
            ("", _) => return None,
            ("set", name) => json(value).map_or(Self::Unknown, |value| Self::Set(name.to_owned(), value)),
            ("event", "") => Self::Unknown,
            ("event", name) if value.is_empty() => Self::Event(name.to_owned(), Value::Null),
            ("event", name) => json(value).map_or(Self::Unknown, |value| Self::Event(name.to_owned(), value)),
            ("refuse", "on") => Self::Refuse(true),
            ("refuse", "off") => Self::Refuse(false),
            ("child", serial) => match value {
                "on" => Self::Child(serial.to_owned(), Some(true)),
                "off" => Self::Child(serial.to_owned(), Some(false)),
                "gone" => Self::Child(serial.to_owned(), None),
                other => match Self::read(other) {
                    Some(line @ (Self::Set(..) | Self::Event(..))) => {
                        Self::AtChild(serial.to_owned(), Box::new(line))
                    }
                    _ => Self::Unknown,
                },
            },
            ("bring", name) if !name.is_empty() => Self::Bring(rest.into()),
            ("fetch", file) if !value.is_empty() => Self::Fetch(file.to_owned(), value.into()),
            ("enrol", "") => Self::Enrol,
            ("status", "") => Self::Status,
            ("power", "off") => Self::PowerOff,
            _ => Self::Unknown,
        })
    }
}

fn json(text: &str) -> Option<Value> {
    osap_things::read_json(text.as_bytes()).ok()
}

/// Reads standard input on a thread of its own, which ends with the input or with the process.
pub(super) fn listen() -> Receiver<Line> {
    let (sender, receiver) = channel(LINE_COUNT_MAX);
    thread::spawn(move || {
        read_all(&mut io::stdin().lock(), &sender);
        crate::leash::input_ended();
    });
    receiver
}

fn read_all(input: &mut impl BufRead, sender: &Sender<Line>) {
    let mut bytes = Vec::new();
    let mut is_tail = false;
    loop {
        bytes.clear();
        let read = input.by_ref().take(LINE_LENGTH_MAX).read_until(b'\n', &mut bytes);
        if !read.is_ok_and(|length| length > 0) {
            return;
        }
        let was_tail = is_tail;
        is_tail = bytes.last() != Some(&b'\n') && bytes.len() as u64 == LINE_LENGTH_MAX;
        let line = match is_tail {
            _ if was_tail => None,
            true => Some(Line::Unknown),
            false => Line::read(&String::from_utf8_lossy(&bytes)),
        };
        if line.is_some_and(|line| sender.blocking_send(line).is_err()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_known_line_is_read() {
        for (text, line) in [
            ("set autoLockSeconds 9", Line::Set("autoLockSeconds".into(), json!(9))),
            ("  set a {\"b\": [1, 2]} \r", Line::Set("a".into(), json!({ "b": [1, 2] }))),
            ("event tampered", Line::Event("tampered".into(), Value::Null)),
            (
                "event doorOpened {\"by\": \"key 7\"}",
                Line::Event("doorOpened".into(), json!({ "by": "key 7" })),
            ),
            ("refuse on", Line::Refuse(true)),
            ("refuse off", Line::Refuse(false)),
            ("child C-1 on", Line::Child("C-1".into(), Some(true))),
            ("child C-1 off", Line::Child("C-1".into(), Some(false))),
            ("child C-1 gone", Line::Child("C-1".into(), None)),
            (
                "child C-1 set on true",
                Line::AtChild("C-1".into(), Box::new(Line::Set("on".into(), json!(true)))),
            ),
            (
                "child C-1 event fell",
                Line::AtChild("C-1".into(), Box::new(Line::Event("fell".into(), Value::Null))),
            ),
            ("bring /clips/the door.mp4", Line::Bring("/clips/the door.mp4".into())),
            ("fetch 51f0 new names.txt", Line::Fetch("51f0".into(), "new names.txt".into())),
            ("enrol", Line::Enrol),
            ("status", Line::Status),
            ("power off", Line::PowerOff),
        ] {
            assert_eq!(Line::read(text), Some(line), "{text}");
        }
        assert_eq!(Line::read("  "), None);
        for text in [
            "help",
            "set a",
            "set a nonsense",
            "event",
            "event a {",
            "bring",
            "fetch 51f0",
            "child x",
            "child x child y on",
            "power on",
            "enrol x",
        ] {
            assert_eq!(Line::read(text), Some(Line::Unknown), "{text}");
        }
    }

    #[test]
    fn an_endless_line_is_one_unknown_line() {
        let (sender, mut receiver) = channel(8);
        let long = [vec![b'x'; 200_000], b"\nstatus\n".to_vec()].concat();
        read_all(&mut &long[..], &sender);
        drop(sender);
        let lines: Vec<Line> = std::iter::from_fn(|| receiver.blocking_recv()).collect();
        assert_eq!(lines, [Line::Unknown, Line::Status]);
    }
}
