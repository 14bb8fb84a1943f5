//! From claim to upload, and back to nobody: the calls between the stored steps.
//!
//! ```text
//! register -> claim (authority) -> settled | refused
//! Configure -> configuration (authority) -> image built -> Upload -> image (authority) -> done
//! Announce  -> expected (authority) -> Configure
//! Leave     -> owner change (authority) -> gone | ours
//! ```
//! What is due stands in the store; [`ManagementServer::drive`] takes every due step that may be tried, and
//! [`ManagementServer::run`] does so for ever.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use clock::Moment;
use crypto::Secret;
use management::{
    Announced, ClaimEnd, ClaimSettled, ConfigurationArrived, ImageUploaded, Leave, Leaving, Left, NotBuilt,
    ReadImageToUpload, ReadWork, RegisterDevice, Registrant, Registration, Standing, StandingKnown,
    UploadEnd, Work,
};
use model::{ManagementId, Uuid};
use net::shutdown::Shutdown;
use store::RunError;

use super::ManagementServer;
use super::gateway::{GatewayError, Granted};

/// First wait after a step that did not come off; it doubles each time.
const BACKOFF: Duration = Duration::from_secs(2);
/// The wait never grows beyond this.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// With nothing due, the store is looked at again after this.
const IDLE_TIME: Duration = Duration::from_secs(60 * 60);

/// Looks at the list of due steps in one [`ManagementServer::drive`]; a device has three steps at most.
const PASS_COUNT_MAX: usize = 8;

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    Done,
    Refused,
    Later(Option<Duration>),
}

/// How giving a device up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// It is gone.
    Gone,
    /// It is not ours, or the authority refused.
    Refused,
    /// It is leaving for somebody else already.
    Otherwise,
    /// Not known yet; the step is driven on.
    Later(Option<Duration>),
}

/// How one step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is done, or nothing was to be done; another may be due.
    Done,
    /// It is to be tried again.
    Again {
        /// After so long, when the authority said so.
        after: Option<Duration>,
        /// Whether the gateway as a whole gave no answer.
        unreachable: bool,
    },
}

impl Step {
    const fn again(after: Option<Duration>) -> Self {
        Self::Again { after, unreachable: false }
    }

    fn failed(what: &'static str, device: Uuid, error: GatewayError) -> Self {
        tracing::warn!(what, %device, %error, "the authority gave no answer");
        let unreachable = matches!(error, GatewayError::Call(_) | GatewayError::Tls(_));
        Self::Again { after: error.retry_after(), unreachable }
    }

    fn fault(what: &'static str, device: Uuid, why: &dyn std::fmt::Debug) -> Self {
        tracing::error!(what, %device, ?why, "a step towards the authority failed");
        Self::again(None)
    }
}

/// When a device's step may be tried next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    failures: u32,
    until: Moment,
}

/// What [`ManagementServer::drive`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Driven {
    /// Steps that came off.
    pub done: usize,
    /// Devices whose step must be tried again.
    pub waiting: usize,
    /// When to look again; `None` when nothing waits.
    pub again_after: Option<Duration>,
}

impl ManagementServer {
    /// Registers and claims a device. The case string goes to the authority and nowhere else.
    pub(crate) async fn register(
        &self,
        device: Uuid,
        by: &Registrant,
        case_string: &Secret,
    ) -> Result<Registered, RunError> {
        let register = RegisterDevice { device, by: by.clone(), origin: self.origin(by) };
        match self.executor.run(register).await? {
            Ok(Registration::Claim) => {}
            Ok(Registration::Forbidden) => return Ok(Registered::Refused),
            Err(why) => {
                tracing::error!(%device, ?why, "cannot register");
                return Ok(Registered::Later(None));
            }
        }
        let end = match self.owner.gateway.claim(device, case_string).await {
            Ok(Granted::Yes) => ClaimEnd::Granted,
            Ok(Granted::No) => ClaimEnd::Refused,
            Err(error) => {
                tracing::warn!(%device, %error, "the authority gave no answer to a claim");
                return Ok(Registered::Later(error.retry_after()));
            }
        };
        let settle = ClaimSettled { device, by: by.clone(), end, origin: self.origin(by) };
        match self.executor.run(settle).await? {
            Ok(_) => {}
            Err(why) => {
                tracing::error!(%device, ?why, "cannot settle a claim");
                return Ok(Registered::Later(None));
            }
        }
        self.wake();
        Ok(match end {
            ClaimEnd::Granted => Registered::Done,
            ClaimEnd::Refused => Registered::Refused,
        })
    }

