//! Standard output as a device uses it: one line per event, never waiting for whoever reads.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait to be read. Beyond: dropped and counted; the count is said when there is room.
const LINE_COUNT_MAX: usize = 1024;
/// How long the end waits for lines that nobody reads.
const FLUSH_TIME_MAX: Duration = Duration::from_millis(200);

/// What is said: an event's name, its fields, and the same as a sentence.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) event: &'static str,
    pub(super) fields: Vec<(&'static str, serde_json::Value)>,
    pub(super) sentence: String,
}

impl Said {
    pub(super) fn new(event: &'static str, sentence: impl Into<String>) -> Self {
        Self { event, fields: Vec::new(), sentence: sentence.into() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn line(&self, json: bool) -> String {
        if !json {
            return format!("{}\n", self.sentence);
        }
        let event = ("event".to_owned(), self.event.into());
        let fields = self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let document: serde_json::Map<String, serde_json::Value> =
            [event].into_iter().chain(fields).collect();
        format!("{}\n", serde_json::Value::Object(document))
    }
}

/// The way out for events.
pub(crate) struct Voice {
    json: bool,
    lines: SyncSender<String>,
    lost: AtomicU64,
    ended: Receiver<()>,
}

impl Voice {
    /// Starts the thread that writes; it ends with the voice.
    pub(crate) fn start(json: bool) -> Self {
        Self::onto(json, LINE_COUNT_MAX, io::stdout())
    }

    fn onto(json: bool, count_max: usize, mut out: impl Write + Send + 'static) -> Self {
        let (lines, receiver) = sync_channel::<String>(count_max);
        let (end, ended) = channel::<()>();
        thread::spawn(move || {
            for line in receiver {
                if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                    // nobody reads any more; the device goes on
                    break;
                }
            }
            drop(end);
        });
        Self { json, lines, lost: AtomicU64::new(0), ended }
    }

    /// Says one thing.
    pub(super) fn say(&self, said: &Said) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let notice = Said::new("lost", format!("{lost} lines were lost")).with("count", lost);
            if !self.send(notice.line(self.json)) {
                self.lost.fetch_add(lost + 1, Ordering::Relaxed);
                return;
            }
        }
        if !self.send(said.line(self.json)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, line: String) -> bool {
        !matches!(self.lines.try_send(line), Err(TrySendError::Full(_)))
    }

    /// Lets the last lines out.
    pub(crate) fn finish(self) {
        drop(self.lines);
        let _all_out_or_given_up = self.ended.recv_timeout(FLUSH_TIME_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    /// Shows each line, then waits for permission to have written it.
    struct Slow(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_who_reads_slowly_holds_the_device_up_and_what_was_lost_is_counted() {
        let (permit, permits) = channel();
        let (begun, seen) = channel();
        let voice = Voice::onto(true, 2, Slow(permits, begun));
        let word = |n: u64| Said::new("word", "word").with("n", n);
        voice.say(&word(0));
        assert_eq!(seen.recv().unwrap(), b"{\"event\":\"word\",\"n\":0}\n");
        // one line is on its way out, two wait, seven are lost
        for n in 1..10 {
            voice.say(&word(n));
        }
        for n in 1..3 {
            permit.send(()).unwrap();
            assert_eq!(seen.recv().unwrap(), format!("{{\"event\":\"word\",\"n\":{n}}}\n").into_bytes());
        }
        voice.say(&word(10));
        permit.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), b"{\"count\":7,\"event\":\"lost\"}\n");
        permit.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), b"{\"event\":\"word\",\"n\":10}\n");
    }

    #[test]
    fn a_closed_output_is_no_reason_to_stop() {
        let (permit, permits) = channel::<()>();
        drop(permit);
        let voice = Voice::onto(false, 2, Slow(permits, channel().0));
        for _ in 0..100 {
            voice.say(&Said::new("word", "word"));
        }
        voice.finish();
    }
}
