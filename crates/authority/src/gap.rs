//! The air gap: numbered, signed and encrypted files from one party to one other.
//!
//! A file is made inside the decision that sends it and stands in the outbox until it is known to be
//! written; a file that comes in is applied in the commit that stores its number. So a crash at any point
//! writes a file again with the same bytes, and applies none twice.
//! Source: ruling A-ASSURE-12, decision G 22.

use std::sync::Arc;

use assure_proto::{
    Class, EnrolRequest, GapContent, GapError, GapFile, GapHeader, GapSender, GapSequence, GapTurn, Signer,
    Validity, seal_gap_file, write_enrolment,
};
use clock::{Dice, Now};
use crypto::{CryptoError, PrivateKey, Provider, PublicKey};
use minicbor::{Decode, Encode};
use model::{KeyId, Uuid};
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot};

use crate::spaces::{GAP, GAP_OUTBOX};
use crate::stored::{self, BadRecord};

/// This party, as it signs and opens files.
#[derive(Clone)]
pub struct GapSelf {
    /// Its id.
    pub id: Uuid,
    /// The id of its gap key.
    pub key_id: KeyId,
    /// Its gap key, on P-256.
    pub key: Arc<dyn PrivateKey>,
}

impl std::fmt::Debug for GapSelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GapSelf({})", self.id)
    }
}

impl GapSelf {
    /// The gap key as a signer. Files are outside the matrix of classes; the class is that of the sender.
    #[must_use]
    pub fn signer(&self) -> Signer<'_> {
        Signer::with_private_key(self.key_id, Class::TrustedAuthority, &*self.key)
    }
}

/// The party at the other side.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GapPartner {
    /// Its id.
    #[cbor(n(0), with = "stored::id16")]
    pub id: Uuid,
    /// The id of its gap key.
    #[cbor(n(1), with = "stored::id16")]
    pub key_id: KeyId,
    /// Its gap key.
    #[cbor(n(2), with = "stored::public_key")]
    pub key: PublicKey,
}

impl GapPartner {
    /// Opens a file of this partner.
    ///
    /// # Errors
    /// [`GapError`] says what is wrong with it.
    pub fn open(
        &self,
        provider: &dyn Provider,
        me: &GapSelf,
        file: &[u8],
    ) -> Result<(GapHeader, GapContent), GapError> {
        let file = GapFile::decode(file)?;
        let sender = GapSender { id: self.id, key_id: self.key_id, key: &self.key };
        let content = file.open(provider, &me.id, &*me.key, sender)?;
        Ok((file.header(), content))
    }
}

/// The number of the last file to `partner`.
pub(crate) fn sent_key(partner: Uuid) -> Key {
    Key::new(GAP, [&b"out"[..], &partner.0].concat())
}

/// The number of the last file from `partner`.
fn taken_key(partner: Uuid) -> Key {
    Key::new(GAP, [&b"in"[..], &partner.0].concat())
}

fn outbox_key(partner: Uuid, number: u32) -> Key {
    Key::new(GAP_OUTBOX, [&partner.0[..], &number.to_be_bytes()].concat())
}

fn number(snapshot: &Snapshot, key: &Key) -> Result<GapSequence, BadRecord> {
    match snapshot.value(key) {
        None => Ok(GapSequence::START),
        Some(bytes) => {
            bytes.try_into().map(u32::from_be_bytes).map(GapSequence::after).map_err(|_| BadRecord)
        }
    }
}

/// Why a file was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// A stored record cannot be read.
    Record(BadRecord),
    /// All numbers are used up, or signing or encrypting failed.
    Crypto(CryptoError),
}

impl From<BadRecord> for NotSent {
    fn from(bad: BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// What a sender needs besides what it says.
pub(crate) struct Sending<'a> {
    pub(crate) provider: &'a dyn Provider,
    pub(crate) me: &'a GapSelf,
    pub(crate) partner: &'a GapPartner,
    pub(crate) validity: Validity,
}

/// Puts a file with `content` into the outbox; [`sent_key`] must be in the read set, and one batch sends
/// at most one file to each partner.
pub(crate) fn send(
    sending: &Sending<'_>,
    signer: &Signer<'_>,
    content: &GapContent,
    snapshot: &Snapshot,
    batch: &mut Batch,
    dice: &mut Dice,
) -> Result<(), NotSent> {
    let key = sent_key(sending.partner.id);
    let next = number(snapshot, &key)?.next().ok_or(NotSent::Crypto(CryptoError::BadInput))?;
    let header = GapHeader { from: sending.me.id, to: sending.partner.id, sequence_number: next };
    let recipient = &sending.partner.key;
    let file = seal_gap_file(sending.provider, &header, content, recipient, signer, sending.validity, dice)
        .map_err(NotSent::Crypto)?;
    batch.put(key, next.to_be_bytes()).put(outbox_key(sending.partner.id, next), file);
    Ok(())
}

/// Puts a request in the clear into the outbox, signed with our gap key: its number and its bytes.
pub(crate) fn send_in_the_clear(
    sending: &Sending<'_>,
    request: EnrolRequest,
    snapshot: &Snapshot,
    batch: &mut Batch,
    dice: &mut Dice,
) -> Result<(u32, Vec<u8>), NotSent> {
    let (me, partner) = (sending.me, sending.partner);
    let key = sent_key(partner.id);
    let next = number(snapshot, &key)?.next().ok_or(NotSent::Crypto(CryptoError::BadInput))?;
    let header = GapHeader { from: me.id, to: partner.id, sequence_number: next };
    let file = write_enrolment(sending.provider, &header, request, &me.signer(), sending.validity, dice);
    let file = file.map_err(NotSent::Crypto)?;
    batch.put(key, next.to_be_bytes()).put(outbox_key(partner.id, next), file.clone());
    Ok((next, file))
}

/// Applies the content of a file if its number is the next one, in one commit with that number.
#[derive(Clone, Debug)]
pub struct TakeFile<O> {
    /// Who sent the file.
    pub from: Uuid,
    /// Its number.
    pub number: u32,
    /// What it asks for.
    pub inner: O,
}

/// What became of [`TakeFile`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileTaken<R> {
    /// Applied; the answer of what it asked for.
    Applied(R),
    /// It was applied before.
    Before,
    /// The file with this number must come first.
    Hole {
        /// The number that is missing.
        missing: u32,
    },
}

