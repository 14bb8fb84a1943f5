//! The test server.

use std::collections::BTreeMap;
use std::time::Duration;

use clock::Moment;
use coap_proto::{
    Code, Config, ContentFormat, Delivery, ExchangeId, Incoming, Interest, ObserverId, Output, Precondition,
    Response, Router, accepted_format, precondition, write_links,
};

use crate::resources::{Resource, links, routes};
use crate::socket::Driver;

/// How often `/obs` changes.
const CHANGE_PERIOD: Duration = Duration::from_millis(500);
/// How long `/separate` thinks: longer than the acknowledgement waits.
const THINKING: Duration = Duration::from_millis(800);

/// State of the resources.
struct Server {
    driver: Driver,
    routes: Router<Resource>,
    count: u32,
    changes: u32,
    stored: Vec<u8>,
    large: Vec<u8>,
    made: BTreeMap<String, Vec<u8>>,
    observers: Vec<ObserverId>,
    thinking: Vec<(Moment, ExchangeId)>,
}

/// Serves until the process is ended.
pub(crate) fn serve(address: &str, config: Config) -> Result<(), String> {
    let driver = Driver::bind(address, config).map_err(|error| error.to_string())?;
    println!("listening on {}", driver.address().map_err(|error| error.to_string())?);
    let mut server = Server {
        driver,
        routes: routes(),
        count: 0,
        changes: 0,
        stored: b"stored".to_vec(),
        large: body_of(3000),
        made: BTreeMap::new(),
        observers: Vec::new(),
        thinking: Vec::new(),
    };
    let mut change_at = server.driver.now() + CHANGE_PERIOD;
    loop {
        let wake = server.thinking.iter().map(|(at, _)| *at).chain([change_at]).min().unwrap_or(change_at);
        let output = server.driver.next(wake).map_err(|error| error.to_string())?;
        if let Some(output) = output {
            server.act(output);
            continue;
        }
        let now = server.driver.now();
        server.finish_thinking(now);
        if now >= change_at {
            change_at = now + CHANGE_PERIOD;
            server.change(now);
        }
    }
}

/// `size` letters in lines of 64.
fn body_of(size: usize) -> Vec<u8> {
    (0..size).map(|at| if at % 64 == 63 { b'\n' } else { b'a' + (at / 64 % 26) as u8 }).collect()
}

impl Server {
    fn act(&mut self, output: Output) {
        match output {
            Output::Request(incoming) => self.take(&incoming),
            Output::ObserverGone { observer, .. } => self.observers.retain(|known| *known != observer),
            Output::ObserverDue { observer } => {
                let (state, now) = (self.observed_state(), self.driver.now());
                if self.driver.endpoint.notify(observer, state, Delivery::Confirmable, now).is_err() {
                    self.observers.retain(|known| *known != observer);
                }
            }
            Output::Transmit { .. }
            | Output::Answer { .. }
            | Output::Notification { .. }
            | Output::Failed { .. }
            | Output::Pong { .. }
            | Output::Idle { .. } => {}
        }
    }

    fn take(&mut self, incoming: &Incoming) {
        let now = self.driver.now();
        let found = self.routes.find(incoming.method, incoming.options());
        let resource = match found {
            Ok(found) => *found.id,
            Err(refusal) => return self.respond(incoming.exchange, refusal),
        };
        if resource == Resource::Separate {
            return self.thinking.push((now + THINKING, incoming.exchange));
        }
        let response = self.answer(resource, incoming);
        if resource == Resource::Observed && incoming.interest == Some(Interest::Register) {
            match self.driver.endpoint.respond_observed(incoming.exchange, response, now) {
                Ok(Some(observer)) if !self.observers.contains(&observer) => self.observers.push(observer),
                Ok(_) | Err(_) => {}
            }
            return;
        }
        self.respond(incoming.exchange, response);
    }

    fn respond(&mut self, exchange: ExchangeId, response: Response) {
        let now = self.driver.now();
        if self.driver.endpoint.respond(exchange, response, now).is_err() {
            eprintln!("coap_udp: an exchange was gone before it was answered");
        }
    }

