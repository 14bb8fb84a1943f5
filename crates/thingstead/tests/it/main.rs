//! The program as people and other programs use it: its processes, files, lines and exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up is to fail at that line")]

mod authority;
mod bench;
mod clocks;
mod demo;
mod device;
mod factory;
mod floods;
mod full_disk;
mod going_on;
mod kill;
mod numbers;
mod old_owner;
mod operator;
mod pipes;
mod readme;
mod smart;
mod tree;
mod typed_secrets;
