//! The server's Finished.
//!
//! ```text
//! full:    <- NewSessionTicket*, [CCS], Finished
//! resumed: <- NewSessionTicket*, [CCS], Finished   -> [CCS], Finished
//! ```

use alloc::boxed::Box;

use crypto::Secret;

use crate::alert::Stop;
use crate::client::ClientState;
use crate::codec::{MessageType, session_ticket};
use crate::handshake::{Done, Role, Step, unexpected};
use crate::key_schedule::{Agreed, Sender};
use crate::reassembly::Message;
use crate::ticket::TICKET_DURATION_MAX;
use crate::{PeerProof, Ticket};

/// All but the server's Finished is there.
pub(crate) struct AwaitFinished {
    agreed: Agreed,
    master: Secret,
    proof: PeerProof,
    ticket_follows: bool,
    ticket: Option<Ticket>,
}

impl AwaitFinished {
    pub(crate) const fn new(agreed: Agreed, master: Secret, proof: PeerProof, ticket_follows: bool) -> Self {
        Self { agreed, master, proof, ticket_follows, ticket: None }
    }

    pub(crate) fn receive(mut self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        match message.kind {
            MessageType::NewSessionTicket if self.ticket_follows => {
                self.on_ticket(&message.body, step)?;
                Ok(Role::Client(ClientState::Finish(self)))
            }
            MessageType::Finished if !self.ticket_follows => self.on_finished(message, step),
            _ => Err(unexpected()),
        }
    }

    fn on_ticket(&mut self, body: &[u8], step: &Step<'_>) -> Result<(), Stop> {
        self.ticket_follows = false;
        let (lifetime, sealed) = session_ticket::decode(body)?;
        // Without the extended master secret a ticket would be no good to us (RFC 7627 section 5.4).
        if !sealed.is_empty() && self.agreed.extended_master_secret {
            self.ticket = Some(Ticket {
                sealed,
                master_secret: self.master.clone(),
                suite: self.agreed.suite,
                proof: self.proof.clone(),
                good_until: step.now + lifetime.min(TICKET_DURATION_MAX),
            });
        }
        Ok(())
    }

    fn on_finished(self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        step.check_finished(&self.agreed, &self.master, Sender::Server, &message.body)?;
        if self.agreed.resumed {
            step.note(message)?;
            step.send_finished(&self.agreed, &self.master, Sender::Client)?;
            step.transmit_flight()?;
        }
        let summary = step.summary(&self.agreed, self.proof);
        let done = Done { summary, ticket: self.ticket, sent_last: self.agreed.resumed };
        Ok(Role::Done(Box::new(done)))
    }
}
