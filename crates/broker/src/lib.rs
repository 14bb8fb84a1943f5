//! An MQTT broker without I/O: who gets a message, what waits for whom, and what must outlive a crash.
//!
//! ```text
//! a connection (mqtt_proto::Server)          Broker                              a store
//! Connect            ->  connect       ->    sessions: taken up, begun
//! Message            ->  publish       ->    routes to links and queues    ->    batch of entries and records
//! Subscribe          ->  subscribe     ->    trie, retained messages       ->
//! Delivered, ...     ->  delivered     ->    queues move on                ->
//! Server::publish    <-  next_direct, next_ready + next_message
//! bytes wait until   <-  depends(key) <= stored                            <-    stored(number)
//! ```
//!
//! A [`Broker`] knows sessions, not connections: a connection is a [`Link`], a number of whoever drives it. It
//! has no clock and no store: time comes with each input, and what must be kept comes out as [`StoreBatch`], one
//! at a time, everything since the last one together. **What a client is told waits**: bytes for a connection
//! leave only when the batch that its session [depends](Broker::depends) on is stored, so that nothing that was
//! acknowledged is lost when the process dies.
//!
//! Topics are free inside one namespace (that of an owner). `things/...` belongs to the hub, which asks consent: the
//! broker keeps such filters with their sessions and routes nothing by them;
//! `$...` and `/iot/...` belong to the server: [`Place`]. Each limit of [`Limits`] has a written policy and a
//! counter in [`Counters`].

mod batch;
mod broker;
mod counters;
mod deliver;
mod entry;
mod holders;
mod layout;
mod limits;
mod place;
mod publish;
mod records;
mod recovery;
mod retained;
mod session;
mod subscribe;
mod things;
mod trie;

pub use batch::StoreBatch;
pub use broker::{Broker, Joined, Joining, NotJoined};
pub use counters::{Counters, Gauges};
pub use limits::Limits;
pub use place::Place;
pub use publish::Taken;
pub use records::{JOURNAL_NAME, MESSAGES, RETAINED, SESSIONS};
pub use recovery::{Stored, Unreadable};
pub use session::{Link, SessionKey};
pub use things::{HandedUp, KeptFilter, granted_qos};