impl<O: Operation> Operation for TakeFile<O> {
    type Reply = Result<FileTaken<O::Reply>, BadRecord>;
    type Effect = O::Effect;

    fn reads(&self) -> ReadSet {
        let mut reads = self.inner.reads();
        reads.extend(ReadSet::of([taken_key(self.from)]));
        reads
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Self::Effect> {
        let key = taken_key(self.from);
        let without = |reply| Decision::Done { batch: Batch::default(), reply, effects: Vec::new() };
        match number(snapshot, &key).map(|last| last.judge(self.number)) {
            Err(bad) => without(Err(bad)),
            Ok(GapTurn::Skip) => without(Ok(FileTaken::Before)),
            Ok(GapTurn::Hole { missing }) => without(Ok(FileTaken::Hole { missing })),
            Ok(GapTurn::Take(_)) => match self.inner.decide(snapshot, now) {
                Decision::Need(more) => Decision::Need(more),
                Decision::Done { mut batch, reply, effects } => {
                    batch.put(key, self.number.to_be_bytes());
                    Decision::Done { batch, reply: Ok(FileTaken::Applied(reply)), effects }
                }
            },
        }
    }
}

/// Takes a file only when what it asks for was done: otherwise nothing is stored, its number neither, so
/// that the same file can be taken later.
#[derive(Clone, Debug)]
pub struct TakeIfDone<O: Operation> {
    /// The file.
    pub take: TakeFile<O>,
    /// Whether this answer says that it was done.
    pub is_done: fn(&O::Reply) -> bool,
}

impl<O: Operation> Operation for TakeIfDone<O> {
    type Reply = Result<FileTaken<O::Reply>, BadRecord>;
    type Effect = O::Effect;

    fn reads(&self) -> ReadSet {
        self.take.reads()
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, Self::Effect> {
        match self.take.decide(snapshot, now) {
            Decision::Done { reply: Ok(FileTaken::Applied(reply)), .. } if !(self.is_done)(&reply) => {
                let reply = Ok(FileTaken::Applied(reply));
                Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
            }
            decided => decided,
        }
    }
}

/// Reads the number of the last file that was taken from `from`; 0 before the first.
#[derive(Clone, Copy, Debug)]
pub struct ReadTaken {
    /// The sender.
    pub from: Uuid,
}

impl Operation for ReadTaken {
    type Reply = Result<u32, BadRecord>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([taken_key(self.from)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let reply = number(snapshot, &taken_key(self.from)).map(GapSequence::last);
        Decision::Done { batch: Batch::default(), reply, effects: Vec::new() }
    }
}

/// Files per page of [`ReadOutbox`].
const OUTBOX_PAGE: usize = 64;

/// A file that is not known to be written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxFile {
    /// Who it is for.
    pub to: Uuid,
    /// Its number.
    pub number: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Reads the oldest files of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct ReadOutbox;

impl ReadOutbox {
    fn range() -> Range {
        Range { space: GAP_OUTBOX, prefix: Vec::new(), after: None, limit: OUTBOX_PAGE }
    }
}

impl Operation for ReadOutbox {
    type Reply = Vec<OutboxFile>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(Self::range())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        let page = snapshot.page(&Self::range());
        let files = page.records.iter().filter_map(|(key, record)| {
            let (to, number) = key.name.split_first_chunk::<16>()?;
            let number = number.try_into().ok().map(u32::from_be_bytes)?;
            Some(OutboxFile { to: Uuid(*to), number, bytes: record.value.clone() })
        });
        Decision::Done { batch: Batch::default(), reply: files.collect(), effects: Vec::new() }
    }
}

/// Forgets a file that is written and safe on the disk of the gap.
#[derive(Clone, Copy, Debug)]
pub struct ForgetWritten {
    /// Who it is for.
    pub to: Uuid,
    /// Its number.
    pub number: u32,
}

impl Operation for ForgetWritten {
    type Reply = ();
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default()
    }

    fn decide(&self, _: &Snapshot, _: Now) -> Decision<(), ()> {
        let mut batch = Batch::default();
        batch.delete(outbox_key(self.to, self.number));
        Decision::Done { batch, reply: (), effects: Vec::new() }
    }
}
