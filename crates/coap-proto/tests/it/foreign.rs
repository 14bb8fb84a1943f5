//! Other implementations. Filled below.
