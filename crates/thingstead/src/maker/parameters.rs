//! Parameter sets as makers write them: JSON for people, or the CBOR that is uploaded.

use std::path::Path;

use assure_json::{ChoiceMessage, Method};
use assure_proto::{
    PARAMETER_SET_LENGTH_MAX, ParameterChoice, ParameterMessage, ParameterMethod, ParameterSet, PayloadForm,
};
use serde::Deserialize;

use crate::failure::Outcome;
use crate::files;

/// `{"name": .., "choices": [{"name": .., "messages": [..]}]}`, messages as in configurations.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    name: String,
    choices: Vec<assure_json::ParameterChoice>,
}

/// Reads a parameter set in either form and gives the bytes to upload.
///
/// # Errors
/// `file-malformed` says what does not stand.
pub(crate) fn read(path: &Path) -> Outcome<Vec<u8>> {
    let bytes = files::read(path, 4 * PARAMETER_SET_LENGTH_MAX as u64)?;
    let encoded = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => {
            let file: SetFile =
                serde_json::from_slice(&bytes).map_err(|error| files::malformed(path, &error.to_string()))?;
            from_json(file).map_err(|why| files::malformed(path, &why))?.encode()
        }
        Some(_) | None => bytes,
    };
    match ParameterSet::decode(&encoded) {
        Ok(_) => Ok(encoded),
        Err(error) => Err(files::malformed(path, &format!("it is no parameter set: {error}"))),
    }
}

fn from_json(file: SetFile) -> Result<ParameterSet, String> {
    let choices = file.choices.into_iter().map(|choice| {
        let messages = choice.messages.into_iter().map(message).collect::<Result<_, _>>()?;
        Ok(ParameterChoice { name: choice.name, messages })
    });
    Ok(ParameterSet { name: file.name, choices: choices.collect::<Result<_, String>>()? })
}

fn message(from: ChoiceMessage) -> Result<ParameterMessage, String> {
    let method = match from.method {
        Method::Get => ParameterMethod::Get,
        Method::Post => ParameterMethod::Post,
        Method::Put => ParameterMethod::Put,
        Method::Delete => ParameterMethod::Delete,
    };
    let payload = PayloadForm::ALL.into_iter().find(|form| form.name() == from.payload);
    let payload = payload.ok_or_else(|| format!("there is no payload form {:?}", from.payload))?;
    let ChoiceMessage { path, required, min, max, description, .. } = from;
    Ok(ParameterMessage { method, path, payload, required, min, max, description, further: Vec::new() })
}
