//! A CoAP server and client over UDP, to try the endpoint against other implementations.
//!
//! ```text
//! coap_udp serve ADDR [challenge]          serves test resources; prints `listening on ADDR`; with
//!                                          `challenge`, large answers to unproven addresses wait for Echo
//! coap_udp get     ADDR /path [?query]     prints the body
//! coap_udp put     ADDR /path BODY|@FILE   prints the response code, then the body
//! coap_udp post    ADDR /path BODY|@FILE   the same
//! coap_udp delete  ADDR /path              the same
//! coap_udp observe ADDR /path COUNT        prints COUNT notifications, one a line, then deregisters
//! coap_udp ping    ADDR
//! ```
//! Only this program reads a clock and owns a socket; the endpoint is handed the time.

mod client;
mod resources;
mod server;
mod socket;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve", address] => {
            server::serve(address, coap_proto::Config { amplification: None, ..Default::default() })
        }
        ["serve", address, "challenge"] => server::serve(address, coap_proto::Config::default()),
        [command, address, rest @ ..] => client::run(command, address, rest),
        _ => Err("usage: coap_udp serve ADDR | get|put|post|delete|observe|ping ADDR [PATH] [BODY]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("coap_udp: {reason}");
            ExitCode::FAILURE
        }
    }
}
