//! What the broker keeps, and what happens beyond.

/// What clients can make the broker keep. Connections per address are the listener's to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions, connected or not; 100,000. Beyond: the connection is refused with 0x97.
    pub session_count_max: usize,
    /// Seconds a session outlives its connection at most; a day. Beyond: shortened.
    pub session_expiry_max_secs: u32,
    /// Bytes of a client identifier; 256. Beyond: refused with 0x85.
    pub client_id_size_max: usize,
    /// Subscriptions of one session; 1,000. Beyond: that filter is refused with 0x97.
    pub subscription_count_max: usize,
    /// Bytes of the filters of one session; 256 KiB. Beyond: that filter is refused with 0x97.
    pub filter_bytes_max: usize,
    /// Levels of a topic or filter; 32. Beyond: a filter is refused with 0x8f, a message with 0x90.
    pub level_count_max: usize,
    /// Bytes of messages of QoS 1 and 2 that wait for one session; 8 MiB. Beyond: expired ones go; then the new
    /// message is dropped for this session and counted. The publisher is acknowledged.
    pub queue_bytes_max: usize,
    /// The same for all sessions of one account, which client identifiers begin with; 32 MiB. Beyond: the same. One
    /// account alone cannot fill what is for all.
    pub queue_bytes_account_max: usize,
    /// The same for all sessions; 64 MiB. Beyond: the same.
    pub queue_bytes_total_max: usize,
    /// Bytes of wills that may be published yet; 32 MiB. Beyond: a connection with a will is refused with 0x97.
    pub will_bytes_max: usize,
    /// Retained messages; 100,000. Beyond: the message is refused with 0x97 and reaches nobody.
    pub retained_count_max: usize,
    /// Bytes of retained messages; 64 MiB. Beyond: the same.
    pub retained_bytes_max: usize,
    /// Bytes that wait to be stored; 32 MiB. Beyond: messages that would have to be stored are refused with 0x97.
    pub unstored_bytes_max: usize,
    /// Whether anything is stored. Without, sessions and retained messages end with the process.
    pub is_durable: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_count_max: 100_000,
            session_expiry_max_secs: 24 * 60 * 60,
            client_id_size_max: 256,
            subscription_count_max: 1_000,
            filter_bytes_max: 256 * 1024,
            level_count_max: 32,
            queue_bytes_max: 8 * 1024 * 1024,
            queue_bytes_account_max: 32 * 1024 * 1024,
            queue_bytes_total_max: 64 * 1024 * 1024,
            will_bytes_max: 32 * 1024 * 1024,
            retained_count_max: 100_000,
            retained_bytes_max: 64 * 1024 * 1024,
            unstored_bytes_max: 32 * 1024 * 1024,
            is_durable: true,
        }
    }
}
