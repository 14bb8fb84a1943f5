//! `thingstead explain CODE`.

use clap::Args;

use super::Output;
use super::stdout::print_line;
use crate::failure::{Failure, Outcome};
use http_front::catalogue::{self, ENTRIES};

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
                print_line(format_args!("{}\t{}", entry.code, entry.title));
            }
            return Ok(());
        };
        let entry = catalogue::entry(&code);
        let entry = entry.ok_or_else(|| Failure::new("refused", code).because("there is no such code"))?;
        if output.json {
            let document = serde_json::json!({
                "code": entry.code, "title": entry.title, "why": entry.why, "try": entry.attempts, "exit": entry.exit,
            });
            print_line(document);
            return Ok(());
        }
        print_line(format_args!("{}: {}\n\n{}.\n", entry.code, entry.title, entry.why));
        for attempt in entry.attempts {
            print_line(format_args!("- {attempt}"));
        }
        print_line(format_args!("\nExit status {}.", entry.exit));
        Ok(())
    }
}
