//! Our broker for a benchmark: everybody is let in. One stores what must outlive it in its working directory.

use std::path::Path;

use broker::{Broker, JOURNAL_NAME, Limits, MESSAGES, StoreBatch};
use clock::{Moment, Now};
use mqtt_front::{Admitted, Command, Event, FaceLimits, MqttFace, Newcomer, Output, ServerSettings};
use net::now::Clock;
use net::seed;
use net::shutdown::shutdown;
use net::stream::{
    self, Arrival, ConnId, Door, DoorMode, StreamDriver, StreamLimits, StreamMachine, StreamOutput,
};
use store::{Journal, Memory, Position, Snapshot, Table};
use store_segments::Segments;
use tokio::net::TcpListener;
use tokio::sync::mpsc::channel;

use super::child::{internal, say_ready, serve_until_input_ends};
use crate::failure::Outcome;

/// More than any row has.
const CONNECTION_COUNT_MAX: usize = 20_000;
const MIB: usize = 1024 * 1024;

/// Serves until standard input ends; `is_durable`: messages for sessions that outlive their connection are in a
/// journal on disk before they are acknowledged.
pub(super) fn run(is_durable: bool) -> Outcome {
    let store = if is_durable { Some(Store::open(Path::new("."))?) } else { None };
    serve_until_input_ends(serve(store))
}

async fn serve(store: Option<Store>) -> Outcome {
    let dice = seed::dice().map_err(|error| internal("randomness", error))?;
    let limits = Limits { is_durable: store.is_some(), queue_bytes_max: 64 * MIB, ..Limits::default() };
    let face_limits = FaceLimits { slow_bytes_max: 24 * MIB, ..FaceLimits::default() };
    let face = MqttFace::new(ServerSettings::default(), face_limits, Broker::new(limits), dice);
    drive(Hall { face, store, now: Now::without_utc(Moment::START) }, DoorMode::Plain).await
}

/// A machine whose owner is in it, on a listener of its own, until the process ends.
pub(super) async fn drive(machine: impl StreamMachine<Command = (), Event = ()>, mode: DoorMode) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| internal("a socket", error))?;
    say_ready(listener.local_addr().map_err(|error| internal("a socket", error))?);
    let (_commands, commands) = channel::<()>(1);
    let (events, _events) = channel::<()>(1);
    let (_never, shutdown) = shutdown();
    let limits = StreamLimits {
        connection_count_max: CONNECTION_COUNT_MAX,
        connection_count_per_source_max: CONNECTION_COUNT_MAX,
        outgoing_size_max: 32 * MIB,
        ..StreamLimits::default()
    };
    let doors = vec![Door { listener, mode }];
    let driver = StreamDriver { doors, limits, commands, events, clock: Clock::start(), shutdown };
    stream::run(driver, machine).await;
    Ok(())
}

/// Messages in segment files; records, of which the rows write a few at their start, in memory.
struct Store {
    journal: Segments,
    records: Memory,
}

impl Store {
    fn open(folder: &Path) -> Outcome<Self> {
        let journal = Segments::open(folder.join("messages"));
        let journal = journal.map_err(|error| internal("a journal", error))?;
        Ok(Self { journal, records: Memory::new() })
    }

    /// In the loop itself: what it costs is seen.
    fn store(&self, batch: &StoreBatch) -> Option<Position> {
        let first = (!batch.append.is_empty()).then(|| {
            let appended = self.journal.append(MESSAGES, JOURNAL_NAME, &batch.append);
            appended.expect("a benchmark ends where its disk does")
        });
        let committed = self.records.commit(&Snapshot::default(), &batch.records);
        committed.expect("memory takes what was checked");
        if let Some(before) = batch.trim {
            let trimmed = self.journal.trim(MESSAGES, JOURNAL_NAME, before);
            trimmed.expect("a benchmark ends where its disk does");
        }
        first
    }
}

struct Hall {
    face: MqttFace,
    store: Option<Store>,
    now: Now,
}

impl Hall {
    fn answer(&mut self, event: Event) {
        let command = match event {
            Event::SignIn(asked) => {
                let who = Admitted { name: "anybody".into(), namespace: "home".into(), for_owner: false };
                Command::Admit { conn: asked.conn, who }
            }
            Event::Store(batch) => {
                let first = self.store.as_ref().and_then(|store| store.store(&batch));
                Command::Stored { number: batch.number, first }
            }
            Event::Things(event) => match event.denied() {
                Some(denied) => Command::Things(denied),
                None => return,
            },
        };
        self.face.command(command, self.now);
    }
}

impl StreamMachine for Hall {
    type Command = ();
    type Event = ();

    fn opened(&mut self, conn: ConnId, arrival: Arrival, now: Now) {
        self.now = now;
        let newcomer = Newcomer { from: arrival.from, is_plain: true, client_certificate: None };
        self.face.opened(conn.0, newcomer, now);
    }

    fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.now = now;
        self.face.receive(conn.0, bytes, now);
    }

    fn closed(&mut self, conn: ConnId, now: Now) {
        self.now = now;
        self.face.closed(conn.0, now);
    }

    fn waits(&mut self, conn: ConnId, bytes: usize) {
        self.face.waits(conn.0, bytes);
    }

    fn command(&mut self, (): (), _: Now) {}

    fn refused(&mut self, (): (), _: Now) {}

    fn expire(&mut self, now: Now) {
        self.now = now;
        self.face.expire(now);
    }

    fn stop(&mut self, now: Now) {
        self.face.stop(now);
    }

    fn next_output(&mut self) -> Option<StreamOutput<()>> {
        loop {
            match self.face.next_output(self.now)? {
                Output::Transmit { conn, bytes } => {
                    return Some(StreamOutput::Transmit { conn: ConnId(conn), bytes });
                }
                Output::Close { conn } => return Some(StreamOutput::Close { conn: ConnId(conn) }),
                Output::Event(event) => self.answer(event),
            }
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.face.next_deadline()
    }
}
