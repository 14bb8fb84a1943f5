//! `thingstead maker`: a manufacturing station.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use assure_proto::{BootstrapServerId, key_fingerprint};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use model::{Uuid, hex};
use serde_json::{Value, json};

use super::smart::MakeSmart;
use super::stdout::print_line;
use super::{Output, block_on};
use crate::factory_line::BirthKind;
use crate::failure::{Failure, Outcome};
use crate::identity::dice;
use crate::maker::gateway::{Gateway, Uploaded};
use crate::maker::make::{Lot, make};
use crate::maker::parameters;
use crate::maker::records::{self, Stage};
use crate::maker::station::Station;
use crate::{files, label_picture};

/// Make devices: keys, records, labels, uploads.
///
/// Examples:
///   thingstead maker station --data station --bundle ta.bundle --maker new
///   thingstead maker make --data station --kind p256 --count 4 --bootstrap-server 42 --parameter-set 5d11... --devices devices
///   thingstead maker upload --data station --gateway ta.example.org:8441 --system-ca system-ca.pem
///   thingstead maker label 8f2c41d0-0000-4000-8000-0000000077aa --data station -o label.png
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Maker {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Data {
    /// The folder of the station: its sealed keys, its records, its labels.
    #[arg(long, value_name = "DIR", env = "THINGSTEAD_STATION")]
    data: PathBuf,
}

#[derive(Args)]
struct GatewayAddress {
    /// The maker gateway, as `serve` prints it.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8441")]
    gateway: String,
    /// The certificate of the authority's system CA (`system-ca.pem`).
    #[arg(long, value_name = "FILE")]
    system_ca: PathBuf,
}

/// A maker's id, or the wish for a new one.
#[derive(Clone, Copy)]
enum MakerId {
    New,
    Known(Uuid),
}

impl FromStr for MakerId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "new" => Ok(Self::New),
            text => text.parse().map(Self::Known).map_err(|_| "neither a UUID nor `new`"),
        }
    }
}

