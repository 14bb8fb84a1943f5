//! What the agent hands to its platform, and what the platform's controls say.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use assure_proto::{BootstrapServerId, ChannelId, ChannelState, GoodbyeReason, ImageRefusal};
use coap_proto::Code;
use crypto::Secret;

use crate::{BootstrapFailure, ReplayFailure};

/// One effect of an input. Drain with [`crate::Agent::next_output`] after every input.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// To whom.
        to: SocketAddr,
        /// One datagram.
        datagram: Vec<u8>,
    },
    /// Find the address of the bootstrap server; answer with [`crate::Agent::resolved`].
    Resolve {
        /// Which server.
        server: BootstrapServerId,
    },
    /// Write this state in one piece over the one before; when it will survive a power cut, say so with
    /// [`crate::Agent::persisted`]. Nothing that depends on it goes on before.
    Persist {
        /// Rises with every state; a later one includes all earlier ones.
        number: u64,
        /// The whole state, secrets included: store it sealed.
        bytes: Secret,
    },
    /// Erase all user data and configuration of the earlier owner that the platform or application keeps,
    /// then say so with [`crate::Agent::erased`]. No channel opens before. Comes again after a power cut.
    Erase,
    /// Something happened that a log or a person may want to know.
    Event(AgentEvent),
    /// Start again. The last output.
    Reboot,
    /// Switch off. The last output.
    PowerOff,
}

/// What a person at the device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Held the button for so long: from 5 s on, look for a new owner's image now.
    Held(Duration),
    /// Start again.
    Reboot,
    /// Switch off.
    PowerOff,
    /// Forget keys, channels, parameters and data; what is remembered about owners stays.
    FactoryReset,
    /// The next image may come from a bootstrap server that only the owner vouches for.
    AllowWalledGarden,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The agent runs.
    Started {
        /// Owners so far.
        sequence_number: u32,
        /// Whether an image was applied in full.
        configured: bool,
    },
    /// The bootstrap server is asked for an image.
    BootstrapBegun,
    /// That led to no image; nothing changed.
    BootstrapFailed(BootstrapFailure),
    /// An image came and was refused; nothing changed.
    ImageRefused(ImageRefusal),
    /// The image is the one that is in service.
    ImageUnchanged,
    /// The first commit stands: owner, keys.
    Owned {
        /// The authority's generation.
        generation: u32,
        /// Owners so far.
        sequence_number: u32,
        /// Whether everything of an earlier owner goes.
        is_new_owner: bool,
    },
    /// Data of the earlier owner is erased.
    Erased,
    /// The second commit failed: owned, unconfigured, no channel open.
    ConfigurationFailed(ReplayFailure),
    /// The second commit stands: channels open.
    Bootstrapped {
        /// Owners so far.
        sequence_number: u32,
    },
    /// A channel is in another state.
    ChannelChanged {
        /// Which.
        channel: ChannelId,
        /// The state.
        state: ChannelState,
    },
    /// A management system acknowledged the device's presence.
    InService {
        /// Over which channel.
        channel: ChannelId,
    },
    /// A management system did not take the device's presence.
    PresenceRefused {
        /// Over which channel.
        channel: ChannelId,
        /// Its answer.
        code: Code,
    },
    /// A management system told the time.
    TimeSet {
        /// Whether the clock went back by more than a second.
        went_back: bool,
    },
    /// Goodbye was said, and answered by so many of so many.
    SaidGoodbye {
        /// Why.
        reason: GoodbyeReason,
        /// Management systems that were told.
        told: usize,
        /// Those that acknowledged within two seconds.
        acknowledged: usize,
    },
    /// A button was held too shortly to mean anything.
    ButtonIgnored,
    /// A button was held for 10 s: contesting a claim is not possible with this program.
    ContestNotAvailable,
    /// A walled garden is allowed for the next image.
    WalledGardenAllowed,
    /// Everything but the memory of owners was forgotten.
    FactoryReset,
}
