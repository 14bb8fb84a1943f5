//! The test client.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use coap_proto::{Code, Config, ContentFormat, Output, Request, RequestId, Response};

use crate::socket::Driver;

/// How long the client waits for anything.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs one command against the server at `address` and prints what comes back.
pub(crate) fn run(command: &str, address: &str, rest: &[&str]) -> Result<(), String> {
    let address: SocketAddr = address.parse().map_err(|_| format!("not an address: {address}"))?;
    let mut driver = Driver::bind("127.0.0.1:0", Config::default()).map_err(|error| error.to_string())?;
    let peer = driver.peer(address).ok_or("no room for a peer")?;
    let now = driver.now();
    let refused = |busy| format!("{busy:?}");
    match (command, rest) {
        ("ping", []) => {
            let ping = driver.endpoint.ping(peer, now).map_err(refused)?;
            await_done(&mut driver, ping).map(|_| println!("pong"))
        }
        ("observe", [path, count]) => {
            let count: usize = count.parse().map_err(|_| format!("not a number: {count}"))?;
            let request =
                driver.endpoint.observe(peer, Request::new(Code::GET, path), now).map_err(refused)?;
            observe(&mut driver, request, count)
        }
        ("get", [path, query @ ..]) => {
            let queries = query.iter().flat_map(|query| query.trim_start_matches('?').split('&'));
            let request = queries.fold(Request::new(Code::GET, path), Request::with_query);
            let id = driver.endpoint.request(peer, request, now).map_err(refused)?;
            print_body(await_done(&mut driver, id)?.as_ref())
        }
        ("put" | "post" | "delete", [path, body @ ..]) => {
            let method = match command {
                "put" => Code::PUT,
                "post" => Code::POST,
                _ => Code::DELETE,
            };
            let mut request = Request::new(method, path);
            if let Some(body) = body.first() {
                request = request.with_payload(ContentFormat::TEXT, read_body(body)?);
            }
            let id = driver.endpoint.request(peer, request, now).map_err(refused)?;
            let response = await_done(&mut driver, id)?;
            if let Some(response) = &response {
                println!("{}", response.code);
            }
            print_body(response.as_ref())
        }
        _ => Err(format!("unknown command or wrong arguments: {command}")),
    }
}

fn read_body(body: &str) -> Result<Vec<u8>, String> {
    match body.strip_prefix('@') {
        Some(file) => std::fs::read(file).map_err(|error| format!("{file}: {error}")),
        None => Ok(body.as_bytes().to_vec()),
    }
}

fn print_body(response: Option<&Response>) -> Result<(), String> {
    let Some(response) = response else { return Ok(()) };
    std::io::stdout().write_all(&response.payload).map_err(|error| error.to_string())?;
    if response.code.is_success() { Ok(()) } else { Err(format!("answered {}", response.code)) }
}

/// Waits until a request is done; a ping has no response.
fn await_done(driver: &mut Driver, wanted: RequestId) -> Result<Option<Response>, String> {
    let until = driver.now() + PATIENCE;
    while let Some(output) = driver.next(until).map_err(|error| error.to_string())? {
        match output {
            Output::Answer { request, response } if request == wanted => return Ok(Some(response)),
            Output::Pong { request } if request == wanted => return Ok(None),
            Output::Failed { request, reason } if request == wanted => return Err(format!("{reason:?}")),
            _ => {}
        }
    }
    Err("no answer".into())
}

fn observe(driver: &mut Driver, wanted: RequestId, count: usize) -> Result<(), String> {
    let until = driver.now() + PATIENCE;
    let mut seen = 0;
    while seen < count {
        let output = driver.next(until).map_err(|error| error.to_string())?;
        match output.ok_or("no notification")? {
            Output::Notification { request, response } if request == wanted => {
                seen += 1;
                println!("{}", String::from_utf8_lossy(&response.payload).trim_end());
            }
            Output::Answer { response, .. } => {
                return Err(format!("observation ended with {}", response.code));
            }
            Output::Failed { reason, .. } => return Err(format!("{reason:?}")),
            _ => {}
        }
    }
    let now = driver.now();
    driver.endpoint.cancel(wanted, now);
    // The deregistration leaves, and its answer is awaited for a moment.
    let end = now + Duration::from_millis(300);
    while driver.next(end).map_err(|error| error.to_string())?.is_some() {}
    Ok(())
}
