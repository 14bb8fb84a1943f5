//! The JSON of records A2 and B2.
//!
//! Source: OSAP secure profile section 7.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::compat::CompatDas;
use crate::json::Value;
use crate::{Serial, ServerId, TypeGroup, base64url};

/// Longest address and domain, in bytes.
const NAME_SIZE_MAX: usize = 63;

/// Record A2: what the device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DasRequest {
    /// The device's serial.
    pub serial: Serial,
    /// Whether the device is a hub.
    pub is_hub: bool,
}

impl DasRequest {
    /// The plaintext of A2.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (head, tail) = ("{\"DevSerial\":\"", if self.is_hub { "1}" } else { "0}" });
        [head.as_bytes(), self.serial.as_bytes(), b"\",\"Type\":\"DAS\",\"Mode\":", tail.as_bytes()].concat()
    }

    /// Reads A2; `None` when a member is missing or wrong.
    #[must_use]
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let value = Value::parse(plain)?;
        let serial = Serial::new(value.member("DevSerial")?.text()?.as_bytes())?;
        let is_hub = match value.member("Mode")?.unsigned()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        (value.member("Type")?.text()? == "DAS").then_some(Self { serial, is_hub })
    }
}

/// Record B2: an access service, and the session there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DasInfo {
    /// Where it is, 1 to 63 bytes.
    pub address: String,
    /// Its TCP port.
    pub port: u16,
    /// Its UDP port; 0 for none.
    pub udp_port: u16,
    /// Its domain, at most 63 bytes.
    pub domain: String,
    /// Its name.
    pub server_id: ServerId,
    /// What the port of the load balancer serves.
    pub served: TypeGroup,
    /// Random for each run.
    pub epoch: u32,
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// SHA-256 of the SubjectPublicKeyInfo of its TLS key; `None` for a plain listener, which somebody
    /// switched on.
    pub tls_key: Option<[u8; 32]>,
    /// The ticket, as text that the device does not read.
    pub das_ticket: String,
    /// The end of the ticket, Unix seconds.
    pub das_expiry: u64,
}

impl DasInfo {
    /// The JSON of B2, without the result before it; `None` when a name does not fit.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let fits = is_plain(&self.address, NAME_SIZE_MAX)
            && is_plain(&self.domain, NAME_SIZE_MAX)
            && is_plain(&self.das_ticket, crate::record::RECORD_PLAIN_SIZE_MAX);
        let server_id = core::str::from_utf8(self.server_id.as_bytes()).ok()?;
        let types: Vec<String> = self.served.as_bytes().iter().map(|one| format!("{one}")).collect();
        let tls = match &self.tls_key {
            Some(key) => {
                let text = base64url::encode(key);
                format!("\"Tls\":true,\"TlsKey\":\"{}\"", core::str::from_utf8(&text).ok()?)
            }
            None => String::from("\"Tls\":false"),
        };
        let text = format!(
            "{{\"Type\":\"DAS\",\"DasInfo\":{{\"Address\":\"{}\",\"Port\":{},\"UdpPort\":{},\"Domain\":\"{}\",\
             \"ServerID\":\"{server_id}\"}},\"SrvGroup\":[{}],\"Epoch\":{},\"TimeMs\":{},{tls},\
             \"DasTicket\":\"{}\",\"DasExpiry\":{}}}",
            self.address,
            self.port,
            self.udp_port,
            self.domain,
            types.join(","),
            self.epoch,
            self.time_ms,
            self.das_ticket,
            self.das_expiry,
        );
        // One byte of result stands before it in the record.
        (fits && text.len() < crate::record::RECORD_PLAIN_SIZE_MAX).then(|| text.into_bytes())
    }

    /// Reads the JSON of B2; unknown members are skipped, `None` when another is missing or wrong.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        let value = Value::parse(json)?;
        let info = value.member("DasInfo")?;
        let name =
            |member| info.member(member)?.text().filter(|name| name.len() <= NAME_SIZE_MAX).map(String::from);
        let port = |member| u16::try_from(info.member(member)?.unsigned()?).ok();
        let tls_key = if value.member("Tls")?.bool()? {
            let key = base64url::decode(value.member("TlsKey")?.text()?.as_bytes())?;
            Some(<[u8; 32]>::try_from(key).ok()?)
        } else {
            None
        };
        (value.member("Type")?.text()? == "DAS").then_some(())?;
        Some(Self {
            address: name("Address")?,
            port: port("Port")?,
            udp_port: port("UdpPort")?,
            domain: name("Domain")?,
            server_id: ServerId::new(info.member("ServerID")?.text()?.as_bytes())?,
            served: TypeGroup::new(&value.member("SrvGroup")?.bytes()?)?,
            epoch: u32::try_from(value.member("Epoch")?.unsigned()?).ok()?,
            time_ms: value.member("TimeMs")?.unsigned()?,
            tls_key,
            das_ticket: String::from(value.member("DasTicket")?.text()?),
            das_expiry: value.member("DasExpiry")?.unsigned()?,
        })
    }
}

