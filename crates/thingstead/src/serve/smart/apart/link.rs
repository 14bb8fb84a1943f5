//! Frames over a stream, both ways, until one end is gone.

use net::stream_client::OpenStream;
use osap_front::link::{BEAT_TIME, FrameReader, SILENCE_MAX};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

const PIECE: usize = 16 * 1024;

/// Messages that go with one write.
const BATCH: usize = 256;

/// What comes in.
pub(super) struct FramesIn {
    input: Box<dyn AsyncRead + Send + Unpin>,
    reader: FrameReader,
    piece: Vec<u8>,
}

/// What goes out.
pub(super) struct FramesOut {
    output: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Both directions of a stream.
pub(super) fn frames(stream: OpenStream) -> (FramesIn, FramesOut) {
    let reader = FrameReader::new();
    (FramesIn { input: stream.input, reader, piece: vec![0; PIECE] }, FramesOut { output: stream.output })
}

impl FramesIn {
    /// The next body as `read` understands it; `None`: the other end is gone, silent for too long, or said what it
    /// never says. It may be dropped and called again.
    pub(super) async fn next<T, E: std::fmt::Display>(
        &mut self,
        read: impl Fn(&[u8]) -> Result<T, E>,
    ) -> Option<T> {
        loop {
            match self.reader.next_body() {
                Ok(Some(body)) => {
                    let frame = read(body);
                    return frame.map_err(|error| tracing::warn!(%error, "the link ends")).ok();
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the link ends");
                    return None;
                }
            }
            match timeout(SILENCE_MAX, self.input.read(&mut self.piece)).await {
                Ok(Ok(count)) if count > 0 => self.reader.take(&self.piece[..count]),
                Ok(Ok(_)) => return None,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "the link broke");
                    return None;
                }
                Err(_) => {
                    tracing::warn!("nothing came over the link for {} s", SILENCE_MAX.as_secs());
                    return None;
                }
            }
        }
    }
}

impl FramesOut {
    /// Sends these bytes; `false`: the other end is gone or takes nothing.
    pub(super) async fn send(&mut self, frames: &[u8]) -> bool {
        let sending = async {
            self.output.write_all(frames).await?;
            self.output.flush().await
        };
        matches!(timeout(SILENCE_MAX, sending).await, Ok(Ok(())))
    }

    /// Sends what `messages` brings, and `beat` when there is nothing, until there are no more messages or the
    /// other end is gone. What `write` cannot put down it has dealt with.
    pub(super) async fn pump<T>(
        mut self,
        mut messages: Receiver<T>,
        beat: Vec<u8>,
        write: impl Fn(T) -> Option<Vec<u8>>,
    ) {
        let mut batch = Vec::new();
        loop {
            let frames = match timeout(BEAT_TIME, messages.recv_many(&mut batch, BATCH)).await {
                Ok(0) => return,
                Ok(_) => batch.drain(..).filter_map(&write).flatten().collect(),
                Err(_) => beat.clone(),
            };
            if !self.send(&frames).await {
                return;
            }
        }
    }
}
