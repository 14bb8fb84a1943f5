//! `thingstead owner`: what an owner does with its devices, through its management system.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use assure_json::DeviceStatus;
use assure_proto::CaseId;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use model::{ManagementId, Uuid};
use serde_json::Value;
use zeroize::Zeroizing;

use super::say::{Say, read, read_all};
use super::stdout::print_line;
use super::{Output, block_on};
use crate::failure::{Failure, Outcome};
use crate::label_picture;
use crate::operator_client::{OperatorClient, Target};

/// Claim devices, and pass them on.
#[derive(Args)]
pub(crate) struct Owner {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Take a device over: claim it, fetch its configuration, build its image, wait for it.
    ///
    /// Examples:
    ///   thingstead owner --data data/a claim --label label.png
    ///   thingstead owner --data data/a claim 8f2c41d0-0000-4000-8000-0000000077aa --case-string -
    #[command(verbatim_doc_comment)]
    Claim(Claim),
    /// List the devices of this management system: UUID, status, what it means.
    ///
    /// Examples:
    ///   thingstead owner --data data/a list
    ///   thingstead owner --data data/a list --find 'is:unreachable maker:acme -model:p2'
    #[command(verbatim_doc_comment)]
    List {
        /// Only devices that fit all of these words: is: maker: model: kind: id: due: owner:, - turns around.
        #[arg(long, value_name = "WORDS")]
        find: Option<String>,
    },
    /// Show one device: status, owner, what it says of itself.
    Show {
        /// The device's UUID.
        device: Uuid,
    },
    /// Show the id that others name to transfer devices to this management system.
    Id,
    /// Build the device's image again and leave it for the device.
    Bootstrap {
        /// The device's UUID.
        device: Uuid,
    },
    /// Fetch the device's configuration from the authority again, and build its image from it.
    ///
    /// After the authority recovered, or began a new generation of its keys.
    Fetch {
        /// The device's UUID.
        device: Uuid,
    },
    /// Show what happened to a device, newest first.
    Timeline {
        /// The device's UUID.
        device: Uuid,
        /// Entries at most.
        #[arg(long, default_value_t = 100)]
        count: usize,
    },
    /// Show the public parts of a device's keys.
    Keys {
        /// The device's UUID.
        device: Uuid,
    },
    /// Show a device's channels: to this management system and to other devices.
    Channels {
        /// The device's UUID.
        device: Uuid,
    },
    /// List the devices whose transfer to this management system is expected.
    Offers,
    /// Put another device in a device's place: it is given the channels of the one that it replaces.
    Replace {
        /// The UUID of the device that goes.
        device: Uuid,
        /// The UUID of the device that takes its place; both are this owner's.
        #[arg(long, value_name = "UUID")]
        by: Uuid,
        #[command(flatten)]
        danger: Danger,
    },
    /// Pass a device on to another management system.
    ///
    /// Its present image is withdrawn at once; the device keeps obeying until it has taken the image of its
    /// next owner, then it forgets everything of this one.
    Transfer {
        /// The device's UUID.
        device: Uuid,
        /// The management id of the receiver (`thingstead owner id` on its side).
        #[arg(long)]
        to: ManagementId,
        #[command(flatten)]
        danger: Danger,
    },
    /// Take over a device that was transferred to this management system, or expect it.
    ///
    /// Before the transfer it announces that the device is expected; a management system that takes only
    /// announced transfers gets no other (`owner takes`).
    #[command(visible_alias = "expect")]
    Accept {
        /// The device's UUID.
        device: Uuid,
    },
    /// Expect a transfer no more that was announced with `owner accept`.
    Decline {
        /// The device's UUID.
        device: Uuid,
    },
    /// Say which transfers this management system takes: only announced ones, or all.
    ///
    /// Example:
    ///   thingstead owner --data data/a takes announced
    #[command(verbatim_doc_comment)]
    Takes {
        /// Which transfers are taken.
        #[arg(value_enum)]
        which: Takes,
    },
    /// Give a device up. Whoever has its case string may claim it then; a transfer is safer.
    Release {
        /// The device's UUID.
        device: Uuid,
        /// Says that nobody is to own it.
        #[arg(long, required = true)]
        to_nobody: bool,
        #[command(flatten)]
        danger: Danger,
    },
}

