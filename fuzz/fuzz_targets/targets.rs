//! All targets in one program; `FUZZ_TARGET` names the one that runs.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{Corpus, fuzz_target};

static RUN: OnceLock<fn(&[u8]) -> fuzz::Reached> = OnceLock::new();

fn choose() {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = fuzz::target(&name) else {
        eprintln!("FUZZ_TARGET names no target: {name:?}");
        std::process::exit(2);
    };
    RUN.set(target.run).expect("this runs once");
}

fuzz_target!(init: choose(), |input: &[u8]| -> Corpus {
    let run = RUN.get().expect("the target was chosen at the start");
    run(input);
    Corpus::Keep
});
