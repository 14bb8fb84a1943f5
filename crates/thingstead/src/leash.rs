//! A process that ends with the one that started it, however that one ended.
//!
//! The starter holds the writing end of a pipe on its child's standard input. The operating system closes it
//! with the starter, also when that was killed; the child reads the end and goes, as by a loss of power.

use std::io::Read as _;
use std::process::Command;

/// Set for children on a leash.
const VARIABLE: &str = "THINGSTEAD_ENDS_WITH_ITS_INPUT";
/// As a program ends that was asked to terminate: 128 and SIGTERM.
const ENDED: i32 = 143;

/// Puts a child on the leash; its standard input is to be a pipe.
pub(crate) fn put_on(command: &mut Command) {
    command.env(VARIABLE, "1");
}

/// Whether this process is on one.
fn is_on() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Ends this process when it is on a leash: its standard input has ended.
pub(crate) fn input_ended() {
    if is_on() {
        std::process::exit(ENDED);
    }
}

/// Watches the standard input of a process that reads nothing from it.
pub(crate) fn watch() {
    if is_on() {
        std::thread::spawn(|| {
            let mut input = std::io::stdin().lock();
            let mut ignored = [0; 64];
            while matches!(input.read(&mut ignored), Ok(1..)) {}
            input_ended();
        });
    }
}
