//! Streams that are taken one by one: TLS 1.3 to peers that keep one connection for long.
//!
//! A listener of many connections runs under [`crate::stream`] instead.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::stream_client::OpenStream;

/// Ends the TLS handshake on a connection that came in. It has no time limit of its own: whoever waits drops it.
///
/// # Errors
/// Those of TCP and TLS.
pub async fn accept(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<OpenStream> {
    socket.set_nodelay(true)?;
    let stream = TlsAcceptor::from(config).accept(socket).await?;
    OpenStream::of_tls(stream, |stream, label| {
        stream.get_ref().1.export_keying_material([0; 32], label, None)
    })
}
