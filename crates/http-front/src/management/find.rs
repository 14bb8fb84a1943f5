//! The find language over devices: words, `field:value`, `-` before either for "not", quotes around spaces.
//!
//! `is:` a status, `attention` or `ours`; `maker:`, `model:`, `kind:`, `id:`, `due:`, `owner:`. All have to hold; a
//! field that nobody knows fits nothing. The console has the same language for what it holds already.

use assure_json::DeviceStatus;
use management::DeviceView;

use super::platform::{due_text, kind_text};

/// One condition, in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Term {
    field: Option<String>,
    value: String,
    is_turned: bool,
}

/// What is looked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Find(Vec<Term>);

/// How a status is asked for, read and grouped.
const fn words_of(status: DeviceStatus) -> (&'static str, &'static str, &'static str) {
    match status {
        DeviceStatus::Unknown => ("unknown", "unknown", "idle"),
        DeviceStatus::Registered => ("registered", "registered", "idle"),
        DeviceStatus::OwnershipAssigned => ("owned", "owned, not configured", "wait"),
        DeviceStatus::ConfigurationFetched => ("configured", "configuration fetched", "wait"),
        DeviceStatus::BootstrapUploaded => ("waiting", "waiting for the device", "wait"),
        DeviceStatus::InService => ("in-service", "in service", "good"),
        DeviceStatus::Offline => ("offline", "offline", "idle"),
        DeviceStatus::Unreachable => ("unreachable", "unreachable", "warn"),
        DeviceStatus::Replaced => ("replaced", "replaced", "idle"),
        DeviceStatus::Released => ("passed-on", "passed on", "idle"),
        DeviceStatus::OwnershipRefused => ("refused", "ownership refused", "bad"),
        DeviceStatus::BootstrapFailed => ("bootstrap-failed", "bootstrap failed", "bad"),
        DeviceStatus::ChannelFailed => ("channel-failed", "channel failed", "bad"),
    }
}

fn is_word(status: DeviceStatus, value: &str) -> bool {
    let number = status.number();
    match value {
        "attention" => number == 7 || number >= 100,
        "ours" => (2..=7).contains(&number) || number > 100,
        _ => {
            let (find, words, family) = words_of(status);
            [find, words, family].contains(&value)
        }
    }
}

impl Find {
    /// Reads what was typed; nothing in it is an error.
    pub(super) fn read(text: &str) -> Self {
        let (mut terms, mut rest) = (Vec::new(), text.trim_start());
        while !rest.is_empty() {
            let (is_turned, from) = rest.strip_prefix('-').map_or((false, rest), |from| (true, from));
            let named = from.split_once(':').filter(|(field, _)| {
                !field.is_empty() && field.bytes().all(|letter| letter.is_ascii_alphabetic())
            });
            let (field, from) = named.map_or((None, from), |(field, from)| (Some(field), from));
            let (value, after) = match from.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => from.split_once(char::is_whitespace).unwrap_or((from, "")),
            };
            if !value.is_empty() {
                let field = field.map(str::to_lowercase);
                terms.push(Term { field, value: value.to_lowercase(), is_turned });
            }
            rest = after.trim_start();
        }
        Self(terms)
    }

    /// Whether a device fits every condition.
    pub(super) fn fits(&self, device: &DeviceView) -> bool {
        self.0.iter().all(|term| match &term.field {
            None => text_of(device).contains(&term.value) != term.is_turned,
            Some(field) => {
                field_holds(device, field, &term.value).is_some_and(|holds| holds != term.is_turned)
            }
        })
    }
}

fn text_of(device: &DeviceView) -> String {
    let id = device.device.to_string();
    let info = device.info.as_ref();
    let told = |text: fn(&assure_proto::DeviceInfo) -> &String| info.map(text).map_or("", String::as_str);
    let product = [told(|info| &info.device_manufacturer), told(|info| &info.device_product_code)];
    let name = match product.iter().all(|word| word.is_empty()) {
        true => format!("device {}", &id[..8]),
        false => product.join(" "),
    };
    let rest = [
        told(|info| &info.device_serial_number),
        told(|info| &info.software_version),
        words_of(device.status).1,
        device.kind.map_or("", kind_text),
        &device.registrant,
    ];
    format!("{id} {name} {}", rest.join(" ")).to_lowercase()
}

/// `None`: there is no such field.
fn field_holds(device: &DeviceView, field: &str, value: &str) -> Option<bool> {
    let info = device.info.as_ref();
    let holds = |text: Option<&String>| text.is_some_and(|text| text.to_lowercase().contains(value));
    Some(match field {
        "is" => is_word(device.status, value),
        "maker" => holds(info.map(|info| &info.device_manufacturer)),
        "model" => holds(info.map(|info| &info.device_product_code)),
        "kind" => device.kind.is_some_and(|kind| kind_text(kind) == value),
        "id" => device.device.to_string().starts_with(value),
        "due" => device.due.as_ref().is_some_and(|due| due_text(due) == value),
        "owner" => device.owner_sequence_number.is_some_and(|number| number.to_string() == value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(field: Option<&str>, value: &str, is_turned: bool) -> Term {
        Term { field: field.map(str::to_owned), value: value.to_owned(), is_turned }
    }

    #[test]
    fn what_is_typed_is_read_as_the_console_reads_it() {
        let read = Find::read(" is:unreachable  maker:\"Acme AG\" -Pump -model:p2 http://x \"two words");
        let wanted = [
            term(Some("is"), "unreachable", false),
            term(Some("maker"), "acme ag", false),
            term(None, "pump", true),
            term(Some("model"), "p2", true),
            term(Some("http"), "//x", false),
            term(None, "two words", false),
        ];
        assert_eq!(read, Find(wanted.into()));
        assert_eq!(Find::read(" - is: "), Find(Vec::new()));
    }

    #[test]
    fn statuses_are_asked_for_by_the_words_of_the_console() {
        let source = include_str!("../../../../console/src/lib/status.ts");
        let mut shown: Vec<[String; 4]> = Vec::new();
        for line in source.lines().filter_map(|line| line.trim().strip_prefix("{ number: ")) {
            let quoted: Vec<&str> = line.split('\'').skip(1).step_by(2).collect();
            let number = line.split(',').next().unwrap_or_default();
            shown.push([number, quoted[0], quoted[1], quoted[2]].map(str::to_lowercase));
        }
        let ours = DeviceStatus::ALL.map(|status| {
            let (find, words, family) = words_of(status);
            [&status.number().to_string(), words, find, family].map(str::to_owned)
        });
        assert_eq!(shown, ours);
    }
}
