//! Back to the factory, except for the memory of owners.

use std::path::Path;
use std::sync::Arc;

use agent::{Agent, Control, Output, Settings};
use crypto::Provider;
use net::now::Clock;
use net::seed;

use super::sealed_state::SealedState;
use super::user_data::UserData;
use crate::failure::{Failure, Outcome};

/// Resets a device that is switched off: keys, channels, parameters and user data go, what it remembers of
/// owners stays, so an earlier owner's image is refused as before.
///
/// # Errors
/// `state-in-use` when the device runs, and those of its folders. Cut off at any point, the device finishes
/// the erasure at its next start.
/// Source: TS-M13, TS-M14; row ASSURE-9.1-03.
pub(crate) fn reset(folder: &Path, data: Option<&Path>, provider: &Arc<dyn Provider>) -> Outcome {
    let (mut state, stored) = SealedState::open(folder, provider)?;
    let data = UserData::of(folder, data)?;
    let clock = Clock::start();
    let dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
    let settings = Settings::default();
    let mut agent = Agent::start(stored.expose(), &settings, Arc::clone(provider), dice, clock.now())
        .map_err(|error| Failure::new("state-damaged", folder.display().to_string()).because(error))?;
    // an erasure that was cut off comes first
    drain(&mut agent, &mut state, &data, clock)?;
    agent.control(Control::FactoryReset, clock.now());
    drain(&mut agent, &mut state, &data, clock)?;
    state.forget_earlier()
}

/// Does what concerns the folders; there is no network here.
fn drain(agent: &mut Agent, state: &mut SealedState, data: &UserData, clock: Clock) -> Outcome {
    while let Some(output) = agent.next_output() {
        match output {
            Output::Persist { number, bytes } => {
                state.write(&bytes)?;
                agent.persisted(number, clock.now());
            }
            Output::Erase => {
                data.erase()?;
                state.forget_earlier()?;
                agent.erased(clock.now());
            }
            Output::Transmit { .. }
            | Output::Resolve { .. }
            | Output::Event(_)
            | Output::Reboot
            | Output::PowerOff => {}
        }
    }
    Ok(())
}
