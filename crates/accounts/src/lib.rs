//! People and roles, passwords, lock-out, logins, settings and the audit log: for a server and for a device.
//!
//! ```text
//! OfferActivation -> Activate (first administrator) -> SettleSignIn -> ResumeSession .. -> EndSession
//! PrepareSignIn -> the edge checks the password against a hash -> SettleSignIn
//! ```
//! Nothing here hashes, draws chance or reads a clock: the edge computes Argon2id (ruling A-SECDEV-03) and the
//! SHA-256 of tokens, and hands them in. Every operation that changes something leaves an audit entry with
//! account, address, time, operation and result in the same commit.
//! Source: `004` 6.2.4, 6.2.6, 6.4.4; rulings A-SECDEV-01 to -12.
#![no_std]
extern crate alloc;

mod account;
mod activation;
mod asked;
mod audit;
mod audit_ring;
mod caller_key;
mod client_pin;
mod clients;
mod network;
mod password;
mod people;
mod people_sessions;
mod risk;
mod session;
mod settings;
mod sign_in;
mod spaces;
mod tries;

pub use account::{AccountName, BadName, Duties, Duty, NAME_LENGTH_MAX, PasswordHash, Permission, Role};
pub use activation::{ACTIVATION_TIME, Activate, Activated, NotActivated, OfferActivation, Offered};
pub use asked::{Asked, CannotDecide};
pub use audit::{AuditEntry, BadEntry, TEXT_LENGTH_MAX};
pub use audit_ring::{AUDIT_TRIM_PAGE, AuditMode, AuditPolicy, TrimAudit};
pub use caller_key::{CALLER_KEY_LENGTH, CallerKey, KeyOfClient, KeyedClient};
pub use client_pin::{HolderOfPin, KeyPin, NotPinned, PIN_COUNT_MAX, PinClient, SettleClientKey};
pub use clients::{
    AddClient, CLIENT_COUNT_MAX, ChangeClient, ClientAt, ClientChange, ClientNotAdded, ClientSignedIn,
    ClientView, ListClients, PrepareClient, SettleClient,
};
pub use network::{BadNetwork, Network, Source};
pub use password::{BadPassword, PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, check_password};
pub use people::{
    ACCOUNT_COUNT_MAX, AccountChange, AccountView, AddAccount, ChangeAccount, ChangePassword, ListAccounts,
    NotAdded, NotChanged, ReadHash,
};
pub use people_sessions::{EndSessionsOf, ListSessions, SessionView};
pub use risk::{AcceptRisk, Acceptance, ReadAcceptances};
pub use session::{
    EndSession, ResumeSession, Resumed, SESSION_COUNT_MAX, SESSIONS_PER_ACCOUNT_MAX, TokenHash,
};
pub use settings::{BadSettings, ReadSettings, SetSettings, Settings};
pub use sign_in::{Checked, PrepareSignIn, Prepared, SettleSignIn, SignedIn, TypedName};
pub use spaces::{AUDIT, audit_key, is_session};
pub use tries::{FAILURE_WINDOW, KNOWN_SOURCE_DELAY, NAME_FAILURE_COUNT_MAX, SOURCE_FAILURE_FACTOR};
