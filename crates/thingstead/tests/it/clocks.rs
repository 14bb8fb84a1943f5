//! Clocks that stand wrong: servers and a device that believe in another year let no earlier owner in, and go on
//! as before when their clocks are right again.

use std::path::{Path, PathBuf};
use std::process::Command;

use crypto::Secret;

use crate::demo::PROGRAM;
use crate::demo::secrets::read_label;
use crate::device::program::Run;
use crate::going_on::{World, serving};
use crate::old_owner::former::{Former, asks_everything};

/// Stands between a program and the clock of the operating system, and adds what it is told.
const SHIFT: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long done = syscall(SYS_clock_gettime, clock, now);
    const char *secs = getenv("CLOCK_SHIFT_SECS");
    if (done == 0 && secs && clock == CLOCK_REALTIME)
        now->tv_sec += atoll(secs);
    return (int)done;
}
"#;
const YEAR_SECS: i64 = 31_556_952;
/// Before the year in which the standard's time begins, and after whatever is issued today has ended.
const SHIFTS: [i64; 2] = [-20 * YEAR_SECS, 70 * YEAR_SECS];

/// The library, unless none can be built here.
fn shift_library(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("shift.c"), folder.join("shift.so"));
    std::fs::write(&source, SHIFT).unwrap();
    let mut compiler = Command::new("cc");
    let built = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
    if built.is_ok_and(|built| built.status.success()) {
        return Some(library);
    }
    println!("skipped: no C compiler builds what shifts the clock");
    assert!(std::env::var_os("CI").is_none(), "a C compiler is needed here");
    None
}

/// The program under a clock that is so far off.
fn program_at(library: &Path, secs: i64) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("LD_PRELOAD", library).env("CLOCK_SHIFT_SECS", secs.to_string());
    command
}

pub(super) fn switch_on(world: &World, device: &str, command: Command) -> Run {
    let state = world.path(&format!("devices/{device}"));
    let resolve = format!("4294901761={}", world.address("bootstrap", "devices"));
    let words = ["--resolve", &resolve, "--retry-base", "0.2", "--data", &format!("{state}/data"), "--jsonl"];
    Run::start_as(command, state.as_ref(), &words)
}

// verifies: TS-H4
#[test]
fn wrong_clocks_let_no_earlier_owner_in_and_everything_goes_on_when_they_are_right() {
    let mut world = World::new("clocks");
    let folder = PathBuf::from(world.path(""));
    let Some(library) = shift_library(&folder) else { return };
    world.end(&serving(&world, "owner-a"));
    let former = Former::with_data(&world, "owner-a");
    let device = world.devices[1].clone();
    let state = world.path(&format!("devices/{device}"));
    world.end(&format!("device run --state {state} "));
    for secs in SHIFTS {
        world.stop_servers();
        for role in ["registration", "bootstrap"] {
            world.serve_as(role, program_at(&library, secs));
        }
        for uuid in &world.devices {
            let label = read_label(world.path(&format!("maker/{uuid}.label.png")).as_ref());
            let case_string = Secret::from(label.case_id.case_string().as_bytes());
            let friend = &former.keys.id;
            let all = asks_everything(&former.gateway, label.device, &case_string, b"image", friend);
            for (what, answer) in all {
                assert_ne!(answer, Ok(true), "{secs} s: {what} of {uuid}");
            }
        }
        let mut run = switch_on(&world, &device, program_at(&library, secs));
        // Whatever the bootstrap server can say, the device stays with its owner.
        run.wait_for_all(&["started", "in-service"]);
        assert_eq!(run.heard("owned"), 0);
        run.tell("power off");
        assert!(run.ended().success());
    }
    world.stop_servers();
    world.start_servers();
    for (operation, count) in [("owner.claim", 1), ("owner.transfer", 1)] {
        assert_eq!(world.registered(&device, operation), count, "{operation}");
    }
    world.leave_image("owner-b", &device, 2);
    let mut run = switch_on(&world, &device, Command::new(PROGRAM));
    assert_eq!(run.wait_for("bootstrapped")["sequence_number"], 2);
    run.wait_for("in-service");
}
