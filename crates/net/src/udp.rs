//! A UDP socket under a sans-I/O machine.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clock::{Moment, Now};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::datagrams::{self, BATCH_COUNT_MAX, Inbox};
use crate::now::Clock;
use crate::shutdown::Shutdown;

/// So often datagrams are taken in a row before commands and deadlines get their turn.
const BATCHES_IN_A_ROW: usize = 2;

/// So long a full send buffer of the operating system is waited for.
const SEND_TIME_MAX: Duration = Duration::from_millis(50);

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub to: SocketAddr,
    /// Its payload.
    pub datagram: Vec<u8>,
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<E> {
    /// Send this.
    Transmit(Transmit),
    /// Tell the other side of the machine this.
    Event(E),
}

/// A machine that speaks datagrams: one input, then outputs are drained until there are none.
pub trait DatagramMachine {
    /// What its owner asks of it.
    type Command;
    /// What it tells its owner.
    type Event;

    /// A datagram arrived. It may be anything: what is not understood is dropped by the machine.
    fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now);

    /// Its owner asks for something.
    fn command(&mut self, command: Self::Command, now: Now);

    /// Its owner has more events to work through than it takes; this one comes back to be answered with "busy".
    /// The answer must not be another event.
    fn refused(&mut self, event: Self::Event, now: Now);

    /// A deadline may have passed.
    fn expire(&mut self, now: Now);

    /// The process stops: say goodbye. Outputs are drained once more, then the socket closes.
    fn stop(&mut self, now: Now);

    /// The next thing to be done, in order; `None` when all is done.
    fn next_output(&mut self) -> Option<Output<Self::Event>>;

    /// When [`DatagramMachine::expire`] is to be called at the latest.
    fn next_deadline(&self) -> Option<Moment>;
}

/// What the driver saw; noise is counted, not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpTally {
    /// Datagrams handed to the machine.
    pub received: u64,
    /// Datagrams given to the operating system.
    pub sent: u64,
    /// Datagrams dropped because the send buffer stayed full, or the operating system refused them.
    pub send_dropped: u64,
    /// Reads that failed, as by an ICMP message for something sent before.
    pub receive_failed: u64,
    /// Events that came back because their queue was full.
    pub events_refused: u64,
}

/// What connects a machine to the world.
#[derive(Debug)]
pub struct UdpDriver<C, E> {
    /// The bound socket.
    pub socket: UdpSocket,
    /// Commands of the owner. When all senders are gone the machine runs on without.
    pub commands: Receiver<C>,
    /// Where events go. A full queue hands the event back to the machine.
    pub events: Sender<E>,
    /// The clocks of this run.
    pub clock: Clock,
    /// Ends the run.
    pub shutdown: Shutdown,
}

enum Input<C> {
    Readable,
    Command(Option<C>),
    Deadline,
    Stop,
}

/// Runs a machine until shutdown; gives it back with what was counted.
pub async fn run<M: DatagramMachine>(
    mut driver: UdpDriver<M::Command, M::Event>,
    mut machine: M,
) -> (M, UdpTally) {
    let mut tally = UdpTally::default();
    let mut inbox = Inbox::new();
    let mut commands_open = true;
    loop {
        driver.drain(&mut machine, &mut tally).await;
        match driver.next_input(machine.next_deadline(), commands_open).await {
            Input::Readable => driver.receive(&mut machine, &mut inbox, &mut tally).await,
            Input::Command(Some(command)) => machine.command(command, driver.clock.now()),
            Input::Command(None) => commands_open = false,
            Input::Deadline => machine.expire(driver.clock.now()),
            Input::Stop => break,
        }
    }
    machine.stop(driver.clock.now());
    driver.drain(&mut machine, &mut tally).await;
    (machine, tally)
}

impl<C, E> UdpDriver<C, E> {
    async fn next_input(&mut self, deadline: Option<Moment>, commands_open: bool) -> Input<C> {
        let clock = self.clock;
        let due = async move {
            match deadline {
                Some(moment) => tokio::time::sleep_until(clock.instant_of(moment)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.shutdown.requested() => Input::Stop,
            // A failed wait is seen by the read that follows.
            _ = self.socket.readable() => Input::Readable,
            command = self.commands.recv(), if commands_open => Input::Command(command),
            () = due => Input::Deadline,
        }
    }

    async fn receive<M>(&self, machine: &mut M, inbox: &mut Inbox, tally: &mut UdpTally)
    where
        M: DatagramMachine<Command = C, Event = E>,
    {
        for _ in 0..BATCHES_IN_A_ROW {
            match inbox.fill(&self.socket) {
                Ok(count) => {
                    tally.received += count as u64;
                    let now = self.clock.now();
                    let mut outgoing = Vec::with_capacity(count);
                    for (from, datagram) in (0..count).filter_map(|number| inbox.datagram(number)) {
                        machine.receive(from, datagram, now);
                        self.collect(machine, &mut outgoing, tally).await;
                    }
                    self.send(&mut outgoing, tally).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    tally.receive_failed += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn drain<M>(&self, machine: &mut M, tally: &mut UdpTally)
    where
        M: DatagramMachine<Command = C, Event = E>,
    {
        let mut outgoing = Vec::new();
        self.collect(machine, &mut outgoing, tally).await;
        self.send(&mut outgoing, tally).await;
    }

    /// Passes events on and lines datagrams up; sends when the line is long.
    async fn collect<M>(&self, machine: &mut M, outgoing: &mut Vec<Transmit>, tally: &mut UdpTally)
    where
        M: DatagramMachine<Command = C, Event = E>,
    {
        while let Some(output) = machine.next_output() {
            match output {
                Output::Transmit(transmit) => {
                    outgoing.push(transmit);
                    if outgoing.len() >= BATCH_COUNT_MAX {
                        self.send(outgoing, tally).await;
                    }
                }
                Output::Event(event) => match self.events.try_send(event) {
                    Ok(()) => {}
                    Err(TrySendError::Full(event) | TrySendError::Closed(event)) => {
                        tally.events_refused += 1;
                        machine.refused(event, self.clock.now());
                    }
                },
            }
        }
    }

    /// Sends what is lined up. A datagram that cannot be sent is lost, as any may be: the protocols above
    /// repeat it.
    async fn send(&self, outgoing: &mut Vec<Transmit>, tally: &mut UdpTally) {
        let mut rest = &outgoing[..];
        while let [first, behind @ ..] = rest {
            match datagrams::send(&self.socket, rest) {
                Ok(count) if count > 0 => {
                    tally.sent += count as u64;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    tally.send_dropped += 1;
                    rest = behind;
                }
                Ok(_) | Err(_) => {
                    let sending = self.socket.send_to(&first.datagram, first.to);
                    match tokio::time::timeout(SEND_TIME_MAX, sending).await {
                        Ok(Ok(_)) => tally.sent += 1,
                        Ok(Err(_)) | Err(_) => tally.send_dropped += 1,
                    }
                    rest = behind;
                }
            }
        }
        outgoing.clear();
    }
}
