//! `thingstead explain CODE`.

use clap::Args;

use super::Output;
use crate::catalogue::{self, ENTRIES};
use crate::failure::{Failure, Outcome};

/// Say what a failure means and what to try.
#[derive(Args)]
pub(crate) struct Explain {
    /// The code that stands in brackets behind `error`; without one, all codes are listed.
    code: Option<String>,
}

impl Explain {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let Some(code) = self.code else {
            for entry in ENTRIES {
                println!("{}\t{}", entry.code, entry.title);
            }
            return Ok(());
        };
        let entry = catalogue::entry(&code);
        let entry = entry.ok_or_else(|| Failure::new("refused", code).because("there is no such code"))?;
        if output.json {
            let document = serde_json::json!({
                "code": entry.code, "title": entry.title, "why": entry.why, "try": entry.attempts, "exit": entry.exit,
            });
            println!("{document}");
            return Ok(());
        }
        println!("{}: {}\n\n{}.\n", entry.code, entry.title, entry.why);
        for attempt in entry.attempts {
            println!("- {attempt}");
        }
        println!("\nExit status {}.", entry.exit);
        Ok(())
    }
}
