//! The extensions of both hellos: `length(2) { type(2) length(2) body }*`.

use alloc::vec::Vec;

use wire::{Builder, Cursor, DecodeError, Full, Reason};

use crate::PeerName;
use crate::codec::{peer_name, u16_bytes, u16_list};

const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const CLIENT_CERTIFICATE_TYPE: u16 = 19;
const SERVER_CERTIFICATE_TYPE: u16 = 20;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const CONNECTION_ID: u16 = 54;
/// Source: ruling A-ASSURE-49 (private use).
const PEER_NAME: u16 = 0xFF78;
const RENEGOTIATION_INFO: u16 = 0xFF01;

const UNCOMPRESSED: u8 = 0;

/// Which hello the extensions stand in: a few are lists in one and a single value in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The extensions of a hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// `Some(None)`: the extension is there, but names no UUID.
    pub(crate) peer_name: Option<Option<PeerName>>,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: Option<Vec<u8>>,
    pub(crate) groups: Option<Vec<u16>>,
    pub(crate) point_formats: Option<Vec<u8>>,
    pub(crate) signature_schemes: Option<Vec<u16>>,
    pub(crate) client_certificate_types: Option<Vec<u8>>,
    pub(crate) server_certificate_types: Option<Vec<u8>>,
    pub(crate) connection_id: Option<Vec<u8>>,
    pub(crate) ticket: Option<Vec<u8>>,
    /// Whether there was one this crate does not know: fine from a client, never from a server.
    pub(crate) unknown: bool,
}

impl Extensions {
    /// Reads the extensions at the end of a hello; none at all is allowed.
    ///
    /// # Errors
    /// When one is malformed or stands twice.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, side: Side) -> Result<Self, DecodeError> {
        let mut out = Self::default();
        if cursor.is_empty() {
            return Ok(out);
        }
        let mut list = Cursor::new(cursor.vec16()?);
        let mut seen = Vec::new();
        while !list.is_empty() {
            let number = list.u16()?;
            let body = list.vec16()?;
            if seen.contains(&number) {
                return Err(list.error(Reason::Repeated));
            }
            seen.push(number);
            out.read(number, body, side)?;
        }
        Ok(out)
    }

    fn read(&mut self, number: u16, bytes: &[u8], side: Side) -> Result<(), DecodeError> {
        let mut body = Cursor::new(bytes);
        match number {
            PEER_NAME => {
                self.peer_name = Some(peer_name::decode(bytes)?);
                return Ok(());
            }
            SESSION_TICKET => {
                self.ticket = Some(bytes.to_vec());
                return Ok(());
            }
            EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            RENEGOTIATION_INFO => self.renegotiation_info = Some(body.vec8()?.to_vec()),
            SUPPORTED_GROUPS => self.groups = Some(not_empty(u16_list(body.vec16()?)?)?),
            EC_POINT_FORMATS => self.point_formats = Some(not_empty(body.vec8()?.to_vec())?),
            SIGNATURE_ALGORITHMS => {
                self.signature_schemes = Some(not_empty(u16_list(body.vec16()?)?)?);
            }
            CLIENT_CERTIFICATE_TYPE => self.client_certificate_types = Some(types(&mut body, side)?),
            SERVER_CERTIFICATE_TYPE => self.server_certificate_types = Some(types(&mut body, side)?),
            CONNECTION_ID => self.connection_id = Some(body.vec8()?.to_vec()),
            _ => {
                self.unknown = true;
                return Ok(());
            }
        }
        body.finish()
    }

    /// Writes them, or nothing when there are none.
    ///
    /// # Errors
    /// When the limit of the output is reached.
    pub(crate) fn encode(&self, out: &mut Builder, side: Side) -> Result<(), Full> {
        let whole = out.open(2)?;
        let start = out.len();
        if let Some(info) = &self.renegotiation_info {
            extension(out, RENEGOTIATION_INFO, |body| body.vec8(info).map(drop))?;
        }
        if self.extended_master_secret {
            extension(out, EXTENDED_MASTER_SECRET, |_| Ok(()))?;
        }
        if let Some(groups) = &self.groups {
            let list = u16_bytes(groups.iter().copied());
            extension(out, SUPPORTED_GROUPS, |body| body.vec16(&list).map(drop))?;
        }
        if let Some(formats) = &self.point_formats {
            extension(out, EC_POINT_FORMATS, |body| body.vec8(formats).map(drop))?;
        }
        if let Some(schemes) = &self.signature_schemes {
            let list = u16_bytes(schemes.iter().copied());
            extension(out, SIGNATURE_ALGORITHMS, |body| body.vec16(&list).map(drop))?;
        }
        if let Some(list) = &self.client_certificate_types {
            extension(out, CLIENT_CERTIFICATE_TYPE, |body| put_types(body, list, side))?;
        }
        if let Some(list) = &self.server_certificate_types {
            extension(out, SERVER_CERTIFICATE_TYPE, |body| put_types(body, list, side))?;
        }
        if let Some(id) = &self.connection_id {
            extension(out, CONNECTION_ID, |body| body.vec8(id).map(drop))?;
        }
        if let Some(ticket) = &self.ticket {
            extension(out, SESSION_TICKET, |body| body.put(ticket).map(drop))?;
        }
        if let Some(Some(name)) = &self.peer_name {
            extension(out, PEER_NAME, |body| body.put(&peer_name::encode(name)).map(drop))?;
        }
        assert!(out.len() > start, "both sides always send at least one extension");
        out.close(whole)
    }

    /// Whether a list of point formats, if there is one, holds the only form that exists here.
    pub(crate) fn allows_uncompressed_points(&self) -> bool {
        self.point_formats.as_ref().is_none_or(|formats| formats.contains(&UNCOMPRESSED))
    }

    /// Says that points are uncompressed.
    pub(crate) fn say_uncompressed_points(&mut self) {
        self.point_formats = Some(alloc::vec![UNCOMPRESSED]);
    }
}

fn extension(
    out: &mut Builder,
    number: u16,
    body: impl FnOnce(&mut Builder) -> Result<(), Full>,
) -> Result<(), Full> {
    out.u16(number)?;
    let hole = out.open(2)?;
    body(out)?;
    out.close(hole)
}

fn not_empty<T>(list: Vec<T>) -> Result<Vec<T>, DecodeError> {
    if list.is_empty() { Err(DecodeError::new(0, Reason::Truncated)) } else { Ok(list) }
}

/// A list in the client's hello, one value in the server's. Source: RFC 7250 section 3.
fn types(body: &mut Cursor<'_>, side: Side) -> Result<Vec<u8>, DecodeError> {
    match side {
        Side::Client => not_empty(body.vec8()?.to_vec()),
        Side::Server => Ok(alloc::vec![body.u8()?]),
    }
}

fn put_types(out: &mut Builder, list: &[u8], side: Side) -> Result<(), Full> {
    match side {
        Side::Client => out.vec8(list).map(drop),
        Side::Server => out.put(&list[..1]).map(drop),
    }
}