#[derive(Subcommand)]
enum Verb {
    /// Make a station: its signing key, its TLS key, and the file that the identity server lists it by.
    ///
    /// Bring `station.file` to the identity server and compare the fingerprint printed here with the one that
    /// `identity stations add` prints. A maker with several stations gives all of them the same id.
    ///
    /// Example:
    ///   thingstead maker station --data station --bundle ta.bundle --maker new
    #[command(verbatim_doc_comment)]
    Station {
        #[command(flatten)]
        data: Data,
        /// The authority (`ta.bundle`), brought by a path that is trusted.
        #[arg(long, value_name = "FILE")]
        bundle: PathBuf,
        /// The maker's UUID, or `new` to draw one.
        #[arg(long, value_name = "UUID|new")]
        maker: MakerId,
    },
    /// Get the station's client certificate, with the right of the registration server's operator.
    ///
    /// Example:
    ///   thingstead maker register --data station --operator operator.pem --platform ta.example.org:8446 --system-ca system-ca.pem
    #[command(verbatim_doc_comment)]
    Register {
        #[command(flatten)]
        data: Data,
        /// The operator's certificate and key.
        #[arg(long, value_name = "FILE")]
        operator: PathBuf,
        /// The registration server's platform API.
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8446")]
        platform: String,
        /// The certificate of the authority's system CA.
        #[arg(long, value_name = "FILE")]
        system_ca: PathBuf,
    },
    /// Make devices: each is started once, told its UUID, asked for its key, recorded and labelled.
    ///
    /// A key pair is made in the device. A shared secret is made here, is in memory alone, and leaves it only
    /// inside the encrypted record. Each device's UUID is printed when its record and label are safe.
    ///
    /// Examples:
    ///   thingstead maker make --data station --kind p256 --bootstrap-server 42 --parameter-set 5d11... --devices devices
    ///   thingstead maker make --data station --kind secret --count 100 --bootstrap-server 42 --parameter-set 5d11... --devices devices
    #[command(verbatim_doc_comment)]
    Make(Make),
    Osap(MakeSmart),
    /// Bring every record that waits to the maker gateway. Run it again after a break: nothing is doubled.
    ///
    /// Example:
    ///   thingstead maker upload --data station --gateway ta.example.org:8441 --system-ca system-ca.pem
    #[command(verbatim_doc_comment)]
    Upload {
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        gateway: GatewayAddress,
    },
    /// Write the picture of a device's label. Whoever sees it can claim the device.
    ///
    /// Example:
    ///   thingstead maker label 8f2c41d0-0000-4000-8000-0000000077aa --data station -o label.png
    #[command(verbatim_doc_comment)]
    Label {
        /// The device's UUID.
        device: Uuid,
        #[command(flatten)]
        data: Data,
        /// Where the picture is written.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// What a maker's devices take in a bootstrap image.
    #[command(subcommand)]
    Parameters(Parameters),
    /// List the devices of this station and how far their records have come.
    List {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Args)]
struct Make {
    #[command(flatten)]
    data: Data,
    /// With which kind of key the devices are born.
    #[arg(long, value_enum)]
    kind: BirthKind,
    /// How many devices to make.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// The number of the bootstrap server that they will ask.
    #[arg(long, value_name = "ID")]
    bootstrap_server: u32,
    /// The parameter set that describes them, as `maker parameters upload` printed it.
    #[arg(long, value_name = "UUID")]
    parameter_set: Uuid,
    /// Where the devices live: each in a folder of its own, named by its UUID.
    #[arg(long, value_name = "DIR")]
    devices: PathBuf,
}

#[derive(Subcommand)]
enum Parameters {
    /// Upload a parameter set and print the UUID that it is known by.
    ///
    /// FILE is JSON: {"name": "pump", "choices": [{"name": "standard", "messages": [{"method": "PUT",
    /// "path": "/v1/channels/1", "payload": "channel", "required": true, "min": 1, "max": 1}]}]}, with payload
    /// one of authenticated_key, channel, cbor-any, empty. The CBOR form is taken, too.
    ///
    /// Example:
    ///   thingstead maker parameters upload pump.json --data station --gateway ta.example.org:8441 --system-ca system-ca.pem
    #[command(verbatim_doc_comment)]
    Upload {
        /// The parameter set.
        file: PathBuf,
        #[command(flatten)]
        data: Data,
        #[command(flatten)]
        gateway: GatewayAddress,
    },
}

impl Maker {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self.verb {
            Verb::Station { data, bundle, maker } => make_station(&data.data, &bundle, maker, output),
            Verb::Register { data, operator, platform, system_ca } => {
                let station = Station::open(&data.data)?;
                let gateway = Gateway::of_operator(&operator, &platform, &system_ca)?;
                block_on(async { gateway.register(&station).await })?;
                let maker = station.maker.to_string();
                say(
                    output,
                    &json!({ "maker": maker, "registered": true }),
                    &maker,
                    &format!("{maker}\tregistered"),
                );
                Ok(())
            }
            Verb::Make(make) => make.run(output),
            Verb::Osap(make) => make.run(output),
            Verb::Upload { data, gateway } => {
                let station = Station::open(&data.data)?;
                let gateway = Gateway::of_station(&station, &gateway.gateway, &gateway.system_ca)?;
                block_on(upload(&station, &gateway, output))
            }
            Verb::Label { device, data, output: to } => write_label(&data.data, device, &to, output),
            Verb::Parameters(Parameters::Upload { file, data, gateway }) => {
                let set = parameters::read(&file)?;
                let station = Station::open(&data.data)?;
                let gateway = Gateway::of_station(&station, &gateway.gateway, &gateway.system_ca)?;
                let id = block_on(async { gateway.store_set(set).await })?.to_string();
                say(output, &json!({ "parameter_set": id }), &id, &id);
                Ok(())
            }
            Verb::List { data } => list(&data.data, output),
        }
    }
}

fn say(output: Output, document: &Value, word: &str, line: &str) {
    if output.json {
        print_line(document);
    } else if output.quiet {
        print_line(word);
    } else {
        print_line(line);
    }
}

