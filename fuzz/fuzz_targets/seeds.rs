//! Writes the inputs that fuzzing starts from: `seeds DIRECTORY [TARGET..]`, or lists the targets: `seeds --list`.
//!
//! Every seed is run once; a target none of whose seeds is accepted would test refusals only, and fails.

use std::path::Path;
use std::process::ExitCode;

use fuzz::{Reached, Target};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, [])) if first == "--list" => {
            for target in fuzz::targets() {
                println!("{}\t{}\t{}", target.name, target.length_max, target.about);
            }
            ExitCode::SUCCESS
        }
        Some((directory, wanted)) => {
            let wanted = |target: &Target| wanted.is_empty() || wanted.iter().any(|name| name == target.name);
            let mut all_well = true;
            for target in fuzz::targets().into_iter().filter(wanted) {
                all_well &= write(Path::new(directory), target);
            }
            if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        None => {
            eprintln!("seeds DIRECTORY [TARGET..] | seeds --list");
            ExitCode::FAILURE
        }
    }
}

/// Writes the seeds of one target; whether all went well.
fn write(directory: &Path, target: Target) -> bool {
    let place = directory.join(target.name);
    if let Err(cause) = std::fs::create_dir_all(&place) {
        eprintln!("{}: {cause}", place.display());
        return false;
    }
    let (mut count, mut accepted) = (0, 0);
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        let file = place.join(format!("seed-{number:03}"));
        if let Err(cause) = std::fs::write(&file, &seed) {
            eprintln!("{}: {cause}", file.display());
            return false;
        }
        count += 1;
        accepted += usize::from((target.run)(&seed) == Reached::Accepted);
    }
    println!("{}: {count} seeds, {accepted} accepted", target.name);
    if accepted == 0 {
        eprintln!("{}: no seed is accepted", target.name);
    }
    accepted > 0
}
