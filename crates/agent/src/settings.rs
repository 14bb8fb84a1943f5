//! Waits that differ between a product and a demonstration, and what the platform's clock is worth.

use core::time::Duration;

use assure_proto::TimeSource;

/// What a platform may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Wait before the bootstrap server is asked again when it had nothing; doubles each time. Default 30 s.
    pub bootstrap_after: Duration,
    /// That wait never grows beyond this. Default 1 h.
    pub bootstrap_after_max: Duration,
    /// How often a device in service asks for a new image, give or take 20 %. Default 24 h.
    pub bootstrap_every: Duration,
    /// Wait before a channel that failed is called again; doubles each time. Default 5 s.
    pub reconnect_after: Duration,
    /// That wait never grows beyond this. Default 10 min.
    pub reconnect_after_max: Duration,
    /// How often presence is told over an open channel, which also finds out whether anybody is there;
    /// give or take 20 %. Default 1 h.
    pub presence_every: Duration,
    /// Where the platform's UTC comes from, when it has one. Default: a clock that was never set.
    pub platform_time: TimeSource,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bootstrap_after: Duration::from_secs(30),
            bootstrap_after_max: Duration::from_secs(60 * 60),
            bootstrap_every: Duration::from_secs(24 * 60 * 60),
            reconnect_after: Duration::from_secs(5),
            reconnect_after_max: Duration::from_secs(10 * 60),
            presence_every: Duration::from_secs(60 * 60),
            platform_time: TimeSource::Never,
        }
    }
}
