//! What a device keeps, as a person may see it.

use std::path::Path;
use std::sync::Arc;

use agent::Summary;
use assure_proto::Class;
use crypto::{Curve, KeyKind, Provider};

use super::sealed_state::SealedState;
use crate::failure::{Failure, Outcome};

/// The stored state of a device, without secrets.
pub(crate) struct Status {
    write: u64,
    summary: Summary,
}

impl Status {
    /// Reads it, whether the device runs or not.
    ///
    /// # Errors
    /// `state-missing`, `state-damaged`.
    pub(crate) fn read(folder: &Path, provider: &Arc<dyn Provider>) -> Outcome<Self> {
        let (write, stored) = SealedState::peek(folder, provider)?;
        let summary = Summary::read(&**provider, stored.expose())
            .map_err(|error| Failure::new("state-damaged", folder.display().to_string()).because(error))?;
        Ok(Self { write, summary })
    }

    /// The device's UUID.
    pub(crate) fn device(&self) -> String {
        self.summary.device.to_string()
    }

    fn kind(&self) -> String {
        match self.summary.public_key.as_ref().map(crypto::PublicKey::kind) {
            None => "secret".into(),
            Some(KeyKind::Ec(Curve::P256)) => "p256".into(),
            Some(KeyKind::Ec(Curve::P384)) => "p384".into(),
            Some(KeyKind::Ec(Curve::P521)) => "p521".into(),
            Some(KeyKind::Rsa { modulus_bits }) => format!("rsa{modulus_bits}"),
        }
    }

    /// The state as one JSON document.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let summary = &self.summary;
        let channels = summary.channels.iter().map(|(id, channel)| {
            serde_json::json!({
                "id": id.number(),
                "local_key": channel.local_key.to_string(),
                "peer_key": channel.peer_key.map(|key| key.to_string()),
                "persistent": channel.persistent_across_reboots,
                "open_immediately": channel.open_immediately,
            })
        });
        let keys = summary.keys.iter().map(|(id, class)| {
            serde_json::json!({ "id": id.to_string(), "class": class.number(), "name": class_name(*class) })
        });
        serde_json::json!({
            "device": self.device(),
            "kind": self.kind(),
            "bootstrap_server": summary.bootstrap_server.0,
            "sequence_number": summary.sequence_number,
            "generation": summary.generation,
            "configured": summary.is_configured,
            "erase_pending": summary.is_erase_pending,
            "channels": channels.collect::<Vec<_>>(),
            "keys": keys.collect::<Vec<_>>(),
            "parameters": summary.parameters,
            "write": self.write,
        })
    }

    /// The state as lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let summary = &self.summary;
        let yes_no = |yes| if yes { "yes" } else { "no" };
        let mut lines = vec![
            format!("device            {}", summary.device),
            format!("kind              {}", self.kind()),
            format!("bootstrap server  {}", summary.bootstrap_server.0),
            format!("owner number      {}", summary.sequence_number),
            format!("generation        {}", summary.generation),
            format!("configured        {}", yes_no(summary.is_configured)),
        ];
        if summary.is_erase_pending {
            lines.push("erasure           under way: finished at the next start".into());
        }
        for (id, channel) in &summary.channels {
            let peer = channel.peer_key.unwrap_or(channel.local_key);
            lines.push(format!("channel           {} with key {peer}", id.number()));
        }
        for (id, class) in &summary.keys {
            lines.push(format!("key               {id} class {} {}", class.number(), class_name(*class)));
        }
        for name in &summary.parameters {
            lines.push(format!("parameter         {}", name.escape_default()));
        }
        lines
    }
}

const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Manufacturer => "manufacturer",
        Class::TrustedAuthority => "trusted authority",
        Class::ManagementSystem => "management system",
        Class::BootstrapService => "bootstrap service",
        Class::Device => "device",
        Class::Channel => "channel",
    }
}
