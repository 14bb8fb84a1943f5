//! A management system.
