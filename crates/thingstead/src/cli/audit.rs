//! `thingstead audit`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::Value;

use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::operator_client::{OperatorClient, Target};

/// Read the audit log of a role.
#[derive(Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List every entry, oldest first: time, role, actor, operation, device, result.
    ///
    /// Examples:
    ///   thingstead audit list --data data/registration --server 127.0.0.1:8446
    ///   thingstead audit list --data data/registration --server 127.0.0.1:8446 --json
    #[command(verbatim_doc_comment)]
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Write the whole log of a management system to a file, closed by its count and SHA-256.
    ///
    /// Examples:
    ///   thingstead audit export --data data/a --format csv --out audit.csv
    #[command(verbatim_doc_comment)]
    Export {
        #[command(flatten)]
        target: Target,
        /// The form of the file.
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        /// The file.
        #[arg(long, short)]
        out: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Json,
}

/// The longest export that is read: a million entries of usual length.
const EXPORT_SIZE_MAX: usize = 512 * 1024 * 1024;

fn export(target: &Target, format: Format, out: &Path, output: Output) -> Outcome {
    let client = target.client_for(EXPORT_SIZE_MAX)?;
    let path = match format {
        Format::Csv => "/v1/audit/export?format=csv",
        Format::Json => "/v1/audit/export?format=json",
    };
    let answer = block_on(client.call(Method::GET, path, "", "the audit log"))?;
    files::write_secret(out, answer.body())?;
    if output.json {
        print_line(serde_json::json!({ "file": out.display().to_string(), "bytes": answer.body().len() }));
    }
    Ok(())
}

impl Audit {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let target = match self.verb {
            Verb::List { target } => target,
            Verb::Export { target, format, out } => return export(&target, format, &out, output),
        };
        let client = target.client()?;
        let entries = block_on(entries(&client))?;
        if output.json {
            print_line(Value::Array(entries));
            return Ok(());
        }
        for entry in &entries {
            let text = |name: &str| entry[name].as_str().unwrap_or("-").to_owned();
            let millis = entry["unix_millis"].as_u64().unwrap_or_default();
            let line = ["role", "actor", "operation", "device", "result"].map(text).join("\t");
            print_line(format_args!("{}\t{line}", time_of(millis)));
        }
        Ok(())
    }
}

/// All entries of a role's log, page by page.
pub(crate) async fn entries(client: &OperatorClient) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    let mut path = "/v1/audit".to_owned();
    loop {
        let answer = client.call(Method::GET, &path, "", "the audit log").await?;
        let page: Value = serde_json::from_slice(answer.body())
            .map_err(|error| Failure::new("internal", "the audit log").because(error))?;
        let entries = page["entries"].as_array().cloned().unwrap_or_default();
        let last = entries.last().and_then(|entry| entry["cursor"].as_str()).map(str::to_owned);
        all.extend(entries);
        match last {
            Some(cursor) if page["more"] == true => path = format!("/v1/audit?after={cursor}"),
            Some(_) | None => return Ok(all),
        }
    }
}

/// UTC in the form of RFC 3339 with milliseconds.
pub(crate) fn time_of(unix_millis: u64) -> String {
    let (days, rest) = (unix_millis / 86_400_000, unix_millis % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The date that lies `days` days after 1970-01-01, counted in years that start in March, so that the leap
/// day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    let from_march_0000 = days + 719_468;
    let (era, day_of_era) = (from_march_0000 / DAYS_PER_ERA, from_march_0000 % DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        assert_eq!(time_of(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time_of(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(time_of(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(time_of(1_795_305_600_123), "2026-11-22T00:00:00.123Z");
    }
}
