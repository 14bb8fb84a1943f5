//! A body that is written while it is read.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that wait for their reader; the writer waits when there are more.
const PIECE_COUNT_MAX: usize = 16;

/// The reading end.
pub(crate) struct Lines(Receiver<Bytes>);

impl Lines {
    /// The writing end and the body; the body ends when the writer is dropped, and the writer learns when
    /// nobody reads any more.
    pub(crate) fn pair() -> (Sender<Bytes>, Body) {
        let (writer, reader) = channel(PIECE_COUNT_MAX);
        (writer, Body::new(Self(reader)))
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
