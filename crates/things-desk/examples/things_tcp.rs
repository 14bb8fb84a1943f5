//! Things over MQTT on TCP, for tests with other implementations: a lock, and a sensor that is the client `meter`.
//!
//! Any password but `wrong` is taken. `panel` may do everything with both things. Prints where it listens, then takes
//! lines: `report VALUE` (the lock's battery), `raise TEXT` (its event), `revoke` (what `panel` may).
#![expect(clippy::unwrap_used, reason = "a tool of tests")]
#![expect(clippy::print_stdout, reason = "it says where it listens")]

mod furniture;

use std::collections::HashMap;

use broker::{Broker, Limits};
use clock::Dice;
use mqtt_front::{
    Admitted, Command, Event, FaceLimits, MqttFace, Newcomer, Output, ReasonCode, ServerSettings,
};
use net::now::Clock;
use things_desk::mqtt::ThingsDesk;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What a connection brings: bytes, or its end.
type Wire = (u64, Option<Vec<u8>>);

struct Hall {
    face: MqttFace,
    sockets: HashMap<u64, OwnedWriteHalf>,
    things: ThingsDesk,
    clock: Clock,
}

impl Hall {
    async fn drain(&mut self) {
        let now = self.clock.now();
        while let Some(output) = self.face.next_output(now) {
            match output {
                Output::Transmit { conn, bytes } => {
                    if let Some(socket) = self.sockets.get_mut(&conn) {
                        // The reader of a broken connection says so.
                        socket.write_all(&bytes).await.ok();
                    }
                }
                Output::Close { conn } => drop(self.sockets.remove(&conn)),
                Output::Event(Event::SignIn(asked)) => {
                    let conn = asked.conn;
                    let is_wrong = asked.password.is_some_and(|password| password.as_bytes() == b"wrong");
                    let name = asked.user_name.unwrap_or_else(|| "anybody".into());
                    let who = Admitted { name, namespace: "home".into(), for_owner: false };
                    let command = match is_wrong {
                        true => Command::Refuse { conn, reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD },
                        false => Command::Admit { conn, who },
                    };
                    self.face.command(command, now);
                }
                Output::Event(Event::Store(batch)) => {
                    self.face.command(Command::Stored { number: batch.number, first: None }, now);
                }
                Output::Event(Event::Things(event)) => self.things.take(event).await,
            }
        }
    }
}

async fn accept(listener: TcpListener, wires: Sender<Wire>, joined: Sender<(u64, OwnedWriteHalf)>) {
    for conn in 1.. {
        let (socket, _) = listener.accept().await.unwrap();
        let (mut from, to) = socket.into_split();
        joined.send((conn, to)).await.unwrap();
        let wires = wires.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            loop {
                let count = from.read(&mut buffer).await.unwrap_or(0);
                let bytes = (count > 0).then(|| buffer[..count].to_vec());
                if wires.send((conn, bytes)).await.is_err() || count == 0 {
                    return;
                }
            }
        });
    }
}

async fn serve(
    mut hall: Hall,
    mut wires: Receiver<Wire>,
    mut joined: Receiver<(u64, OwnedWriteHalf)>,
    mut commands: Receiver<Command>,
) {
    loop {
        let beat = tokio::time::sleep(std::time::Duration::from_millis(20));
        tokio::select! {
            biased;
            Some((conn, socket)) = joined.recv() => {
                let from = socket.peer_addr().unwrap_or_else(|_| ([127, 0, 0, 1], 1).into());
                hall.sockets.insert(conn, socket);
                let newcomer = Newcomer { from, is_plain: true, client_certificate: None };
                hall.face.opened(conn, newcomer, hall.clock.now());
            }
            Some(command) = commands.recv() => hall.face.command(command, hall.clock.now()),
            Some((conn, bytes)) = wires.recv() => match bytes {
                Some(bytes) => hall.face.receive(conn, &bytes, hall.clock.now()),
                None => hall.face.closed(conn, hall.clock.now()),
            },
            () = beat => hall.face.expire(hall.clock.now()),
        }
        hall.drain().await;
    }
}

#[tokio::main]
async fn main() {
    let clock = Clock::start();
    let (desk, grants) = furniture::furnished(clock).await;
    let broker = Broker::new(Limits { is_durable: false, ..Limits::default() });
    let face = MqttFace::new(ServerSettings::default(), FaceLimits::default(), broker, Dice::numbered(2));
    let (commands_in, commands) = channel(4096);
    let things = ThingsDesk::new(desk.clone(), commands_in, clock);
    let hall = Hall { face, sockets: HashMap::new(), things, clock };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let ((wires_in, wires), (joined_in, joined)) = (channel(4096), channel(64));
    tokio::spawn(accept(listener, wires_in, joined_in));
    tokio::spawn(serve(hall, wires, joined, commands));
    furniture::obey_lines(&desk, &grants).await;
}
