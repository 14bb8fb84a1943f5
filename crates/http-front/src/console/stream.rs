//! `GET /ui/stream`: what happens, as it happens, in the form of server-sent events.
//!
//! `device` (a device), `audit` (an entry), `risks` (`{"count"}`), `beat` (`{"unix_millis"}`, every 15 s and at
//! once), `reset` (look at everything anew), `signed-out` (the last). The id of an event is the position to come
//! back with, in `after=` or `Last-Event-ID`. Each caller sees what its calls would show it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use accounts::{Permission, ResumeSession};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use management::ReadDevice;
use model::Uuid;
use serde::Serialize;
use tokio::sync::mpsc::Sender;

use super::Console;
use super::audit::in_query;
use super::caller::{Caller, Who};
use super::feed::{Happening, Seen};
use super::lines::Lines;
use crate::management::DeviceJson;
use crate::platform::AuditLine;

/// How often a watcher hears that we are there.
const BEAT: Duration = Duration::from_secs(15);

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/ui/stream", get(stream))
}

struct Watcher {
    console: Arc<Console>,
    caller: Caller,
    devices: bool,
    audit: bool,
    risks: bool,
    risk_count: Option<usize>,
    lines: Sender<Bytes>,
}

/// Nobody reads any more, or the session has ended.
struct Over;

/// `GET /ui/stream`: 200, 401.
async fn stream(
    State(console): State<Arc<Console>>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let topics = in_query(query.as_deref(), "topics").unwrap_or_default();
    let wants = |topic: &str| topics.split(',').any(|wanted| wanted == topic);
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok().map(str::to_owned));
    let after = in_query(query.as_deref(), "after").filter(|after| !after.is_empty()).or(last);
    let (lines, body) = Lines::pair();
    let watcher = Watcher {
        devices: wants("devices") && caller.may(Permission::SeeDevices),
        audit: wants("audit") && caller.may(Permission::ReadAudit),
        risks: wants("risks") && caller.may(Permission::ReadAudit),
        risk_count: None,
        console,
        caller,
        lines,
    };
    tokio::spawn(watcher.run(after));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn event<T: Serialize>(name: &str, id: Option<&str>, content: &T) -> String {
    let mut text = String::new();
    if let Some(id) = id {
        // Writing to a string does not fail.
        let _ = writeln!(text, "id: {id}");
    }
    let content = serde_json::to_string(content).unwrap_or_default();
    let _ = write!(text, "event: {name}\ndata: {content}\n\n");
    text
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
struct BeatJson {
    unix_millis: Option<u64>,
}

#[derive(Serialize)]
struct CountJson {
    count: usize,
}

impl Watcher {
    async fn run(mut self, after: Option<String>) {
        let stop = self.console.stop.clone();
        let over = self.watch(after);
        tokio::select! {
            _over = over => {}
            () = stop.requested() => {}
        }
    }

    async fn watch(&mut self, after: Option<String>) -> Result<(), Over> {
        let feed = Arc::clone(&self.console.feed);
        let mut news = feed.watch();
        let known = after.as_deref().map(|after| feed.position_of(after));
        let mut from = match known {
            None => feed.next(),
            Some(Some(position)) => position,
            Some(None) => {
                let next = feed.next();
                self.say(event("reset", Some(&feed.id(next)), &Nothing {})).await?;
                next
            }
        };
        self.beat(&feed.id(from)).await?;
        let mut beats = tokio::time::interval(BEAT);
        beats.reset();
        loop {
            news.mark_unchanged();
            match feed.since(from) {
                Seen::Happenings(happenings, next) => {
                    if !happenings.is_empty() {
                        self.tell(happenings, &feed.id(next)).await?;
                    }
                    from = next;
                }
                Seen::TooMuch(next) => {
                    self.say(event("reset", Some(&feed.id(next)), &Nothing {})).await?;
                    from = next;
                }
            }
            tokio::select! {
                changed = news.changed() => changed.map_err(|_| Over)?,
                _ = beats.tick() => {
                    self.is_signed_in().await?;
                    self.beat(&feed.id(from)).await?;
                }
                () = self.lines.closed() => return Err(Over),
            }
        }
    }

    async fn say(&self, text: String) -> Result<(), Over> {
        self.lines.send(Bytes::from(text)).await.map_err(|_| Over)
    }

    async fn beat(&mut self, id: &str) -> Result<(), Over> {
        let unix_millis = self.console.executor().now().utc.map(clock::Timestamp::as_unix_millis);
        self.say(event("beat", Some(id), &BeatJson { unix_millis })).await?;
        if self.risks {
            let count = self.console.risks().await.map_or(0, |risks| risks.len());
            if self.risk_count.replace(count) != Some(count) {
                self.say(event("risks", None, &CountJson { count })).await?;
            }
        }
        Ok(())
    }

    /// Tells each device once, as it is now, and every entry; the position stands on the last event alone, so
    /// that who is cut off in between gets all of it again.
    async fn tell(&mut self, happenings: Vec<Happening>, id: &str) -> Result<(), Over> {
        if happenings.iter().any(|happening| matches!(happening, Happening::SessionsEnded)) {
            self.is_signed_in().await?;
        }
        let mut told: BTreeSet<Uuid> = BTreeSet::new();
        let mut events = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Device(device) if self.devices && told.insert(device) => {
                    let by = self.caller.registrant();
                    if let Ok(Ok(Some(view))) = self.console.executor().run(ReadDevice { device, by }).await {
                        events.push(("device", event("device", None, &DeviceJson::from(view))));
                    }
                }
                Happening::Audit(name, entry) if self.audit => {
                    let line = AuditLine::new(model::hex(&name), &entry);
                    events.push(("audit", event("audit", None, &line)));
                }
                Happening::Device(_) | Happening::Audit(..) | Happening::SessionsEnded => {}
            }
        }
        let last = events.len().saturating_sub(1);
        for (at, (_, text)) in events.into_iter().enumerate() {
            let text = if at == last { format!("id: {id}\n{text}") } else { text };
            self.say(text).await?;
        }
        Ok(())
    }

    /// Ends the stream of an ended session.
    async fn is_signed_in(&self) -> Result<(), Over> {
        let Who::Account(account) = &self.caller.who else { return Ok(()) };
        let resume = ResumeSession {
            token: account.session,
            is_activity: false,
            correlation: self.console.executor().correlation(),
            role: crate::management::ROLE,
        };
        match self.console.executor().run(resume).await {
            // What it may do has changed: it comes back with its new rights.
            Ok(Ok(Some(now))) if (now.role, now.duties) == (account.resumed.role, account.resumed.duties) => {
                Ok(())
            }
            Ok(Ok(Some(_))) => Err(Over),
            Ok(Ok(None)) => {
                self.say(event("signed-out", None, &Nothing {})).await?;
                Err(Over)
            }
            // A store that cannot be read ends nobody's session.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}
