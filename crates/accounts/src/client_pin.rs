//! Clients by certificate: whose key it is that somebody proved at the door.
//!
//! TLS shows that a client has the key of its certificate; the pin, a digest of that public key, says whose key it is.
//! What else stands in a certificate is not looked at. Source: ADR 0350.

use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;

use clock::{Now, Timestamp};
use minicbor::{Decode, Encode};
use store::{Batch, Decision, Operation, ReadSet, Snapshot, decided};

use crate::account::AccountName;
use crate::asked::{Asked, CannotDecide};
use crate::clients::{Client, ClientSignedIn};
use crate::network::Source;
use crate::settings::Settings;
use crate::spaces::{client_key, pin_key, read, settings_key, to_value};
use crate::tries::{Tries, number_of};

/// Keys that one client may have: two, and two that come after them.
pub const PIN_COUNT_MAX: usize = 4;

/// The SHA-256 of a SubjectPublicKeyInfo: a renewed certificate over the same key has the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct KeyPin(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// Takes the index records of `old` away, but those of `kept`.
pub(crate) fn unpin(batch: &mut Batch, old: &[KeyPin], kept: &[KeyPin]) {
    for pin in old.iter().filter(|pin| !kept.contains(pin)) {
        batch.delete(pin_key(pin));
    }
}

/// Gives a client these keys, and none that it had before; none at all takes them back. Its connections are the
/// caller's to end.
#[derive(Clone, Debug)]
pub struct PinClient {
    /// Which.
    pub name: AccountName,
    /// At most [`PIN_COUNT_MAX`].
    pub pins: Vec<KeyPin>,
    /// Who asks.
    pub asked: Asked,
}

/// Why a client does not get keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPinned {
    /// There is no such client.
    Unknown,
    /// One of them is another client's.
    Taken,
    /// They are too many.
    TooMany,
}

impl Operation for PinClient {
    type Reply = Result<Result<(), NotPinned>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let pins = self.pins.iter().take(PIN_COUNT_MAX).map(pin_key);
        ReadSet::of(pins.chain([client_key(&self.name)]))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let key = client_key(&self.name);
            let Some(mut client) = read::<Client>(snapshot, &key)? else {
                return Ok(Err(NotPinned::Unknown));
            };
            let operation = match self.pins.is_empty() {
                true => "client.certificate-remove",
                false => "client.certificate",
            };
            let mut pins = self.pins.clone();
            pins.sort_unstable();
            pins.dedup();
            if let Err(why) = self.check(snapshot, &pins)? {
                self.asked.audit(batch, operation, "refused", at);
                return Ok(Err(why));
            }
            unpin(batch, &client.pins, &pins);
            for pin in &pins {
                batch.put(pin_key(pin), to_value(&self.name));
            }
            client.pins = pins;
            batch.put(key, to_value(&client));
            self.asked.audit(batch, operation, self.name.as_str(), at);
            Ok(Ok(()))
        })
    }
}

impl PinClient {
    fn check(&self, snapshot: &Snapshot, pins: &[KeyPin]) -> Result<Result<(), NotPinned>, CannotDecide> {
        if self.pins.len() > PIN_COUNT_MAX {
            return Ok(Err(NotPinned::TooMany));
        }
        for pin in pins {
            let holder: Option<AccountName> = read(snapshot, &pin_key(pin))?;
            if holder.is_some_and(|holder| holder != self.name) {
                return Ok(Err(NotPinned::Taken));
            }
        }
        Ok(Ok(()))
    }
}

/// Asks whose key this is.
#[derive(Clone, Copy, Debug)]
pub struct HolderOfPin {
    /// The key.
    pub pin: KeyPin,
}

impl Operation for HolderOfPin {
    /// `None`: nobody's.
    type Reply = Result<Option<AccountName>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([pin_key(&self.pin)])
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| read(snapshot, &pin_key(&self.pin)))
    }
}

/// Signs a client in that has proven a key and sent no password.
///
/// Nobody guesses a key: who holds one is let in whatever was counted against its address, and a right one writes
/// nothing. A wrong one counts for the address and this key, as a wrong password does.
#[derive(Clone, Debug)]
pub struct SettleClientKey {
    /// The key that it proved.
    pub pin: KeyPin,
    /// As [`HolderOfPin`] said just now; whether that still holds is looked at here.
    pub holder: Option<AccountName>,
    /// The user name that it sent: that of the holder, or none.
    pub user_name: Option<alloc::string::String>,
    /// From where.
    pub address: IpAddr,
    /// `by` is not looked at.
    pub asked: Asked,
}

impl SettleClientKey {
    fn number(&self) -> u64 {
        // A space is in no name: what is counted for people and passwords is counted apart.
        number_of(&format!("mqtt key {}", model::hex(&self.pin.0)))
    }

    /// The client whose key it is, unless it says that it is another one.
    fn client(&self, snapshot: &Snapshot) -> Result<Option<(AccountName, Client)>, CannotDecide> {
        let Some(name) = &self.holder else { return Ok(None) };
        let says = self.user_name.as_deref().map(AccountName::from_typed);
        if says.is_some_and(|said| said.as_ref() != Ok(name)) {
            return Ok(None);
        }
        let client: Option<Client> = read(snapshot, &client_key(name))?;
        Ok(client.filter(|client| client.pins.contains(&self.pin)).map(|client| (name.clone(), client)))
    }

    fn refuse(
        &self,
        snapshot: &Snapshot,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Result<ClientSignedIn, CannotDecide> {
        let (settings, millis) = (Settings::read(snapshot)?, at.as_unix_millis());
        let mut tries = Tries::read(snapshot, Source::of(self.address), self.number())?;
        if tries.wait(false, &settings, millis).is_some() {
            return Ok(ClientSignedIn::Wait);
        }
        let locks = tries.fail(&settings, millis);
        tries.write(batch);
        self.asked.audit_as("unknown", batch, "client.login", if locks { "locked" } else { "refused" }, at);
        Ok(ClientSignedIn::Wrong)
    }
}

impl Operation for SettleClientKey {
    type Reply = Result<ClientSignedIn, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        let tries = Tries::keys(Source::of(self.address), self.number());
        let holder = self.holder.as_ref().map(client_key);
        ReadSet::of(tries.into_iter().chain([settings_key()]).chain(holder))
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| match self.client(snapshot)? {
            Some((name, Client { namespace, for_owner, .. })) => {
                Ok(ClientSignedIn::Welcome { name, namespace, for_owner })
            }
            None => self.refuse(snapshot, now.utc.ok_or(CannotDecide::NoClock)?, batch),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::PasswordHash;
    use crate::spaces::from_value;

    /// A client as it was stored before there were pins.
    #[derive(Encode)]
    #[cbor(map)]
    struct Before {
        #[n(0)]
        namespace: AccountName,
        #[n(1)]
        hash: PasswordHash,
        #[n(2)]
        made_unix_millis: u64,
        #[n(3)]
        known: Vec<Source>,
    }

    #[test]
    fn a_client_that_was_stored_before_there_were_pins_has_none_and_is_nobodys_owner() {
        let namespace = AccountName::from_typed("home").unwrap();
        let hash = PasswordHash::new("$argon2id$test".into());
        let before = Before { namespace: namespace.clone(), hash, made_unix_millis: 7, known: Vec::new() };
        let client: Client = from_value(&to_value(&before)).unwrap();
        assert_eq!((client.namespace, client.pins, client.for_owner), (namespace, Vec::new(), false));
        assert_eq!(client.key, None);
    }
}
