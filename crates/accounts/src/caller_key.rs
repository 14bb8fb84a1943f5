//! Keys of programs that call over CoAP: the secret of their DTLS handshakes, beside the password that MQTT takes.
//!
//! A password rests as a hash, and no handshake can be made with one; whoever answers a handshake could try passwords
//! against it, so that a key is drawn and never typed. Source: ADRs 0321, 0340.

use crypto::Secret;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use store::{Decision, Operation, ReadSet, Snapshot, decided};

use crate::account::AccountName;
use crate::asked::CannotDecide;
use crate::clients::Client;
use crate::spaces::{client_key, read};

/// Bytes of a key: 32 lower-case hexadecimal digits, 128 bits of chance. Small clients take no longer ones, and the
/// digits are the key as they stand, so that every client can be given it as text.
pub const CALLER_KEY_LENGTH: usize = 32;

/// The key of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerKey(Secret);

impl CallerKey {
    /// The key that these drawn bytes make.
    #[must_use]
    pub fn drawn(chance: &[u8; CALLER_KEY_LENGTH / 2]) -> Self {
        Self(Secret::new(model::hex(chance).into_bytes()))
    }

    /// What both sides of a handshake hold.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl<C> Encode<C> for CallerKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(self.0.expose())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for CallerKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        d.bytes().map(|bytes| Self(Secret::from(bytes)))
    }
}

/// A client that calls over CoAP, as its handshake needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedClient {
    /// What it has to prove.
    pub key: CallerKey,
    /// Whether it acts for the owner.
    pub for_owner: bool,
}

/// Asks for the key of a client, with each handshake.
#[derive(Clone, Debug)]
pub struct KeyOfClient {
    /// Which.
    pub name: AccountName,
}

impl Operation for KeyOfClient {
    /// `None`: there is no such client, or it has no key.
    type Reply = Result<Option<KeyedClient>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([client_key(&self.name)])
    }

    fn decide(&self, snapshot: &Snapshot, _: clock::Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let client: Option<Client> = read(snapshot, &client_key(&self.name))?;
            Ok(client.and_then(|Client { key, for_owner, .. }| key.map(|key| KeyedClient { key, for_owner })))
        })
    }
}
