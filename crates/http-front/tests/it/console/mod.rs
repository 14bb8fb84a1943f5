//! People at the console, with curl as their browser.

mod people;

mod claims;
mod doors;
mod rights;
mod sessions;
mod watching;