    fn answer(&mut self, resource: Resource, incoming: &Incoming) -> Response {
        let options = incoming.options();
        let text = |body: &[u8]| Response::content(ContentFormat::TEXT, body);
        match (resource, incoming.method) {
            (Resource::Discovery, _) => {
                Response::content(ContentFormat::LINK_FORMAT, write_links(&links(), options).into_bytes())
            }
            (Resource::Test, Code::GET) => text(b"test"),
            (Resource::Test, Code::POST) => {
                Response::new(Code::CREATED).with_location("/location1/location2")
            }
            (Resource::Test, Code::DELETE) => Response::new(Code::DELETED),
            (Resource::Test, _) => Response::new(Code::CHANGED),
            (Resource::Large | Resource::LargeUpdate, Code::GET) => text(&self.large),
            (Resource::Large | Resource::LargeUpdate, _) => {
                self.large.clone_from(&incoming.payload);
                Response::new(Code::CHANGED)
            }
            (Resource::Count, _) => {
                self.count += 1;
                let mut changed = Response::new(Code::CHANGED);
                changed.payload = self.count.to_string().into_bytes();
                changed
            }
            (Resource::Time, _) => text((self.driver.now().as_micros() / 1000).to_string().as_bytes()),
            (Resource::Echo, _) => {
                let format = options.content_format().unwrap_or(ContentFormat::OCTET_STREAM);
                Response::content(format, incoming.payload.clone())
            }
            (Resource::Separate, _) => text(b"separate"),
            (Resource::Observed, Code::GET) => self.observed_state(),
            (Resource::Observed, _) => Response::new(Code::CHANGED),
            (Resource::Query, _) => text(&options.queries().collect::<Vec<_>>().join(&b'&')),
            (Resource::Segments, _) => text(&options.path().collect::<Vec<_>>().join(&b'/')),
            (Resource::Validated | Resource::Stored, _) => self.conditional(incoming),
            (Resource::Create, _) => self.create(incoming),
            (Resource::MultiFormat, _) => {
                match accepted_format(options, &[ContentFormat::TEXT, ContentFormat::XML]) {
                    Ok(Some(ContentFormat::XML)) => Response::content(ContentFormat::XML, *b"<a/>"),
                    Ok(_) => text(b"plain"),
                    Err(refusal) => refusal,
                }
            }
        }
    }

    /// A resource with an entity tag, its length.
    fn conditional(&mut self, incoming: &Incoming) -> Response {
        let tag = [self.stored.len() as u8 | 0x80, self.stored.first().copied().unwrap_or(0)];
        match precondition(incoming.method, incoming.options(), Some(&tag)) {
            Precondition::Failed => Response::new(Code::PRECONDITION_FAILED),
            Precondition::StillValid => Response::new(Code::VALID).with_etag(&tag),
            Precondition::Holds if incoming.method == Code::GET => {
                Response::content(ContentFormat::TEXT, self.stored.clone()).with_etag(&tag)
            }
            Precondition::Holds => {
                self.stored.clone_from(&incoming.payload);
                Response::new(Code::CHANGED)
            }
        }
    }

    fn create(&mut self, incoming: &Incoming) -> Response {
        let name = incoming.options().path().nth(1).map(String::from_utf8_lossy).unwrap_or_default();
        let present = self.made.get(&*name).map(|_| &b"made"[..]);
        match precondition(incoming.method, incoming.options(), present) {
            Precondition::Holds => {
                let before = self.made.insert(name.into_owned(), incoming.payload.clone());
                Response::new(if before.is_some() { Code::CHANGED } else { Code::CREATED })
            }
            Precondition::Failed | Precondition::StillValid => Response::new(Code::PRECONDITION_FAILED),
        }
    }

    fn observed_state(&self) -> Response {
        Response::content(ContentFormat::TEXT, format!("state {}", self.changes)).with_max_age(5)
    }

    fn change(&mut self, now: Moment) {
        self.changes += 1;
        for observer in self.observers.clone() {
            let state = self.observed_state();
            if self.driver.endpoint.notify(observer, state, Delivery::Confirmable, now).is_err() {
                self.observers.retain(|known| *known != observer);
            }
        }
    }

    fn finish_thinking(&mut self, now: Moment) {
        let (done, waiting) = self.thinking.drain(..).partition(|(at, _)| *at <= now);
        self.thinking = waiting;
        let done: Vec<(Moment, ExchangeId)> = done;
        for (_, exchange) in done {
            self.respond(exchange, Response::content(ContentFormat::TEXT, *b"separate"));
        }
    }
}
