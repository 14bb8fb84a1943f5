//! Messages as they are kept.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::{Flaw, Property, PropertyList, Publish, QoS, is_topic_name};

/// What travels unaltered from publisher to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its topic name.
    pub topic: String,
    /// Any bytes.
    pub payload: Vec<u8>,
    /// Payload format, content type, response topic, correlation data and user properties, in the publisher's
    /// order. Not sent to 3.1.1 clients.
    pub properties: PropertyList,
}

/// A message and how it is sent this time. Copies share the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// What is sent.
    pub message: Arc<Message>,
    /// How often it arrives.
    pub qos: QoS,
    /// Whether it is to be retained, or was.
    pub retain: bool,
    /// Seconds it has left; `None` for ever.
    pub expiry_secs: Option<u32>,
    /// Of the subscriptions it is sent for; from servers only.
    pub subscription_ids: Vec<NonZeroU32>,
}

impl Publication {
    /// A message without properties that is not retained.
    ///
    /// # Errors
    /// [`Flaw::TopicName`] when `topic` is none.
    pub fn new(topic: &str, payload: &[u8], qos: QoS) -> Result<Self, Flaw> {
        if !is_topic_name(topic) {
            return Err(Flaw::TopicName);
        }
        let message =
            Message { topic: topic.into(), payload: payload.to_vec(), properties: PropertyList::new() };
        Ok(Self {
            message: Arc::new(message),
            qos,
            retain: false,
            expiry_secs: None,
            subscription_ids: Vec::new(),
        })
    }

    /// What `publish` carries, under the `topic` that it names or that its alias stands for.
    pub(crate) fn of(publish: &Publish<'_>, topic: &str) -> Self {
        let mut properties = PropertyList::new();
        let mut expiry_secs = None;
        let mut subscription_ids = Vec::new();
        for property in publish.properties.iter() {
            match property {
                Property::MessageExpiryInterval(secs) => expiry_secs = Some(secs),
                Property::SubscriptionIdentifier(id) => subscription_ids.push(id),
                Property::TopicAlias(_) => {}
                other => properties.push(other).expect("what was read can be written"),
            }
        }
        let message = Message { topic: topic.into(), payload: publish.payload.to_vec(), properties };
        Self {
            message: Arc::new(message),
            qos: publish.delivery.qos(),
            retain: publish.retain,
            expiry_secs,
            subscription_ids,
        }
    }

    /// The properties it is sent with in 5.0, without an alias, into `list`.
    pub(crate) fn write_properties(&self, list: &mut PropertyList) -> Result<(), Flaw> {
        list.extend(self.message.properties.as_properties());
        if let Some(secs) = self.expiry_secs {
            list.push(Property::MessageExpiryInterval(secs))?;
        }
        for id in &self.subscription_ids {
            list.push(Property::SubscriptionIdentifier(*id))?;
        }
        Ok(())
    }
}

/// What a server publishes when a connection ends without farewell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWill {
    /// The message, and how.
    pub publication: Publication,
    /// Seconds between the end of the connection and the will; zero in 3.1.1.
    pub delay_secs: u32,
}
