//! The task of one machine and all its connections.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use clock::{Deadlines, Moment, Now};
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::connection::{Connection, Input, Sent, Stage};
use super::door::{Door, DoorCounts, Newcomer, Porch, keep};
use super::ready::{Caller, ReadyLine};
use super::{ConnId, StreamLimits, StreamMachine, StreamOutput, StreamTally};
use crate::admission::Admission;
use crate::now::Clock;
use crate::shutdown::Shutdown;

/// Bytes that are read at once.
const READ_SIZE: usize = 64 * 1024;

/// So often one connection is read in a row before the next has its turn.
const READS_IN_A_ROW: usize = 2;

/// So many commands, newcomers and ready connections are looked at before the others have their turn.
const TURN_COUNT_MAX: usize = 256;

/// So long a peer has to close after us.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// The same when the process stops.
const LINGER_TIME_AT_STOP: Duration = Duration::from_millis(250);

/// What connects a machine to the world.
#[derive(Debug)]
pub struct StreamDriver<C, E> {
    /// Where connections come in.
    pub doors: Vec<Door>,
    /// What peers are granted, by all doors together.
    pub limits: StreamLimits,
    /// Commands of the owner. When all senders are gone the machine runs on without.
    pub commands: Receiver<C>,
    /// Where events go. A full queue hands the event back to the machine.
    pub events: Sender<E>,
    /// The clocks of this run.
    pub clock: Clock,
    /// Ends the run.
    pub shutdown: Shutdown,
}

/// Runs a machine until shutdown; gives it back with what was counted.
pub async fn run<M: StreamMachine>(
    driver: StreamDriver<M::Command, M::Event>,
    machine: M,
) -> (M, StreamTally) {
    // It gives way by itself; a budget would make sockets look as if they had nothing.
    tokio::task::unconstrained(Run::new(driver, machine).go()).await
}

/// What a wait ended with.
enum Called<C> {
    Ready,
    Newcomer(Option<Newcomer>),
    Command(Option<C>),
    Deadline,
    Stop,
}

struct Run<M: StreamMachine> {
    machine: M,
    limits: StreamLimits,
    commands: Option<Receiver<M::Command>>,
    newcomers: Receiver<Newcomer>,
    events: Sender<M::Event>,
    clock: Clock,
    shutdown: Shutdown,
    doors: JoinSet<()>,
    counts: Arc<DoorCounts>,
    line: Arc<ReadyLine>,
    connections: Slots,
    /// Connections that something is to be written to.
    touched: Vec<ConnId>,
    /// For a stalled peer to take something, and for one that we left to close.
    due: Deadlines<ConnId>,
    linger_time: Duration,
    buffer: Vec<u8>,
    tally: StreamTally,
}

impl<M: StreamMachine> Run<M> {
    fn new(driver: StreamDriver<M::Command, M::Event>, machine: M) -> Self {
        let StreamDriver { doors: listeners, limits, commands, events, clock, shutdown } = driver;
        let (sender, newcomers) = channel(TURN_COUNT_MAX);
        let counts = Arc::new(DoorCounts::default());
        let admission = Admission::new(limits.connection_count_max, limits.connection_count_per_source_max);
        let mut doors = JoinSet::new();
        for (number, door) in listeners.into_iter().enumerate() {
            let (admission, newcomers) = (admission.clone(), sender.clone());
            let porch = Porch { limits, admission, newcomers, counts: Arc::clone(&counts), clock };
            doors.spawn(keep(door, number, porch));
        }
        Self {
            machine,
            limits,
            commands: Some(commands),
            newcomers,
            events,
            clock,
            shutdown,
            doors,
            counts,
            line: Arc::default(),
            connections: Slots::default(),
            touched: Vec::new(),
            due: Deadlines::new(),
            linger_time: LINGER_TIME,
            buffer: vec![0; READ_SIZE],
            tally: StreamTally::default(),
        }
    }

