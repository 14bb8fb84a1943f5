//! A management system against the genuine authority, called by curl.

mod house;

mod flows;
mod platform;
mod registration;
