//! Accounts of programs: clients with a name, a password and the namespace of their topics for MQTT, and a key of their
//! own where they call over CoAP.
//!
//! A client signs in with every connection, so that a right password writes nothing; a wrong one counts for name
//! and address as that of a person does, in the same tables and under another number.

use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::net::IpAddr;

use clock::{Now, Timestamp};
use minicbor::{Decode, Encode};
use store::{Batch, Decision, Key, Operation, Range, ReadSet, Snapshot, decided};

use crate::account::{AccountName, PasswordHash};
use crate::asked::{Asked, CannotDecide};
use crate::caller_key::CallerKey;
use crate::client_pin::{KeyPin, unpin};
use crate::network::Source;
use crate::settings::Settings;
use crate::sign_in::{Checked, Prepared};
use crate::spaces::{CLIENT, all_of, client_key, from_value, read, settings_key, to_value};
use crate::tries::{Tries, number_of};

/// Clients that may be.
pub const CLIENT_COUNT_MAX: usize = 10_000;

/// The stored form.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Client {
    #[n(0)]
    pub(crate) namespace: AccountName,
    #[n(1)]
    hash: PasswordHash,
    #[n(2)]
    made_unix_millis: u64,
    /// Sources it signed in from, the latest last: strangers that besiege its name do not keep it out there.
    #[n(3)]
    #[cbor(default)]
    known: Vec<Source>,
    /// What it proves over CoAP, when it calls there.
    #[n(4)]
    pub(crate) key: Option<CallerKey>,
    /// Whether it is the owner to the hub.
    #[n(5)]
    #[cbor(default)]
    pub(crate) for_owner: bool,
    /// Keys of certificates with which it signs in; each has its record under `pin_key`.
    #[n(6)]
    #[cbor(default)]
    pub(crate) pins: Vec<KeyPin>,
}

/// So many sources are remembered.
const KNOWN_COUNT_MAX: usize = 8;

impl Client {
    /// Remembers a source; whether it is new.
    fn knows(&mut self, source: Source) -> bool {
        if self.known.contains(&source) {
            return false;
        }
        if self.known.len() >= KNOWN_COUNT_MAX {
            self.known.remove(0);
        }
        self.known.push(source);
        true
    }
}

fn every_client() -> Range {
    all_of(CLIENT, CLIENT_COUNT_MAX + 1)
}

/// Makes a client.
#[derive(Clone, Debug)]
pub struct AddClient {
    /// Its name.
    pub name: AccountName,
    /// Clients of one namespace share topics.
    pub namespace: AccountName,
    /// The hash of its password.
    pub hash: PasswordHash,
    /// Whether it acts for the owner: what the owner may, it may. Nothing changes that later (ADR 0351).
    pub for_owner: bool,
    /// Who asks.
    pub asked: Asked,
}

/// Why a client is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNotAdded {
    /// There is one of this name.
    Exists,
    /// There are as many as may be.
    Full,
}

impl Operation for AddClient {
    type Reply = Result<Result<(), ClientNotAdded>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([client_key(&self.name)]).with_range(every_client())
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let why = if snapshot.value(&client_key(&self.name)).is_some() {
                Some(ClientNotAdded::Exists)
            } else {
                let is_full = snapshot.page(&every_client()).records.len() >= CLIENT_COUNT_MAX;
                is_full.then_some(ClientNotAdded::Full)
            };
            if let Some(why) = why {
                self.asked.audit(batch, "client.add", "refused", at);
                return Ok(Err(why));
            }
            let client = Client {
                namespace: self.namespace.clone(),
                hash: self.hash.clone(),
                made_unix_millis: at.as_unix_millis(),
                known: Vec::new(),
                key: None,
                for_owner: self.for_owner,
                pins: Vec::new(),
            };
            batch.put(client_key(&self.name), to_value(&client));
            let made =
                if self.for_owner { format!("{}, for the owner", self.name) } else { self.name.to_string() };
            self.asked.audit(batch, "client.add", &made, at);
            Ok(Ok(()))
        })
    }
}

