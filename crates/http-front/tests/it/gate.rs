//! A door in front of a server: while it is shut, the server cannot be reached under its address; while it
//! holds, callers get in and hear nothing.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Gate {
    shut: Arc<AtomicBool>,
    /// The callers that wait, while it holds.
    held: Arc<Mutex<Option<Vec<TcpStream>>>>,
    pub(crate) address: SocketAddr,
}

impl Gate {
    /// A door on a port of its own that leads to `server`.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shut = Arc::new(AtomicBool::new(false));
        let held = Arc::new(Mutex::new(None::<Vec<TcpStream>>));
        let gate = Self { shut: shut.clone(), held: held.clone(), address: listener.local_addr().unwrap() };
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                if shut.load(Ordering::SeqCst) {
                    continue;
                }
                let mut caller = match held.lock().unwrap().as_mut() {
                    Some(waiting) => {
                        waiting.push(caller);
                        continue;
                    }
                    None => caller,
                };
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    // a side that goes away ends the pair, which is all that can happen here
                    let _ended = tokio::io::copy_bidirectional(&mut caller, &mut server).await.is_err();
                });
            }
        });
        gate
    }

    /// Lets callers wait, or ends their waiting: they are cut off, new ones get through.
    pub(crate) fn hold(&self, hold: bool) {
        *self.held.lock().unwrap() = hold.then(Vec::new);
    }

    pub(crate) fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }
}
