//! Who makes a call: the operator by certificate, or a person who is signed in.

use std::net::IpAddr;
use std::sync::Arc;

use accounts::{Asked, Permission, Resumed, TokenHash};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use management::Registrant;

use super::problem::problem;

/// A caller whom the gate has let through; it rides in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) who: Who,
    pub(crate) address: IpAddr,
}

/// Either of them.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// The holder of the operator's certificate.
    Operator,
    /// A person.
    Account(Arc<SignedInAs>),
}

/// An account with its open session.
#[derive(Clone, Debug)]
pub(crate) struct SignedInAs {
    pub(crate) resumed: Resumed,
    pub(crate) session: TokenHash,
    /// The header token of the session.
    pub(crate) token: String,
}

tokio::task_local! {
    /// The caller on whose behalf this task works.
    static ASKER: Caller;
}

/// The caller on whose behalf this task works; none in the work that nobody waits for.
///
/// Flows between the stored steps are entered from many calls and go on in the background: what they leave in
/// the audit log names whoever asked, if somebody did.
pub(crate) fn asker() -> Option<Caller> {
    ASKER.try_with(Clone::clone).ok()
}

/// Runs `work` on behalf of `caller`.
pub(crate) async fn on_behalf_of<F: Future>(caller: Option<Caller>, work: F) -> F::Output {
    match caller {
        Some(caller) => ASKER.scope(caller, work).await,
        None => work.await,
    }
}

impl Caller {
    /// The name in the audit log.
    pub(crate) fn name(&self) -> &str {
        match &self.who {
            Who::Operator => "operator",
            Who::Account(account) => account.resumed.account.as_str(),
        }
    }

    pub(crate) fn may(&self, permission: Permission) -> bool {
        match &self.who {
            Who::Operator => true,
            Who::Account(account) => account.resumed.role.allows(account.resumed.duties, permission),
        }
    }

    /// Whose devices it sees. An account that does not see all sees those it registered; the prefix, which
    /// no user of the registration API can have, keeps the two apart.
    pub(crate) fn registrant(&self) -> Registrant {
        if self.may(Permission::SeeAllDevices) {
            Registrant::Operator
        } else {
            Registrant::User(format!("account:{}", self.name()))
        }
    }

    pub(crate) fn asked(&self, correlation: model::CorrelationId) -> Asked {
        let by = self.name().to_owned();
        Asked { role: crate::management::ROLE, by, address: Some(self.address), correlation }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| problem("signed-out"))
    }
}