/// The JSON of message B of type 1; `None` when a name does not fit. `marks` are what the port serves and what the
/// device offered, where more than type 1 is served.
/// Source: wire facts of type 1, OSAP secure profile section 9.
pub(crate) fn compat_json(das: &CompatDas, marks: Option<(&TypeGroup, &TypeGroup)>) -> Option<Vec<u8>> {
    let server_id = core::str::from_utf8(das.server_id.as_bytes()).ok()?;
    let list = |group: &TypeGroup| {
        let types: Vec<String> = group.as_bytes().iter().map(|one| format!("{one}")).collect();
        types.join(",")
    };
    let marks = marks.map_or_else(String::new, |(served, offered)| {
        format!(",\"SrvGroup\":[{}],\"DevGroup\":[{}]", list(served), list(offered))
    });
    let text = format!(
        "{{\"Type\":\"DAS\",\"DasInfo\":{{\"Address\":\"{}\",\"Port\":{},\"UdpPort\":{},\"Domain\":\"{}\",\
         \"ServerID\":\"{server_id}\"}}{marks}}}",
        das.address, das.port, das.udp_port, das.domain,
    );
    (is_plain(&das.address, NAME_SIZE_MAX) && is_plain(&das.domain, NAME_SIZE_MAX)).then(|| text.into_bytes())
}

/// Reads message B of type 1.
pub(crate) fn read_compat_json(json: &[u8]) -> Option<CompatDas> {
    let value = Value::parse(json)?;
    (value.member("Type")?.text()? == "DAS").then_some(())?;
    let info = value.member("DasInfo")?;
    let name =
        |member| info.member(member)?.text().filter(|name| name.len() <= NAME_SIZE_MAX).map(String::from);
    let port = |member| u16::try_from(info.member(member)?.unsigned()?).ok();
    Some(CompatDas {
        address: name("Address")?,
        port: port("Port")?,
        udp_port: port("UdpPort")?,
        domain: name("Domain")?,
        server_id: ServerId::new(info.member("ServerID")?.text()?.as_bytes())?,
    })
}

/// Text that stands in JSON as it is.
fn is_plain(text: &str, size_max: usize) -> bool {
    text.len() <= size_max
        && text.bytes().all(|byte| (0x20..0x7F).contains(&byte) && !b"\"\\".contains(&byte))
}

/// Whether the last answer of a run of type 1 shows that more than type 1 was possible: the device throws
/// the run away and holds type 1 for 24 hours, in memory.
///
/// What type 1 says proves nothing, so nothing is stored.
/// Source: OSAP secure profile section 9; decision H13.
#[must_use]
pub fn shows_downgrade(own: &TypeGroup, json: &[u8]) -> bool {
    let Some(value) = Value::parse(json) else { return false };
    let served = value.member("SrvGroup").and_then(Value::bytes).unwrap_or_default();
    let is_more = |one: &u8| *one > 1 && own.as_bytes().contains(one);
    let is_altered = |told: &Value<'_>| told.bytes().as_deref() != Some(own.as_bytes());
    served.iter().any(is_more) || value.member("DevGroup").is_some_and(is_altered)
}
