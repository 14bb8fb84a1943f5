//! The command line: groups of verbs, one file each.

mod account;
pub(crate) mod audit;
mod authority;
mod client;
mod device;
mod explain;
mod file_channel;
mod grant;
mod identity;
mod lbs;
mod maker;
mod network;
mod owner;
mod plain_device;
mod risk;
pub(crate) mod say;
mod serve;
mod settings;
mod smart;
pub(crate) mod stdout;
mod system;
mod thing_records;
mod thing_verbs;
mod things;
mod tree;

use std::sync::Arc;

use clap::{Parser, Subcommand};
use crypto::Provider;
use crypto_server::Server;

use crate::failure::{Failure, Outcome};

/// Owning, onboarding and sharing things of the Internet.
///
/// Examples:
///   thingstead demo                        watch four devices live through their whole life
///   thingstead serve --config ta.toml      run the servers of a configuration
#[derive(Parser)]
#[command(
    name = "thingstead",
    version,
    verbatim_doc_comment,
    propagate_version = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Results and failures as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Only ids on standard output.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// List the id of every operation (`owner.transfer`) and stop.
    #[arg(long, exclusive = true)]
    list_operations: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How results are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// As one JSON document.
    pub(crate) json: bool,
    /// Only ids.
    pub(crate) quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Watch four devices live: made, claimed, bootstrapped, in service, handed to a new owner.
    Demo(crate::demo::Demo),
    /// Run the roles of a configuration file.
    Serve(serve::Serve),
    /// Claim devices, and pass them on.
    Owner(owner::Owner),
    /// Read, write, call and watch things; send commands to devices.
    Things(things::Things),
    /// Bring, list and fetch the files of devices.
    Files(file_channel::Files),
    /// Grant the use of things, and say who may do what.
    Grant(grant::Grant),
    /// Show and make channels between devices.
    Network(network::Network),
    /// Manage the accounts of a management system's console.
    Account(account::Account),
    /// Manage the MQTT clients of a management system.
    Client(client::Client),
    /// Show and set how people sign in, and what the audit log keeps.
    Settings(settings::Settings),
    /// List risks, and accept one for a time.
    Risk(risk::Risk),
    /// Read the audit log of a role.
    Audit(audit::Audit),
    /// List what listens.
    Listeners(system::Listeners),
    /// Print the OpenAPI description of a management system's calls.
    Api(system::Api),
    /// Tell what devices have to know of a load balancer.
    Lbs(lbs::Lbs),
    /// Make and run a device, show or reset what it keeps.
    Device(device::Device),
    /// Make devices: keys, records, labels, uploads.
    Maker(maker::Maker),
    /// Run the identity server: make an authority, enrol its servers, take records in. Opens no socket.
    Identity(identity::IdentityGroup),
    /// Recover the authority's online servers after a restore.
    Authority(authority::AuthorityGroup),
    /// Measure this machine, ours beside a reference.
    Bench(crate::bench::Bench),
    /// Say what a failure means and what to try.
    Explain(explain::Explain),
    /// Print completions for a shell.
    Completions(tree::Completions),
    /// Write a manual page for every command into a folder.
    Man(tree::Man),
}

/// Runs one command.
pub(crate) fn run(cli: Cli) -> Outcome {
    let output = Output { json: cli.json, quiet: cli.quiet };
    let Some(command) = cli.command else {
        tree::operations().iter().for_each(stdout::print_line);
        return Ok(());
    };
    match command {
        Command::Demo(demo) => demo.run(output),
        Command::Owner(owner) => owner.run(output),
        Command::Things(things) => things.run(output),
        Command::Files(files) => files.run(output),
        Command::Grant(grant) => grant.run(output),
        Command::Network(network) => network.run(output),
        Command::Settings(settings) => settings.run(output),
        Command::Risk(risk) => risk.run(output),
        Command::Lbs(lbs) => lbs.run(output),
        Command::Listeners(listeners) => listeners.run(output),
        Command::Api(api) => api.run(),
        Command::Serve(serve) => serve.run(output),
        Command::Account(account) => account.run(output),
        Command::Client(client) => client.run(output),
        Command::Audit(audit) => audit.run(output),
        Command::Device(device) => device.run(output),
        Command::Maker(maker) => maker.run(output),
        Command::Identity(identity) => identity.run(output),
        Command::Authority(authority) => authority.run(output),
        Command::Bench(bench) => bench.run(output),
        Command::Explain(explain) => explain.run(output),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(output),
    }
}

/// The provider of cryptography: picked here, once.
pub(crate) fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

/// Threads for work that blocks: operations on stores, hashes of passwords. A store writes one change at a time, so
/// that more of them wait for each other; and each keeps memory of the allocator for itself.
const BLOCKING_THREADS_MAX: usize = 6;

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build();
    runtime.map_err(|error| Failure::new("internal", "the runtime").because(error))?.block_on(future)
}

/// Logs to standard error; `THINGSTEAD_LOG` sets what (`info` unless told otherwise).
pub(crate) fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("THINGSTEAD_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A line that cannot be written (a full disk below the log) is let go: saying so on the same stream would panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let log = log.with_writer(std::io::stderr).with_ansi(false);
    if log.try_init().is_err() {
        tracing::debug!("a log is set up already");
    }
}