    async fn go(mut self) -> (M, StreamTally) {
        let mut ready = Vec::new();
        loop {
            let is_busy = self.turn(&mut ready);
            if self.shutdown.is_requested() {
                break;
            }
            if is_busy {
                tokio::task::yield_now().await;
                continue;
            }
            let deadline = earliest(self.machine.next_deadline(), self.due.next());
            match self.wait(deadline).await {
                Called::Ready | Called::Deadline | Called::Newcomer(None) => {}
                Called::Newcomer(Some(newcomer)) => self.welcome(newcomer),
                Called::Command(Some(command)) => {
                    let now = self.clock.now();
                    self.machine.command(command, now);
                    self.collect(now);
                }
                Called::Command(None) => self.commands = None,
                Called::Stop => break,
            }
        }
        self.doors.shutdown().await;
        self.machine.stop(self.clock.now());
        self.leave(&mut ready).await;
        let (machine, tally) = (self.machine, self.tally);
        (machine, with_counts(tally, &self.counts))
    }

    /// One look at everything that may be there; `true` when something was.
    fn turn(&mut self, ready: &mut Vec<ConnId>) -> bool {
        let mut is_busy = false;
        for _ in 0..TURN_COUNT_MAX {
            let Ok(newcomer) = self.newcomers.try_recv() else { break };
            self.welcome(newcomer);
            is_busy = true;
        }
        is_busy |= self.take_commands();
        is_busy |= self.read_ready(ready);
        let now = self.clock.now();
        if self.machine.next_deadline().is_some_and(|due| due <= now.moment) {
            self.machine.expire(now);
        }
        self.collect(now);
        while let Some(conn) = self.due.take_due(now.moment) {
            self.overdue(conn, now);
        }
        self.write_touched(now);
        is_busy
    }

