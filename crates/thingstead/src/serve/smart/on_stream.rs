//! The faces of smart devices as the driver of connections wants them.

use certificate::Leaf;
use clock::{Moment, Now};
use net::stream::{Arrival, ConnId, Security, StreamMachine, StreamOutput};
use net::tls::DeviceIssuers;
use osap_front::das::{DasCommand, DasEvent, DasFace};
use osap_front::lbs::{self, DeviceCertificate, LbsCommand, LbsEvent, LbsFace, Tls};
use osap_front::{LineId, Output};

const fn line(conn: ConnId) -> LineId {
    LineId(conn.0)
}

fn output<E>(output: Output<E>) -> StreamOutput<E> {
    match output {
        Output::Transmit { line, bytes } => StreamOutput::Transmit { conn: ConnId(line.0), bytes },
        Output::Close { line } => StreamOutput::Close { conn: ConnId(line.0) },
        Output::Event(event) => StreamOutput::Event(event),
    }
}

/// The load balancer on its listeners, which of them is the one of type 1, and who vouches for certificates.
#[derive(Debug)]
pub(super) struct LbsOnStream(pub(super) LbsFace, pub(super) Option<usize>, pub(super) DeviceIssuers);

/// An access service on its listeners, and which of them is the one of type 1.
#[derive(Debug)]
pub(super) struct DasOnStream(pub(super) DasFace, pub(super) Option<usize>);

macro_rules! on_stream {
    ($face:ty, $command:ty, $event:ty, |$this:ident, $conn:ident, $arrival:ident, $now:ident| $opened:expr) => {
        impl StreamMachine for $face {
            type Command = $command;
            type Event = $event;

            fn opened(&mut self, $conn: ConnId, $arrival: Arrival, $now: Now) {
                let $this = self;
                $opened;
            }

            fn receive(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
                self.0.receive(line(conn), bytes, now);
            }

            fn closed(&mut self, conn: ConnId, now: Now) {
                self.0.closed(line(conn), now);
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

            fn next_output(&mut self) -> Option<StreamOutput<$event>> {
                self.0.next_output().map(output)
            }

            fn next_deadline(&self) -> Option<Moment> {
                self.0.next_deadline()
            }
        }
    };
}

on_stream!(LbsOnStream, LbsCommand, LbsEvent, |this, conn, arrival, now| {
    let is_compat = this.1 == Some(arrival.door);
    let tls = match arrival.security {
        Security::Plain => None,
        Security::Tls { exporter, client_certificate } => {
            let certificate = client_certificate.and_then(|der| certificate_of(&der, &this.2, now));
            Some(Tls { exporter, certificate })
        }
    };
    let arrival = lbs::Arrival { from: arrival.from.ip(), accepted: arrival.accepted, tls };
    if is_compat {
        this.0.opened_compat(line(conn), arrival, now);
    } else {
        this.0.opened(line(conn), arrival, now);
    }
});

on_stream!(DasOnStream, DasCommand, DasEvent, |this, conn, arrival, now| {
    let is_tls = matches!(arrival.security, Security::Tls { .. });
    if this.1 == Some(arrival.door) {
        this.0.opened_compat(line(conn), now);
    } else {
        this.0.opened(line(conn), is_tls, now);
    }
});

/// What a certificate says of its device; one that cannot be read is none.
fn certificate_of(der: &[u8], issuers: &DeviceIssuers, now: Now) -> Option<DeviceCertificate> {
    let leaf = Leaf::from_der(der).ok()?;
    let key = leaf.public_key().ok()?;
    let serial = leaf.subject_serial_number().and_then(|text| osap_proto::Serial::new(text.as_bytes()));
    let unix_secs = now.utc.map(|utc| utc.as_unix_millis() / 1000);
    let is_vouched = unix_secs.is_some_and(|secs| issuers.vouch_for(der, secs));
    Some(DeviceCertificate { serial, key: key.spki().to_vec(), is_vouched })
}
