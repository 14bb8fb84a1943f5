//! Lines on standard output, whose reader may have enough at any time.

use std::fmt::Display;
use std::io::Write as _;

/// As a program ends that the operating system stops for writing to nobody: 128 and SIGPIPE.
const NOBODY_READS: i32 = 141;
/// As for any file that cannot be written.
const UNWRITABLE: i32 = 1;

/// Writes one line. When nobody reads any more (`| head`), the program ends without a word: what it did is
/// stored, and a later run continues.
pub(crate) fn print_line(text: impl Display) {
    match write_line(text) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(NOBODY_READS),
        Err(error) => {
            eprintln!("standard output cannot be written: {error}");
            std::process::exit(UNWRITABLE);
        }
    }
}

/// Writes one line of a program that goes on, whether anybody reads it or not.
pub(crate) fn mention(text: impl Display) {
    if let Err(error) = write_line(text) {
        tracing::debug!(%error, "standard output cannot be written");
    }
}

fn write_line(text: impl Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush())
}
