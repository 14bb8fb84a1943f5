//! The tests every back end passes.