/// Which transfers a management system takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Takes {
    /// Only those that it announced with `owner accept`.
    Announced,
    /// Every one.
    All,
}

#[derive(Args)]
struct Claim {
    /// The device's UUID, when there is no picture of its label.
    #[arg(required_unless_present = "label", conflicts_with = "label")]
    device: Option<Uuid>,
    /// A picture of the label on the device.
    #[arg(long, value_name = "FILE")]
    label: Option<PathBuf>,
    /// Reads the string on the case from standard input; it never stands in the arguments.
    #[arg(long, value_name = "-", requires = "device")]
    case_string: Option<String>,
    /// Seconds to wait for the device; 0 does not wait.
    #[arg(long, default_value_t = 0)]
    wait: u64,
}

#[derive(Args)]
pub(crate) struct Danger {
    /// Does it without asking.
    #[arg(long)]
    yes: bool,
}

impl Danger {
    /// Says what happens and has the person type the UUID; without a terminal `--yes` is needed.
    pub(crate) fn confirm(&self, device: Uuid, consequence: &str) -> Outcome {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::new("not-confirmed", device.to_string()));
        }
        eprintln!("{consequence}");
        eprint!("Type the UUID to go on: ");
        if std::io::stderr().flush().is_err() || read_line()?.trim() != device.to_string() {
            return Err(Failure::new("not-confirmed", device.to_string()));
        }
        Ok(())
    }
}

fn read_line() -> Outcome<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::new("file-unreadable", "standard input").because(error))?;
    Ok(line)
}

impl Owner {
    pub(crate) fn run(self, output: Output) -> Outcome {
        let client = self.target.client()?;
        let say = Say { output };
        block_on(async move {
            match self.verb {
                Verb::Claim(claim) => claim.run(&client, say).await,
                Verb::List { find } => list(&client, find.as_deref(), say).await,
                Verb::Show { device } => {
                    say.document(&read(&client, &format!("/v1/devices/{device}")).await?)
                }
                Verb::Id => {
                    let own = read(&client, "/v1/managementsystem").await?;
                    say.value(own["id"].as_str().unwrap_or_default(), &own)
                }
                Verb::Bootstrap { device } => {
                    act(&client, device, "bootstrap", say, "image left for the device").await
                }
                Verb::Fetch { device } => {
                    let done = "its configuration is fetched, and an image left for the device";
                    act(&client, device, "configuration", say, done).await
                }
                Verb::Timeline { device, count } => timeline(&client, device, count, say).await,
                Verb::Keys { device } => {
                    let keys = read(&client, &format!("/v1/devices/{device}/keys")).await?;
                    say.rows(&keys["keys"], &["id", "purpose", "kind", "fingerprint", "signed_by"])
                }
                Verb::Channels { device } => {
                    let channels = read(&client, &format!("/v1/devices/{device}/channels")).await?;
                    say.rows(&channels["channels"], &["number", "peer", "kind", "state", "since_unix_millis"])
                }
                Verb::Offers => {
                    let offers = read(&client, "/v1/offers").await?;
                    say.rows(&offers["offers"], &["device", "since_unix_millis"])
                }
                Verb::Replace { device, by, danger } => {
                    danger
                        .confirm(device, "This device loses its channels to the one that takes its place.")?;
                    act(&client, device, &format!("replace?uuid={by}"), say, "replaced").await
                }
                Verb::Transfer { device, to, danger } => {
                    danger.confirm(
                        device,
                        "The image of this device is withdrawn, and its next owner decides.",
                    )?;
                    act(&client, device, &format!("transfer?to={to}"), say, "transferred").await
                }
                Verb::Accept { device } => act(&client, device, "accept", say, "accepted").await,
                Verb::Decline { device } => {
                    let path = format!("/v1/devices/{device}/accept");
                    client.call(Method::DELETE, &path, "", &device.to_string()).await?;
                    say.done("device", &device.to_string(), "expected no more")
                }
                Verb::Takes { which } => takes(&client, which, say).await,
                Verb::Release { device, to_nobody: _, danger } => {
                    danger.confirm(device, "Whoever has the string on its case may claim it then.")?;
                    act(&client, device, "release", say, "released").await
                }
            }
        })
    }
}

