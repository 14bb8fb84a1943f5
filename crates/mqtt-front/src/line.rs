//! One connection.

use std::collections::VecDeque;

use broker::SessionKey;
use clock::Moment;
use mqtt_proto::{ConnectRequest, Server};

use crate::Newcomer;
use crate::things::LineThings;

/// What a connection makes the face keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaceLimits {
    /// Bytes that wait for one client, here and at the socket, over which messages of QoS 0 for it are dropped and
    /// counted; 2 MiB.
    pub slow_bytes_max: usize,
    /// Bytes of QoS 0 that one event may bring to one client, such as the retained messages for a new subscription,
    /// before it could read any; 16 MiB.
    pub at_once_bytes_max: usize,
    /// Bytes that wait for one client until something is stored; 8 MiB. Beyond: closed.
    pub held_bytes_max: usize,
}

impl Default for FaceLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { slow_bytes_max: 2 * MIB, at_once_bytes_max: 16 * MIB, held_bytes_max: 8 * MIB }
    }
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) conn: u64,
    pub(crate) newcomer: Newcomer,
    pub(crate) server: Server,
    /// What CONNECT asked, until it is answered.
    pub(crate) request: Option<Box<ConnectRequest>>,
    /// Accounts whose connections were ended while the owner was asked who this is.
    pub(crate) expelled: Vec<String>,
    /// Once it is admitted.
    pub(crate) key: Option<SessionKey>,
    pub(crate) name: String,
    pub(crate) for_owner: bool,
    /// Its session's name in the namespace, once it is admitted.
    pub(crate) session: String,
    /// What it has to do with things, if anything.
    pub(crate) things: Option<Box<LineThings>>,
    /// Bytes that wait until a batch is stored, in order.
    pub(crate) held: VecDeque<(u64, Vec<u8>)>,
    pub(crate) held_bytes: usize,
    /// Bytes of messages since the line was last drained.
    pub(crate) fresh_bytes: usize,
    /// Bytes that wait at the socket.
    pub(crate) waiting_bytes: usize,
    pub(crate) is_dirty: bool,
    /// Over: closes when nothing is held any more.
    pub(crate) is_over: bool,
    /// When it stands among the deadlines.
    pub(crate) due: Option<Moment>,
}

impl Line {
    pub(crate) const fn new(conn: u64, newcomer: Newcomer, server: Server) -> Self {
        Self {
            conn,
            newcomer,
            server,
            request: None,
            expelled: Vec::new(),
            key: None,
            name: String::new(),
            for_owner: false,
            session: String::new(),
            things: None,
            held: VecDeque::new(),
            held_bytes: 0,
            fresh_bytes: 0,
            waiting_bytes: 0,
            is_dirty: false,
            is_over: false,
            due: None,
        }
    }
}
