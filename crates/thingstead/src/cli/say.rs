//! Results on standard output and steps on standard error, the way that was asked for.

use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;

use super::Output;
use super::audit::time_of;
use super::stdout::print_line;
use crate::failure::{Failure, Outcome};
use crate::operator_client::OperatorClient;

fn cell(field: &str, value: &Value) -> String {
    match value {
        Value::Number(number) if field.ends_with("_unix_millis") => {
            number.as_u64().map_or_else(|| "-".to_owned(), time_of)
        }
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Writes results the way that was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Say {
    pub(crate) output: Output,
}

impl Say {
    /// A document: on one line as JSON, else as people read it.
    pub(crate) fn document(self, document: &Value) -> Outcome {
        if self.output.json {
            print_line(document);
            return Ok(());
        }
        let text = serde_json::to_string_pretty(document);
        print_line(text.map_err(|error| Failure::new("internal", "an answer").because(error))?);
        Ok(())
    }

    /// One value, or the document that holds it.
    pub(crate) fn value(self, text: &str, document: &Value) -> Outcome {
        if self.output.json {
            print_line(document);
        } else {
            print_line(text);
        }
        Ok(())
    }

    /// What was done with the `what` of this name, in words or as a document.
    pub(crate) fn done(self, what: &str, name: &str, done: &str) -> Outcome {
        self.step(&format!("{name}: {done}"));
        if self.output.json {
            self.document(&serde_json::json!({ what: name, "done": done }))?;
        }
        Ok(())
    }

    /// Rows of `fields`, parted by tabs; as JSON the whole list, when quiet the first field alone. A field that
    /// ends with `_unix_millis` is written as a date, what is not known as `-`.
    pub(crate) fn rows(self, list: &Value, fields: &[&str]) -> Outcome {
        if self.output.json {
            return self.document(list);
        }
        for row in list.as_array().into_iter().flatten() {
            let cells: Vec<String> = fields.iter().map(|field| cell(field, &row[*field])).collect();
            print_line(if self.output.quiet { cells[0].clone() } else { cells.join("\t") });
        }
        Ok(())
    }

    /// One step that was done, for people.
    pub(crate) fn step(self, text: &str) {
        if !self.output.json && !self.output.quiet {
            eprintln!("✓ {text}");
        }
    }
}

/// What `GET path` answers.
pub(crate) async fn read(client: &OperatorClient, path: &str) -> Outcome<Value> {
    document_of(&client.call(Method::GET, path, "", path).await?)
}

/// The document that an answer is.
pub(crate) fn document_of(answer: &Response<Bytes>) -> Outcome<Value> {
    serde_json::from_slice(answer.body())
        .map_err(|error| Failure::new("internal", "an answer").because(error))
}

/// Everything that `GET path` lists under this name, page by page.
pub(crate) async fn read_all(client: &OperatorClient, path: &str, list: &str) -> Outcome<Value> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut all, mut page) = (Vec::new(), read(client, path).await?);
    loop {
        all.extend(page[list].as_array().into_iter().flatten().cloned());
        let Some(next) = page["next"].as_str() else { return Ok(Value::Array(all)) };
        page = read(client, &format!("{path}{joint}after={next}")).await?;
    }
}
