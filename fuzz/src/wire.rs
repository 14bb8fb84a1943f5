//! The byte cursor and builder.

use wire::{Builder, Cursor};

use crate::rules::{points_into, reached};
use crate::script::Script;
use crate::{Reached, Target};

pub(crate) const TARGETS: &[Target] = &[Target {
    name: "wire",
    about: "reads of the byte cursor and writes of the builder, by a list of operations",
    length_max: 4096,
    run,
    seeds: || vec![vec![3, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], vec![200; 64], (0..=255).collect()],
}];

/// Each byte names a read of the whole input; what was read is written again and must be the same.
fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut cursor = Cursor::new(input);
    let mut builder = Builder::with_limit(2 * input.len());
    let mut reads = 0;
    while !script.is_empty() {
        let before = cursor.offset();
        let outcome = match script.u8() % 9 {
            0 => cursor.u8().map(|value| builder.u8(value).is_ok()),
            1 => cursor.u16().map(|value| builder.u16(value).is_ok()),
            2 => cursor.u24().map(|value| builder.put(&value.to_be_bytes()[1..]).is_ok()),
            3 => cursor.u32().map(|value| builder.u32(value).is_ok()),
            4 => cursor.u48().map(|value| builder.put(&value.to_be_bytes()[2..]).is_ok()),
            5 => cursor.u64().map(|value| builder.put(&value.to_be_bytes()).is_ok()),
            6 => cursor.vec8().map(|value| builder.vec8(value).is_ok()),
            7 => cursor.vec16().map(|value| builder.vec16(value).is_ok()),
            _ => cursor.vec24().map(|value| builder.vec24(value).is_ok()),
        };
        match outcome {
            Ok(written) => {
                assert!(written, "what was read fits");
                reads += 1;
            }
            Err(error) => {
                points_into(input, error);
                // A failed read of a length and its bytes may have taken the length.
                let taken = before..cursor.offset();
                builder.put(&input[taken]).expect("what was taken fits");
            }
        }
        assert!(cursor.offset() >= before && cursor.offset() + cursor.rest().len() == input.len());
        assert_eq!(builder.as_slice(), &input[..cursor.offset()], "read and written differ");
    }
    reached(reads > 0)
}
