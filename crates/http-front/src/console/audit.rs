//! `/v1/audit`: the log from its newest entry back, searched; and the whole of it as a file.
//!
//! `q`: words parted by spaces, all of which must fit; `who:`, `op:`, `result:`, `address:`, `device:` look in
//! one field, `since:30m|12h|7d` at the time, a `-` in front turns a word around.

use std::sync::Arc;

use accounts::{AUDIT, AuditEntry};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use model::Uuid;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Fault, Range};
use utoipa::ToSchema;

use super::caller::Caller;
use super::lines::Lines;
use super::problem::problem;
use super::{Console, json};
use crate::answer::fault;
use crate::platform::{AuditLine, read_forward};

/// Entries per answer.
const PAGE: usize = 100;
/// Entries that one call looks at: a search that finds little goes on with the next call.
const LOOK_COUNT_MAX: usize = 20_000;
/// Entries that are read at once.
const READ_PAGE: usize = 500;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/v1/audit", get(list)).route("/v1/audit/export", get(export))
}

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Search {
    words: Vec<Word>,
    device: Option<Uuid>,
    since_unix_millis: u64,
}

#[derive(Debug)]
struct Word {
    field: Option<Field>,
    text: String,
    is_turned: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Who,
    Operation,
    Result,
    Address,
    Device,
}

fn millis_of(span: &str) -> Option<u64> {
    let (number, unit) = span.split_at_checked(span.len().checked_sub(1)?)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(minutes * 60_000)
}

impl Search {
    /// What happened to one device.
    pub(super) fn of_device(device: Uuid) -> Self {
        Self { device: Some(device), ..Self::default() }
    }

    /// Reads `q`; a word that names no field is looked for everywhere.
    fn read(text: &str, now: u64) -> Self {
        let mut search = Self::default();
        for word in text.split_whitespace().take(16) {
            let (is_turned, word) = word.strip_prefix('-').map_or((false, word), |word| (true, word));
            let (field, text) = match word.split_once(':') {
                Some(("since", span)) if millis_of(span).is_some() => {
                    search.since_unix_millis = now.saturating_sub(millis_of(span).unwrap_or_default());
                    continue;
                }
                Some(("who", text)) => (Some(Field::Who), text),
                Some(("op", text)) => (Some(Field::Operation), text),
                Some(("result", text)) => (Some(Field::Result), text),
                Some(("address", text)) => (Some(Field::Address), text),
                Some(("device", text)) => (Some(Field::Device), text),
                _ => (None, word),
            };
            search.words.push(Word { field, text: text.to_lowercase(), is_turned });
        }
        search
    }

    fn fits(&self, entry: &AuditEntry) -> bool {
        if self.device.is_some() && self.device != entry.device {
            return false;
        }
        let device = entry.device.map(|device| device.to_string()).unwrap_or_default();
        let address = entry.address.map(|address| address.to_string()).unwrap_or_default();
        let fields = [
            (Field::Who, entry.actor.to_lowercase()),
            (Field::Operation, entry.operation.to_lowercase()),
            (Field::Result, entry.result.to_lowercase()),
            (Field::Address, address),
            (Field::Device, device),
        ];
        self.words.iter().all(|word| {
            let in_field = |(field, text): &(Field, String)| {
                word.field.is_none_or(|wanted| wanted == *field) && text.contains(&word.text)
            };
            fields.iter().any(in_field) != word.is_turned
        })
    }
}

/// A page of the log from the newest entry back.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditBack)]
pub(super) struct BackPage {
    pub(super) entries: Vec<AuditLine>,
    /// Continues behind it.
    pub(super) next: Option<String>,
}

impl Console {
    /// Up to a page of what fits `search`, before the entry of this name.
    pub(super) async fn look_back(&self, search: Search, before: Option<Vec<u8>>) -> Result<BackPage, Fault> {
        let feed = Arc::clone(&self.feed);
        let looked = tokio::task::spawn_blocking(move || {
            let mut range = Range { space: AUDIT, prefix: Vec::new(), after: before, limit: READ_PAGE };
            let mut found = BackPage { entries: Vec::new(), next: None };
            for _ in 0..LOOK_COUNT_MAX / READ_PAGE {
                let page = feed.table().scan_back(&range)?;
                for (key, record) in &page.records {
                    let Ok(entry) = AuditEntry::from_bytes(&record.value) else { continue };
                    if entry.at.as_unix_millis() < search.since_unix_millis {
                        return Ok(found);
                    }
                    if search.fits(&entry) {
                        found.entries.push(AuditLine::new(model::hex(&key.name), &entry));
                    }
                    if found.entries.len() == PAGE {
                        found.next = Some(model::hex(&key.name));
                        return Ok(found);
                    }
                }
                range.after = page.records.last().map(|(key, _)| key.name.clone());
                if !page.more {
                    return Ok(found);
                }
            }
            found.next = range.after.as_deref().map(model::hex);
            Ok(found)
        });
        looked.await.unwrap_or_else(|_| Err(Fault { detail: "a look at the log panicked".into() }))
    }
}

