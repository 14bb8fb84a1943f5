//! Processes killed at random points of the demo's life, each started again at once.
//!
//! Which steps are struck is drawn from a seed before the life begins: for each kill the number of a step, how
//! long after its beginning, and who. The times between processes are not drawn, so a seed gives the same
//! kills at about, not exactly, the same moments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clock::Dice;
use serde_json::{Value, json};

use super::stage::Company;

/// Steps among which the kills are spread: as many as the life has.
const STEP_COUNT: u64 = 64;
/// A kill comes at most so long after its step began.
const DELAY_MILLIS_MAX: u64 = 400;
/// Half of them come within this time: most commits are made then.
const DELAY_MILLIS_SOON: u64 = 60;

/// One kill, as it was drawn.
#[derive(Clone, Debug)]
struct Kill {
    step: usize,
    victim: u64,
    delay: Duration,
}

/// The way to the thread that kills, and the thread.
type Orders = (Sender<(Kill, String)>, JoinHandle<()>);

/// What kills.
#[derive(Debug)]
pub(crate) struct Peril {
    seed: u64,
    plan: Vec<Kill>,
    steps: AtomicUsize,
    repeated: AtomicUsize,
    pressed: AtomicUsize,
    orders: Mutex<Option<Orders>>,
    killed: Arc<Mutex<Vec<Value>>>,
}

impl Peril {
    /// Draws `kills` kills from `seed`.
    pub(crate) fn begin(seed: u64, kills: usize, company: Company) -> Self {
        let (sender, orders) = channel();
        let killed = Arc::default();
        let record = Arc::clone(&killed);
        let thread = thread::spawn(move || obey(&orders, &company, &record));
        Self {
            seed,
            plan: draw(seed, kills),
            steps: AtomicUsize::new(0),
            repeated: AtomicUsize::new(0),
            pressed: AtomicUsize::new(0),
            orders: Mutex::new(Some((sender, thread))),
            killed,
        }
    }

    /// A step of the life begins: the kills that were drawn for it are on their way.
    pub(crate) fn step_begins(&self, what: &str) {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((sender, _)) = &*orders else { return };
        for kill in self.plan.iter().filter(|kill| kill.step == step) {
            // The thread ends with its line only.
            if sender.send((kill.clone(), what.to_owned())).is_err() {}
        }
    }

    /// A command that had failed is run again.
    pub(crate) fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    /// A device that had been silent for long was switched off and on.
    pub(crate) fn pressed(&self) {
        self.pressed.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the killing; whoever was killed last has been started again.
    pub(crate) fn end(&self) {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = orders {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the thread that kills ended early");
            }
        }
    }

    /// What was done, for whoever reads the outcome.
    pub(crate) fn to_json(&self) -> Value {
        let killed = self.killed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        json!({
            "seed": self.seed, "steps": count(&self.steps), "killed": killed,
            "repeated": count(&self.repeated), "pressed": count(&self.pressed),
        })
    }
}

fn draw(seed: u64, kills: usize) -> Vec<Kill> {
    let mut dice = Dice::numbered(seed);
    let mut one = || {
        let step = usize::try_from(dice.below(STEP_COUNT)).expect("a step's number is small");
        let (victim, is_soon) = (dice.below(u64::MAX), dice.below(2) == 0);
        let bound = if is_soon { DELAY_MILLIS_SOON } else { DELAY_MILLIS_MAX };
        Kill { step, victim, delay: Duration::from_millis(dice.below(bound)) }
    };
    (0..kills).map(|_| one()).collect()
}

fn obey(orders: &Receiver<(Kill, String)>, company: &Company, record: &Mutex<Vec<Value>>) {
    for (kill, step) in orders {
        thread::sleep(kill.delay);
        let alive = company.on_stage();
        let Some(count) = u64::try_from(alive.len()).ok().filter(|count| *count > 0) else { continue };
        let at = usize::try_from(kill.victim % count).expect("it is below a length");
        let victim = &alive[at];
        let (after, name) = (kill.delay.as_millis(), &victim.name);
        let outcome = match victim.restart() {
            Ok(true) => "killed",
            Ok(false) => "ended before",
            Err(failure) => {
                eprintln!("{name} could not be started again: {failure}");
                "not started again"
            }
        };
        eprintln!(
            "         {outcome}: {name}, {after} ms after the beginning of step {} ({step})",
            kill.step
        );
        let entry = json!({ "step": kill.step, "at": step, "after_millis": u64::try_from(after).ok(), "who": name, "outcome": outcome });
        record.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_kills_again_and_another_draws_others() {
        let told = |seed| -> Vec<(usize, u64, Duration)> {
            draw(seed, 20).into_iter().map(|kill| (kill.step, kill.victim, kill.delay)).collect()
        };
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
        assert!(told(7).iter().all(|(step, _, delay)| *step < 64 && *delay < Duration::from_millis(400)));
    }
}
