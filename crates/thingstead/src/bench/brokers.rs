//! Other brokers, as the benchmark starts them.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::child::{Server, in_path, internal};
use crate::failure::Outcome;

/// A broker that ours stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// Mosquitto in memory.
    Mosquitto,
    /// Mosquitto with its database, written each second; it acknowledges before.
    MosquittoStored,
    /// rumqttd, which keeps messages in memory.
    Rumqttd,
}

impl Reference {
    /// As rows call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::MosquittoStored => "mosquitto 1 s",
            Self::Rumqttd => "rumqttd",
        }
    }

    /// How many times its figure is wanted of ours.
    pub(super) const fn ratio_min(self) -> f64 {
        match self {
            Self::Mosquitto | Self::MosquittoStored => 2.0,
            Self::Rumqttd => 1.0,
        }
    }

    /// Starts it without limits of its own, with what it writes in `folder`; the reason when this machine has none.
    pub(super) fn start(self, folder: &Path) -> Outcome<Result<Server, String>> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let at = free.map_err(|error| internal(self.name(), error))?;
        let (program, configuration) = match self {
            // Where Debian has it, and few look.
            Self::Mosquitto | Self::MosquittoStored => (
                in_path("mosquitto").or_else(|| Some(PathBuf::from("/usr/sbin/mosquitto"))),
                mosquitto(at, folder, self == Self::MosquittoStored),
            ),
            Self::Rumqttd => (in_path("rumqttd"), rumqttd(at)),
        };
        let Some(program) = program.filter(|path| path.is_file()) else {
            return Ok(Err(match self {
                Self::Mosquitto | Self::MosquittoStored => "mosquitto is not installed".into(),
                Self::Rumqttd => "rumqttd is not installed: `cargo install rumqttd`".into(),
            }));
        };
        // rumqttd reads no file of another name.
        let file = folder.join("broker.toml");
        std::fs::write(&file, configuration).map_err(|error| internal(self.name(), error))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&file);
        Ok(Ok(Server::foreign(&mut command, self.name(), at)?))
    }
}

fn mosquitto(at: SocketAddr, folder: &Path, is_stored: bool) -> String {
    let stored = if is_stored {
        format!("persistence true\npersistence_location {}/\nautosave_interval 1\n", folder.display())
    } else {
        "persistence false\n".into()
    };
    format!(
        "listener {} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\n{stored}",
        at.port(),
    )
}

/// As its own example has it, with room for the rows' connections and windows, and no wait between newcomers.
fn rumqttd(at: SocketAddr) -> String {
    format!(
        r#"id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "v4-1"
listen = "{at}"
next_connection_delay_ms = 0

[v4.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"#
    )
}
