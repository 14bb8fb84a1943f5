//! An account or client ends, and what was granted to it.

use consent::{Leave, Left, Party, RevokedGrant};
use hub::Effect;

use store::{Operation, RunError};

use crate::HubDesk;
use crate::caller::Caller;

impl HubDesk {
    /// Runs `change`, which by its answer `is_gone` ends `party`, with everything that was granted to it; subscriptions
    /// that rested on that end. With very many grants it takes several commits, the last of which ends the party.
    ///
    /// # Errors
    /// See [`RunError`]; some grants may have been taken back.
    pub async fn leave<O>(
        &self,
        caller: &Caller,
        party: Party,
        change: O,
        is_gone: fn(&O::Reply) -> bool,
    ) -> Result<O::Reply, RunError>
    where
        O: Operation<Effect = ()> + Clone + Send + 'static,
        O::Reply: Send + 'static,
    {
        loop {
            let (change, party, origin) = (change.clone(), party.clone(), self.origin(caller));
            let done = self.take_away(Leave { change, is_gone, party, origin }).await?;
            for effect in done.effects {
                self.judge_revoked(effect).await;
            }
            if let Left::Answered(reply) = done.reply {
                return Ok(reply);
            }
        }
    }

    /// What a party did by a grant that was taken back is judged anew.
    pub(crate) async fn judge_revoked(&self, revoked: RevokedGrant) {
        self.carry(Effect::Judge { thing: revoked.thing, party: Some(revoked.party) }).await;
    }
}
