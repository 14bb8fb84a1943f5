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
    /// List the devices of this management system.
    List,
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
        /// Fetches the device's configuration from the authority first: after the authority recovered, or began a
        /// new generation of its keys.
        #[arg(long)]
        fetch: bool,
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
        /// Expect the device no more.
        #[arg(long)]
        no_more: bool,
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
struct Danger {
    /// Does it without asking.
    #[arg(long)]
    yes: bool,
}

impl Danger {
    /// Says what happens and has the person type the UUID; without a terminal `--yes` is needed.
    fn confirm(&self, device: Uuid, consequence: &str) -> Outcome {
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
                Verb::List => list(&client, say).await,
                Verb::Show { device } => {
                    say.document(&read(&client, &format!("/v1/devices/{device}")).await?)
                }
                Verb::Id => {
                    let own = read(&client, "/v1/managementsystem").await?;
                    say.value(own["id"].as_str().unwrap_or_default(), &own)
                }
                Verb::Bootstrap { device, fetch: false } => {
                    act(&client, device, "bootstrap", say, "image left for the device").await
                }
                Verb::Bootstrap { device, fetch: true } => {
                    let done = "its configuration is fetched, and an image left for the device";
                    act(&client, device, "configuration", say, done).await
                }
                Verb::Transfer { device, to, danger } => {
                    danger.confirm(
                        device,
                        "The image of this device is withdrawn, and its next owner decides.",
                    )?;
                    act(&client, device, &format!("transfer?to={to}"), say, "transferred").await
                }
                Verb::Accept { device, no_more: false } => {
                    act(&client, device, "accept", say, "accepted").await
                }
                Verb::Accept { device, no_more: true } => {
                    let path = format!("/v1/devices/{device}/accept");
                    client.call(Method::DELETE, &path, "", &device.to_string()).await?;
                    say.done(device, "expected no more")
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

/// Writes results the way that was asked for.
#[derive(Clone, Copy)]
struct Say {
    output: Output,
}

impl Say {
    fn document(self, document: &Value) -> Outcome {
        if self.output.json {
            print_line(document);
            return Ok(());
        }
        let text = serde_json::to_string_pretty(document);
        print_line(text.map_err(|error| Failure::new("internal", "an answer").because(error))?);
        Ok(())
    }

    fn value(self, text: &str, document: &Value) -> Outcome {
        if self.output.json {
            print_line(document);
        } else {
            print_line(text);
        }
        Ok(())
    }

    /// What was done with a device, in words or as a document.
    fn done(self, device: Uuid, done: &str) -> Outcome {
        self.step(&format!("{device}: {done}"));
        if self.output.json {
            self.document(&serde_json::json!({ "device": device.to_string(), "done": done }))?;
        }
        Ok(())
    }

    /// One step that was done, for people.
    fn step(self, text: &str) {
        if !self.output.json && !self.output.quiet {
            eprintln!("✓ {text}");
        }
    }
}

async fn read(client: &OperatorClient, path: &str) -> Outcome<Value> {
    let answer = client.call(Method::GET, path, "", path).await?;
    serde_json::from_slice(answer.body())
        .map_err(|error| Failure::new("internal", "an answer").because(error))
}

async fn list(client: &OperatorClient, say: Say) -> Outcome {
    let mut all = Vec::new();
    let mut path = "/v1/devices".to_owned();
    loop {
        let page = read(client, &path).await?;
        all.extend(page["devices"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/devices?after={next}"),
            None => break,
        }
    }
    if say.output.json {
        return say.document(&Value::Array(all));
    }
    for device in &all {
        let text = |name: &str| device[name].as_str().unwrap_or("-").to_owned();
        if say.output.quiet {
            print_line(text("id"));
        } else {
            print_line(format_args!("{}\t{}\t{}", text("id"), device["status"], text("description")));
        }
    }
    Ok(())
}

async fn act(client: &OperatorClient, device: Uuid, action: &str, say: Say, done: &str) -> Outcome {
    let path = format!("/v1/devices/{device}/{action}");
    client.call(Method::POST, &path, "", &device.to_string()).await?;
    say.done(device, done)
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
        let path = format!("/v1/devices/{device}?case_string={}", &*case.case_string());
        client.call(Method::POST, &path, "", &device.to_string()).await.map_err(|failure| {
            if failure.code() == "refused" {
                Failure::new("claim-refused", device.to_string())
            } else {
                failure
            }
        })?;
        say.step(&format!("{device}: claimed, its image waits for it"));
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
