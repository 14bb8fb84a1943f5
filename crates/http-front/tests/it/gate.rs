//! A door in front of a server: while it is shut, the server cannot be reached under its address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};

#[derive(Clone)]
pub(crate) struct Gate {
    shut: Arc<AtomicBool>,
    pub(crate) address: SocketAddr,
}

impl Gate {
    /// A door on a port of its own that leads to `server`.
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shut = Arc::new(AtomicBool::new(false));
        let gate = Self { shut: shut.clone(), address: listener.local_addr().unwrap() };
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                if shut.load(Ordering::SeqCst) {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    // a side that goes away ends the pair, which is all that can happen here
                    let _ended = tokio::io::copy_bidirectional(&mut caller, &mut server).await.is_err();
                });
            }
        });
        gate
    }

    pub(crate) fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::SeqCst);
    }
}