/// A change of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientChange {
    /// It has another password.
    Password(PasswordHash),
    /// It has this key, and none that it had before.
    Key(CallerKey),
    /// It has no key.
    NoKey,
    /// It is no more.
    Remove,
}

/// Changes a client. Its connections are the caller's to end.
#[derive(Clone, Debug)]
pub struct ChangeClient {
    /// Which.
    pub name: AccountName,
    /// To what.
    pub change: ClientChange,
    /// Who asks.
    pub asked: Asked,
}

impl Operation for ChangeClient {
    /// Whether there is such a client.
    type Reply = Result<bool, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::of([client_key(&self.name)])
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| {
            let at = now.utc.ok_or(CannotDecide::NoClock)?;
            let key = client_key(&self.name);
            let Some(client) = read::<Client>(snapshot, &key)? else { return Ok(false) };
            let operation = match &self.change {
                ClientChange::Password(hash) => {
                    batch.put(key, to_value(&Client { hash: hash.clone(), ..client }));
                    "client.password"
                }
                ClientChange::Key(drawn) => {
                    batch.put(key, to_value(&Client { key: Some(drawn.clone()), ..client }));
                    "client.key"
                }
                ClientChange::NoKey => {
                    batch.put(key, to_value(&Client { key: None, ..client }));
                    "client.key-remove"
                }
                ClientChange::Remove => {
                    unpin(batch, &client.pins, &[]);
                    batch.delete(key);
                    "client.remove"
                }
            };
            self.asked.audit(batch, operation, self.name.as_str(), at);
            Ok(true)
        })
    }
}

/// Lists every client.
#[derive(Clone, Copy, Debug)]
pub struct ListClients;

/// A client as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientView {
    /// Its name.
    pub name: AccountName,
    /// Whose topics it uses.
    pub namespace: AccountName,
    /// When it was made.
    pub made: Timestamp,
    /// Whether it may call over CoAP.
    pub has_key: bool,
    /// Whether it may sign in by a certificate.
    pub has_certificate: bool,
    /// Whether it acts for the owner.
    pub for_owner: bool,
}

impl Operation for ListClients {
    /// By name.
    type Reply = Result<Vec<ClientView>, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        ReadSet::default().with_range(every_client())
    }

    fn decide(&self, snapshot: &Snapshot, _: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let view = |(key, record): &(Key, store::Record)| {
                let name = core::str::from_utf8(&key.name).map_err(|_| CannotDecide::BadRecord)?;
                let name = AccountName::from_typed(name).map_err(|_| CannotDecide::BadRecord)?;
                let client: Client = from_value(&record.value)?;
                let made = Timestamp::from_unix_millis(client.made_unix_millis);
                Ok(ClientView {
                    name,
                    namespace: client.namespace,
                    made,
                    has_key: client.key.is_some(),
                    has_certificate: !client.pins.is_empty(),
                    for_owner: client.for_owner,
                })
            };
            snapshot.page(&every_client()).records.iter().map(view).collect()
        })
    }
}

/// Who a client says it is, and from where.
#[derive(Clone, Debug)]
pub struct ClientAt {
    /// As it was sent; `None` for what is no name.
    pub name: Option<AccountName>,
    number: u64,
    /// From where.
    pub address: IpAddr,
}

impl ClientAt {
    /// A client that sent `typed` as its user name.
    #[must_use]
    pub fn new(typed: &str, address: IpAddr) -> Self {
        // A space is in no name: what is counted for people is counted apart.
        let number = number_of(&format!("mqtt client {typed}"));
        Self { name: AccountName::from_typed(typed).ok(), number, address }
    }

    /// The record of the client, or one that never is.
    fn key(&self) -> Key {
        self.name.as_ref().map_or_else(|| Key::new(CLIENT, [0]), client_key)
    }

