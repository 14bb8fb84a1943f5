//! Subscriptions as server-sent events.
//!
//! Behind a form of a description ([`Form::Affordance`]) the name of an event is that of the property or event,
//! its data the value alone, and the id of an event of the thing its number; a gap is a comment. In the stream
//! of everything ([`Form::Everything`]) the names are `value`, `event`, `gap` and `beat`, with all that is
//! known. A reader that comes back with the number of the last event gets the kept ones behind it first. The
//! stream ends when the right to hear more ends.

use std::sync::Arc;
use std::time::Duration;

use accounts::ResumeSession;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use hub::{Command, Interest, Notice, Pick, Reading, Reply, StoredEvent};
use hub_desk::Watch;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use super::bodies::{EventJson, ValueJson};
use super::{hub_caller, refusals};
use crate::console::caller::{Caller, Who};
use crate::console::{Console, Lines};

/// How often a reader hears that we are there, and its session is looked at.
pub(super) const BEAT: Duration = Duration::from_secs(15);

/// Kept events that one look brings.
pub(super) const PAGE: usize = 100;

/// How the stream is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a description says: names and values alone.
    Affordance,
    /// Everything that is known.
    Everything,
}

/// Nobody reads any more, or the reader may hear no more.
struct Over;

struct Subscriber {
    console: Arc<Console>,
    caller: Caller,
    interest: Interest,
    form: Form,
    /// The number of the last event that was told.
    told: Option<u64>,
    lines: Sender<Bytes>,
}

impl Console {
    /// The stream of an interest, or why there is none.
    pub(super) async fn stream_things(
        self: &Arc<Self>,
        caller: Caller,
        interest: Interest,
        form: Form,
        after: Option<u64>,
    ) -> Response {
        let watch = match self.desk().watch(hub_caller(&caller), interest.clone()).await {
            Ok(watch) => watch,
            Err(why) => return refusals::answer(why),
        };
        let (lines, body) = Lines::pair();
        let console = Arc::clone(self);
        let subscriber = Subscriber { console, caller, interest, form, told: after, lines };
        tokio::spawn(subscriber.run(watch));
        let mut response = Response::new(body);
        let kind = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl Subscriber {
    async fn run(mut self, watch: Watch) {
        let stop = self.console.stop().clone();
        tokio::select! {
            _over = self.tell_all(watch) => {}
            () = stop.requested() => {}
        }
    }

    async fn tell_all(&mut self, mut watch: Watch) -> Result<(), Over> {
        self.beat().await?;
        self.known_values().await?;
        self.kept_events().await?;
        let mut beats = tokio::time::interval(BEAT);
        beats.reset();
        let mut ended = self.console.sessions_ended();
        loop {
            tokio::select! {
                notice = watch.next() => self.tell(notice.ok_or(Over)?).await?,
                _ = beats.tick() => {
                    self.may_go_on().await?;
                    self.beat().await?;
                }
                () = ended.wait() => self.may_go_on().await?,
                () = self.lines.closed() => return Err(Over),
            }
        }
    }

    async fn say(&self, text: String) -> Result<(), Over> {
        self.lines.send(Bytes::from(text)).await.map_err(|_| Over)
    }

    async fn beat(&self) -> Result<(), Over> {
        match self.form {
            Form::Affordance => self.say(": here\n\n".into()).await,
            Form::Everything => {
                let unix_millis = self.console.executor().now().utc.map(clock::Timestamp::as_unix_millis);
                self.say(event("beat", None, &json!({ "unix_millis": unix_millis }))).await
            }
        }
    }

    /// What was reported last, of what the reader may read too.
    async fn known_values(&self) -> Result<(), Over> {
        let wanted = |name: &str| match &self.interest.properties {
            Pick::Nothing => false,
            Pick::All => true,
            Pick::Set(names) => names.contains(name),
        };
        if self.interest.properties == Pick::Nothing {
            return Ok(());
        }
        let all = Command::ReadAll { thing: self.interest.thing };
        let Ok(Reply::Properties(all)) = self.console.ask(&self.caller, all).await else { return Ok(()) };
        for (name, seen) in all {
            if let Some(reading) = seen.reading.filter(|_| wanted(&name)) {
                self.tell_value(reading).await?;
            }
        }
        Ok(())
    }

    /// The kept events behind the one that the reader saw last; those that come meanwhile wait in the watch.
    async fn kept_events(&mut self) -> Result<(), Over> {
        if self.interest.events == Pick::Nothing || self.told.is_none() {
            return Ok(());
        }
        let mut after = self.told;
        loop {
            let thing = self.interest.thing;
            let list = Command::Events { thing, name: None, after, limit: PAGE };
            let Ok(Reply::Events(page)) = self.console.ask(&self.caller, list).await else {
                return Err(Over);
            };
            if page.gap > 0 {
                self.tell_gap(page.gap).await?;
            }
            for kept in page.events {
                let is_wanted = match &self.interest.events {
                    Pick::Nothing => false,
                    Pick::All => true,
                    Pick::Set(names) => names.contains(&kept.name),
                };
                if is_wanted {
                    self.tell_event(kept).await?;
                }
            }
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(()),
            };
        }
    }

    async fn tell(&mut self, notice: Notice) -> Result<(), Over> {
        match notice {
            Notice::Value { reading, .. } => self.tell_value(reading).await,
            Notice::Event { event, .. } => self.tell_event(event).await,
            Notice::Gap { count, .. } => self.tell_gap(count).await,
        }
    }

    async fn tell_value(&self, reading: Reading) -> Result<(), Over> {
        self.say(match self.form {
            Form::Affordance => event(&reading.name, None, &reading.value),
            Form::Everything => {
                let value = ValueJson {
                    name: reading.name,
                    value: reading.value,
                    at_unix_millis: reading.at.as_unix_millis(),
                    version: reading.version,
                };
                event("value", None, &json!(value))
            }
        })
        .await
    }

    async fn tell_event(&mut self, happened: StoredEvent) -> Result<(), Over> {
        let number = happened.number;
        if self.told.is_some_and(|told| number <= told) {
            return Ok(());
        }
        let text = match self.form {
            Form::Affordance => event(&happened.name, Some(number), &happened.data),
            Form::Everything => event("event", Some(number), &json!(EventJson::from(happened))),
        };
        self.say(text).await?;
        self.told = Some(number);
        Ok(())
    }

    async fn tell_gap(&self, count: u64) -> Result<(), Over> {
        self.say(match self.form {
            Form::Affordance => format!(": {count} events were left out\n\n"),
            Form::Everything => event("gap", None, &json!({ "count": count })),
        })
        .await
    }

    /// Ends the stream of an ended session, or of an account whose rights have changed.
    async fn may_go_on(&self) -> Result<(), Over> {
        if self.console.is_still_signed_in(&self.caller).await { Ok(()) } else { Err(Over) }
    }
}

impl Console {
    /// Whether the session of a caller that waits is open, and its account's rights are the same.
    pub(super) async fn is_still_signed_in(&self, caller: &Caller) -> bool {
        let Who::Account(account) = &caller.who else { return true };
        let resume = ResumeSession {
            token: account.session,
            is_activity: false,
            correlation: self.executor().correlation(),
            role: crate::management::ROLE,
        };
        match self.executor().run(resume).await {
            Ok(Ok(now)) => now.is_some_and(|now| now.role == account.resumed.role),
            // A store that cannot be read ends nobody's session.
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

/// One event; JSON has no line breaks of its own.
fn event(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("{id}event: {name}\ndata: {data}\n\n")
}
