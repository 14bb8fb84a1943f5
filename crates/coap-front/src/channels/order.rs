//! What the management system asks of a connected device.

use coap_proto::{Busy, Code, ContentFormat, Failure, Request, Response};
use model::Uuid;

/// Names an order; chosen by the owner of the face, given back with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// A call of the device API (aSSURE 10) on a connected device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: OrderId,
    /// Whom it is for.
    pub device: Uuid,
    /// The method.
    pub method: Code,
    /// The path, parted by `/`.
    pub path: String,
    /// Arguments such as `type=1`, in order.
    pub queries: Vec<String>,
    /// The body, CBOR; empty when there is none.
    pub payload: Vec<u8>,
}

impl Order {
    pub(super) fn to_request(&self) -> Request {
        let mut request = Request::new(self.method, &self.path);
        for query in &self.queries {
            request = request.with_query(query);
        }
        if self.payload.is_empty() {
            request
        } else {
            request.with_payload(ContentFormat::CBOR, self.payload.clone())
        }
    }
}

/// What the device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAnswer {
    /// The response code, success or not.
    pub code: Code,
    /// Its whole body.
    pub payload: Vec<u8>,
}

impl From<Response> for OrderAnswer {
    fn from(response: Response) -> Self {
        Self { code: response.code, payload: response.payload }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderFailure {
    /// The device is not connected; nothing was sent.
    NotConnected,
    /// Too much is under way to this device; nothing was sent.
    Busy(Busy),
    /// It was sent, or could not be; see there whether the device may have acted.
    Failed(Failure),
}
