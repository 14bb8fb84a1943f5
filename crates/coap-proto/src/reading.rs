//! What the options of a message say to the endpoint, read in one pass.

use crate::number::Shape;
use crate::{OptionNumber, Options};

/// What stands against acting on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// A critical option that is unknown, out of range, not UTF-8, or there too often.
    Option(OptionNumber),
    /// The request is meant for a proxy.
    Proxy,
}

/// The options the endpoint acts upon, and whether it may.
///
/// Of an option that stands more than once the first counts. One that is elective and out of range reads as
/// if it were not there; its bytes stay in place for the application.
#[derive(Debug, Default)]
pub(crate) struct Reading<'a> {
    /// What stands against acting on the message.
    pub(crate) objection: Option<Objection>,
    pub(crate) echo: Option<&'a [u8]>,
    /// Raw: a value out of range is an objection before it is decoded.
    pub(crate) block1: Option<&'a [u8]>,
    /// As `block1`.
    pub(crate) block2: Option<&'a [u8]>,
    pub(crate) observe: Option<u32>,
    pub(crate) size1: Option<u32>,
    pub(crate) no_response: Option<u32>,
    /// Whether Observe, Block1 or Block2 is there in any form.
    pub(crate) is_steered: bool,
    /// Number of the last option.
    pub(crate) last: u16,
    /// Stands for the options that name the resource.
    name: u64,
}

impl<'a> Reading<'a> {
    /// Reads all options and checks every critical one.
    ///
    /// A request for a proxy is told apart even when its options are out of range, since 5.05 says more.
    /// Source: RFC 7252 section 5.4.1, 5.4.3, 5.4.5, 5.7.2.
    pub(crate) fn of(options: Options<'a>, also_known: &[OptionNumber]) -> Self {
        let mut reading = Self::default();
        let mut previous = None;
        for (number, value) in options.iter() {
            let repeats = previous == Some(number);
            reading.vet(number, value, repeats, also_known);
            if number.names_the_resource() {
                reading.name = mix(reading.name, u64::from(number.0) << 32 | value.len() as u64);
                reading.name = mix_bytes(reading.name, value);
            }
            if !repeats {
                reading.take(number, value);
            }
            previous = Some(number);
        }
        reading.last = previous.map_or(0, |number| number.0);
        reading
    }

    /// Stands for the method and every option that names the resource, for telling transfers of one peer
    /// apart.
    ///
    /// A collision would mix two transfers of the same peer only.
    pub(crate) const fn key(&self, method: crate::Code) -> u64 {
        mix(self.name, method.byte() as u64)
    }

    fn vet(&mut self, number: OptionNumber, value: &[u8], repeats: bool, also_known: &[OptionNumber]) {
        if !number.is_critical() {
            return;
        }
        let is_sound = match number.shape() {
            Some(shape) => is_sound(number, shape, value, repeats),
            None => also_known.contains(&number),
        };
        if number == OptionNumber::PROXY_URI || number == OptionNumber::PROXY_SCHEME {
            self.objection = Some(Objection::Proxy);
        } else if !is_sound && self.objection.is_none() {
            self.objection = Some(Objection::Option(number));
        }
    }

    fn take(&mut self, number: OptionNumber, value: &'a [u8]) {
        match number {
            OptionNumber::OBSERVE => {
                self.observe = number.uint(value);
                self.is_steered = true;
            }
            OptionNumber::BLOCK1 => {
                self.block1 = Some(value);
                self.is_steered = true;
            }
            OptionNumber::BLOCK2 => {
                self.block2 = Some(value);
                self.is_steered = true;
            }
            OptionNumber::ECHO => self.echo = Some(value),
            OptionNumber::SIZE1 => self.size1 = number.uint(value),
            OptionNumber::NO_RESPONSE => self.no_response = number.uint(value),
            _ => {}
        }
    }
}

/// Checks every critical option of a message that is not a request to the endpoint.
///
/// # Errors
/// The first objection; that the message is for a proxy goes before the others.
pub(crate) fn vet(options: Options<'_>, also_known: &[OptionNumber]) -> Result<(), Objection> {
    Reading::of(options, also_known).objection.map_or(Ok(()), Err)
}

fn is_sound(number: OptionNumber, shape: Shape, value: &[u8], repeats: bool) -> bool {
    shape.allows_length(value.len())
        && (!repeats || shape.repeats)
        && (!number.is_text() || core::str::from_utf8(value).is_ok())
}

/// Eight bytes a step, since every request passes here. Odd factors lose nothing of what was mixed before.
const fn mix(name: u64, word: u64) -> u64 {
    (name.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn mix_bytes(mut name: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        name = mix(name, u64::from_le_bytes(*word));
    }
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(name, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, OptionSet};

    fn key(method: Code, options: &OptionSet) -> u64 {
        Reading::of(options.view(), &[]).key(method)
    }

    fn of_path(path: &str) -> OptionSet {
        let mut options = OptionSet::new();
        options.add_path(path);
        options
    }

    #[test]
    fn what_names_the_resource_makes_the_key_and_nothing_else() {
        let path = "/keys/0123456789abcdef";
        let whole = key(Code::GET, &of_path(path));
        let others = [
            key(Code::GET, &of_path("/keys")),
            key(Code::GET, &of_path("/keys/0123456789abcdee")),
            key(Code::GET, &of_path("/keys0/123456789abcdef")),
            key(Code::GET, &of_path("/keys/01234567/89abcdef")),
            key(Code::PUT, &of_path(path)),
            key(Code::GET, of_path(path).add_query("a")),
        ];
        for other in others {
            assert_ne!(whole, other);
        }
        let mut steered = of_path(path);
        steered.add_uint(OptionNumber::OBSERVE, 0).add_uint(OptionNumber::BLOCK2, 6);
        steered.add(OptionNumber::ETAG, b"x").add_uint(OptionNumber::SIZE1, 7);
        assert_eq!(whole, key(Code::GET, &steered));
    }

    #[test]
    fn of_an_option_that_stands_twice_the_first_counts() {
        let mut options = OptionSet::new();
        options.add_uint(OptionNumber::OBSERVE, 1).add_uint(OptionNumber::OBSERVE, 0);
        options.add(OptionNumber::NO_RESPONSE, b"xx").add_uint(OptionNumber::NO_RESPONSE, 2);
        options.add(OptionNumber::ECHO, b"a").add(OptionNumber::ECHO, b"b");
        let reading = Reading::of(options.view(), &[]);
        assert_eq!((reading.observe, reading.no_response), (Some(1), None), "the first is out of range");
        assert_eq!((reading.echo, reading.objection), (Some(&b"a"[..]), None));
        assert_eq!((reading.is_steered, reading.last), (true, 258));
    }
}
