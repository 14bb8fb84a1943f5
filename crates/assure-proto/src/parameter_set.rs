//! Parameter sets: which messages a maker's devices take in a bootstrap image.
//!
//! Source: aSSURE 9.2.2 to 9.2.4; rulings A-ASSURE-26, A-ASSURE-43; decision G 27.

use alloc::string::String;
use alloc::vec::Vec;

use wire::{DecodeError, Reason};

use crate::cbor::{Kind, Reader, Writer};

/// Length in bytes of the longest parameter set.
/// Source: decision G 4.
pub const PARAMETER_SET_LENGTH_MAX: usize = 65_536;
/// Choices in one set, and messages in one choice.
pub const CHOICES_MAX: usize = 256;

const CONTENT: u64 = 2;
const VERSION: u64 = 1;

/// A CoAP method, as its code digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterMethod {
    /// 1.
    Get,
    /// 2.
    Post,
    /// 3.
    Put,
    /// 4.
    Delete,
}

impl ParameterMethod {
    /// Every method, in the order of their digits.
    pub const ALL: [Self; 4] = [Self::Get, Self::Post, Self::Put, Self::Delete];

    /// The code digit, 1 to 4.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Get => 1,
            Self::Post => 2,
            Self::Put => 3,
            Self::Delete => 4,
        }
    }
}

/// What a message carries.
/// Source: ruling A-ASSURE-44.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PayloadForm {
    /// An authenticated key (7.4).
    AuthenticatedKey,
    /// A channel definition (10.1.6).
    Channel,
    /// Any CBOR.
    CborAny,
    /// Nothing.
    Empty,
}

impl PayloadForm {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::AuthenticatedKey, Self::Channel, Self::CborAny, Self::Empty];

    /// The name in parameter sets, here and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthenticatedKey => "authenticated_key",
            Self::Channel => "channel",
            Self::CborAny => "cbor-any",
            Self::Empty => "empty",
        }
    }
}

/// One kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterMessage {
    /// 0: the CoAP method.
    pub method: ParameterMethod,
    /// 1: the path; what stands in braces is filled in.
    pub path: String,
    /// 2: what it carries.
    pub payload: PayloadForm,
    /// 3: whether an image must carry such a message.
    pub required: bool,
    /// 4: at least so many of them.
    pub min: u32,
    /// 5: at most so many of them.
    pub max: u32,
    /// 6: what it is for.
    pub description: Option<String>,
    /// Pairs under other integer keys, in their order: key and value, each one CBOR item. Kept, without effect.
    pub further: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A named group of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterChoice {
    /// The name.
    pub name: String,
    /// The messages, in their order.
    pub messages: Vec<ParameterMessage>,
}

/// A parameter set: `ARRAY [2, 1, name, [[choice name, [message MAP, ...]], ...]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSet {
    /// The name.
    pub name: String,
    /// The choices, in their order.
    pub choices: Vec<ParameterChoice>,
}

impl ParameterSet {
    /// Writes the set; a value that is the default is left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.array(4).uint(CONTENT).uint(VERSION).text(&self.name).array(self.choices.len());
        for choice in &self.choices {
            out.array(2).text(&choice.name).array(choice.messages.len());
            for message in &choice.messages {
                message.write(&mut out);
            }
        }
        out.finish()
    }

    /// Reads a set.
    ///
    /// # Errors
    /// [`DecodeError`] on another form: over [`PARAMETER_SET_LENGTH_MAX`] or [`CHOICES_MAX`], a method or
    /// payload form that is none, a message without method, path or payload, more at least than at most.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > PARAMETER_SET_LENGTH_MAX {
            return Err(DecodeError::new(PARAMETER_SET_LENGTH_MAX, Reason::OverLimit));
        }
        let mut reader = Reader::whole(bytes)?;
        reader.array_of(4)?;
        reader.constant(CONTENT)?;
        let unknown = reader.error(Reason::UnknownVersion);
        if reader.u64()? != VERSION {
            return Err(unknown);
        }
        let name = reader.text()?.into();
        let choices = read_list(&mut reader, |reader| {
            reader.array_of(2)?;
            Ok(ParameterChoice {
                name: reader.text()?.into(),
                messages: read_list(reader, ParameterMessage::read)?,
            })
        })?;
        reader.finish()?;
        Ok(Self { name, choices })
    }
}