    /// Gives a device up, to `to` or to nobody.
    pub(super) async fn give(&self, device: Uuid, to: Option<ManagementId>) -> Result<Given, RunError> {
        let by = Registrant::Operator;
        let leave = Leave { device, to: to.clone(), origin: self.origin(&by) };
        match self.executor.run(leave).await? {
            Ok(Leaving::Ask) => {}
            Ok(Leaving::Gone) => return Ok(Given::Gone),
            Ok(Leaving::NotOurs) => return Ok(Given::Refused),
            Ok(Leaving::Otherwise) => return Ok(Given::Otherwise),
            Err(why) => {
                tracing::error!(%device, ?why, "cannot give a device up");
                return Ok(Given::Later(None));
            }
        }
        Ok(match self.leave(device, to.as_ref()).await {
            Ok(Left::Gone | Left::Unknown) => Given::Gone,
            Ok(Left::Stays | Left::Awaited) => Given::Refused,
            Err(Step::Again { after, .. }) => {
                self.wake();
                Given::Later(after)
            }
            Err(Step::Done) => Given::Later(None),
        })
    }

    /// Asks for the owner change and finds out where the device stands.
    ///
    /// A refusal may mean that an earlier attempt came off whose answer was lost: whether the authority
    /// still gives us the configuration tells.
    async fn leave(&self, device: Uuid, to: Option<&ManagementId>) -> Result<Left, Step> {
        let asked = self.owner.gateway.give(device, to).await;
        let standing = match asked.map_err(|error| Step::failed("owner change", device, error))? {
            Granted::Yes => Standing::Gone,
            Granted::No => match self.owner.gateway.configuration(device).await {
                Ok(None) => Standing::Gone,
                Ok(Some(_)) => Standing::Ours,
                Err(error) => return Err(Step::failed("owner change", device, error)),
            },
        };
        self.stand(device, standing).await
    }

    async fn stand(&self, device: Uuid, standing: Standing) -> Result<Left, Step> {
        let known = StandingKnown { device, standing, origin: self.origin(&Registrant::Operator) };
        match self.executor.run(known).await {
            Ok(Ok(left)) => {
                if left == Left::Gone {
                    (self.hooks.close_sessions)(device);
                    (self.hooks.orders_wait)(None);
                }
                Ok(left)
            }
            Ok(Err(why)) => Err(Step::fault("standing", device, &why)),
            Err(error) => Err(Step::fault("standing", device, &error)),
        }
    }

    /// Tells the authority that a transfer to us is expected.
    pub(super) async fn announce(&self, device: Uuid) -> Step {
        match self.owner.gateway.expect(&self.owner.keys.id, device).await {
            Ok(Granted::Yes) => {}
            // It refuses nobody who is certified.
            Ok(Granted::No) => return Step::fault("announcement", device, &"the authority refused it"),
            Err(error) => return Step::failed("announcement", device, error),
        }
        match self.executor.run(Announced { device }).await {
            Ok(Ok(_)) => Step::Done,
            Ok(Err(bad)) => Step::fault("announcement", device, &bad),
            Err(error) => Step::fault("announcement", device, &error),
        }
    }

    async fn configure(&self, device: Uuid) -> Step {
        let configuration = match self.owner.gateway.configuration(device).await {
            Ok(Some(configuration)) => configuration,
            Ok(None) => {
                return match self.stand(device, Standing::Gone).await {
                    Ok(Left::Awaited) => Step::again(None),
                    Ok(Left::Gone | Left::Stays | Left::Unknown) => Step::Done,
                    Err(step) => step,
                };
            }
            Err(error) => return Step::failed("configuration", device, error),
        };
        let arrived = ConfigurationArrived {
            device,
            configuration: Arc::new(configuration),
            keys: Arc::clone(&self.owner.keys),
            address: self.address.clone(),
            origin: self.origin(&Registrant::Operator),
        };
        match self.executor.run(arrived).await {
            Ok(Ok(_) | Err(NotBuilt::NothingToDo | NotBuilt::NotOurs)) => Step::Done,
            Ok(Err(why)) => Step::fault("image", device, &why),
            Err(error) => Step::fault("image", device, &error),
        }
    }

