//! What a load balancer asks and is answered.

use std::net::IpAddr;

use clock::Moment;
use crypto::Secret;
use osap_proto::compat::{CompatCommit, CompatDas, CompatDevice, CompatLbsEnd};
use osap_proto::{
    Claim, Commit, Committed, DasAnswer, DasRequest, DeviceRecord, Devid, Grant, LbsEnd, Mode, ProtocolType,
    Serial,
};

use crate::LineId;

/// How a connection came.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// From where.
    pub from: IpAddr,
    /// When it was accepted, TLS included.
    pub accepted: Moment,
    /// TLS 1.3, where the connection runs in it.
    pub tls: Option<Tls>,
}

/// The TLS connection under a run.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Label `EXPORTER-Channel-Binding`, empty context.
    pub exporter: [u8; 32],
    /// What the client proved to have the key of.
    pub certificate: Option<DeviceCertificate>,
}

/// A certificate that a device showed.
/// Source: OSAP secure profile section 3.
#[derive(Clone, Debug)]
pub struct DeviceCertificate {
    /// The `serialNumber` of its subject; `None` when there is none that is a serial.
    pub serial: Option<Serial>,
    /// Its key as SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// Whether an issuer on the list of the load balancer vouches for it.
    pub is_vouched: bool,
}

impl DeviceCertificate {
    /// Whether it may stand for the device of this record.
    pub(super) fn is_of(&self, record: &DeviceRecord) -> bool {
        self.is_vouched || record.device_key.as_ref().is_some_and(|key| key.spki() == self.key)
    }
}

/// What a load balancer asks of its owner.
#[derive(Clone, Debug, PartialEq)]
pub enum LbsEvent {
    /// Answer with [`LbsCommand::Found`].
    LookUp {
        /// The run.
        line: LineId,
        /// Who the device says it is.
        serial: Serial,
        /// What the serial is.
        mode: Mode,
    },
    /// The serial was tried with codes a hundred times within a day. No answer.
    ManyTries {
        /// Which; it need not exist.
        serial: Serial,
    },
    /// The device proved itself. Answer with [`LbsCommand::Granted`].
    Grant {
        /// The run.
        line: LineId,
        /// Who it is.
        serial: Serial,
        /// What it proved.
        claim: Claim,
    },
    /// The device has stored its id. Answer with [`LbsCommand::Committed`], after the commit.
    Commit {
        /// The run.
        line: LineId,
        /// What to swap.
        commit: Box<Commit>,
        /// As it came with [`LbsCommand::Found`].
        generation: u64,
    },
    /// The device asks where to go. Answer with [`LbsCommand::Das`].
    ChooseDas {
        /// The run.
        line: LineId,
        /// What it asks.
        request: DasRequest,
        /// Its id.
        devid: Devid,
        /// The type of the run.
        protocol: ProtocolType,
        /// The das secret, for the ticket.
        das_secret: Secret,
    },
    /// A device of type 1 says who it is. Answer with [`LbsCommand::FoundCompat`].
    LookUpCompat {
        /// The run.
        line: LineId,
        /// Who it says it is.
        serial: Serial,
        /// What the serial is, where the message tells.
        mode: Option<Mode>,
    },
    /// A device showed its code in type 1: it is to be burned. No answer.
    CodeShown {
        /// The run.
        line: LineId,
        /// Whose.
        serial: Serial,
    },
    /// A device of type 1 asks where to go. Answer with [`LbsCommand::CompatDas`], after the commit.
    CommitCompat {
        /// The run.
        line: LineId,
        /// What changes, and the session key.
        commit: Box<CompatCommit>,
    },
    /// A run of type 1 of this serial is over. No answer.
    EndedCompat {
        /// Who the device said it was.
        serial: Serial,
        /// How.
        end: CompatLbsEnd,
    },
    /// A run of this serial is over. No answer.
    Ended {
        /// Who the device said it was; before a proof that may be anybody.
        serial: Serial,
        /// How.
        end: LbsEnd,
    },
}

/// What the owner answers. For a run that is gone it has no effect.
#[derive(Clone, Debug)]
pub enum LbsCommand {
    /// Answers [`LbsEvent::LookUp`].
    Found {
        /// The run.
        line: LineId,
        /// The record; `None` when there is none.
        record: Option<Box<DeviceRecord>>,
        /// Comes back with [`LbsEvent::Commit`].
        generation: u64,
    },
    /// Answers [`LbsEvent::Grant`].
    Granted {
        /// The run.
        line: LineId,
        /// What the device gets.
        grant: Grant,
    },
    /// Answers [`LbsEvent::Commit`].
    Committed {
        /// The run.
        line: LineId,
        /// How it went.
        outcome: Committed,
    },
    /// Answers [`LbsEvent::ChooseDas`].
    Das {
        /// The run.
        line: LineId,
        /// Where the device goes.
        answer: Box<DasAnswer>,
    },
    /// Answers [`LbsEvent::LookUpCompat`].
    FoundCompat {
        /// The run.
        line: LineId,
        /// The record; `None` when type 1 is not run with this serial, for whatever reason.
        device: Option<Box<CompatDevice>>,
    },
    /// Answers [`LbsEvent::CommitCompat`].
    CompatDas {
        /// The run.
        line: LineId,
        /// Where the device goes; `None` when there is nowhere, or it is let in no more.
        das: Option<CompatDas>,
    },
    /// Answers any of them: it could not be found out. The device comes again.
    Unable {
        /// The run.
        line: LineId,
    },
}

impl LbsCommand {
    pub(super) const fn line(&self) -> LineId {
        match self {
            Self::Found { line, .. }
            | Self::Granted { line, .. }
            | Self::Committed { line, .. }
            | Self::Das { line, .. }
            | Self::FoundCompat { line, .. }
            | Self::CompatDas { line, .. }
            | Self::Unable { line } => *line,
        }
    }
}
