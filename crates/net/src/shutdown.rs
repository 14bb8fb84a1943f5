//! Stopping: one trigger, and tokens that everything which runs waits on.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Asks everything that holds a token to stop; dropping it asks as well, since its owner is gone.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// A token; clones learn of the same request.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and its token.
#[must_use]
pub fn shutdown() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks to stop; asking again changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Ends when stopping has been asked for; may be dropped and called again at any time.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error says that the trigger was dropped, which is a request too.
        let _trigger_was_dropped = receiver.wait_for(|requested| *requested).await.is_err();
    }

    /// Whether stopping has been asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

/// The signal that asked the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGINT, as from a keyboard.
    Interrupt,
    /// SIGTERM, as from a supervisor.
    Terminate,
}

/// The signals that ask the process to stop; from its creation on they no longer end the process at once.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Takes the signals over; call it inside the executor, before anything is started.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one: the first asks to stop in order, a second may end the process at once.
    pub async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.interrupt.recv() => StopSignal::Interrupt,
            _ = self.terminate.recv() => StopSignal::Terminate,
        }
    }
}