    async fn upload(&self, device: Uuid) -> Step {
        let waiting = match self.executor.run(ReadImageToUpload { device }).await {
            Ok(Ok(Some(waiting))) => waiting,
            Ok(Ok(None)) => return Step::Done,
            Ok(Err(bad)) => return Step::fault("upload", device, &bad),
            Err(error) => return Step::fault("upload", device, &error),
        };
        let end = match self.owner.gateway.put_bootstrap(device, waiting.image).await {
            Ok(Granted::Yes) => UploadEnd::Taken,
            Ok(Granted::No) => UploadEnd::NotOurs,
            Err(error) => return Step::failed("upload", device, error),
        };
        let origin = self.origin(&Registrant::Operator);
        let uploaded = ImageUploaded { device, created_at: waiting.created_at, end, origin };
        match self.executor.run(uploaded).await {
            // A refused image is built anew after a pause: two servers that disagree must not spin us.
            Ok(Ok(_)) if end == UploadEnd::NotOurs => Step::again(None),
            Ok(Ok(_)) => Step::Done,
            Ok(Err(bad)) => Step::fault("upload", device, &bad),
            Err(error) => Step::fault("upload", device, &error),
        }
    }

    async fn step(&self, device: Uuid, work: &Work) -> Step {
        match work {
            Work::Announce => self.announce(device).await,
            Work::Configure => self.configure(device).await,
            Work::Upload => self.upload(device).await,
            Work::Leave { to } => match self.leave(device, to.as_ref()).await {
                Ok(_) => Step::Done,
                Err(step) => step,
            },
        }
    }

    /// Takes every step that is due and may be tried now, until nothing more can be done at once.
    /// One that fails waits, twice as long each time, or as long as the authority said.
    pub async fn drive(&self) -> Driven {
        let mut driven = Driven::default();
        for _ in 0..PASS_COUNT_MAX {
            let before = driven.done;
            let mut after = None;
            driven.waiting = 0;
            driven.again_after = None;
            loop {
                let Ok(Ok(page)) = self.executor.run(ReadWork { after }).await else {
                    tracing::error!("cannot read what is due");
                    driven.again_after = Some(BACKOFF_MAX);
                    return driven;
                };
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (device, work) in page {
                    if self.try_step(device, &work, &mut driven).await {
                        return driven;
                    }
                }
            }
            if driven.done == before {
                return driven;
            }
        }
        driven.again_after = Some(BACKOFF);
        driven
    }

    /// Tries one step; whether the whole gateway is out of reach.
    async fn try_step(&self, device: Uuid, work: &Work, driven: &mut Driven) -> bool {
        let now = self.executor.now().moment;
        let wait = self.waits.lock().unwrap_or_else(PoisonError::into_inner).get(&device).copied();
        if let Some(wait) = wait.filter(|wait| wait.until > now) {
            driven.waits(wait.until.since(now));
            return false;
        }
        let step = self.step(device, work).await;
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        match step {
            Step::Done => {
                driven.done += 1;
                waits.remove(&device);
                false
            }
            Step::Again { after, unreachable } => {
                let failures = wait.map_or(0, |wait| wait.failures);
                let own = BACKOFF.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX);
                let pause = after.map_or(own, |after| after.max(own));
                waits.insert(device, Wait { failures: failures + 1, until: now + pause });
                driven.waits(pause);
                unreachable
            }
        }
    }

    /// At start: takes up every step where the last run left it. The same as [`ManagementServer::drive`],
    /// with nothing remembered of earlier failures.
    pub async fn resume(&self) -> Driven {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.drive().await
    }

    /// Drives steps as they come, until shutdown.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut driven = self.resume().await;
        loop {
            let pause = driven.again_after.unwrap_or(IDLE_TIME);
            tokio::select! {
                () = shutdown.requested() => return,
                () = self.woken.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            driven = self.drive().await;
        }
    }

    /// A step has become due.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }

    /// The device's step may be tried at once, whatever failed before.
    pub(super) fn hurry(&self, device: Uuid) {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).remove(&device);
        self.wake();
    }
}

impl Driven {
    fn waits(&mut self, pause: Duration) {
        self.waiting += 1;
        self.again_after = Some(self.again_after.map_or(pause, |known| known.min(pause)));
    }
}
