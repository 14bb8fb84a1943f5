//! One connection: what waits for its peer, and how it ends.

use std::io::{self, BufRead, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::door::Newcomer;
use super::ready::Caller;
use crate::admission::Place;

/// A buffer that grew longer than this is given back when it is empty.
const BUFFER_KEPT_MAX: usize = 64 * 1024;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The machine has it.
    Open,
    /// The machine closed it; the rest leaves.
    Leaving,
    /// All has left; the peer is to close too, so that nothing it still sends destroys what it has not read.
    Lingering,
}

/// How sending went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything left.
    All,
    /// Something left, the rest waits.
    Some,
    /// Nothing left.
    Nothing,
}

/// What came in.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// Bytes for the machine.
    Bytes(&'a [u8]),
    /// The peer says that it sends nothing more.
    End,
}

pub(super) struct Connection {
    socket: TcpStream,
    tls: Option<Box<ServerConnection>>,
    pub(super) caller: Arc<Caller>,
    waker: Waker,
    pub(super) stage: Stage,
    /// Whether it stands in the line of those to be written.
    pub(super) is_touched: bool,
    outgoing: Vec<u8>,
    sent: usize,
    _place: Place,
}

impl Connection {
    pub(super) fn new(newcomer: Newcomer, caller: Arc<Caller>) -> Self {
        let Newcomer { socket, tls, place, .. } = newcomer;
        let waker = caller.waker();
        Self {
            socket,
            tls,
            caller,
            waker,
            stage: Stage::Open,
            is_touched: false,
            outgoing: Vec::new(),
            sent: 0,
            _place: place,
        }
    }

    /// Bytes that wait.
    pub(super) fn waiting_size(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    pub(super) fn push(&mut self, bytes: Vec<u8>) {
        if self.outgoing.is_empty() {
            self.outgoing = bytes;
        } else {
            self.outgoing.extend_from_slice(&bytes);
        }
    }

    /// Reads once what the operating system has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let mut context = Context::from_waker(&self.waker);
        Pin::new(&mut self.socket)
            .poll_read(&mut context, &mut buffer)
            .map(|outcome| outcome.map(|()| buffer.filled().len()))
    }

    /// Passes on what was read; `raw` may be empty for what came with the handshake.
    pub(super) fn open(&mut self, mut raw: &[u8], mut take: impl FnMut(Input<'_>)) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            if !raw.is_empty() {
                take(Input::Bytes(raw));
            }
            return Ok(());
        };
        loop {
            if !raw.is_empty() {
                tls.read_tls(&mut raw)?;
            }
            tls.process_new_packets().map_err(|error| io::Error::other(error.to_string()))?;
            loop {
                let mut reader = tls.reader();
                let length = match reader.fill_buf() {
                    Ok([]) => {
                        take(Input::End);
                        return Ok(());
                    }
                    Ok(bytes) => {
                        take(Input::Bytes(bytes));
                        bytes.len()
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                reader.consume(length);
            }
            if raw.is_empty() {
                return Ok(());
            }
        }
    }

    /// Whether TLS has something to say of its own accord.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Says that nothing more comes, behind all that was pushed.
    pub(super) fn say_end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
    }

    /// Closes our direction.
    pub(super) fn shut(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.socket).poll_shutdown(&mut context) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }

    /// Sends what waits, as far as the operating system takes it.
    pub(super) fn send(&mut self) -> io::Result<Sent> {
        let mut any = false;
        loop {
            if let Some(tls) = &mut self.tls {
                while tls.wants_write() {
                    match tls.write_tls(&mut Socket { socket: &mut self.socket, waker: &self.waker }) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(_) => any = true,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(left(any)),
                        Err(error) => return Err(error),
                    }
                }
                if self.outgoing.is_empty() {
                    return Ok(Sent::All);
                }
                tls.writer().write_all(&self.outgoing)?;
                self.emptied();
            } else {
                let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) else {
                    self.emptied();
                    return Ok(Sent::All);
                };
                match (Socket { socket: &mut self.socket, waker: &self.waker }).write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => {
                        any = true;
                        self.sent += count;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(left(any)),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    fn emptied(&mut self) {
        self.sent = 0;
        if self.outgoing.capacity() > BUFFER_KEPT_MAX {
            self.outgoing = Vec::new();
        } else {
            self.outgoing.clear();
        }
    }
}

const fn left(any: bool) -> Sent {
    if any { Sent::Some } else { Sent::Nothing }
}

/// The socket as something that is written without waiting; whoever has to wait is called.
struct Socket<'a> {
    socket: &'a mut TcpStream,
    waker: &'a Waker,
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(self.waker);
        ready(Pin::new(&mut *self.socket).poll_write(&mut context, bytes))
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let mut context = Context::from_waker(self.waker);
        ready(Pin::new(&mut *self.socket).poll_write_vectored(&mut context, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn ready(outcome: Poll<io::Result<usize>>) -> io::Result<usize> {
    match outcome {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
