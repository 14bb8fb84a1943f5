//! The edge to the machine below: sockets, TLS, clocks, entropy, limits and shutdown.
//!
//! This is the only crate of the product that reads clocks and draws entropy; everything under it takes both
//! as arguments.

pub mod admission;
pub mod executor;
pub mod https_client;
pub mod https_server;
pub mod now;
pub mod seed;
pub mod shutdown;
pub mod stream;
pub mod stream_client;
pub mod stream_server;
pub mod tls;
pub mod udp;
pub mod x509_path;

mod datagrams;
mod stall;
