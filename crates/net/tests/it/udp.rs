//! The UDP driver under a small machine.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use clock::{Moment, Now};
use net::now::Clock;
use net::shutdown::shutdown;
use net::udp::{DatagramMachine, Output, Transmit, UdpDriver, UdpTally, run};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::world::within;

/// Answers each datagram with the same bytes, reports it, repeats a command's datagram at its deadline.
#[derive(Default)]
struct Echo {
    outputs: VecDeque<Output<Vec<u8>>>,
    refused: Vec<Vec<u8>>,
    peer: Option<SocketAddr>,
    deadline: Option<Moment>,
}

enum Command {
    RemindAfter(Duration),
    Say(SocketAddr, Vec<u8>),
}

impl Echo {
    fn say(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.outputs.push_back(Output::Transmit(Transmit { to, datagram: datagram.to_vec() }));
    }
}

impl DatagramMachine for Echo {
    type Command = Command;
    type Event = Vec<u8>;

    fn receive(&mut self, from: SocketAddr, datagram: &[u8], _now: Now) {
        self.peer = Some(from);
        self.outputs.push_back(Output::Event(datagram.to_vec()));
        self.say(from, datagram);
    }

    fn command(&mut self, command: Command, now: Now) {
        match command {
            Command::RemindAfter(span) => self.deadline = Some(now.moment + span),
            Command::Say(to, datagram) => self.say(to, &datagram),
        }
    }

    fn refused(&mut self, event: Vec<u8>, _now: Now) {
        self.refused.push(event);
    }

    fn expire(&mut self, now: Now) {
        assert!(self.deadline.is_some_and(|deadline| deadline <= now.moment), "not before its time");
        self.deadline = None;
        let peer = self.peer.unwrap();
        self.say(peer, b"reminder");
    }

    fn stop(&mut self, _now: Now) {
        let peer = self.peer.unwrap();
        self.say(peer, b"goodbye");
    }

    fn next_output(&mut self) -> Option<Output<Vec<u8>>> {
        self.outputs.pop_front()
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.deadline
    }
}

struct World {
    peer: UdpSocket,
    address: SocketAddr,
    commands: Sender<Command>,
    events: Receiver<Vec<u8>>,
    trigger: net::shutdown::Trigger,
    task: JoinHandle<(Echo, UdpTally)>,
}

impl World {
    async fn start(event_count_max: usize) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self::serve(socket, peer, event_count_max)
    }

    fn serve(socket: UdpSocket, peer: UdpSocket, event_count_max: usize) -> Self {
        let address = socket.local_addr().unwrap();
        let (command_sender, commands) = channel(4);
        let (event_sender, events) = channel(event_count_max);
        let (trigger, token) = shutdown();
        let driver =
            UdpDriver { socket, commands, events: event_sender, clock: Clock::start(), shutdown: token };
        let task = tokio::spawn(run(driver, Echo::default()));
        Self { peer, address, commands: command_sender, events, trigger, task }
    }

    async fn hear(&self) -> Vec<u8> {
        let mut buffer = vec![0; 65_535];
        let (length, from) = within(self.peer.recv_from(&mut buffer)).await.unwrap();
        assert_eq!(from, self.address);
        buffer.truncate(length);
        buffer
    }
}

#[tokio::test]
async fn datagrams_commands_deadlines_and_goodbye_reach_the_machine() {
    let mut world = World::start(4).await;
    for datagram in [&b"first"[..], b"", &[7; 60_000]] {
        world.peer.send_to(datagram, world.address).await.unwrap();
        assert_eq!(world.hear().await, datagram);
        assert_eq!(within(world.events.recv()).await.as_deref(), Some(datagram));
    }
    let own = world.peer.local_addr().unwrap();
    world.commands.send(Command::Say(own, b"said".to_vec())).await.unwrap();
    assert_eq!(world.hear().await, b"said");
    world.commands.send(Command::RemindAfter(Duration::from_millis(20))).await.unwrap();
    assert_eq!(world.hear().await, b"reminder");
    world.trigger.request();
    assert_eq!(world.hear().await, b"goodbye");
    let (machine, tally) = within(world.task).await.unwrap();
    assert!(machine.refused.is_empty());
    assert_eq!(tally, UdpTally { received: 3, sent: 6, ..UdpTally::default() });
}

