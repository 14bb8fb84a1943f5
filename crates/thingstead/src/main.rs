//! The one program: every role of Thingstead.

fn main() {}
