//! The DTLS machine against itself, against a hostile network and against foreign stacks.

mod foreign;
mod hostile;
mod keyed;
mod pair;
mod psk;
mod resumption;
mod strangers;
