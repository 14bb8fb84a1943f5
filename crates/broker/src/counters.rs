//! What is counted.

/// What happened since the start; each limit's policy counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages from clients, and wills.
    pub messages_in: u64,
    /// Copies of them to connected clients and queues.
    pub messages_out: u64,
    /// QoS 0 for a session without a connection: dropped.
    pub dropped_absent: u64,
    /// The queue of the session was full: dropped for that session.
    pub dropped_queue_full: u64,
    /// The queues of the session's account were full: dropped for that session.
    pub dropped_account_full: u64,
    /// All queues together were full: dropped for that session.
    pub dropped_queues_full: u64,
    /// Their time was over before they could be sent.
    pub dropped_expired: u64,
    /// Larger than the client takes.
    pub dropped_unsendable: u64,
    /// They waited for a session that ended.
    pub dropped_session_over: u64,
    /// Messages that the limits of retained messages refused.
    pub refused_retained: u64,
    /// Messages refused because too much waits to be stored.
    pub refused_unstored: u64,
    /// Messages and filters on topics that are not the client's.
    pub refused_topic: u64,
    /// Topics and filters with too many levels.
    pub refused_levels: u64,
    /// Filters over the limits of a session.
    pub refused_subscriptions: u64,
    /// Clients refused because there are too many sessions.
    pub refused_sessions: u64,
    /// Clients refused because wills take too much already.
    pub refused_wills: u64,
    /// Wills published.
    pub wills: u64,
    /// Sessions whose time was over.
    pub sessions_over: u64,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Sessions.
    pub sessions: usize,
    /// Those with a connection.
    pub connected: usize,
    /// Bytes of messages that wait, in all.
    pub queue_bytes: usize,
    /// Bytes of wills that may be published yet.
    pub will_bytes: usize,
    /// Retained messages.
    pub retained_count: usize,
    /// Their bytes.
    pub retained_bytes: usize,
    /// Bytes that wait to be stored.
    pub unstored_bytes: usize,
    /// Bytes of the journal that are not trimmed.
    pub journal_bytes: u64,
}