/// Every byte that is no letter or digit as a percent sign and two digits.
pub(crate) fn escaped(text: &str) -> String {
    let letter = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

async fn list(client: &OperatorClient, find: Option<&str>, say: Say) -> Outcome {
    let words = find.map(|find| format!("?q={}", escaped(find))).unwrap_or_default();
    let all = read_all(client, &format!("/v1/devices{words}"), "devices").await?;
    if say.output.json {
        return say.document(&all);
    }
    for device in all.as_array().into_iter().flatten() {
        let text = |name: &str| device[name].as_str().unwrap_or("-").to_owned();
        if say.output.quiet {
            print_line(text("id"));
        } else {
            print_line(format_args!("{}\t{}\t{}", text("id"), device["status"], text("description")));
        }
    }
    Ok(())
}

/// The newest entries about a device, page by page.
async fn timeline(client: &OperatorClient, device: Uuid, count: usize, say: Say) -> Outcome {
    let (mut entries, mut before) = (Vec::new(), String::new());
    while entries.len() < count {
        let page = read(client, &format!("/v1/devices/{device}/timeline?before={before}")).await?;
        entries.extend(page["entries"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut before),
            None => break,
        }
    }
    entries.truncate(count);
    say.rows(&Value::Array(entries), &["unix_millis", "role", "actor", "operation", "result"])
}

async fn act(client: &OperatorClient, device: Uuid, action: &str, say: Say, done: &str) -> Outcome {
    let path = format!("/v1/devices/{device}/{action}");
    client.call(Method::POST, &path, "", &device.to_string()).await?;
    say.done("device", &device.to_string(), done)
}

async fn takes(client: &OperatorClient, which: Takes, say: Say) -> Outcome {
    let word = match which {
        Takes::Announced => "announced",
        Takes::All => "all",
    };
    client.call(Method::PUT, "/v1/managementsystem/takes", word, "the transfers that are taken").await?;
    say.step(&format!("transfers that are taken: {word}"));
    if say.output.json {
        say.document(&serde_json::json!({ "takes": word }))?;
    }
    Ok(())
}

impl Claim {
    async fn run(self, client: &OperatorClient, say: Say) -> Outcome {
        let (device, case) = self.read()?;
        let request = Uuid::v4(crate::identity::dice()?.bytes());
        let asked = Zeroizing::new(
            serde_json::json!({
                "device": device.to_string(),
                "case_string": &*case.case_string(),
                "request": request.to_string(),
            })
            .to_string(),
        );
        let name = device.to_string();
        match client.call(Method::POST, "/v1/claims", asked.as_bytes().to_vec(), &name).await {
            Ok(_) => say.step(&format!("{device}: claimed, its image waits for it")),
            Err(failure) if failure.code() == "already-yours" => {
                say.step(&format!("{device}: yours already"));
            }
            Err(failure) => return Err(failure),
        }
        if self.wait > 0 {
            wait_for_service(client, device, Duration::from_secs(self.wait)).await?;
            say.step(&format!("{device}: in service"));
        }
        say.value(&device.to_string(), &read(client, &format!("/v1/devices/{device}/status")).await?)
    }

    fn read(&self) -> Outcome<(Uuid, CaseId)> {
        match (&self.label, self.device) {
            (Some(path), _) => {
                let label = label_picture::read(path)?;
                Ok((label.device, label.case_id))
            }
            (None, Some(device)) => {
                let typed = read_line()?;
                let case = CaseId::from_typed(typed.trim());
                Ok((
                    device,
                    case.map_err(|error| Failure::new("label-unreadable", "the string").because(error))?,
                ))
            }
            (None, None) => Err(Failure::new("label-unreadable", "no label and no UUID")),
        }
    }
}

/// How often the status is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

async fn wait_for_service(client: &OperatorClient, device: Uuid, time: Duration) -> Outcome {
    let deadline = Instant::now() + time;
    loop {
        let status = read(client, &format!("/v1/devices/{device}/status")).await?;
        if status["status"] == DeviceStatus::InService.number() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let said = status["description"].as_str().unwrap_or("unknown").to_owned();
            return Err(Failure::new("step-missing", format!("{device} in service")).because(said));
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