/// The value of `name` in a query, with `+` and percent signs read.
pub(crate) fn in_query(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(own, _)| *own == name)?.1;
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The name of an entry in `before=`; empty stands for the end of the log.
pub(super) fn before(query: Option<&str>) -> Result<Option<Vec<u8>>, Response> {
    match in_query(query, "before").as_deref() {
        None | Some("") => Ok(None),
        Some(cursor) => model::bytes_from_hex(cursor).map(Some).map_err(|_| problem("request-unreadable")),
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditFound)]
pub(super) struct ListJson {
    entries: Vec<AuditLine>,
    /// Goes on behind the last entry that was looked at; null at the beginning of the log.
    next: Option<String>,
    kept: u64,
    limit: u32,
}

/// `GET /v1/audit`: 200, 400, 503. With `before=` or `q=` from the newest entry back; else, as of old, with
/// `after=` or nothing, from the oldest on.
async fn list(State(console): State<Arc<Console>>, _: Caller, RawQuery(query): RawQuery) -> Response {
    let query = query.as_deref();
    let is_back = query.is_some_and(|query| query.contains("before=") || query.contains("q="));
    if !is_back {
        return read_forward(console.executor(), query).await;
    }
    let before = match before(query) {
        Ok(before) => before,
        Err(refusal) => return refusal,
    };
    let now = console.executor().now().utc.map_or(0, clock::Timestamp::as_unix_millis);
    let search = Search::read(&in_query(query, "q").unwrap_or_default(), now);
    match console.look_back(search, before).await {
        Ok(page) => {
            let (kept, policy) = console.feed.audit();
            let BackPage { entries, next } = page;
            json("list audit", StatusCode::OK, &ListJson { entries, next, kept, limit: policy.limit })
        }
        Err(why) => fault("list audit", &why),
    }
}

/// A whole log as a file.
#[derive(ToSchema)]
#[schema(as = AuditExport)]
#[expect(dead_code, reason = "it describes what is written piece by piece")]
pub(super) struct ExportJson {
    entries: Vec<AuditLine>,
    count: u64,
    /// Of every byte before the line that holds it, in hex.
    sha256: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// A field of a CSV line: quoted, and never taken for a formula.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn csv_line(line: &AuditLine) -> String {
    let texts = [
        &line.role,
        &line.actor,
        line.address.as_ref().unwrap_or(&String::new()),
        &line.operation,
        line.device.as_ref().unwrap_or(&String::new()),
        &line.result,
        &line.correlation,
    ]
    .map(|text| quoted(text));
    format!("{},{}\n", line.unix_millis, texts.join(","))
}

/// The whole log as it stands, oldest first, on its way to a reader.
struct Export {
    console: Arc<Console>,
    format: Format,
    hash: Sha256,
    count: u64,
    /// What is read next; `None`: the last line was written.
    range: Option<Range>,
    /// Whether there are entries behind what was read.
    more: bool,
}

impl Export {
    fn new(console: Arc<Console>, format: Format) -> Self {
        let range = Some(Range { space: AUDIT, prefix: Vec::new(), after: None, limit: READ_PAGE });
        Self { console, format, hash: Sha256::new(), count: 0, range, more: true }
    }

