//! A broker on a TCP port of the loopback, for the tests with foreign clients: everybody is let in whose password is
//! not `wrong`. With a folder it stores there what must outlive it.
//!
//! `mqtt_tcp PORT [FOLDER]` prints its address and serves until it is killed.
#![expect(clippy::unwrap_used, reason = "a program of the tests ends where something is wrong")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use broker::{Broker, JOURNAL_NAME, Limits, MESSAGES, RETAINED, SESSIONS, Stored};
use clock::{Dice, Moment, Now, Timestamp};
use mqtt_front::{
    Admitted, Command, Event, FaceLimits, MqttFace, Newcomer, Output, ReasonCode, ServerSettings,
};
use store::{Journal, Position, Range, Snapshot, Table};
use store_redb::{Options, RedbStore};
use store_segments::Segments;

struct Store {
    records: RedbStore,
    journal: Segments,
}

impl Store {
    fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let records = RedbStore::open(folder.join("store.redb"), Options::default()).unwrap();
        Self { records, journal: Segments::open(folder.join("messages")).unwrap() }
    }

    fn recover(&self, now: Now) -> Broker {
        let mut stored = Stored::new();
        for space in [SESSIONS, RETAINED] {
            let all = Range { space, prefix: Vec::new(), after: None, limit: usize::MAX };
            for (key, record) in self.records.scan(&all).unwrap().records {
                stored.record(&key, &record.value).unwrap();
            }
        }
        for entry in self.journal.read(MESSAGES, JOURNAL_NAME, Position(0), usize::MAX).unwrap() {
            stored.journal(entry.position, &entry.value).unwrap();
        }
        stored.open(Limits::default(), now)
    }
}

struct Hall {
    face: MqttFace,
    sockets: BTreeMap<u64, TcpStream>,
    store: Option<Store>,
    began: Instant,
}

impl Hall {
    fn now(&self) -> Now {
        now(self.began)
    }

    /// Does everything that the face says.
    fn drain(&mut self) {
        let now = self.now();
        while let Some(output) = self.face.next_output(now) {
            match output {
                Output::Transmit { conn, bytes } => {
                    if let Some(socket) = self.sockets.get_mut(&conn) {
                        // The reader of a broken connection says so.
                        socket.write_all(&bytes).ok();
                    }
                }
                Output::Close { conn } => {
                    if let Some(socket) = self.sockets.remove(&conn) {
                        socket.shutdown(Shutdown::Both).ok();
                    }
                }
                Output::Event(Event::SignIn(asked)) => {
                    let conn = asked.conn;
                    let is_wrong = asked.password.is_some_and(|password| password.as_bytes() == b"wrong");
                    let name = asked.user_name.unwrap_or_else(|| "anybody".into());
                    let command = match is_wrong {
                        true => Command::Refuse { conn, reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD },
                        false => Command::Admit {
                            conn,
                            who: Admitted { name, namespace: "home".into(), for_owner: false },
                        },
                    };
                    self.face.command(command, now);
                }
                Output::Event(Event::Store(batch)) => {
                    let store = self.store.as_ref().unwrap();
                    let first = (!batch.append.is_empty())
                        .then(|| store.journal.append(MESSAGES, JOURNAL_NAME, &batch.append).unwrap());
                    if !batch.records.is_empty() {
                        store.records.commit(&Snapshot::default(), &batch.records).unwrap();
                    }
                    if let Some(before) = batch.trim {
                        store.journal.trim(MESSAGES, JOURNAL_NAME, before).unwrap();
                    }
                    self.face.command(Command::Stored { number: batch.number, first }, now);
                }
                Output::Event(Event::Things(event)) => {
                    if let Some(denied) = event.denied() {
                        self.face.command(Command::Things(denied), now);
                    }
                }
            }
        }
    }
}

fn now(began: Instant) -> Now {
    let micros = began.elapsed().as_micros() as u64;
    let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Now::new(Moment::from_micros(micros), Timestamp::from_unix_millis(utc.as_millis() as u64))
}

fn read(hall: &Mutex<Hall>, conn: u64, mut socket: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = socket.read(&mut buffer).unwrap_or(0);
        let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
        let now = hall.now();
        match length {
            0 => hall.face.closed(conn, now),
            length => hall.face.receive(conn, &buffer[..length], now),
        }
        hall.drain();
        if length == 0 {
            hall.sockets.remove(&conn);
            return;
        }
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let store = words.next().map(|folder| Store::open(Path::new(&folder)));
    let began = Instant::now();
    let volatile = Limits { is_durable: false, ..Limits::default() };
    let broker = store.as_ref().map_or_else(|| Broker::new(volatile), |store| store.recover(now(began)));
    let face = MqttFace::new(ServerSettings::default(), FaceLimits::default(), broker, Dice::numbered(1));
    let hall = Arc::new(Mutex::new(Hall { face, sockets: BTreeMap::new(), store, began }));
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let timed = Arc::clone(&hall);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let mut hall = timed.lock().unwrap_or_else(PoisonError::into_inner);
            let now = hall.now();
            hall.face.expire(now);
            hall.drain();
        }
    });
    for (conn, socket) in (1..).zip(listener.incoming()) {
        let socket = socket.unwrap();
        socket.set_nodelay(true).unwrap();
        let from = socket.peer_addr().unwrap();
        let mut opened = hall.lock().unwrap_or_else(PoisonError::into_inner);
        let now = opened.now();
        opened.sockets.insert(conn, socket.try_clone().unwrap());
        opened.face.opened(conn, Newcomer { from, is_plain: true, client_certificate: None }, now);
        drop(opened);
        let hall = Arc::clone(&hall);
        std::thread::spawn(move || read(&hall, conn, socket));
    }
}
