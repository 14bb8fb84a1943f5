//! When the roles of one process are all up: work that nobody waits for begins after that.
//!
//! A server that listens may have much to look through (devices whose owners are compared, an audit log that is
//! counted). That would hold up the roles beside it which do not listen yet (ADR 0171).

use std::sync::Arc;
use std::time::Duration;

use net::shutdown::Shutdown;
use tokio::sync::watch;

/// Another role is waited for no longer than this: it may wait itself, until a person enrols it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts the roles that are not up yet; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    /// How many are not up yet.
    left: Arc<watch::Sender<usize>>,
    patience: Duration,
}

impl Starting {
    /// So many roles start.
    pub(crate) fn of(count: usize) -> Self {
        Self { left: Arc::new(watch::Sender::new(count)), patience: PATIENCE }
    }

    /// One more listens.
    pub(crate) fn one_is_up(&self) {
        self.left.send_modify(|left| *left = left.saturating_sub(1));
    }

    /// Ends when all are up, when it was waited long enough, or when all shall stop.
    pub(crate) async fn over(&self, stop: &Shutdown) {
        let mut left = self.left.subscribe();
        tokio::select! {
            () = stop.requested() => {}
            () = tokio::time::sleep(self.patience) => {}
            // The sender is ours: it is not dropped while we wait.
            _ = left.wait_for(|left| *left == 0) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use net::shutdown::shutdown;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn is_over(wait: Pin<&mut impl Future<Output = ()>>) -> bool {
        wait.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn work_begins_when_the_last_role_is_up() {
        let (_trigger, stop) = shutdown();
        let starting = Starting { patience: LONG, ..Starting::of(2) };
        let mut wait = pin!(starting.over(&stop));
        assert!(!is_over(wait.as_mut()));
        starting.clone().one_is_up();
        assert!(!is_over(wait.as_mut()), "one of two is up");
        starting.one_is_up();
        wait.await;
        // A role that begins anew is up once more.
        starting.one_is_up();
        starting.over(&stop).await;
    }

    #[tokio::test]
    async fn a_role_that_never_comes_up_holds_up_nobody_for_long() {
        let (trigger, stop) = shutdown();
        Starting { patience: Duration::ZERO, ..Starting::of(1) }.over(&stop).await;
        let starting = Starting { patience: LONG, ..Starting::of(1) };
        let mut wait = pin!(starting.over(&stop));
        assert!(!is_over(wait.as_mut()));
        trigger.request();
        wait.await;
    }
}