    fn reads(&self) -> ReadSet {
        let tries = Tries::keys(Source::of(self.address), self.number);
        ReadSet::of(tries.into_iter().chain([settings_key(), self.key()]))
    }

    fn is_known(&self, client: Option<&Client>) -> bool {
        client.is_some_and(|client| client.known.contains(&Source::of(self.address)))
    }

    fn tries(&self, snapshot: &Snapshot) -> Result<Tries, CannotDecide> {
        Tries::read(snapshot, Source::of(self.address), self.number)
    }
}

/// Asks whether a client may try to sign in, and against which hash.
#[derive(Clone, Debug)]
pub struct PrepareClient {
    /// Who, from where.
    pub client: ClientAt,
}

impl Operation for PrepareClient {
    type Reply = Result<Prepared, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        self.client.reads()
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|_| {
            let now = now.utc.ok_or(CannotDecide::NoClock)?.as_unix_millis();
            let settings = Settings::read(snapshot)?;
            let stored: Option<Client> = read(snapshot, &self.client.key())?;
            let is_known = self.client.is_known(stored.as_ref());
            Ok(match self.client.tries(snapshot)?.wait(is_known, &settings, now) {
                Some(wait) => Prepared::Wait(wait),
                None => Prepared::Check(stored.map(|client| client.hash)),
            })
        })
    }
}

/// Ends a client's sign-in.
#[derive(Clone, Debug)]
pub struct SettleClient {
    /// Who, from where.
    pub client: ClientAt,
    /// What the edge found.
    pub checked: Checked,
    /// `by` is not looked at.
    pub asked: Asked,
}

/// How a client's sign-in ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSignedIn {
    /// It is this one.
    Welcome {
        /// The client.
        name: AccountName,
        /// Whose topics it uses.
        namespace: AccountName,
        /// Whether it acts for the owner.
        for_owner: bool,
    },
    /// Name or password wrong; which of them is not said.
    Wrong,
    /// Too many failures meanwhile.
    Wait,
}

impl SettleClient {
    fn settle(
        &self,
        snapshot: &Snapshot,
        now: Now,
        batch: &mut Batch,
    ) -> Result<ClientSignedIn, CannotDecide> {
        let at = now.utc.ok_or(CannotDecide::NoClock)?;
        let settings = Settings::read(snapshot)?;
        let mut tries = self.client.tries(snapshot)?;
        let stored: Option<Client> = read(snapshot, &self.client.key())?;
        let is_known = self.client.is_known(stored.as_ref());
        if tries.wait(is_known, &settings, at.as_unix_millis()).is_some() {
            return Ok(ClientSignedIn::Wait);
        }
        let is_there = stored.is_some();
        let fits = |client: &Client| self.checked == Checked::Fits(client.hash.clone());
        let known = self.client.name.clone().zip(stored.filter(fits));
        let Some((name, mut client)) = known else {
            let locks = tries.fail(&settings, at.as_unix_millis());
            tries.write(batch);
            let actor = self.client.name.as_ref().filter(|_| is_there);
            let actor = actor.map_or("unknown", AccountName::as_str);
            self.asked.audit_as(actor, batch, "client.login", if locks { "locked" } else { "refused" }, at);
            return Ok(ClientSignedIn::Wrong);
        };
        if tries.succeed() {
            tries.write(batch);
        }
        if client.knows(Source::of(self.client.address)) {
            batch.put(client_key(&name), to_value(&client));
        }
        Ok(ClientSignedIn::Welcome { name, namespace: client.namespace, for_owner: client.for_owner })
    }
}

impl Operation for SettleClient {
    type Reply = Result<ClientSignedIn, CannotDecide>;
    type Effect = ();

    fn reads(&self) -> ReadSet {
        self.client.reads()
    }

    fn decide(&self, snapshot: &Snapshot, now: Now) -> Decision<Self::Reply, ()> {
        decided(|batch| self.settle(snapshot, now, batch))
    }
}
