//! The streams of a smart device on real sockets.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use agent::osap::Target;
use net::https_client::Endpoint;
use net::stream_client::{Cover, OpenStream, open_as};
use net::tls::TlsIdentity;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};
use tokio::time::timeout;

/// Bytes that are read at once.
const PIECE_SIZE: usize = 16 * 1024;
/// So long the other side may leave bytes unread before the stream is given up.
const WRITE_TIME_MAX: Duration = Duration::from_secs(20);
/// What happened and waits for the device; the streams wait when it does not keep up.
const SAID_COUNT_MAX: usize = 64;

/// What happened to a stream.
#[derive(Debug)]
pub(super) enum StreamSaid {
    Opened { stream: u64, exporter: Option<[u8; 32]> },
    Bytes { stream: u64, bytes: Vec<u8> },
    Closed { stream: u64, why: Option<io::Error> },
}

/// All streams of a device: one at a time, and those that are still saying their last words.
pub(super) struct Streams {
    said: Sender<StreamSaid>,
    /// What goes out, bounded by what the device may have unacknowledged.
    open: HashMap<u64, UnboundedSender<Vec<u8>>>,
}

/// Where a device of OSAP finds what it looks for.
#[derive(Clone)]
pub(super) struct Ways {
    pub(super) lbs: Endpoint,
    /// What is shown to the load balancer where it asks.
    pub(super) identity: Option<TlsIdentity>,
}

impl Ways {
    /// Opens a stream to `target`.
    pub(super) async fn to(self, target: Target) -> io::Result<OpenStream> {
        let (to, cover, identity) = match target {
            Target::Lbs { is_tls, tls_key } => {
                let cover = if is_tls { Cover::Tls { key: tls_key } } else { Cover::Plain };
                (self.lbs, cover, self.identity)
            }
            Target::Das { address, port, tls_key } => {
                let cover = tls_key.map_or(Cover::Plain, |key| Cover::Tls { key: Some(key) });
                (Endpoint { host: address, port }, cover, None)
            }
        };
        open_as(&to, cover, identity.as_ref()).await
    }
}

impl Streams {
    pub(super) fn new() -> (Self, Receiver<StreamSaid>) {
        let (said, receiver) = channel(SAID_COUNT_MAX);
        (Self { said, open: HashMap::new() }, receiver)
    }

    pub(super) fn open(
        &mut self,
        stream: u64,
        opening: impl Future<Output = io::Result<OpenStream>> + Send + 'static,
    ) {
        let (sender, outgoing) = unbounded_channel();
        self.open.insert(stream, sender);
        tokio::spawn(carry(stream, opening, outgoing, self.said.clone()));
    }

    pub(super) fn transmit(&self, stream: u64, bytes: Vec<u8>) {
        if let Some(sender) = self.open.get(&stream) {
            // A stream that ended says so itself.
            let _ended = sender.send(bytes);
        }
    }

    /// Closes a stream when all before is sent.
    pub(super) fn close(&mut self, stream: u64) {
        self.open.remove(&stream);
    }

    /// Waits until the last words are out, or nobody reads them.
    pub(super) async fn finish(mut self, mut said: Receiver<StreamSaid>) {
        self.open.clear();
        drop(self.said);
        let _out_or_not =
            timeout(Duration::from_secs(2), async { while said.recv().await.is_some() {} }).await;
    }
}

async fn carry(
    stream: u64,
    opening: impl Future<Output = io::Result<OpenStream>>,
    mut outgoing: UnboundedReceiver<Vec<u8>>,
    said: Sender<StreamSaid>,
) {
    let opened = tokio::select! {
        opened = opening => opened,
        // Given up before it stood.
        () = given_up(&mut outgoing) => return,
    };
    let why = match opened {
        Ok(opened) => {
            if said.send(StreamSaid::Opened { stream, exporter: opened.exporter }).await.is_err() {
                return;
            }
            talk(stream, opened, outgoing, &said).await.err()
        }
        Err(error) => Some(error),
    };
    // Nobody waits for it when the device is off.
    let _taken = said.send(StreamSaid::Closed { stream, why }).await;
}

/// Nothing is sent before a stream stands, so that only its end can come.
async fn given_up(outgoing: &mut UnboundedReceiver<Vec<u8>>) {
    while outgoing.recv().await.is_some() {}
}

async fn talk(
    stream: u64,
    opened: OpenStream,
    mut outgoing: UnboundedReceiver<Vec<u8>>,
    said: &Sender<StreamSaid>,
) -> io::Result<()> {
    let OpenStream { mut input, mut output, .. } = opened;
    let mut piece = vec![0; PIECE_SIZE];
    loop {
        tokio::select! {
            read = input.read(&mut piece) => match read? {
                0 => return Ok(()),
                length => {
                    let bytes = piece[..length].to_vec();
                    if said.send(StreamSaid::Bytes { stream, bytes }).await.is_err() {
                        return Ok(());
                    }
                }
            },
            bytes = outgoing.recv() => match bytes {
                Some(bytes) => {
                    let writing = async {
                        output.write_all(&bytes).await?;
                        output.flush().await
                    };
                    timeout(WRITE_TIME_MAX, writing).await.map_err(|_| io::ErrorKind::TimedOut)??;
                }
                None => {
                    let _closed = timeout(WRITE_TIME_MAX, output.shutdown()).await;
                    return Ok(());
                }
            },
        }
    }
}
