//! The client's Finished.
//!
//! ```text
//! full:    -> [CCS], Finished   <- NewSessionTicket*, [CCS], Finished
//! resumed: -> [CCS], Finished
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use crypto::Secret;

use crate::PeerProof;
use crate::alert::Stop;
use crate::codec::{MessageType, session_ticket};
use crate::handshake::{Done, Role, Step, unexpected};
use crate::key_schedule::{Agreed, Sender};
use crate::reassembly::Message;
use crate::server::ticket_keys::{TicketContents, TicketReader};

/// A ticket that our hello promised; without a state it will be an empty one.
pub(crate) struct Issue {
    pub(crate) keys: TicketReader,
    pub(crate) state: Option<Vec<u8>>,
}

/// All but the client's Finished is there.
pub(crate) struct AwaitFinished {
    agreed: Agreed,
    master: Secret,
    proof: PeerProof,
    issue: Option<Issue>,
}

impl AwaitFinished {
    pub(crate) const fn full(agreed: Agreed, master: Secret, proof: PeerProof, issue: Option<Issue>) -> Self {
        Self { agreed, master, proof, issue }
    }

    pub(crate) const fn resumed(agreed: Agreed, master: Secret, proof: PeerProof) -> Self {
        Self { agreed, master, proof, issue: None }
    }

    pub(crate) fn receive(self: Box<Self>, message: &Message, step: &mut Step<'_>) -> Result<Role, Stop> {
        if message.kind != MessageType::Finished {
            return Err(unexpected());
        }
        step.check_finished(&self.agreed, &self.master, Sender::Client, &message.body)?;
        let sent_last = !self.agreed.resumed;
        if sent_last {
            step.note(message)?;
            self.send_ticket(step)?;
            step.send_finished(&self.agreed, &self.master, Sender::Server)?;
            step.transmit_flight()?;
        }
        let summary = step.summary(&self.agreed, self.proof);
        Ok(Role::Done(Box::new(Done { summary, ticket: None, sent_last })))
    }

    fn send_ticket(&self, step: &mut Step<'_>) -> Result<(), Stop> {
        let Some(issue) = &self.issue else { return Ok(()) };
        let sealed = issue.state.as_ref().and_then(|state| {
            let contents = TicketContents {
                suite: self.agreed.suite,
                issued: step.now,
                master: self.master.clone(),
                proof: self.proof.clone(),
                state: state.clone(),
            };
            issue.keys.seal(&contents, &mut step.tools.dice)
        });
        let message = session_ticket::encode(issue.keys.lifetime(), &sealed.unwrap_or_default())?;
        step.send(MessageType::NewSessionTicket, message)
    }
}
