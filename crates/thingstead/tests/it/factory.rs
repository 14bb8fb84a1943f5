//! The identity server and a maker's station: real runs over files, with online servers that the test plays.

mod gateway;
mod identity;
mod maker;
mod offline;
mod side_by_side;
