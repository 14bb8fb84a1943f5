//! Fuzz targets: one for each decoder and each machine, in one library and one program.
//!
//! A target takes any bytes and asserts what must hold whatever they are: no panic, refusals that point
//! into the input, memory in proportion to the input, one form for each value, and the rules of machines.
//! Each brings the seeds it starts from; at least one of them must be accepted, else the target would only
//! ever see refusals. Source: docs/fuzzing.md, ADR 0056.

mod agent;
mod assure;
mod broker;
mod certificate;
mod coap;
mod crypto;
mod dtls;
mod hub;
mod json;
mod memory;
mod mqtt;
mod osap;
mod osap_front;
mod records;
mod rules;
mod script;
mod vectors;
mod wire;
mod world;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// It was refused, as most are.
    Refused,
    /// It was taken, or brought a machine to where it works.
    Accepted,
}

/// One thing to fuzz.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line and of its corpus.
    pub name: &'static str,
    /// What is fed, in a few words.
    pub about: &'static str,
    /// Longest input that makes sense, in bytes.
    pub length_max: usize,
    /// Feeds one input; panics when something that must hold does not.
    pub run: fn(&[u8]) -> Reached,
    /// Inputs to start from, the same at every call.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({})", self.name)
    }
}

/// Every target, in the order of the layers.
#[must_use]
pub fn targets() -> Vec<Target> {
    [
        wire::TARGETS,
        crypto::TARGETS,
        assure::TARGETS,
        json::TARGETS,
        certificate::TARGETS,
        records::TARGETS,
        coap::TARGETS,
        dtls::TARGETS,
        mqtt::TARGETS,
        broker::TARGETS,
        osap::TARGETS,
        osap_front::TARGETS,
        hub::TARGETS,
        agent::TARGETS,
    ]
    .concat()
}

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}