    /// The next piece; `None` behind the last. Blocks while it reads.
    fn piece(&mut self) -> Result<Option<String>, Fault> {
        let Some(range) = &mut self.range else { return Ok(None) };
        if !self.more {
            self.range = None;
            return Ok(Some(self.last_line()));
        }
        let mut piece = match (range.after.is_none(), self.format) {
            (true, Format::Csv) => {
                "unix_millis,role,actor,address,operation,device,result,correlation\n".to_owned()
            }
            (true, Format::Json) => "{\"entries\":[\n".to_owned(),
            (false, _) => String::new(),
        };
        let page = self.console.feed.table().scan(range)?;
        for (key, record) in &page.records {
            let Ok(entry) = AuditEntry::from_bytes(&record.value) else { continue };
            let line = AuditLine::new(model::hex(&key.name), &entry);
            match self.format {
                Format::Csv => piece.push_str(&csv_line(&line)),
                Format::Json => {
                    if self.count > 0 {
                        piece.push_str(",\n");
                    }
                    // Texts and numbers always make JSON.
                    piece.push_str(&serde_json::to_string(&line).unwrap_or_default());
                }
            }
            self.count += 1;
        }
        self.hash.update(piece.as_bytes());
        range.after = page.records.last().map(|(key, _)| key.name.clone());
        self.more = page.more;
        Ok(Some(piece))
    }

    fn last_line(&self) -> String {
        let (count, digest) = (self.count, model::hex(&self.hash.clone().finalize()));
        match self.format {
            Format::Csv => format!("# entries {count}, SHA-256 of the lines above {digest}\n"),
            Format::Json => format!("\n],\"count\":{count},\"sha256\":\"{digest}\"}}\n"),
        }
    }
}

/// `GET /v1/audit/export?format=csv|json`: 200, 400. The last line holds the count and the SHA-256 of every
/// byte before it; a file without that line was cut.
async fn export(State(console): State<Arc<Console>>, _: Caller, RawQuery(query): RawQuery) -> Response {
    let (format, kind, name) = match in_query(query.as_deref(), "format").as_deref() {
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
        Some("json") | None => (Format::Json, "application/json", "attachment; filename=\"audit.json\""),
        Some(_) => return problem("request-unreadable"),
    };
    let (lines, body) = Lines::pair();
    tokio::spawn(async move {
        let mut export = Export::new(console, format);
        loop {
            // A thread for a piece: one that waited for a slow reader would be missing to everybody else.
            let read = tokio::task::spawn_blocking(move || {
                let piece = export.piece();
                (export, piece)
            });
            let piece = match read.await {
                Ok((back, Ok(piece))) => {
                    export = back;
                    piece
                }
                Ok((_, Err(why))) => return tracing::error!(?why, "an export of the audit log was cut"),
                Err(why) => return tracing::error!(%why, "an export of the audit log was cut"),
            };
            let Some(piece) = piece else { return };
            if lines.send(Bytes::from(piece)).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;
    use model::CorrelationId;

    fn entry() -> AuditEntry {
        AuditEntry {
            at: Timestamp::from_unix_millis(1_000_000_000),
            role: "management".into(),
            actor: "Olga".into(),
            operation: "owner.transfer".into(),
            device: Some(Uuid([7; 16])),
            result: "refused".into(),
            correlation: CorrelationId([9; 16]),
            address: Some([192, 0, 2, 7].into()),
        }
    }

    #[test]
    fn words_look_in_their_field_and_may_be_turned_around() {
        let fits = |text: &str| Search::read(text, 1_000_060_000).fits(&entry());
        for found in [
            "",
            "olga",
            "who:olga",
            "op:transfer result:refused",
            "address:192.0.2",
            "device:0707",
            "-result:done",
            "192.0.2.7",
            "since:1m who:olga",
        ] {
            assert!(fits(found), "{found}");
        }
        for missed in ["who:refused", "op:claim", "-olga", "-result:refused", "result:refused who:anna"] {
            assert!(!fits(missed), "{missed}");
        }
        assert_eq!(Search::read("since:2h", 10_000_000).since_unix_millis, 10_000_000 - 7_200_000);
        assert!(!Search::of_device(Uuid([8; 16])).fits(&entry()));
    }

    #[test]
    fn queries_are_read_with_their_escapes() {
        let query = Some("before=00&q=who%3Aolga+-result%3Adone");
        assert_eq!(in_query(query, "q").as_deref(), Some("who:olga -result:done"));
        assert_eq!(in_query(query, "before").as_deref(), Some("00"));
        assert_eq!(in_query(query, "x"), None);
        assert_eq!(in_query(Some("q=%zz"), "q"), None);
        assert_eq!(in_query(Some("q=%"), "q"), None);
    }

    #[test]
    fn no_field_of_a_table_is_a_formula() {
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
