//! The device's agent: its stored state, and the machine under datagrams and its platform.

mod machine;
mod peers;
mod platform;

use agent::Agent;
use clock::{Dice, Moment, Now};
use crypto_server::Server;
use std::sync::Arc;

use crate::rules::{bounded, points_into};
use crate::{Reached, Target};

pub(crate) const TARGETS: &[Target] = &[STATE, machine::AGENT, machine::API];

const STATE: Target = Target {
    name: "agent_state",
    about: "Agent::start with a stored state, and an hour of the device's life",
    length_max: 8192,
    run: state,
    seeds: || [false, true].into_iter().flat_map(peers::states).collect(),
};

fn state(input: &[u8]) -> Reached {
    let now = Now::without_utc(Moment::from_micros(1_000_000));
    let start = |stored: &[u8]| {
        Agent::start(stored, &agent::Settings::default(), Arc::new(Server), Dice::numbered(3), now)
    };
    let started = match bounded(input, start) {
        Ok(started) => started,
        Err(agent::StartError::Malformed(error)) => {
            points_into(input, error);
            return Reached::Refused;
        }
        Err(agent::StartError::Key(_)) => return Reached::Refused,
    };
    let first = started.snapshot();
    // What does not last is left out, so the first snapshot may differ from what was stored; later ones not.
    let again = start(first.expose()).expect("a snapshot is a state").snapshot();
    assert_eq!(again, first, "one state has two forms");
    let mut platform = platform::Platform::new(started, now.moment);
    platform.settle();
    for _ in 0..40 {
        platform.pass_to_deadline();
    }
    Reached::Accepted
}
