//! A management system against the genuine authority, called by curl.

pub(crate) mod house;

mod flows;
mod platform;
mod registration;
