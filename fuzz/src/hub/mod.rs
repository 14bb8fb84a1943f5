//! The hub: commands of anybody beside a model of rights, and models of things as their owners bring them.

mod house;
mod thing_model;

use crate::Target;

pub(crate) const TARGETS: &[Target] = &[house::HUB, thing_model::THING_MODEL];
