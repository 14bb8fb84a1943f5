//! What an access service in a process of its own and the centre that decides for it say to each other.
//!
//! ```text
//! access service                                   centre
//!   TLS 1.3 to the centre's key
//!   Hello: name, place, proof of the pass  ------>
//!                                          <------ Welcome, or why not
//!   Event, Beat                            ------>
//!                                          <------ Command, Beat
//! ```
//! A frame is `u32 size ‖ CBOR`. Both ends take each other for gone after [`SILENCE_MAX`] without a frame; the
//! access service then lets its devices go, and they come again elsewhere. ADR 0290.

mod commands;
mod events;
mod frame;
mod hello;

use std::time::Duration;

pub use frame::{FRAME_SIZE_MAX, FrameReader, Unreadable, Unsendable};
pub use hello::{Hello, WhyNot};

use clock::Moment;
use minicbor::{Decode, Encode};

use crate::das::{DasCommand, DasEvent};

/// Each end says something at least so often.
pub const BEAT_TIME: Duration = Duration::from_secs(10);

/// An end that said nothing for so long is gone: one and a half times [`BEAT_TIME`].
pub const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What an access service says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromService {
    /// First, and once.
    Hello(Hello),
    /// It is there.
    Beat,
    /// What its machine tells its owner.
    Event(DasEvent),
}

/// What the centre says.
#[derive(Clone, Debug)]
pub enum FromCentre {
    /// The service is taken.
    Welcome,
    /// It is not; the centre closes.
    Refused(WhyNot),
    /// It is there.
    Beat,
    /// What the owner tells the machine.
    Command(DasCommand),
}

#[derive(Encode, Decode)]
enum ServiceFrame {
    #[n(0)]
    Hello(#[n(0)] hello::HelloFrame),
    #[n(1)]
    Beat,
    #[n(2)]
    Event(#[n(0)] events::EventFrame),
}

#[derive(Encode, Decode)]
enum CentreFrame {
    #[n(0)]
    Welcome,
    #[n(1)]
    Refused(#[n(0)] u8),
    #[n(2)]
    Beat,
    #[n(3)]
    Command(#[n(0)] commands::CommandFrame),
}

impl FromService {
    /// The frame, its size first.
    ///
    /// # Errors
    /// [`Unsendable`]: a message that is over the limit when it is written anew.
    pub fn to_frame(&self) -> Result<Vec<u8>, Unsendable> {
        frame::written(&match self {
            Self::Hello(hello) => ServiceFrame::Hello(hello.into()),
            Self::Beat => ServiceFrame::Beat,
            Self::Event(event) => ServiceFrame::Event(events::written(event)?),
        })
    }

    /// Reads what stands behind the size.
    ///
    /// # Errors
    /// [`Unreadable`]: it is none of these.
    pub fn from_body(body: &[u8]) -> Result<Self, Unreadable> {
        Ok(match frame::read(body)? {
            ServiceFrame::Hello(hello) => Self::Hello(hello.try_into()?),
            ServiceFrame::Beat => Self::Beat,
            ServiceFrame::Event(event) => Self::Event(events::read(event)?),
        })
    }
}

impl FromCentre {
    /// The frame, its size first. Deadlines travel as the time that is left at `now`.
    ///
    /// # Errors
    /// As for [`FromService::to_frame`].
    pub fn to_frame(&self, now: Moment) -> Result<Vec<u8>, Unsendable> {
        frame::written(&match self {
            Self::Welcome => CentreFrame::Welcome,
            Self::Refused(why) => CentreFrame::Refused(why.code()),
            Self::Beat => CentreFrame::Beat,
            Self::Command(command) => CentreFrame::Command(commands::written(command, now)?),
        })
    }

    /// Reads what stands behind the size.
    ///
    /// # Errors
    /// [`Unreadable`]: it is none of these.
    pub fn from_body(body: &[u8], now: Moment) -> Result<Self, Unreadable> {
        Ok(match frame::read(body)? {
            CentreFrame::Welcome => Self::Welcome,
            CentreFrame::Refused(code) => Self::Refused(WhyNot::of(code).ok_or(Unreadable)?),
            CentreFrame::Beat => Self::Beat,
            CentreFrame::Command(command) => Self::Command(commands::read(command, now)?),
        })
    }
}
