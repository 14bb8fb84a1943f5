//! A management system's rules over a store in memory.
