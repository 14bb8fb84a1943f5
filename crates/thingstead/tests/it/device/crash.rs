//! A device killed at any moment: what it acknowledged is there when it comes back.

use clock::Dice;

use super::authority::Authority;
use super::program::Made;

const KILLS: usize = 40;

// Each `reset` line is two writes with an erasure between them.
// verifies: ASSURE-14.7-08
#[test]
fn ts_m14_a_device_killed_while_it_writes_never_falls_behind_what_it_acknowledged() {
    let made = Made::p256(&Authority::new(1), 1);
    let mut dice = Dice::numbered(21);
    let (mut acknowledged, mut interrupted) = (1, 0);
    for _ in 0..KILLS {
        let mut device = made.run(9);
        let loaded = device.wait_for("listening")["write"].as_u64().unwrap();
        assert!(loaded >= acknowledged, "{loaded} after {acknowledged} was acknowledged");
        acknowledged = loaded;
        device.wait_for("started");
        let (lines, heard) = (1 + dice.below(30), dice.below(8));
        for _ in 0..lines {
            device.tell("reset");
        }
        for _ in 0..heard {
            if device.heard("persisted") as u64 >= 2 * lines {
                break;
            }
            acknowledged = acknowledged.max(device.wait_for("persisted")["write"].as_u64().unwrap());
        }
        // it is at work on the other lines
        device.kill();
        device.ended();
        interrupted += usize::from((device.heard("persisted") as u64) < 2 * lines);
        let said = device.seen.iter().filter_map(|said| said["write"].as_u64());
        acknowledged = said.fold(acknowledged, u64::max);
    }
    assert!(interrupted > KILLS / 4, "only {interrupted} kills came before the device was done");
    let status = made.status();
    assert!(status["write"].as_u64().unwrap() >= acknowledged);
    assert_eq!(status["device"], made.uuid.to_string());
    // an erasure that was cut off is finished at the next start
    let mut device = made.run(9);
    device.wait_for("bootstrap-begun");
    device.tell("power off");
    assert!(device.ended().success());
    assert_eq!(made.status()["erase_pending"], false);
}