    async fn wait(&mut self, deadline: Option<Moment>) -> Called<M::Command> {
        let clock = self.clock;
        let due = async move {
            match deadline {
                Some(moment) => tokio::time::sleep_until(clock.instant_of(moment)).await,
                None => pending().await,
            }
        };
        let commands = self.commands.as_mut();
        let command = async move {
            match commands {
                Some(commands) => commands.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.shutdown.requested() => Called::Stop,
            () = self.line.called() => Called::Ready,
            newcomer = self.newcomers.recv(), if !self.newcomers.is_closed() => Called::Newcomer(newcomer),
            command = command => Called::Command(command),
            () = due => Called::Deadline,
        }
    }

    fn take_commands(&mut self) -> bool {
        let mut is_busy = false;
        for _ in 0..TURN_COUNT_MAX {
            let Some(commands) = &mut self.commands else { break };
            match commands.try_recv() {
                Ok(command) => {
                    is_busy = true;
                    let now = self.clock.now();
                    self.machine.command(command, now);
                    self.collect(now);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.commands = None,
            }
        }
        is_busy
    }

    fn welcome(&mut self, newcomer: Newcomer) {
        let now = self.clock.now();
        let arrival = newcomer.arrival.clone();
        let line = Arc::clone(&self.line);
        let conn = self.connections.add(|conn| Connection::new(newcomer, Caller::new(conn, &line)));
        self.tally.opened += 1;
        self.machine.opened(conn, arrival, now);
        self.collect(now);
        // What came with the handshake is there already, and the rest is looked at once.
        self.take_in(conn, 0, now);
        if let Some(connection) = self.connections.of(conn) {
            connection.caller.waker().wake();
        }
    }

    fn read_ready(&mut self, ready: &mut Vec<ConnId>) -> bool {
        self.line.take(ready);
        let now = self.clock.now();
        let is_busy = !ready.is_empty();
        for conn in ready.drain(..) {
            let Some(connection) = self.connections.of(conn) else { continue };
            connection.caller.taken();
            if connection.waiting_size() > 0 || connection.wants_write() {
                touch(connection, conn, &mut self.touched);
            }
            self.read(conn, now);
        }
        is_busy
    }

    fn read(&mut self, conn: ConnId, now: Now) {
        for _ in 0..READS_IN_A_ROW {
            let Some(connection) = self.connections.of(conn) else { return };
            match connection.read(&mut self.buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => return self.ended(conn, now),
                Poll::Ready(Ok(length)) => {
                    if connection.stage == Stage::Open {
                        self.take_in(conn, length, now);
                    }
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%conn, kind = ?error.kind(), "connection broken");
                    self.tally.broken += 1;
                    return self.lost(conn, now);
                }
            }
        }
        // There may be more: it comes into line again, behind the others.
        if let Some(connection) = self.connections.of(conn) {
            connection.caller.waker().wake();
        }
    }

    /// Hands what stands in the buffer to the machine.
    fn take_in(&mut self, conn: ConnId, length: usize, now: Now) {
        let Some(connection) = self.connections.of(conn) else { return };
        let (machine, tally) = (&mut self.machine, &mut self.tally);
        let mut has_ended = false;
        let opened = connection.open(&self.buffer[..length], |input| match input {
            Input::Bytes(bytes) => {
                tally.received_bytes += bytes.len() as u64;
                machine.receive(conn, bytes, now);
            }
            Input::End => has_ended = true,
        });
        if connection.wants_write() {
            touch(connection, conn, &mut self.touched);
        }
        self.collect(now);
        match opened {
            Ok(()) if has_ended => self.ended(conn, now),
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%conn, %error, "against the rules of TLS");
                self.tally.broken += 1;
                // The alert that says why.
                if let Some(connection) = self.connections.of(conn) {
                    connection.send().ok();
                }
                self.lost(conn, now);
            }
        }
    }

    /// The peer sends nothing more: what waits is offered to it once, then the connection is gone.
    fn ended(&mut self, conn: ConnId, now: Now) {
        if let Some(connection) = self.connections.of(conn) {
            connection.send().ok();
        }
        self.lost(conn, now);
    }

    /// The connection is gone; the machine is told if it still counts on it.
    fn lost(&mut self, conn: ConnId, now: Now) {
        self.due.clear(&conn);
        let Some(connection) = self.connections.remove(conn) else { return };
        if connection.stage == Stage::Open {
            self.machine.closed(conn, now);
            self.collect(now);
        }
    }

    fn overdue(&mut self, conn: ConnId, now: Now) {
        let Some(connection) = self.connections.of(conn) else { return };
        match connection.stage {
            Stage::Open | Stage::Leaving => self.tally.stalled += 1,
            Stage::Lingering => {}
        }
        self.lost(conn, now);
    }

    /// Passes events on and puts bytes where they wait for their connection.
    fn collect(&mut self, now: Now) {
        while let Some(output) = self.machine.next_output() {
            match output {
                StreamOutput::Transmit { conn, bytes } => self.push(conn, bytes, now),
                StreamOutput::Close { conn } => {
                    if let Some(connection) = self.connections.of(conn)
                        && connection.stage == Stage::Open
                    {
                        connection.stage = Stage::Leaving;
                        touch(connection, conn, &mut self.touched);
                    }
                }
                StreamOutput::Event(event) => match self.events.try_send(event) {
                    Ok(()) => {}
                    Err(TrySendError::Full(event) | TrySendError::Closed(event)) => {
                        self.tally.events_refused += 1;
                        self.machine.refused(event, now);
                    }
                },
            }
        }
    }

    fn push(&mut self, conn: ConnId, bytes: Vec<u8>, now: Now) {
        let Some(connection) = self.connections.of(conn) else { return };
        if connection.stage != Stage::Open {
            return;
        }
        let room = self.limits.outgoing_size_max;
        if connection.waiting_size() + bytes.len() > room {
            // Many messages of one turn may be for one peer that does read.
            connection.send().ok();
        }
        if connection.waiting_size() + bytes.len() > room {
            self.tally.overflowed += 1;
            self.due.clear(&conn);
            self.connections.remove(conn);
            // What follows from it is collected by the loop that is under way.
            self.machine.closed(conn, now);
            return;
        }
        self.tally.sent_bytes += bytes.len() as u64;
        connection.push(bytes);
        touch(connection, conn, &mut self.touched);
    }

    fn write_touched(&mut self, now: Now) {
        while !self.touched.is_empty() {
            for conn in std::mem::take(&mut self.touched) {
                self.write(conn, now);
            }
        }
    }

    fn write(&mut self, conn: ConnId, now: Now) {
        let Some(connection) = self.connections.of(conn) else { return };
        connection.is_touched = false;
        let mut sent = connection.send();
        if matches!(sent, Ok(Sent::All)) && connection.stage == Stage::Leaving {
            connection.say_end();
            sent = connection.send();
            if matches!(sent, Ok(Sent::All)) {
                connection.stage = Stage::Lingering;
                sent = connection.shut().map(|()| Sent::All);
                self.due.set(conn, now.moment + self.linger_time);
            }
        }
        if connection.stage == Stage::Open && sent.is_ok() {
            self.machine.waits(conn, connection.waiting_size());
        }
        match sent {
            Ok(Sent::All) if connection.stage == Stage::Lingering => {}
            Ok(Sent::All) => self.due.clear(&conn),
            Ok(Sent::Some) => self.due.set(conn, now.moment + self.limits.stall_time_max),
            Ok(Sent::Nothing) => {
                if self.due.of(&conn).is_none() {
                    self.due.set(conn, now.moment + self.limits.stall_time_max);
                }
            }
            Err(error) => {
                tracing::debug!(%conn, kind = ?error.kind(), "connection broken");
                self.tally.broken += 1;
                self.lost(conn, now);
            }
        }
    }

    /// Lets what waits leave, for as long as it may.
    async fn leave(&mut self, ready: &mut Vec<ConnId>) {
        let now = self.clock.now();
        self.collect(now);
        self.linger_time = LINGER_TIME_AT_STOP;
        for conn in self.connections.all() {
            let Some(connection) = self.connections.of(conn) else { continue };
            if connection.stage == Stage::Open {
                connection.stage = Stage::Leaving;
                touch(connection, conn, &mut self.touched);
            }
        }
        self.commands = None;
        let end = now.moment + self.limits.drain_time_max;
        loop {
            self.read_ready(ready);
            let now = self.clock.now();
            while let Some(conn) = self.due.take_due(now.moment) {
                self.overdue(conn, now);
            }
            self.write_touched(now);
            if self.connections.is_empty() || now.moment >= end {
                return;
            }
            let until = self.clock.instant_of(self.due.next().map_or(end, |due| due.min(end)));
            tokio::select! {
                () = self.line.called() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }
}

fn touch(connection: &mut Connection, conn: ConnId, touched: &mut Vec<ConnId>) {
    if !connection.is_touched {
        connection.is_touched = true;
        touched.push(conn);
    }
}

fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn with_counts(mut tally: StreamTally, counts: &DoorCounts) -> StreamTally {
    tally.refused_in_all = counts.refused_in_all.load(Ordering::Relaxed);
    tally.refused_for_source = counts.refused_for_source.load(Ordering::Relaxed);
    tally.silent = counts.silent.load(Ordering::Relaxed);
    tally.handshakes_failed = counts.handshakes_failed.load(Ordering::Relaxed);
    tally.accept_failed = counts.accept_failed.load(Ordering::Relaxed);
    tally
}

/// Connections by number: the low half says where one stands, the high half how often that place was given.
#[derive(Default)]
struct Slots {
    slots: Vec<(u32, Option<Box<Connection>>)>,
    free: Vec<u32>,
}

impl Slots {
    fn add(&mut self, make: impl FnOnce(ConnId) -> Connection) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("a process has fewer sockets")
        });
        let place = &mut self.slots[slot as usize];
        place.0 += 1;
        let conn = ConnId(u64::from(place.0) << 32 | u64::from(slot));
        place.1 = Some(Box::new(make(conn)));
        conn
    }

    fn of(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let (times, connection) = self.slots.get_mut(slot_of(conn))?;
        (u64::from(*times) == conn.0 >> 32).then_some(connection.as_deref_mut()).flatten()
    }

    fn remove(&mut self, conn: ConnId) -> Option<Box<Connection>> {
        self.of(conn)?;
        let (times, connection) = &mut self.slots[slot_of(conn)];
        // A place that was given so often is not given again: numbers are not used twice.
        if *times < u32::MAX {
            self.free.push(slot_of(conn) as u32);
        }
        connection.take()
    }

    fn all(&self) -> Vec<ConnId> {
        let number = |(slot, (times, connection)): (usize, &(u32, Option<Box<Connection>>))| {
            connection.is_some().then_some(ConnId(u64::from(*times) << 32 | slot as u64))
        };
        self.slots.iter().enumerate().filter_map(number).collect()
    }

    fn is_empty(&self) -> bool {
        self.slots.iter().all(|(_, connection)| connection.is_none())
    }
}

const fn slot_of(conn: ConnId) -> usize {
    (conn.0 & 0xFFFF_FFFF) as usize
}
