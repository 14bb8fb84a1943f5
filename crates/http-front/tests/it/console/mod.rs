//! People at the console, with curl as their browser.

mod people;

mod claims;
mod clients;
mod described;
mod doors;
mod file_channel;
mod polls;
mod records;
mod rights;
mod same_answer;
pub(crate) mod schema;
mod sessions;
mod things;
mod watching;
