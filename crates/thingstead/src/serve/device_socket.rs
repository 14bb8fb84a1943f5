//! The faces towards devices and callers of things, on a UDP socket.

use std::net::SocketAddr;

use clock::{Moment, Now};
use coap_front::bootstrap::{BootstrapCommand, BootstrapEvent, BootstrapFace};
use coap_front::channels::{ChannelCommand, ChannelEvent, ChannelFace};
use coap_front::things::{ThingsCommand, ThingsEvent, ThingsFace};
use net::udp::{DatagramMachine, Output, Transmit};
use tokio::net::UdpSocket;

use crate::failure::{Failure, Outcome};

/// Events and commands in line between a face and what answers it; a full line answers "busy".
pub(crate) const LINE_LENGTH: usize = 1024;

/// Opens a UDP port for devices.
pub(crate) async fn bind(at: SocketAddr) -> Outcome<(UdpSocket, SocketAddr)> {
    bind_for("devices", at).await
}

/// Opens a UDP port for `whom`.
pub(crate) async fn bind_for(whom: &str, at: SocketAddr) -> Outcome<(UdpSocket, SocketAddr)> {
    let subject = format!("{whom} on {at}");
    let failed = |error| Failure::new("cannot-listen", subject.as_str()).because(error);
    let socket = UdpSocket::bind(at).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    tracing::info!(%bound, "listening for {whom}");
    Ok((socket, bound))
}

/// A face as the driver of the socket wants it.
#[derive(Debug)]
pub(crate) struct OnSocket<F>(pub(crate) F);

macro_rules! on_socket {
    ($face:ty, $command:ty, $event:ty) => {
        impl DatagramMachine for OnSocket<$face> {
            type Command = $command;
            type Event = $event;

            fn receive(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
                self.0.receive(from, datagram, now);
            }

            fn command(&mut self, command: $command, now: Now) {
                self.0.command(command, now);
            }

            fn refused(&mut self, event: $event, now: Now) {
                self.0.refused(event, now);
            }

            fn expire(&mut self, now: Now) {
                self.0.expire(now);
            }

            fn stop(&mut self, now: Now) {
                self.0.stop(now);
            }

            fn next_output(&mut self) -> Option<Output<$event>> {
                Some(match self.0.next_output()? {
                    coap_front::Output::Transmit { to, datagram } => {
                        Output::Transmit(Transmit { to, datagram })
                    }
                    coap_front::Output::Event(event) => Output::Event(event),
                })
            }

            fn next_deadline(&self) -> Option<Moment> {
                self.0.next_deadline()
            }
        }
    };
}

on_socket!(BootstrapFace, BootstrapCommand, BootstrapEvent);
on_socket!(ChannelFace, ChannelCommand, ChannelEvent);
on_socket!(ThingsFace, ThingsCommand, ThingsEvent);
