//! The time over plain CoAP, for devices that know none.
//!
//! Source: aSSURE 11.4.1; ruling A-ASSURE-89.

use std::net::SocketAddr;
use std::time::Duration;

use coap_front::time::TimeFace;
use net::now::Clock;
use net::seed;
use net::shutdown::Shutdown;
use tokio::net::UdpSocket;

use crate::failure::{Failure, Outcome};

/// No question for the time is longer; what is cut off here is no CoAP any more.
const QUESTION_LENGTH_MAX: usize = 1280;
/// The pause after an error of the socket, which is always another one's doing.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// An open port that tells the time to anybody.
pub(crate) struct TimePort {
    socket: UdpSocket,
    face: TimeFace,
    clock: Clock,
}

impl TimePort {
    /// Opens the port.
    pub(crate) async fn open(at: SocketAddr, clock: Clock) -> Outcome<(Self, SocketAddr)> {
        let subject = format!("time on {at}");
        let failed = |error| Failure::new("cannot-listen", subject.as_str()).because(error);
        let socket = UdpSocket::bind(at).await.map_err(failed)?;
        let bound = socket.local_addr().map_err(failed)?;
        let mut dice = seed::dice().map_err(|error| Failure::new("no-entropy", "").because(error))?;
        let face = TimeFace::new(u16::from_be_bytes(dice.bytes()));
        tracing::info!(%bound, "telling the time");
        Ok((Self { socket, face, clock }, bound))
    }

    /// Answers until shutdown. An answer that does not fit the send buffer is lost, like any datagram.
    pub(crate) async fn run(mut self, stop: Shutdown) {
        let mut question = [0; QUESTION_LENGTH_MAX];
        loop {
            let heard = tokio::select! {
                heard = self.socket.recv_from(&mut question) => heard,
                () = stop.requested() => return,
            };
            match heard {
                Ok((length, from)) => {
                    if let Some(answer) = self.face.answer(&question[..length], self.clock.now())
                        && let Err(error) = self.socket.try_send_to(&answer, from)
                    {
                        tracing::debug!(%error, "the time was not sent");
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the port of the time");
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use assure_proto::PreciseTime;
    use coap_proto::{Code, Kind, Message, MessageId, OptionSet, Token};
    use net::shutdown::shutdown;

    fn ask(path: &str) -> Vec<u8> {
        let (mut options, token) = (OptionSet::new(), Token::new(&[7]).unwrap());
        options.add_path(path);
        let (kind, code, id) = (Kind::Confirmable, Code::GET, MessageId(5));
        let message = Message { kind, code, id, token, options: options.view(), payload: &[] };
        message.to_bytes(256).unwrap()
    }

    // verifies: ASSURE-11.4.1-01, ASSURE-11.4.1-02
    #[tokio::test]
    async fn anybody_hears_the_time_of_this_machine_and_nothing_else() {
        let clock = Clock::start();
        let (port, at) = TimePort::open(([127, 0, 0, 1], 0).into(), clock).await.unwrap();
        let (trigger, stop) = shutdown();
        let running = tokio::spawn(port.run(stop));
        let asker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        // What gets no answer comes first: the one answer that comes is the other one's.
        for question in [ask("/v1/devices"), b"no CoAP".to_vec(), vec![0; 5000], ask("/v1/timestamp")] {
            asker.send_to(&question, at).await.unwrap();
        }
        let mut answer = [0; 256];
        let (length, from) = asker.recv_from(&mut answer).await.unwrap();
        assert_eq!(from, at);
        let answer = Message::parse(&answer[..length]).unwrap();
        assert_eq!((answer.code, answer.id), (Code::CONTENT, MessageId(5)));
        let told = PreciseTime::decode(answer.payload).unwrap().timestamp().as_unix_millis();
        let now = clock.now().utc.unwrap().as_unix_millis();
        assert!(now.abs_diff(told) <= 1000, "{told}, and it is {now}");
        trigger.request();
        running.await.unwrap();
    }
}
