//! The DTLS machine against itself, against a hostile network and against foreign stacks.

mod foreign;
mod keyed;
mod pair;
mod psk;
