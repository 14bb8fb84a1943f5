//! How much a peer can make a device keep.

/// Keys of the key store, those of the image included. Beyond: 4.13.
pub const KEY_COUNT_MAX: usize = 64;
/// Channels. Beyond: 4.13.
pub const CHANNEL_COUNT_MAX: usize = 16;
/// Application parameters. Beyond: 4.13.
pub const PARAMETER_COUNT_MAX: usize = 32;
/// Bytes of a parameter's name. Beyond: 4.00.
pub const PARAMETER_NAME_LENGTH_MAX: usize = 64;
/// Bytes of a parameter's value. Beyond: 4.13.
pub const PARAMETER_LENGTH_MAX: usize = 1024;
/// Bytes that an answer to a ping returns; more are cut off.
pub const PING_LENGTH_MAX: usize = 1024;
/// Associations in all. Beyond: hellos of strangers are dropped, own calls are tried later.
pub(crate) const ASSOCIATION_COUNT_MAX: usize = 40;
/// Handshakes of strangers at once. Beyond: their hellos are dropped.
pub(crate) const RISING_COUNT_MAX: usize = 8;
/// Bytes of the connection ids that this device gives itself as a server.
pub(crate) const CONNECTION_ID_LENGTH: usize = 8;
