//! A device on a machine with an operating system: its folder, its making, its run.

pub(crate) mod make;
pub(crate) mod reset;
pub(crate) mod run;
pub(crate) mod sealed_state;
pub(crate) mod servers;
pub(crate) mod smart;
pub(crate) mod status;
pub(crate) mod user_data;
pub(crate) mod voice;

pub(crate) mod audit_log;
mod control_lines;
mod said;

/// Waits until then; for ever, when there is no such time.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
