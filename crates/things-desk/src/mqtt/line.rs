//! One connection.

use std::collections::HashMap;
use std::sync::Arc;

use hub::{Binding, Refusal};
use hub_desk::Caller;
use model::Uuid;
use mqtt_front::{Asked, KeptFilter, ReasonCode, ThingsClient, ThingsCommand, ThingsEvent, Version, Want};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tokio::task::{AbortHandle, JoinSet};

use super::hearing::Hearing;
use super::remembered::Since;
use super::reporting::{Orders, Values};
use super::topic::{Said, Wanted, said_on, wanted_by};
use super::{ASKED_COUNT_MAX, Ground};
use crate::caller;
use crate::words::code_of;

/// Events that are worked on together: values that follow each other are stored in one go.
const BATCH_LENGTH: usize = 64;

pub(super) struct Line {
    pub(super) ground: Ground,
    pub(super) conn: u64,
    pub(super) client: Arc<ThingsClient>,
    /// Messages that may be under way to the client.
    window: Arc<Semaphore>,
    /// Requests whose device has not answered.
    pub(super) places: Arc<Semaphore>,
    /// The thing that the client is, once it was looked for and found.
    pub(super) thing: Option<Uuid>,
    /// How many things had been removed then: an id may be given again, to another device.
    removals: u64,
    filters: HashMap<Arc<str>, AbortHandle>,
    /// What runs for the filters; ends with the connection.
    hearing: JoinSet<()>,
}

impl Line {
    pub(super) fn new(ground: Ground, conn: u64, client: Arc<ThingsClient>, window: Arc<Semaphore>) -> Self {
        let places = Arc::new(Semaphore::new(ASKED_COUNT_MAX));
        let (filters, hearing) = (HashMap::new(), JoinSet::new());
        Self { ground, conn, client, window, places, thing: None, removals: 0, filters, hearing }
    }

    pub(super) async fn run(mut self, mut events: Receiver<ThingsEvent>) {
        let mut batch = Vec::new();
        while events.recv_many(&mut batch, BATCH_LENGTH).await > 0 {
            let mut values = Values::default();
            for event in batch.drain(..) {
                self.work(event, &mut values).await;
            }
            self.store(&mut values).await;
            while self.hearing.try_join_next().is_some() {}
        }
    }

    /// Who the client is to the hub.
    pub(super) fn caller(&self) -> Caller {
        caller::client(&self.client.name, self.client.for_owner, self.client.address)
    }

    async fn work(&mut self, event: ThingsEvent, values: &mut Values) {
        match event {
            ThingsEvent::Publish { asked, .. } => self.publish(*asked, values).await,
            ThingsEvent::Subscribe { request, wants, .. } => {
                self.store(values).await;
                let mut refused = Vec::new();
                let mut begun = Vec::new();
                for Want { filter, wants_known } in wants {
                    let text: Arc<str> = filter.text.as_str().into();
                    self.silence(&text);
                    self.ground.remembered.forget(&self.client.session, &text);
                    match self.subscribe(text, wants_known, None).await {
                        Ok(subscription) => {
                            begun.push(subscription);
                            refused.push(None);
                        }
                        Err(reason) => refused.push(Some(reason)),
                    }
                }
                // SUBACK goes before what is heard.
                self.ground.say(ThingsCommand::Subscribed { conn: self.conn, request, refused }).await;
                begun.into_iter().for_each(|subscription| self.begin(subscription));
            }
            ThingsEvent::Resume { filters, .. } => {
                for filter in filters {
                    self.resume(filter).await;
                }
            }
            ThingsEvent::Unsubscribe { filter, .. } => {
                let text: Arc<str> = filter.into();
                self.silence(&text);
                self.ground.remembered.forget(&self.client.session, &text);
            }
            ThingsEvent::Told { .. } | ThingsEvent::Gone { .. } => {}
        }
    }

    fn silence(&mut self, filter: &Arc<str>) {
        if let Some(task) = self.filters.remove(filter) {
            task.abort();
        }
    }

    /// A filter of a session that goes on: refused now, it ends.
    async fn resume(&mut self, filter: KeptFilter) {
        let text: Arc<str> = filter.text.into();
        let since = self.ground.remembered.since(&self.client.session, &text);
        match self.subscribe(Arc::clone(&text), true, Some(since)).await {
            Ok(subscription) => self.begin(subscription),
            Err(_) => {
                let ended = ThingsCommand::Ended { conn: self.conn, filter: text, why: "not-granted" };
                self.ground.say(ended).await;
            }
        }
    }

    fn begin(&mut self, subscription: Subscription) {
        let (filter, task) = match subscription {
            Subscription::Hearing(hearing) => {
                (Arc::clone(&hearing.filter), self.hearing.spawn(hearing.run()))
            }
            Subscription::Orders(orders) => (Arc::clone(&orders.filter), self.hearing.spawn(orders.run())),
        };
        self.filters.insert(filter, task);
    }

