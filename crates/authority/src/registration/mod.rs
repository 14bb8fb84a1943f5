//! The registration server: knows who owns what, and signs owner data.

mod ownership;

pub use ownership::{
    CHANGE_COUNT_MAX, CHANGE_WINDOW, OperationId, OwnerRequest, Ownership, PendingChange, Receiver, Ruling,
};
