//! Things over CoAP and DTLS on UDP, for tests with other implementations: a lock, and a sensor.
//!
//! The key of everybody but `nobody` is `the key of NAME`. `panel` may do everything with both things. Prints where it
//! listens, then takes lines: see `furniture`.
#![expect(clippy::unwrap_used, reason = "a tool of tests")]
#![expect(clippy::print_stdout, reason = "it says where it listens")]

mod furniture;

use std::net::SocketAddr;
use std::sync::Arc;

use clock::{Dice, Moment, Now};
use coap_front::things::{ThingsCommand, ThingsEvent, ThingsFace, ThingsSetup};
use crypto::Secret;
use net::now::Clock;
use net::shutdown::shutdown;
use net::udp::{self, DatagramMachine, Output, Transmit, UdpDriver};
use things_desk::coap::ThingsDesk;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::channel;

struct OnSocket(ThingsFace);

impl DatagramMachine for OnSocket {
    type Command = ThingsCommand;
    type Event = ThingsEvent;

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        self.0.receive(from, datagram, now);
    }

    fn command(&mut self, command: ThingsCommand, now: Now) {
        self.0.command(command, now);
    }

    fn refused(&mut self, event: ThingsEvent, now: Now) {
        self.0.refused(event, now);
    }

    fn expire(&mut self, now: Now) {
        self.0.expire(now);
    }

    fn stop(&mut self, now: Now) {
        self.0.stop(now);
    }

    fn next_output(&mut self) -> Option<Output<ThingsEvent>> {
        Some(match self.0.next_output()? {
            coap_front::Output::Transmit { to, datagram } => Output::Transmit(Transmit { to, datagram }),
            coap_front::Output::Event(event) => Output::Event(event),
        })
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.0.next_deadline()
    }
}

#[tokio::main]
async fn main() {
    let clock = Clock::start();
    let (desk, grants) = furniture::furnished(clock).await;
    let (commands_in, commands) = channel(1024);
    let (events_in, mut events) = channel(1024);
    let limits = ThingsSetup::LIMITS;
    let provider = Arc::new(crypto_server::Server::new());
    let face = ThingsFace::new(ThingsSetup { provider, dice: Dice::numbered(3), limits }, clock.now());
    let things = ThingsDesk::new(
        desk.clone(),
        commands_in,
        Arc::new(|name: String| {
            let key = (name != "nobody").then(|| Secret::from(format!("the key of {name}").as_bytes()));
            Box::pin(async move { Some((key?, false)) })
        }),
        Arc::new(|view: &hub::ThingView| view.thing.title.clone().into_bytes()),
    );
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", socket.local_addr().unwrap());
    let (_trigger, stop) = shutdown();
    let driver = UdpDriver { socket, commands, events: events_in, clock, shutdown: stop };
    tokio::spawn(udp::run(driver, OnSocket(face)));
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            things.take(event);
        }
    });
    furniture::obey_lines(&desk, &grants).await;
}
