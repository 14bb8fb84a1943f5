//! The time over plain CoAP, for devices that know none.
//!
//! It is served to anybody and proves nothing: a device uses it only while its time is unknown, and never to
//! judge a signature. The answer is not larger than a few bytes more than the question, and nothing is kept:
//! a repeated question is simply answered anew.
//! Source: aSSURE 11.4.1, ruling A-ASSURE-89.

use clock::Now;
use coap_proto::{Code, ContentFormat, Kind, Message, MessageId, Response, Route, Router, Token};

use crate::channels::timestamp;

/// Answers `GET /v1/timestamp`, and nothing else, over plain CoAP.
#[derive(Clone, Debug)]
pub struct TimeFace {
    router: Router<()>,
    next_id: u16,
}

impl TimeFace {
    /// A face whose message ids begin at `first_id`, drawn at random.
    #[must_use]
    pub fn new(first_id: u16) -> Self {
        let route = Route::new(Code::GET, "/v1/timestamp", ()).producing(&[ContentFormat::CBOR]);
        Self { router: Router::new().with(route), next_id: first_id }
    }

    /// The datagram to send back for this one, if any. What is no request for the time gets no answer, so
    /// that nobody learns what else there is.
    pub fn answer(&mut self, datagram: &[u8], now: Now) -> Option<Vec<u8>> {
        let asked = Message::parse(datagram).ok()?;
        let confirmable = match asked.kind {
            Kind::Confirmable => true,
            Kind::NonConfirmable => false,
            Kind::Acknowledgement | Kind::Reset => return None,
        };
        let is_vetted = asked.options.iter().all(|(number, _)| {
            !number.is_critical()
                || matches!(
                    number,
                    coap_proto::OptionNumber::URI_HOST
                        | coap_proto::OptionNumber::URI_PORT
                        | coap_proto::OptionNumber::URI_PATH
                        | coap_proto::OptionNumber::ACCEPT
                )
        });
        if !is_vetted || self.router.find(asked.code, asked.options).is_err() {
            return None;
        }
        let response = timestamp(now);
        let (kind, id) = if confirmable { (Kind::Acknowledgement, asked.id) } else { self.fresh() };
        write(kind, id, asked.token, &response)
    }

    const fn fresh(&mut self) -> (Kind, MessageId) {
        self.next_id = self.next_id.wrapping_add(1);
        (Kind::NonConfirmable, MessageId(self.next_id))
    }
}

fn write(kind: Kind, id: MessageId, token: Token, response: &Response) -> Option<Vec<u8>> {
    let message = Message {
        kind,
        code: response.code,
        id,
        token,
        options: response.options.view(),
        payload: &response.payload,
    };
    message.to_bytes(64).ok()
}