#[tokio::test]
async fn datagrams_that_wait_together_are_answered_in_order_each_to_its_sender() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let socket = match UdpSocket::bind(host).await {
            Err(_) if host.starts_with('[') => {
                println!("skipped: this machine has no IPv6");
                continue;
            }
            bound => bound.unwrap(),
        };
        let (one, other) = (UdpSocket::bind(host).await.unwrap(), UdpSocket::bind(host).await.unwrap());
        let datagram = |number: u8| vec![number; 3 * usize::from(number)];
        for number in 0..100 {
            let from = if number % 3 == 0 { &one } else { &other };
            from.send_to(&datagram(number), socket.local_addr().unwrap()).await.unwrap();
        }
        // Only now is anybody there to read.
        let world = World::serve(socket, one, 128);
        let mut buffer = [0; 1000];
        for number in 0..100 {
            let at = if number % 3 == 0 { &world.peer } else { &other };
            let (length, from) = within(at.recv_from(&mut buffer)).await.unwrap();
            assert_eq!((&buffer[..length], from), (&datagram(number)[..], world.address), "{host} {number}");
        }
        world.trigger.request();
        let (_, tally) = within(world.task).await.unwrap();
        assert_eq!(tally, UdpTally { received: 100, sent: 101, ..UdpTally::default() }, "and a goodbye");
    }
}

#[tokio::test]
async fn events_over_the_queue_come_back_and_the_machine_goes_on() {
    let mut world = World::start(1).await;
    for datagram in [b"one", b"two"] {
        world.peer.send_to(datagram, world.address).await.unwrap();
        assert_eq!(world.hear().await, datagram);
    }
    assert_eq!(within(world.events.recv()).await.as_deref(), Some(&b"one"[..]));
    world.trigger.request();
    let (machine, tally) = within(world.task).await.unwrap();
    assert_eq!(machine.refused, [b"two"]);
    assert_eq!((tally.events_refused, tally.received), (1, 2));
}

#[tokio::test]
async fn a_machine_without_owner_goes_on_and_bad_addresses_only_count() {
    let World { peer, address, commands, events, trigger, task } = World::start(4).await;
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    commands.send(Command::Say(nowhere, b"lost".to_vec())).await.unwrap();
    drop((commands, events));
    peer.send_to(b"still there", address).await.unwrap();
    let mut buffer = [0; 64];
    let (length, _) = within(peer.recv_from(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"still there");
    trigger.request();
    let (machine, tally) = within(task).await.unwrap();
    assert_eq!(machine.refused, [b"still there"], "nobody is there to take it");
    assert_eq!((tally.send_dropped, tally.received), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_datagrams_does_not_keep_commands_and_stopping_out() {
    let World { peer, address, commands, mut events, trigger, task } = World::start(1).await;
    let (flood_trigger, flood_token) = shutdown();
    let flooder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let flood = tokio::spawn(async move {
        while !flood_token.is_requested() {
            flooder.send_to(&[0; 512], address).await.unwrap();
        }
    });
    assert!(within(events.recv()).await.is_some(), "the flood has begun");
    let own = peer.local_addr().unwrap();
    within(commands.send(Command::Say(own, b"heard".to_vec()))).await.unwrap();
    let mut buffer = [0; 64];
    let (length, _) = within(peer.recv_from(&mut buffer)).await.unwrap();
    assert_eq!(&buffer[..length], b"heard");
    trigger.request();
    let (machine, tally) = within(task).await.unwrap();
    flood_trigger.request();
    within(flood).await.unwrap();
    drop(events);
    assert_eq!(tally.events_refused, machine.refused.len() as u64);
    assert!(tally.received > tally.events_refused, "one event was taken");
}