fn make_station(data: &Path, bundle: &Path, maker: MakerId, output: Output) -> Outcome {
    let maker = match maker {
        MakerId::New => None,
        MakerId::Known(maker) => Some(maker),
    };
    let station = Station::make(data, bundle, maker)?;
    let fingerprint = hex(&key_fingerprint(&*station.provider, station.key.public()));
    let (maker, id, file) = (station.maker.to_string(), station.id.to_string(), station.file_path());
    let document = json!({
        "maker": maker, "station": id, "fingerprint": fingerprint, "file": file.display().to_string(),
        "authority": station.bundle.authority.to_string(),
    });
    let lines = format!(
        "maker        {maker}\nstation      {id}\nfingerprint  {fingerprint}\nfile         {}   for the identity server",
        file.display()
    );
    say(output, &document, &maker, &lines);
    Ok(())
}

impl Make {
    fn run(self, output: Output) -> Outcome {
        let station = Station::open(&self.data.data)?;
        let program = std::env::current_exe();
        let program =
            program.map_err(|error| Failure::new("internal", "the program's own path").because(error))?;
        let lot = Lot {
            kind: self.kind,
            bootstrap_server: BootstrapServerId(self.bootstrap_server),
            parameter_set: self.parameter_set,
            devices: &self.devices,
            program: program.as_os_str(),
        };
        let mut dice = dice()?;
        let bar = progress_bar(self.count.into(), "devices", output);
        for _ in 0..self.count {
            let device = make(&station, lot, &mut dice)?.to_string();
            bar.suspend(|| say(output, &json!({ "device": device, "outcome": "made" }), &device, &device));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }
}

/// A bar on a terminal, nothing elsewhere: there each device has its line.
fn progress_bar(count: u64, what: &str, output: Output) -> ProgressBar {
    if output.json || output.quiet {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(&format!("{{bar:30}} {{pos}}/{{len}} {what}, {{eta}} left"));
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Uploads what waits. A refused record does not stop the others; a gateway that cannot does.
async fn upload(station: &Station, gateway: &Gateway, output: Output) -> Outcome {
    let folder = station.folder();
    let waiting: Vec<_> = records::all(folder)?
        .into_iter()
        .filter(|(_, stage)| matches!(stage, Stage::Made | Stage::Sending))
        .collect();
    let bar = progress_bar(waiting.len() as u64, "records", output);
    let mut refused = 0;
    for (device, stage) in &waiting {
        let outcome = match gateway.upload(folder, *device, *stage).await? {
            Uploaded::Now => "uploaded",
            Uploaded::Before => "uploaded before",
            Uploaded::Refused => {
                refused += 1;
                "refused: the device exists"
            }
        };
        let device = device.to_string();
        let document = json!({ "device": device, "outcome": outcome });
        bar.suspend(|| say(output, &document, &device, &format!("{device}\t{outcome}")));
        bar.inc(1);
    }
    bar.finish_and_clear();
    match refused {
        0 => Ok(()),
        refused => Err(Failure::new("partly-done", format!("{refused} of {} records", waiting.len()))
            .because("the gateway knows devices of these UUIDs already")),
    }
}

fn write_label(data: &Path, device: Uuid, to: &Path, output: Output) -> Outcome {
    let picture = records::label_path(data, device);
    let label = label_picture::read(&picture)?;
    if label.device != device {
        return Err(files::malformed(&picture, "it is the label of another device"));
    }
    files::write_secret(to, &label_picture::draw(&label)?)?;
    let (device, to) = (device.to_string(), to.display().to_string());
    say(output, &json!({ "device": device, "label": to }), &device, &format!("{device}\t{to}"));
    Ok(())
}

fn list(data: &Path, output: Output) -> Outcome {
    let all = records::all(data)?;
    let word = |stage| match stage {
        Stage::Made => "made",
        Stage::Sending => "perhaps uploaded",
        Stage::Uploaded => "uploaded",
        Stage::Refused => "refused",
    };
    if output.json {
        let list =
            all.iter().map(|(device, stage)| json!({ "device": device.to_string(), "record": word(*stage) }));
        print_line(Value::Array(list.collect()));
        return Ok(());
    }
    for (device, stage) in all {
        let device = device.to_string();
        say(output, &Value::Null, &device, &format!("{device}\t{}", word(stage)));
    }
    Ok(())
}
