//! What went wrong, in the words of the catalogue.

use std::fmt;

use http_front::catalogue::{self, Entry};

/// A failed command: a code of the catalogue, what it is about, and the detail that helps.
#[derive(Debug)]
pub(crate) struct Failure {
    entry: &'static Entry,
    subject: String,
    detail: Option<String>,
}

impl Failure {
    /// The failure `code` about `subject`.
    ///
    /// # Panics
    /// When the catalogue has no such code: a test reads every code used here.
    pub(crate) fn new(code: &'static str, subject: impl Into<String>) -> Self {
        let entry = catalogue::entry(code).expect("every code used is in the catalogue");
        Self { entry, subject: subject.into(), detail: None }
    }

    /// The same with what the layer below said.
    pub(crate) fn because(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// The same with one thing more to know.
    pub(crate) fn and(self, more: impl fmt::Display) -> Self {
        let before = self.detail.as_deref().unwrap_or(self.entry.why);
        let detail = Some(format!("{before}; {more}"));
        Self { detail, ..self }
    }

    /// The exit status.
    pub(crate) const fn exit(&self) -> u8 {
        self.entry.exit
    }

    /// The code.
    pub(crate) const fn code(&self) -> &'static str {
        self.entry.code
    }

    /// The failure in one line, for what goes on after it.
    pub(crate) fn in_a_line(&self) -> String {
        let why = self.detail.as_deref().unwrap_or(self.entry.why);
        format!("{}: {} ({why})", self.entry.title, self.subject)
    }

    /// The failure as one JSON document.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": self.entry.code,
            "subject": self.subject,
            "why": self.detail.as_deref().unwrap_or(self.entry.why),
            "try": self.entry.attempts,
            "exit": self.entry.exit,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}: {}", self.entry.code, self.entry.title, self.subject)?;
        writeln!(f, "  why: {}", self.detail.as_deref().unwrap_or(self.entry.why))?;
        for attempt in self.entry.attempts {
            writeln!(f, "  try: {attempt}")?;
        }
        write!(f, "  note: `thingstead explain {}`   (exit {})", self.entry.code, self.entry.exit)
    }
}

/// The outcome of a command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;
