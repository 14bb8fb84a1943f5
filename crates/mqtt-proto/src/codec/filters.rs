//! Lists of topic filters.

use alloc::vec::Vec;
use core::fmt;

use super::field::{Fields, Sink, check_text};
use super::{DecodeError, Flaw, QoS, TopicFilter, Version};

/// Whether retained messages are sent when a subscription is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainHandling {
    /// 0: whenever it is made. What 3.1.1 does.
    Send,
    /// 1: when it is new.
    SendIfNew,
    /// 2: never.
    DoNotSend,
}

/// How a subscription is served. Source: MQTT 5.0 section 3.8.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// The highest QoS to send with.
    pub qos: QoS,
    /// Whether own messages are left out.
    pub no_local: bool,
    /// Whether messages keep their retain flag.
    pub retain_as_published: bool,
    /// What happens with retained messages.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    /// With `qos`, and all else as in 3.1.1.
    #[must_use]
    pub const fn plain(qos: QoS) -> Self {
        Self { qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }

    fn from_byte(byte: u8, version: Version) -> Result<Self, Flaw> {
        let reserved = match version {
            Version::V3_1_1 => 0xfc,
            Version::V5 => 0xc0,
        };
        if byte & reserved != 0 {
            return Err(Flaw::ReservedBits);
        }
        let qos = QoS::from_bits(byte & 3).ok_or(match version {
            Version::V3_1_1 => Flaw::QosThree,
            Version::V5 => Flaw::SubscriptionOptions,
        })?;
        let retain_handling = match byte >> 4 & 3 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(Flaw::SubscriptionOptions),
        };
        Ok(Self { qos, no_local: byte & 4 != 0, retain_as_published: byte & 8 != 0, retain_handling })
    }

    fn to_byte(self) -> u8 {
        let handling = match self.retain_handling {
            RetainHandling::Send => 0,
            RetainHandling::SendIfNew => 1,
            RetainHandling::DoNotSend => 2,
        };
        self.qos.to_bits()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | handling << 4
    }
}

/// Topic filters with their options, as SUBSCRIBE has them; at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subscriptions<'a>(&'a [u8]);

impl<'a> Subscriptions<'a> {
    /// Each filter with its options, in order.
    #[must_use]
    pub const fn iter(&self) -> SubscriptionIter<'a> {
        SubscriptionIter(Fields::new(self.0, 0))
    }

    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        let mut walk = fields.clone();
        scan_subscriptions(&mut walk, version)?;
        Ok(Self(fields.rest()))
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        scan_subscriptions(&mut Fields::new(self.0, 0), version).map_err(|error| error.flaw)
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.put(self.0);
    }
}

impl fmt::Debug for Subscriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn scan_subscriptions(fields: &mut Fields<'_>, version: Version) -> Result<(), DecodeError> {
    if fields.is_empty() {
        return Err(fields.flaw(Flaw::NoFilters));
    }
    while !fields.is_empty() {
        let filter = read_filter(fields, version)?;
        let at_options = fields.clone();
        let options = SubscriptionOptions::from_byte(fields.u8()?, version);
        let options = options.map_err(|flaw| at_options.flaw(flaw))?;
        if options.no_local && filter.share().is_some() {
            return Err(at_options.flaw(Flaw::SharedNoLocal));
        }
    }
    Ok(())
}

fn read_filter<'a>(fields: &mut Fields<'a>, version: Version) -> Result<TopicFilter<'a>, DecodeError> {
    let start = fields.clone();
    let text = fields.text()?;
    TopicFilter::parse(text, version).ok_or_else(|| start.flaw(Flaw::TopicFilter))
}

/// Gives each filter with its options, in order.
#[derive(Clone, Debug)]
pub struct SubscriptionIter<'a>(Fields<'a>);

impl<'a> Iterator for SubscriptionIter<'a> {
    type Item = (&'a str, SubscriptionOptions);

    fn next(&mut self) -> Option<Self::Item> {
        // What is iterated was checked when it was read or put together; 3.1.1 uses a part of the options of 5.0.
        let filter = self.0.text().ok()?;
        let options = SubscriptionOptions::from_byte(self.0.u8().ok()?, Version::V5).ok()?;
        Some((filter, options))
    }
}

/// Subscriptions that are being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionList(Vec<u8>);

impl SubscriptionList {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a filter; whether it is one is checked when the packet is written.
    ///
    /// # Errors
    /// [`Flaw`] when it cannot be written as a string.
    pub fn push(&mut self, filter: &str, options: SubscriptionOptions) -> Result<(), Flaw> {
        check_text(filter)?;
        self.0.text(filter);
        self.0.u8(options.to_byte());
        Ok(())
    }

    /// What is in it, to be written.
    #[must_use]
    pub fn as_subscriptions(&self) -> Subscriptions<'_> {
        Subscriptions(&self.0)
    }
}

/// Topic filters as UNSUBSCRIBE has them; at least one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Filters<'a>(&'a [u8]);

impl<'a> Filters<'a> {
    /// Each filter, in order.
    #[must_use]
    pub const fn iter(&self) -> FilterIter<'a> {
        FilterIter(Fields::new(self.0, 0))
    }

    pub(crate) fn read(fields: &mut Fields<'a>, version: Version) -> Result<Self, DecodeError> {
        scan_filters(&mut fields.clone(), version)?;
        Ok(Self(fields.rest()))
    }

    pub(crate) fn check(&self, version: Version) -> Result<(), Flaw> {
        scan_filters(&mut Fields::new(self.0, 0), version).map_err(|error| error.flaw)
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.put(self.0);
    }
}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn scan_filters(fields: &mut Fields<'_>, version: Version) -> Result<(), DecodeError> {
    if fields.is_empty() {
        return Err(fields.flaw(Flaw::NoFilters));
    }
    while !fields.is_empty() {
        read_filter(fields, version)?;
    }
    Ok(())
}

/// Gives each filter, in order.
#[derive(Clone, Debug)]
pub struct FilterIter<'a>(Fields<'a>);

impl<'a> Iterator for FilterIter<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.0.text().ok()
    }
}

/// Filters that are being put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterList(Vec<u8>);

impl FilterList {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a filter; whether it is one is checked when the packet is written.
    ///
    /// # Errors
    /// [`Flaw`] when it cannot be written as a string.
    pub fn push(&mut self, filter: &str) -> Result<(), Flaw> {
        check_text(filter)?;
        self.0.text(filter);
        Ok(())
    }

    /// What is in it, to be written.
    #[must_use]
    pub fn as_filters(&self) -> Filters<'_> {
        Filters(&self.0)
    }
}
