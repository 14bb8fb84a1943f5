//! `thingstead identity`: the server that knows device secrets, by hand and without a socket.

use std::path::PathBuf;

use assure_proto::{RejectReason, key_fingerprint};
use authority::identity::{RefillIssued, Submitted};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use model::{Uuid, hex};
use serde_json::{Value, json};

use super::Output;
use super::stdout::print_line;
use crate::failure::{Failure, Outcome};
use crate::identity::enrol::{ServerRequest, write_certificate};
use crate::identity::generation::{self, GenerationFile};
use crate::identity::import::{Import, Taken};
use crate::identity::watch::Watch;
use crate::identity::{Identity, init, station_file, utc};

/// Run the identity server: make an authority, enrol its servers, take records in. Opens no socket.
///
/// Examples:
///   thingstead identity init --data identity --out public
///   thingstead identity enrol gap/out/8f2c41d0-...-0000000001.gap --fingerprint 3fa0... --data identity --gap-out gap/in
///   thingstead identity stations add station.file --data identity
///   thingstead identity import --data identity --gap-in gap/out --gap-out gap/in
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct IdentityGroup {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Data {
    /// The folder of the identity server's store and sealing key.
    #[arg(long, value_name = "DIR", env = "THINGSTEAD_IDENTITY")]
    data: PathBuf,
}

#[derive(Args)]
struct GapOut {
    /// The folder that is carried to the online servers.
    #[arg(long, value_name = "DIR")]
    gap_out: PathBuf,
}

#[derive(Subcommand)]
enum Verb {
    /// Make an authority: its roots, its keys, its system CA; write what others know it by.
    ///
    /// `ta.bundle` goes to makers, factories and servers, `system-ca.pem` to everybody who calls a server.
    /// Bring them by a path that is trusted: nothing else tells this authority from another.
    ///
    /// Example:
    ///   thingstead identity init --data identity --out public
    #[command(verbatim_doc_comment)]
    Init {
        #[command(flatten)]
        data: Data,
        /// Where `ta.bundle` and `system-ca.pem` are written.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write `ta.bundle` and `system-ca.pem` again, the same bytes.
    Bundle {
        #[command(flatten)]
        data: Data,
        /// Where they are written.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The stations whose records count.
    #[command(subcommand)]
    Stations(Stations),
    /// Make an online server one of the authority's, after its fingerprint was compared.
    ///
    /// The server prints the fingerprint when it writes its request; compare with that, not with what is
    /// printed here without --fingerprint. Its certificate request must lie beside FILE.
    ///
    /// Example:
    ///   thingstead identity enrol gap/out/8f2c41d0-...-0000000001.gap --fingerprint 3fa0... --data identity --gap-out gap/in
    #[command(verbatim_doc_comment)]
    Enrol {
        /// The request: a file of the air gap.
        file: PathBuf,
        /// What `thingstead serve` printed on the server, 64 hexadecimal digits.
        #[arg(long, value_name = "HEX")]
        fingerprint: Option<String>,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        out: GapOut,
    },
    /// Take in all records that wait, in the order of their files, and write the answers.
    ///
    /// A record counts when its station is listed for the maker that uploaded it. Each device is issued or
    /// rejected in one step with the number of its file: run it again at any time, nothing happens twice.
    ///
    /// Examples:
    ///   thingstead identity import --data identity --gap-in gap/out --gap-out gap/in
    ///   thingstead identity import --data identity --gap-in gap/out --gap-out gap/in --watch
    #[command(verbatim_doc_comment)]
    Import {
        #[command(flatten)]
        data: Data,
        /// The folder that the registration server writes.
        #[arg(long, value_name = "DIR")]
        gap_in: PathBuf,
        #[command(flatten)]
        out: GapOut,
        /// Keep looking, every 100 ms, until the program is stopped by SIGINT or SIGTERM (exit status 130). The
        /// store is open only while records are taken.
        #[arg(long)]
        watch: bool,
    },
    /// Write again what was decided and perhaps not written: answers in the outbox, servers' certificates.
    Export {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        out: GapOut,
    },
    /// After a server's online keys may have been stolen: issue a new generation of the authority's keys.
    #[command(subcommand)]
    Generation(Generation),
    /// Show the authority: its id, its servers, its stations, how far the files were taken.
    Status {
        #[command(flatten)]
        data: Data,
    },
    /// Print the audit log, oldest first: one JSON document a line.
    Audit {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum Generation {
    /// Sign the registration server's new online keys and issue new secrets to every device that has one.
    ///
    /// FILE is what `thingstead authority generation` wrote on the registration server; compare the fingerprint
    /// that it printed. Every owner has to fetch its configuration again and leave a new image; a device that
    /// has taken one refuses everything of the generation before. It cannot be undone. Cut short, run it again.
    ///
    /// Example:
    ///   thingstead identity generation new gap/out/8f2c41d0-...-0000000007.gap --fingerprint 3fa0... --data identity --gap-out gap/in
    #[command(verbatim_doc_comment)]
    New {
        /// The request: a file of the air gap, whose number is the next to be taken.
        file: PathBuf,
        /// What `thingstead authority generation` printed, 64 hexadecimal digits.
        #[arg(long, value_name = "HEX")]
        fingerprint: Option<String>,
        /// Say what would happen and change nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        out: GapOut,
    },
}

#[derive(Subcommand)]
enum Stations {
    /// List a station by the file that `maker station` wrote.
    ///
    /// The file proves that its writer holds the key, not who the writer is: compare the fingerprint that is
    /// printed with what the maker's station printed.
    ///
    /// Example:
    ///   thingstead identity stations add station.file --data identity
    #[command(verbatim_doc_comment)]
    Add {
        /// The station's file.
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Show every station with its maker and fingerprint.
    List {
        #[command(flatten)]
        data: Data,
    },
}

impl IdentityGroup {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self.verb {
            Verb::Init { data, out } => published(&init::init(&data.data, &out)?, output),
            Verb::Bundle { data, out } => {
                published(&init::publish_again(&Identity::open(&data.data)?, &out)?, output)
            }
            Verb::Stations(Stations::Add { file, data }) => {
                add_station(&Identity::open(&data.data)?, &file, output)
            }
            Verb::Stations(Stations::List { data }) => list_stations(&Identity::open(&data.data)?, output),
            Verb::Enrol { file, fingerprint, data, out } => {
                enrol(&Identity::open(&data.data)?, &file, fingerprint.as_deref(), &out.gap_out, output)
            }
            Verb::Import { data, gap_in, out, watch: false } => {
                let identity = Identity::open(&data.data)?;
                import_all(&Import::new(&identity, &gap_in, &out.gap_out)?, output)
            }
            Verb::Import { data, gap_in, out, watch: true } => {
                let told = |device, submitted| print_record(device, submitted, output);
                Watch::new(&data.data, &gap_in, &out.gap_out).run(told)?;
                // Stopped by a signal; everything is written and closed.
                std::process::exit(STOPPED)
            }
            Verb::Generation(Generation::New { file, fingerprint, dry_run, data, out }) => {
                let fingerprint = fingerprint.as_deref().filter(|_| !dry_run);
                new_generation(&data.data, &file, fingerprint, dry_run, &out.gap_out, output)
            }
            Verb::Export { data, out } => export(&Identity::open(&data.data)?, &out.gap_out, output),
            Verb::Status { data } => status(&Identity::open(&data.data)?, output),
            Verb::Audit { data } => audit(&Identity::open(&data.data)?),
        }
    }
}

/// Prints a result: as JSON, as the one word that `--quiet` leaves, or as lines for people.
fn tell(output: Output, document: &Value, word: &str, lines: &[String]) {
    if output.json {
        print_line(document);
    } else if output.quiet {
        print_line(word);
    } else {
        for line in lines {
            print_line(line);
        }
    }
}

fn published(published: &init::Published, output: Output) -> Outcome {
    let (authority, bundle, system_ca) =
        (published.authority.to_string(), published.bundle.display(), published.system_ca.display());
    let document = json!({
        "authority": authority, "bundle": bundle.to_string(), "system_ca": system_ca.to_string(),
    });
    let lines = [
        format!("authority  {authority}"),
        format!("bundle     {bundle}   for makers, factories and servers"),
        format!("system CA  {system_ca}   for everybody who calls a server"),
    ];
    tell(output, &document, &authority, &lines);
    Ok(())
}

fn add_station(identity: &Identity, file: &std::path::Path, output: Output) -> Outcome {
    let (id, station) = station_file::read(&*identity.provider, file)?;
    // Without the time no entry of the audit log can be written.
    utc(identity.now())?;
    let fingerprint = hex(&key_fingerprint(&*identity.provider, &station.key));
    let maker = station.maker.to_string();
    let origin = identity.origin("operator")?;
    let listed = identity.run(&authority::identity::AddStation { id, station, origin })?;
    if !listed.map_err(|_| crate::identity::unreadable("the stations"))? {
        return Err(Failure::new("station-differs", id.to_string()));
    }
    let document = json!({ "station": id.to_string(), "maker": maker, "fingerprint": fingerprint });
    let lines = [
        format!("station      {id}"),
        format!("maker        {maker}"),
        format!("fingerprint  {fingerprint}"),
    ];
    tell(output, &document, &id.to_string(), &lines);
    Ok(())
}

fn list_stations(identity: &Identity, output: Output) -> Outcome {
    let stations = identity.stations()?;
    let fingerprint = |key| hex(&key_fingerprint(&*identity.provider, key));
    if output.json {
        let list = stations.iter().map(|(id, station)| {
            json!({
                "station": id.to_string(), "maker": station.maker.to_string(),
                "fingerprint": fingerprint(&station.key),
            })
        });
        print_line(Value::Array(list.collect()));
        return Ok(());
    }
    for (id, station) in &stations {
        match output.quiet {
            true => print_line(id),
            false => print_line(format_args!("{id}\t{}\t{}", station.maker, fingerprint(&station.key))),
        }
    }
    Ok(())
}

fn enrol(
    identity: &Identity,
    file: &std::path::Path,
    typed: Option<&str>,
    gap_out: &std::path::Path,
    output: Output,
) -> Outcome {
    let request = ServerRequest::read(identity, file)?;
    let (server, fingerprint) = (request.server(), request.fingerprint.clone());
    let role = format!("{:?}", request.role).to_lowercase();
    let document = json!({
        "server": server.to_string(), "role": role, "names": request.names, "fingerprint": fingerprint,
        "enrolled": typed.is_some(),
    });
    let lines = [
        format!("server       {server}"),
        format!("role         {role}"),
        format!("names        {}", request.names.join(" ")),
        format!("fingerprint  {fingerprint}"),
    ];
    let Some(typed) = typed else {
        tell(output, &document, &fingerprint, &lines);
        return Err(Failure::new("fingerprint-needed", server.to_string()));
    };
    if !request.is_what_was_compared(typed) {
        return Err(Failure::new("fingerprint-differs", server.to_string()));
    }
    request.enrol(identity, gap_out)?;
    tell(output, &document, &server.to_string(), &lines);
    Ok(())
}

fn new_generation(
    data: &std::path::Path,
    file: &std::path::Path,
    typed: Option<&str>,
    dry_run: bool,
    gap_out: &std::path::Path,
    output: Output,
) -> Outcome {
    let identity = Identity::open(data)?;
    let request = GenerationFile::read(&identity, file)?;
    let server = request.server().to_string();
    let (present, fingerprint) = (identity.keys.generation, request.fingerprint.clone());
    let document = json!({ "server": server, "fingerprint": fingerprint, "present": present });
    let lines = [
        format!("server       {server}"),
        format!("fingerprint  {fingerprint}"),
        format!("generation   {present}, to be followed by {}", u64::from(present) + 1),
        "at once      new devices are issued under the new generation".into(),
        "then         owners have to fetch their configurations again and leave new images".into(),
    ];
    let Some(typed) = typed else {
        tell(output, &document, &fingerprint, &lines);
        return if dry_run { Ok(()) } else { Err(Failure::new("fingerprint-needed", server)) };
    };
    if !request.is_what_was_compared(typed) {
        return Err(Failure::new("fingerprint-differs", server));
    }
    let done = generation::issue(identity, request, data, gap_out)?;
    let document = json!({ "generation": done.generation, "devices": done.devices });
    let lines = [
        format!("generation   {}", done.generation),
        format!("devices      {} with a secret were issued new ones", done.devices),
    ];
    tell(output, &document, &done.generation.to_string(), &lines);
    Ok(())
}

/// The outcome of one record in a word, and why.
fn outcome_words(taken: Taken) -> (&'static str, &'static str) {
    const NO_CLOCK: (&str, &str) = ("waits", "the clock of this machine is not set");
    match taken {
        Taken::Record(Submitted::Issued) => ("issued", ""),
        Taken::Record(Submitted::Rejected(reason)) => ("rejected", reason_words(reason)),
        Taken::Refill(RefillIssued::Given(0)) => ("not refilled", "it is not known here, or has no secret"),
        Taken::Refill(RefillIssued::Given(_)) => ("refilled", ""),
        Taken::Record(Submitted::NoClock) | Taken::Refill(RefillIssued::NoClock) => NO_CLOCK,
    }
}

const fn reason_words(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::UnknownStation => "its station is not listed for this maker",
        RejectReason::BadSignature => "it is not signed by its station",
        RejectReason::OtherDevice => "it is about another device than it was uploaded for",
        RejectReason::Malformed => "it is malformed",
        RejectReason::NotOpened => "it was not encrypted for this authority, maker and device",
        RejectReason::Refused => "the device exists",
    }
}

fn print_record(device: Uuid, taken: Taken, output: Output) {
    let (outcome, why) = outcome_words(taken);
    if output.json {
        print_line(json!({ "device": device.to_string(), "outcome": outcome, "why": why }));
    } else if output.quiet {
        print_line(device);
    } else if why.is_empty() {
        print_line(format_args!("{device}\t{outcome}"));
    } else {
        print_line(format_args!("{device}\t{outcome}\t{why}"));
    }
}

/// Takes everything that waits; a hole is an error, after what comes before it was taken.
fn import_all(import: &Import<'_>, output: Output) -> Outcome {
    import.flush()?;
    let (waiting, hole) = import.waiting()?;
    let bar = progress_bar(waiting.len(), output);
    for file in &waiting {
        let (device, submitted) = import.take(file)?;
        bar.suspend(|| print_record(device, submitted, output));
        bar.inc(1);
    }
    bar.finish_and_clear();
    hole.map_or(Ok(()), Err)
}

/// A bar on a terminal, nothing elsewhere: there each record has its line.
fn progress_bar(count: usize, output: Output) -> ProgressBar {
    if output.json || output.quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} records, {eta} left");
    ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The exit status of a program that was asked to stop.
const STOPPED: i32 = 130;

fn export(identity: &Identity, gap_out: &std::path::Path, output: Output) -> Outcome {
    crate::files::make_folder(gap_out)?;
    let partners = identity.partners()?;
    for partner in [&partners.registration, &partners.bootstrap].into_iter().flatten() {
        write_certificate(identity, partner.id, gap_out)?;
    }
    let written = identity.flush(gap_out)?;
    tell(output, &json!({ "written": written }), &written.to_string(), &[format!("{written} files written")]);
    Ok(())
}

fn status(identity: &Identity, output: Output) -> Outcome {
    let partners = identity.partners()?;
    let keys = &identity.keys;
    let upload_key = hex(&key_fingerprint(&*identity.provider, keys.upload_key.public()));
    let stations = identity.stations()?.len();
    let taken = match &partners.registration {
        Some(registration) => identity.taken(registration.id)?,
        None => 0,
    };
    let server =
        |partner: &Option<authority::GapPartner>| partner.as_ref().map(|partner| partner.id.to_string());
    let (registration, bootstrap) = (server(&partners.registration), server(&partners.bootstrap));
    let document = json!({
        "authority": keys.authority.to_string(), "generation": keys.generation, "upload_key": upload_key,
        "registration": registration, "bootstrap": bootstrap, "stations": stations, "files_taken": taken,
    });
    let or_not = |id: &Option<String>| id.clone().unwrap_or_else(|| "not enrolled".into());
    let lines = [
        format!("authority            {}", keys.authority),
        format!("generation           {}", keys.generation),
        format!("upload key           {upload_key}"),
        format!("registration server  {}", or_not(&registration)),
        format!("bootstrap server     {}", or_not(&bootstrap)),
        format!("stations             {stations}"),
        format!("files taken          {taken}"),
    ];
    tell(output, &document, &keys.authority.to_string(), &lines);
    Ok(())
}

fn audit(identity: &Identity) -> Outcome {
    identity.audit(|place, entry| {
        let line = json!({
            "cursor": hex(place),
            "unix_millis": entry.at.as_unix_millis(),
            "role": entry.role,
            "actor": entry.actor,
            "operation": entry.operation,
            "device": entry.device.map(|device| device.to_string()),
            "result": entry.result,
            "correlation": entry.correlation.to_string(),
        });
        print_line(line);
    })
}
