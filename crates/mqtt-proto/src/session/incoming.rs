//! Messages of QoS 1 and 2 from the peer, until they are at their end.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use super::{NotAsked, Publication, Violation};
use crate::{Kind, PacketId, QoS, ReasonCode, Version};

/// A message from the peer.
///
/// One with an identifier waits for the application's `acknowledge`: it is the application's from then on. One
/// that was not acknowledged when the connection ends comes again in the next one of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The message, and how it came.
    pub publication: Publication,
    /// For QoS 1 and 2.
    pub id: Option<PacketId>,
    /// Whether the peer says that it may have sent this before.
    pub is_dup: bool,
}

/// What to do with a message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Hand it up.
    New,
    /// It is owned already: say so again.
    Owned,
    /// It was handed up already, and will be answered.
    Waiting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Handed up, not acknowledged.
    Waiting(QoS),
    /// QoS 2, acknowledged, not released; and whether it counts for the receive maximum of this connection.
    Owned { counts: bool },
}

/// The application's answer to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) reason: ReasonCode,
    pub(crate) why: Option<String>,
}

/// One acknowledgement that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueAck {
    pub(crate) id: PacketId,
    pub(crate) qos: QoS,
    pub(crate) answer: Answer,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    stages: BTreeMap<PacketId, Stage>,
    /// Unanswered messages in the order they came: acknowledgements leave in that order.
    line: VecDeque<(PacketId, QoS, Option<Answer>)>,
    /// How many count for the receive maximum.
    count: usize,
    count_max: usize,
    version: Version,
}

impl Inbox {
    pub(crate) const fn new(version: Version, count_max: usize) -> Self {
        Self { stages: BTreeMap::new(), line: VecDeque::new(), count: 0, count_max, version }
    }

    pub(crate) fn restore(&mut self, received: Vec<PacketId>) {
        self.stages = received.into_iter().map(|id| (id, Stage::Owned { counts: false })).collect();
    }

    /// What this end owns and the peer has not released.
    pub(crate) fn save(mut self) -> Vec<PacketId> {
        // What was answered is owned, even if its acknowledgement waited for that of an earlier message.
        for (id, qos, given) in self.line {
            if qos == QoS::ExactlyOnce && given.is_some_and(|answer| !answer.reason.is_failure()) {
                self.stages.insert(id, Stage::Owned { counts: false });
            }
        }
        let is_owned = |stage: &Stage| matches!(stage, Stage::Owned { .. });
        self.stages.into_iter().filter(|(_, stage)| is_owned(stage)).map(|(id, _)| id).collect()
    }

    fn count_one(&mut self) -> Result<(), Violation> {
        if self.count >= self.count_max {
            return Err(Violation::ReceiveMaximum);
        }
        self.count += 1;
        Ok(())
    }

    pub(crate) fn on_publish(&mut self, id: PacketId, qos: QoS) -> Result<Arrival, Violation> {
        match self.stages.get(&id).copied() {
            None => {
                self.count_one()?;
                self.stages.insert(id, Stage::Waiting(qos));
                self.line.push_back((id, qos, None));
                Ok(Arrival::New)
            }
            Some(Stage::Owned { counts }) if qos == QoS::ExactlyOnce => {
                if !counts {
                    self.count_one()?;
                    self.stages.insert(id, Stage::Owned { counts: true });
                }
                Ok(Arrival::Owned)
            }
            // 3.1.1 lets a sender repeat at any time, 5.0 only in a new connection.
            Some(Stage::Waiting(before)) if before == qos && self.version == Version::V3_1_1 => {
                Ok(Arrival::Waiting)
            }
            Some(Stage::Owned { .. } | Stage::Waiting(_)) => Err(Violation::IdInUse),
        }
    }

    /// Takes the application's answer; [`Inbox::next_due`] says what may be sent.
    pub(crate) fn answer(&mut self, id: PacketId, answer: Answer) -> Result<(), NotAsked> {
        let waiting = self.line.iter_mut().find(|(waiting, _, given)| *waiting == id && given.is_none());
        let (_, _, given) = waiting.ok_or(NotAsked)?;
        *given = Some(answer);
        Ok(())
    }

    /// A message that is never answered: those behind it need not wait for it. Its identifier stays in use.
    pub(crate) fn pass_over(&mut self, id: PacketId) -> Result<(), NotAsked> {
        let waiting = self.line.iter().position(|(waiting, _, given)| *waiting == id && given.is_none());
        self.line.remove(waiting.ok_or(NotAsked)?);
        Ok(())
    }

    /// The next acknowledgement, if its message is the oldest without one.
    pub(crate) fn next_due(&mut self) -> Option<DueAck> {
        self.line.front()?.2.as_ref()?;
        let (id, qos, answer) = self.line.pop_front()?;
        let answer = answer?;
        let is_owned = qos == QoS::ExactlyOnce && !answer.reason.is_failure();
        if is_owned {
            self.stages.insert(id, Stage::Owned { counts: true });
        } else {
            self.stages.remove(&id);
            self.count -= 1;
        }
        Some(DueAck { id, qos, answer })
    }

    /// Whether the identifier was known.
    pub(crate) fn on_pubrel(&mut self, id: PacketId) -> Result<bool, Violation> {
        match self.stages.get(&id) {
            None => Ok(false),
            Some(Stage::Waiting(_)) => Err(Violation::OutOfStep(Kind::PubRel)),
            Some(Stage::Owned { counts }) => {
                self.count -= usize::from(*counts);
                self.stages.remove(&id);
                Ok(true)
            }
        }
    }
}
