//! The room that a played sensor measures: it warms and cools, and never stands still.

use clock::Dice;
use serde_json::{Value, json};

/// Where it turns, tenths of a degree Celsius.
const COLDEST: i64 = 190;
const WARMEST: i64 = 250;
/// Tenths of a degree between two looks, at most.
const STEP_MAX: u64 = 4;

/// A room with a thermometer.
#[derive(Debug)]
pub(super) struct Room {
    tenths: i64,
    is_warming: bool,
}

impl Room {
    /// A room as warm as a property says it is.
    pub(super) fn of(value: &Value) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is bounded before")]
        let tenths = value.as_f64().map(|degrees| (degrees.clamp(-100.0, 100.0) * 10.0).round() as i64);
        Self { tenths: tenths.unwrap_or(COLDEST), is_warming: true }
    }

    /// The temperature now, in degrees Celsius, which is another one than before.
    pub(super) fn measure(&mut self, dice: &mut Dice) -> Value {
        let step = i64::try_from(1 + dice.below(STEP_MAX)).expect("a step is small");
        match self.tenths {
            ..=COLDEST => self.is_warming = true,
            WARMEST.. => self.is_warming = false,
            _ => {}
        }
        self.tenths += if self.is_warming { step } else { -step };
        json!(degrees(self.tenths))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a room has few tenths of a degree")]
fn degrees(tenths: i64) -> f64 {
    tenths as f64 / 10.0
}

/// Whether a value went over a limit between two looks.
pub(super) fn rose_above(limit: Option<&Value>, before: &Value, now: &Value) -> bool {
    let numbers = (limit.and_then(Value::as_f64), before.as_f64(), now.as_f64());
    matches!(numbers, (Some(limit), Some(before), Some(now)) if before <= limit && now > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_changes_with_every_look_and_turns_before_it_freezes_or_boils() {
        let (mut room, mut dice) = (Room::of(&json!(21.5)), Dice::numbered(1));
        let mut before = json!(21.5);
        let mut rises = 0;
        for _ in 0..500 {
            let now = room.measure(&mut dice);
            assert_ne!(now, before);
            let degrees = now.as_f64().unwrap();
            assert!((18.0..26.0).contains(&degrees), "{degrees}");
            rises += usize::from(rose_above(Some(&json!(22)), &before, &now));
            before = now;
        }
        assert!(rises > 3, "it gets too warm now and then: {rises}");
    }

    #[test]
    fn a_limit_is_crossed_upwards_and_once() {
        let limit = json!(22);
        assert!(rose_above(Some(&limit), &json!(22), &json!(22.1)));
        for (before, now) in [(22.1, 22.3), (22.1, 21.9), (21.0, 22.0)] {
            assert!(!rose_above(Some(&limit), &json!(before), &json!(now)), "{before} {now}");
        }
        assert!(!rose_above(None, &json!(1), &json!(2)));
        assert!(!rose_above(Some(&json!("x")), &json!(1), &json!(2)));
    }
}
