//! Refusals go out at the ticks of a coarse clock, so that their time does not tell their cause.
//!
//! A device that is somebody's takes longer to be read than one that is nobody's, and that one longer than none:
//! some microseconds, which are seen over many calls.
//! Source: aSSURE 9.3.2 (the reply does not say why); ADR 0155.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::{Instant, sleep_until};

/// From one tick to the next. Whatever a refusal takes fits between two of them, on a disk that is not slow.
const TICK: Duration = Duration::from_millis(10);

/// Holds a 403 back until the next tick after its request came in; every other answer goes at once.
pub(super) async fn at_a_tick(request: Request, next: Next) -> Response {
    let came = Instant::now();
    let response = next.run(request).await;
    if response.status() == StatusCode::FORBIDDEN {
        sleep_until(came + next_tick(came.elapsed())).await;
    }
    response
}

/// The first tick after so long.
fn next_tick(elapsed: Duration) -> Duration {
    let passed = elapsed.as_nanos() / TICK.as_nanos();
    // A call is cut off long before the ticks do not fit.
    TICK * u32::try_from(passed + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_took_less_than_a_tick_takes_a_tick() {
        let micros = Duration::from_micros;
        for took in [0, 1, 190, 2_500, 9_999] {
            assert_eq!(next_tick(micros(took)), TICK, "{took}");
        }
        assert_eq!(next_tick(TICK), 2 * TICK);
        assert_eq!(next_tick(micros(10_001)), 2 * TICK);
    }
}