    async fn subscribe(
        &mut self,
        filter: Arc<str>,
        wants_known: bool,
        since: Option<Since>,
    ) -> Result<Subscription, ReasonCode> {
        let wanted = wanted_by(&filter).ok_or(ReasonCode::TOPIC_FILTER_INVALID)?;
        let (ground, conn, window) = (self.ground.clone(), self.conn, Arc::clone(&self.window));
        match wanted {
            Wanted::Interest(interest) => {
                let watch = self.ground.desk.watch(self.caller(), interest.clone()).await;
                let watch = watch.map_err(|refusal| match reason_of(&refusal) {
                    ReasonCode::TOPIC_NAME_INVALID => ReasonCode::TOPIC_FILTER_INVALID,
                    reason => reason,
                })?;
                let caller = self.caller();
                let hearing = Hearing {
                    ground,
                    conn,
                    window,
                    caller,
                    filter,
                    interest,
                    watch,
                    wants_known,
                    since,
                    told: 0,
                    lost: 0,
                };
                Ok(Subscription::Hearing(Box::new(hearing)))
            }
            Wanted::Orders(thing) => {
                let is_own = self.is_own(thing).await.map_err(|refusal| reason_of(&refusal))?;
                if !is_own {
                    return Err(ReasonCode::NOT_AUTHORIZED);
                }
                let attachment = self.ground.desk.attach(thing);
                Ok(Subscription::Orders(Box::new(Orders { ground, conn, window, filter, attachment })))
            }
        }
    }

    /// Whether the client is the device of this thing.
    pub(super) async fn is_own(&mut self, thing: Uuid) -> Result<bool, Refusal> {
        let removals = self.ground.desk.removals();
        if self.thing != Some(thing) || self.removals != removals {
            let binding = Binding::Mqtt { client: self.client.name.clone() };
            self.thing = self.ground.desk.find(binding).await?;
            self.removals = removals;
        }
        Ok(self.thing == Some(thing))
    }

    async fn publish(&mut self, asked: Asked, values: &mut Values) {
        let said = said_on(&asked.publication.message.topic);
        if !matches!(said, Some((_, Said::Value(_)))) {
            self.store(values).await;
        }
        let Some((thing, said)) = said else {
            return self.refuse(&asked, ReasonCode::TOPIC_NAME_INVALID, "no-such-name").await;
        };
        if let Said::Request(request) = said {
            return self.request(asked, thing, request).await;
        }
        match self.is_own(thing).await {
            Ok(true) => {}
            Ok(false) => return self.refuse(&asked, ReasonCode::NOT_AUTHORIZED, "not-granted").await,
            Err(refusal) => return self.refuse_because(&asked, &refusal).await,
        }
        match said {
            Said::Value(name) => self.value(asked, name, values).await,
            Said::Event(name) => self.event(asked, thing, name).await,
            Said::Answer(order) => self.answer(asked, thing, order).await,
            Said::Request(_) => {}
        }
    }

    pub(super) async fn refuse_because(&self, asked: &Asked, refusal: &Refusal) {
        self.refuse(asked, reason_of(refusal), code_of(refusal)).await;
    }

    /// Refuses a message. A 3.1.1 client cannot be told: what will never be taken is acknowledged, since it would
    /// come again for ever, and only counts in the log; all else closes the connection.
    pub(super) async fn refuse(&self, asked: &Asked, reason: ReasonCode, why: &'static str) {
        tracing::debug!(client = %self.client.name, why, "a message about a thing is not taken");
        let is_for_ever = matches!(
            reason,
            ReasonCode::TOPIC_NAME_INVALID
                | ReasonCode::PAYLOAD_FORMAT_INVALID
                | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
        );
        let reason = match self.client.version {
            Version::V3_1_1 if is_for_ever => ReasonCode::SUCCESS,
            Version::V3_1_1 | Version::V5 => reason,
        };
        self.ground.taken(asked, reason, Some(why)).await;
    }
}

/// A filter that is granted.
enum Subscription {
    Hearing(Box<Hearing>),
    Orders(Box<Orders>),
}

/// The reason for a refusal. Whoever was granted nothing learns nothing.
pub(super) const fn reason_of(refusal: &Refusal) -> ReasonCode {
    match refusal {
        Refusal::NotHere | Refusal::NotPermitted => ReasonCode::NOT_AUTHORIZED,
        Refusal::NoSuchName
        | Refusal::NoSuchGrant
        | Refusal::ReadOnly
        | Refusal::WriteOnly
        | Refusal::NotObservable => ReasonCode::TOPIC_NAME_INVALID,
        Refusal::BadValue(_) | Refusal::TooLarge => ReasonCode::PAYLOAD_FORMAT_INVALID,
        Refusal::Full | Refusal::Busy => ReasonCode::QUOTA_EXCEEDED,
        Refusal::NoValue
        | Refusal::BadDeadline
        | Refusal::Offline
        | Refusal::NoAnswer
        | Refusal::NotOpen
        | Refusal::DeviceRefused { .. }
        | Refusal::BadModel(_)
        | Refusal::BadBinding
        | Refusal::Exists
        | Refusal::NotGranted(_) => ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR,
        Refusal::Fault(_) => ReasonCode::UNSPECIFIED_ERROR,
    }
}
