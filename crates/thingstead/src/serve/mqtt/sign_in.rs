//! Who an MQTT client is: name and password against its account, or the key of its certificate.
//!
//! Argon2id runs off the loop, two at a time, and a bounded number of clients wait for it. A password that fitted is
//! remembered as a digest under a key of this run, so that a client that comes back often does not cost that again;
//! whether the account is still as it was is read each time. Source: ADRs 0243, 0350.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use accounts::{
    Asked, CannotDecide, Checked, ClientAt, ClientSignedIn, HolderOfPin, KeyPin, PasswordHash, PrepareClient,
    Prepared, SettleClient, SettleClientKey,
};
use certificate::Leaf;
use crypto::{HashAlgorithm, Provider, Secret};
use http_front::console::Passwords;
use mqtt_front::{Admitted, Command, ReasonCode, SignIn};
use net::executor::Executor;
use store::Operation;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use super::Parts;
use crate::failure::{Failure, Outcome};

/// Clients whose sign-in is under way. Beyond: refused with 0x89.
const SIGN_IN_COUNT_MAX: usize = 512;
/// Passwords that are remembered. Beyond: all are forgotten.
const REMEMBERED_COUNT_MAX: usize = 20_000;

/// Answers who clients are.
pub(super) struct SignInDesk {
    desk: Arc<Desk>,
    places: Arc<Semaphore>,
}

struct Desk {
    executor: Executor,
    provider: Arc<dyn Provider>,
    passwords: Passwords,
    commands: Sender<Command>,
    key: [u8; 32],
    /// Digests of hash and password that fitted.
    fitted: Mutex<HashSet<Vec<u8>>>,
}

impl SignInDesk {
    pub(super) fn new(parts: &Parts, commands: Sender<Command>) -> Outcome<Self> {
        let executor = parts.executor.clone();
        let passwords = Passwords::new(executor.bytes(), executor.bytes())
            .ok_or_else(|| Failure::new("internal", "no password can be hashed"))?;
        let desk = Desk {
            key: executor.bytes(),
            executor,
            provider: Arc::clone(&parts.provider),
            passwords,
            commands,
            fitted: Mutex::default(),
        };
        Ok(Self { desk: Arc::new(desk), places: Arc::new(Semaphore::new(SIGN_IN_COUNT_MAX)) })
    }

    /// Takes a client in line; the answer is a command.
    pub(super) fn ask(&mut self, asked: SignIn) {
        let desk = Arc::clone(&self.desk);
        let place = Arc::clone(&self.places).try_acquire_owned();
        tokio::spawn(async move {
            let conn = asked.conn;
            let command = match place {
                Ok(_place) => match desk.who(asked).await {
                    Ok(who) => Command::Admit { conn, who },
                    Err(reason) => Command::Refuse { conn, reason },
                },
                Err(_) => Command::Refuse { conn, reason: ReasonCode::SERVER_BUSY },
            };
            // Nobody listens any more when the broker has stopped.
            let _stopped = desk.commands.send(command).await;
        });
    }
}

impl Desk {
    async fn who(&self, asked: SignIn) -> Result<Admitted, ReasonCode> {
        let SignIn { newcomer, user_name, password, .. } = asked;
        if let (None, Some(certificate)) = (&password, &newcomer.client_certificate) {
            return self.by_key(certificate, user_name, newcomer.from.ip()).await;
        }
        let (Some(user_name), Some(password)) = (user_name, password) else {
            return Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        };
        let address = newcomer.from.ip();
        let client = ClientAt::new(&user_name, address);
        let against = match self.run(PrepareClient { client: client.clone() }).await? {
            Prepared::Check(against) => against,
            Prepared::Wait(_) => return Err(ReasonCode::CONNECTION_RATE_EXCEEDED),
        };
        let checked = self.check(Secret::from(password.as_bytes()), against).await;
        let asked = self.asked_from(address);
        let settled = self.run(SettleClient { client, checked, asked }).await?;
        admitted(settled, ReasonCode::BAD_USER_NAME_OR_PASSWORD)
    }

    /// Who has the key of this certificate, as TLS has shown that the client does.
    async fn by_key(
        &self,
        certificate: &[u8],
        user_name: Option<String>,
        address: IpAddr,
    ) -> Result<Admitted, ReasonCode> {
        let digest = Leaf::from_der(certificate).and_then(|leaf| leaf.key_digest(&*self.provider));
        // One that we cannot read, nobody could pin either.
        let pin = KeyPin(digest.map_err(|_| ReasonCode::NOT_AUTHORIZED)?);
        let holder = self.run(HolderOfPin { pin }).await?;
        let asked = self.asked_from(address);
        let settled = self.run(SettleClientKey { pin, holder, user_name, address, asked }).await?;
        admitted(settled, ReasonCode::NOT_AUTHORIZED)
    }

    fn asked_from(&self, address: IpAddr) -> Asked {
        let correlation = self.executor.correlation();
        Asked { role: "mqtt", by: String::new(), address: Some(address), correlation }
    }

    async fn run<T, O>(&self, operation: O) -> Result<T, ReasonCode>
    where
        O: Operation<Reply = Result<T, CannotDecide>> + Send + Sync + 'static,
        O::Effect: Send,
        T: Send + 'static,
    {
        let failed = |error: &dyn std::fmt::Debug| {
            tracing::error!(?error, "a client's sign-in");
            ReasonCode::SERVER_UNAVAILABLE
        };
        let done = self.executor.run(operation).await;
        done.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }

    async fn check(&self, password: Secret, against: Option<PasswordHash>) -> Checked {
        let Some(hash) = against else { return self.passwords.check(password, None).await };
        let parts = [&self.key[..], hash.as_str().as_bytes(), &[0], password.expose()];
        let digest = self.provider.digest(HashAlgorithm::Sha256, &parts).as_ref().to_vec();
        let known = |fitted: &HashSet<Vec<u8>>| fitted.contains(&digest);
        if known(&self.fitted.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Checked::Fits(hash);
        }
        let checked = self.passwords.check(password, Some(hash)).await;
        if matches!(checked, Checked::Fits(_)) {
            let mut fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
            if fitted.len() >= REMEMBERED_COUNT_MAX {
                fitted.clear();
            }
            fitted.insert(digest);
        }
        checked
    }
}

fn admitted(settled: ClientSignedIn, wrong: ReasonCode) -> Result<Admitted, ReasonCode> {
    match settled {
        ClientSignedIn::Welcome { name, namespace, for_owner } => {
            let (name, namespace) = (name.as_str().to_owned(), namespace.as_str().to_owned());
            Ok(Admitted { name, namespace, for_owner })
        }
        ClientSignedIn::Wrong => Err(wrong),
        ClientSignedIn::Wait => Err(ReasonCode::CONNECTION_RATE_EXCEEDED),
    }
}
