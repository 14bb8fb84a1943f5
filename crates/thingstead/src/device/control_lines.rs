//! What a person at the device does, as lines on standard input.
//!
//! Source: decision G 34.

use std::io::{self, BufRead, Read as _};
use std::thread;
use std::time::Duration;

use agent::Control;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// No line that means anything is longer; what is over is skipped.
const LINE_LENGTH_MAX: u64 = 64;
/// Lines that wait for the device; whoever writes more waits.
const LINE_COUNT_MAX: usize = 16;
/// Nobody holds a button longer.
const HELD_SECS_MAX: f64 = 3600.0;

/// The lines that exist.
pub(super) const KNOWN: [&str; 6] = ["button SECONDS", "reboot", "power off", "reset", "garden", "status"];

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A control of the agent.
    Control(Control),
    /// Say how the device stands.
    Status,
    /// Nothing that exists.
    Unknown,
}

impl Line {
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(match words[..] {
            [] => return None,
            ["button", seconds] => {
                held(seconds).map_or(Self::Unknown, |held| Self::Control(Control::Held(held)))
            }
            ["reboot"] => Self::Control(Control::Reboot),
            ["power", "off"] => Self::Control(Control::PowerOff),
            ["reset"] => Self::Control(Control::FactoryReset),
            ["garden"] => Self::Control(Control::AllowWalledGarden),
            ["status"] => Self::Status,
            _ => Self::Unknown,
        })
    }
}

fn held(seconds: &str) -> Option<Duration> {
    let seconds: f64 = seconds.parse().ok()?;
    (0.0..=HELD_SECS_MAX).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
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

    fn lines(input: &[u8]) -> Vec<Line> {
        let (sender, mut receiver) = channel(64);
        read_all(&mut &input[..], &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv()).collect()
    }

    #[test]
    fn every_known_line_is_read() {
        let input = b"button 5\n button  10.5 \nreboot\npower off\r\nreset\ngarden\n\nstatus";
        let controls = [
            Control::Held(Duration::from_secs(5)),
            Control::Held(Duration::from_millis(10_500)),
            Control::Reboot,
            Control::PowerOff,
            Control::FactoryReset,
            Control::AllowWalledGarden,
        ];
        let expected: Vec<Line> = controls.map(Line::Control).into_iter().chain([Line::Status]).collect();
        assert_eq!(lines(input), expected);
    }

    #[test]
    fn what_does_not_exist_is_unknown_once_per_line() {
        let bad: [&[u8]; 9] = [
            b"button",
            b"button five",
            b"button -1",
            b"button NaN",
            b"button inf",
            b"button 1e300",
            b"power",
            b"POWER OFF",
            b"\xff\xfe\x00",
        ];
        for line in bad {
            assert_eq!(lines(line), [Line::Unknown], "{line:?}");
        }
        let long = [&[b'x'; 10_000][..], b"\nstatus\n"].concat();
        assert_eq!(lines(&long), [Line::Unknown, Line::Status]);
        let tail_is_a_word = [&[b' '; 64][..], b"power off\nstatus\n"].concat();
        assert_eq!(lines(&tail_is_a_word), [Line::Unknown, Line::Status]);
    }
}
