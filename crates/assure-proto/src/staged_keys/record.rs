//! What a device remembers about its owners for ever.

use alloc::vec::Vec;

use wire::{DecodeError, Reason};

use super::ImageRefusal;
use crate::cbor::{Reader, Writer};
use crate::time::SimpleTime;

/// How far the owner sequence number may rise at once within one generation.
/// Source: TS-H7.
pub const SEQUENCE_STEP_MAX: u32 = 1024;
const RECORD_VERSION: u8 = 1;

/// The record in non-volatile memory; a factory reset leaves it alone.
///
/// Written in one piece with the first commit of an image:
/// `[1, generation, number, owner hash, created_at, image hash, walled_garden, erase_pending]`.
/// Source: TS-M13, TS-M14; decision G 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnershipRecord {
    /// Highest generation of the authority that was applied.
    pub generation: u32,
    /// Owner sequence number of the last image applied; 0 at the factory.
    pub sequence_number: u32,
    /// SHA-256 of the owner's key definition; none at the factory.
    pub owner_hash: Option<[u8; 32]>,
    /// Time of creation of the last image applied.
    pub created_at: SimpleTime,
    /// SHA-256 of the last image applied; none at the factory.
    pub image_hash: Option<[u8; 32]>,
    /// Whether class 3 keys that the owner signed count, at this sequence number only.
    pub walled_garden: bool,
    /// Whether data of an earlier owner is still to be erased before any channel opens.
    pub erase_pending: bool,
}

/// What an image that the record admits means for the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Another owner, or the same one anew: everything of the earlier one goes.
    NewOwner,
    /// A newer image of the same owner.
    SameOwner,
    /// The very image that was applied last.
    SameImage,
}

impl OwnershipRecord {
    /// The record of a device that has had no owner.
    #[must_use]
    pub const fn factory(generation: u32) -> Self {
        Self {
            generation,
            sequence_number: 0,
            owner_hash: None,
            created_at: SimpleTime { secs: 0 },
            image_hash: None,
            walled_garden: false,
            erase_pending: false,
        }
    }

    /// Writes the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let hash = |hash: &Option<[u8; 32]>| hash.map_or_else(Vec::new, |hash| hash.to_vec());
        let mut out = Writer::new();
        out.array(8).uint(RECORD_VERSION).uint(self.generation).uint(self.sequence_number);
        out.bytes(&hash(&self.owner_hash)).uint(self.created_at.secs).bytes(&hash(&self.image_hash));
        out.bool(self.walled_garden).bool(self.erase_pending);
        out.finish()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`DecodeError`]; [`Reason::UnknownVersion`] for one that a later program wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(8)?;
        let version_at = reader.position();
        if reader.u8()? != RECORD_VERSION {
            return Err(DecodeError::new(version_at, Reason::UnknownVersion));
        }
        let record = Self {
            generation: reader.u32()?,
            sequence_number: reader.u32()?,
            owner_hash: read_hash(&mut reader)?,
            created_at: SimpleTime { secs: reader.u32()? },
            image_hash: read_hash(&mut reader)?,
            walled_garden: reader.bool()?,
            erase_pending: reader.bool()?,
        };
        reader.finish()?;
        Ok(record)
    }

    /// Whether an image with these marks may be applied after the last one.
    ///
    /// (generation, number) never falls, a number means one owner, an owner's images never go back.
    ///
    /// # Errors
    /// The [`ImageRefusal`] that names the mark.
    /// Source: D-03; TS-H5, TS-H7, TS-M13; decision G 10.
    pub fn admits(
        &self,
        generation: u32,
        sequence_number: u32,
        owner_hash: &[u8; 32],
        created_at: SimpleTime,
        image_hash: &[u8; 32],
    ) -> Result<Advance, ImageRefusal> {
        if generation < self.generation {
            return Err(ImageRefusal::GenerationLower);
        }
        if generation > self.generation {
            return Ok(Advance::NewOwner);
        }
        if sequence_number < self.sequence_number {
            return Err(ImageRefusal::SequenceLower);
        }
        if sequence_number - self.sequence_number > SEQUENCE_STEP_MAX {
            return Err(ImageRefusal::SequenceTooFar);
        }
        if sequence_number > self.sequence_number {
            return Ok(Advance::NewOwner);
        }
        if self.owner_hash.as_ref() != Some(owner_hash) {
            return Err(ImageRefusal::OwnerDiffers);
        }
        match created_at.cmp(&self.created_at) {
            core::cmp::Ordering::Less => Err(ImageRefusal::CreatedEarlier),
            core::cmp::Ordering::Greater => Ok(Advance::SameOwner),
            core::cmp::Ordering::Equal if self.image_hash.as_ref() == Some(image_hash) => {
                Ok(Advance::SameImage)
            }
            core::cmp::Ordering::Equal => Err(ImageRefusal::CreatedAtTheSameTime),
        }
    }
}

fn read_hash(reader: &mut Reader<'_>) -> Result<Option<[u8; 32]>, DecodeError> {
    let mut ahead = reader.clone();
    if ahead.bytes()?.is_empty() {
        *reader = ahead;
        return Ok(None);
    }
    reader.bytes_of().map(Some)
}
