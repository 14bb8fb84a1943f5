//! Many histories, each held against the model.

mod histories;
