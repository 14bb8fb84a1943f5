//! Numbers: each one beside a reference that ran on the same machine in the same minute.
//!
//! A benchmark runs in pairs, ours and the reference by turns, and gives the ratio of each pair; the middle
//! one counts, and the spread of the others says how much it means. Servers run in processes of their own,
//! on one processor; what puts load on them runs on the others.

mod alike;
mod child;
mod coap;
mod coap_server;
mod echo;
mod load;
mod pairs;

use clap::{Args, ValueEnum};

use crate::cli::Output;
use crate::cli::stdout::print_line;
use crate::failure::{Failure, Outcome};
use pairs::Row;

/// Measure this machine, ours beside a reference.
///
/// Examples:
///   thingstead bench --list                what can be measured
///   thingstead bench coap                  CoAP over UDP, beside a bare echo and libcoap
///   thingstead bench coap --pairs 9        with less spread
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Bench {
    /// What to measure; everything unless named.
    #[arg(value_enum)]
    names: Vec<Name>,
    /// Pairs of runs for each row, at least 5 for a figure to be quoted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pairs: u32,
    /// Seconds that each run of a pair takes.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// How many endpoints ask, a row each.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 10_000])]
    endpoints: Vec<usize>,
    /// Refused calls for each cause (`alike`).
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// Say what can be measured.
    #[arg(long)]
    list: bool,
    /// The server of a benchmark, in a process of its own.
    #[arg(long, hide = true, value_enum)]
    be: Option<child::Part>,
}

/// A benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// CoAP GET of a resource in memory, without security.
    Coap,
    /// Refused calls of the owner gateway: whether their time tells the cause.
    Alike,
}

impl Name {
    const fn about(self) -> &'static str {
        match self {
            Self::Coap => "CoAP GET of a resource in memory, per second of the server's processor time",
            Self::Alike => "refused calls of the owner gateway: whether their time tells the cause",
        }
    }
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
struct Effort {
    pairs: u32,
    seconds: u32,
}

impl Bench {
    /// Runs the benchmarks.
    ///
    /// # Errors
    /// A [`Failure`] when a part of a benchmark cannot run; a number that is missed is none.
    pub(crate) fn run(self, output: Output) -> Outcome {
        if let Some(part) = self.be {
            return part.run();
        }
        if self.list {
            for name in Name::value_variants() {
                let text = name.to_possible_value().expect("no benchmark is hidden");
                print_line(format!("{:<12} {}", text.get_name(), name.about()));
            }
            return Ok(());
        }
        let names = if self.names.is_empty() { Name::value_variants() } else { &self.names };
        let effort = Effort { pairs: self.pairs, seconds: self.seconds };
        let mut rows = Vec::new();
        for name in names {
            match name {
                Name::Coap => rows.extend(coap::measure(&self.endpoints, effort)?),
                Name::Alike => alike::measure(self.calls, output)?,
            }
        }
        // A benchmark that compares nothing with a reference has said its figures itself.
        if rows.is_empty() { Ok(()) } else { show(&rows, output) }
    }
}

fn show(rows: &[Row], output: Output) -> Outcome {
    if output.json {
        let json = serde_json::to_string_pretty(rows);
        let json = json.map_err(|error| Failure::new("internal", "the result").because(error))?;
        print_line(json);
        return Ok(());
    }
    print_line(pairs::HEAD);
    for row in rows {
        print_line(row);
    }
    Ok(())
}
