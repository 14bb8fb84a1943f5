//! The authority's rules over a store in memory.

mod bootstrap;
mod owners;
mod world;