impl ParameterMessage {
    fn write(&self, out: &mut Writer) {
        let min = (self.min != default_min(self.required)).then_some(self.min);
        let max = (self.max != DEFAULT_MAX).then_some(self.max);
        let optional = [self.required, min.is_some(), max.is_some(), self.description.is_some()];
        let present = optional.iter().filter(|present| **present).count();
        out.map(3 + present + self.further.len());
        out.uint(0_u8).uint(self.method.digit());
        out.uint(1_u8).text(&self.path);
        out.uint(2_u8).text(self.payload.name());
        if self.required {
            out.uint(3_u8).bool(true);
        }
        if let Some(min) = min {
            out.uint(4_u8).uint(min);
        }
        if let Some(max) = max {
            out.uint(5_u8).uint(max);
        }
        if let Some(description) = &self.description {
            out.uint(6_u8).text(description);
        }
        for (key, value) in &self.further {
            out.raw(key).raw(value);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let incomplete = reader.error(Reason::Truncated);
        let contradiction = reader.error(Reason::OutOfRange);
        let mut fields = Fields::default();
        for _ in 0..reader.map()? {
            fields.read_pair(reader)?;
        }
        let (Some(method), Some(path), Some(payload)) = (fields.method, fields.path, fields.payload) else {
            return Err(incomplete);
        };
        let min = fields.min.unwrap_or(default_min(fields.required));
        let max = fields.max.unwrap_or(DEFAULT_MAX);
        if min > max {
            return Err(contradiction);
        }
        let Fields { required, description, further, .. } = fields;
        Ok(Self { method, path, payload, required, min, max, description, further })
    }
}

const DEFAULT_MAX: u32 = 1;

fn default_min(required: bool) -> u32 {
    u32::from(required)
}

#[derive(Default)]
struct Fields {
    method: Option<ParameterMethod>,
    path: Option<String>,
    payload: Option<PayloadForm>,
    required: bool,
    min: Option<u32>,
    max: Option<u32>,
    description: Option<String>,
    further: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Fields {
    fn read_pair(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let key_at = reader.position();
        let key = match reader.peek() {
            Some(Kind::Negative) => {
                reader.item()?;
                None
            }
            _ => Some(reader.u64()?),
        };
        let key_bytes = reader.since(key_at);
        match key {
            Some(0) => {
                let unknown = reader.error(Reason::OutOfRange);
                let digit = reader.u64()?;
                let method =
                    ParameterMethod::ALL.into_iter().find(|method| u64::from(method.digit()) == digit);
                self.method = Some(method.ok_or(unknown)?);
            }
            Some(1) => self.path = Some(reader.text()?.into()),
            Some(2) => {
                let unknown = reader.error(Reason::OutOfRange);
                let name = reader.text()?;
                let form = PayloadForm::ALL.into_iter().find(|form| form.name() == name);
                self.payload = Some(form.ok_or(unknown)?);
            }
            Some(3) => self.required = reader.bool()?,
            Some(4) => self.min = Some(reader.u32()?),
            Some(5) => self.max = Some(reader.u32()?),
            Some(6) => self.description = Some(reader.text()?.into()),
            Some(_) | None => self.further.push((key_bytes.to_vec(), reader.item()?.to_vec())),
        }
        Ok(())
    }
}

fn read_list<T>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let over_limit = reader.error(Reason::OverLimit);
    let count = reader.array()?;
    if count > CHOICES_MAX {
        return Err(over_limit);
    }
    (0..count).map(|_| read(reader)).collect()
}
