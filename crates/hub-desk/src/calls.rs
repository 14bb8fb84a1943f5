//! What callers ask, word by word.

use std::sync::atomic::Ordering;
use std::time::Duration;

use clock::Timestamp;
use consent::{AddGrant, ListGrants, Party, RevokeGrant, Revoked};
use hub::{
    AddThing, AddThingGrant, AffordanceKind, Command, DesiredView, Effect, Fault, Invoke, Judge, ListEvents,
    ListThings, MayManage, OperationView, Order, OrderKind, Read, ReadAll, ReadDesired, ReadOperation,
    ReadThing, Refusal, ReplaceModel, Reply, What, WhoMay, Withdraw, Write, order_id,
};
use model::Uuid;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::caller::Caller;
use crate::desk::{HubDesk, QUERY_WAIT, not_run};
use crate::lines::{Answer, Waiter};
use crate::pump::Load;

/// The longest time that a call waits for a device.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How long a query waits for room in its device's line.
const LINE_WAIT: Duration = Duration::from_secs(2);

fn wait_of(millis: u64) -> Duration {
    Duration::from_millis(millis).min(WAIT_MAX)
}

/// Tells whoever listens that something is stored.
fn note(taken: Option<oneshot::Sender<()>>) {
    if let Some(taken) = taken {
        // One that listens no more need not know.
        let _gone = taken.send(());
    }
}

impl HubDesk {
    /// Carries out what a caller asks.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn call(&self, caller: impl Into<Caller>, command: Command) -> Result<Reply, Refusal> {
        self.call_noting(caller.into(), command, None).await
    }

    /// The same for a write or an invocation, in two steps: `taken` hears when it is stored, and the answer follows
    /// when its device has answered or the wait is over. After a refusal `taken` hears nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn call_in_two(
        &self,
        caller: impl Into<Caller>,
        command: Command,
        taken: oneshot::Sender<()>,
    ) -> Result<Reply, Refusal> {
        self.call_noting(caller.into(), command, Some(taken)).await
    }

    async fn call_noting(
        &self,
        caller: Caller,
        command: Command,
        taken: Option<oneshot::Sender<()>>,
    ) -> Result<Reply, Refusal> {
        let party = caller.party.clone();
        match command {
            Command::List { filter, after } => {
                Ok(Reply::Things(self.run(ListThings { party, filter, after }).await?))
            }
            Command::Show { thing } => Ok(Reply::View(Box::new(self.run(ReadThing { thing, party }).await?))),
            Command::Read { thing, name, fresh } => {
                if fresh {
                    self.ask(&party, thing, &name).await?;
                }
                Ok(Reply::Property(self.run(Read { thing, name, party }).await?))
            }
            Command::ReadAll { thing } => Ok(Reply::Properties(self.run(ReadAll { thing, party }).await?)),
            Command::Write { thing, name, value, wait_millis } => {
                let wait = wait_of(wait_millis);
                Ok(Reply::Desired(self.write(&caller, thing, name, value, (wait, taken)).await?))
            }
            Command::Invoke { thing, name, input, deadline_millis, wait_millis } => {
                let asked = self.asked(&caller);
                let invoke = Invoke { thing, name, input, deadline_millis, is_deliverable: false, asked };
                Ok(Reply::Operation(self.invoke(invoke, (wait_of(wait_millis), taken)).await?))
            }
            Command::Operation { thing, name, number } => {
                Ok(Reply::Operation(self.run(ReadOperation { thing, name, number, party }).await?))
            }
            Command::Withdraw { thing, name, number } => {
                let asked = self.asked(&caller);
                Ok(Reply::Operation(self.run(Withdraw { thing, name, number, asked }).await?))
            }
            Command::Events { thing, name, after, limit } => {
                Ok(Reply::Events(self.run(ListEvents { thing, name, after, limit, party }).await?))
            }
            Command::Who { party: about, thing, act, name } => {
                if about.as_ref() != Some(&party) {
                    self.run(MayManage { party, thing: Some(thing) }).await?;
                }
                let judged = match about {
                    Some(party) => vec![self.run(Judge { party, thing, act, name }).await?],
                    None => self.run(WhoMay { thing, act, name }).await?,
                };
                Ok(Reply::May(judged))
            }
            command @ (Command::Add { .. }
            | Command::ReplaceModel { .. }
            | Command::Remove { .. }
            | Command::Grant { .. }
            | Command::Revoke { .. }
            | Command::Grants { .. }) => self.manage(&caller, command).await,
        }
    }

    /// What the owner alone may.
    async fn manage(&self, caller: &Caller, command: Command) -> Result<Reply, Refusal> {
        let thing = match &command {
            Command::ReplaceModel { thing, .. }
            | Command::Remove { thing }
            | Command::Grant { thing, .. } => Some(*thing),
            _ => None,
        };
        self.run(MayManage { party: caller.party.clone(), thing }).await?;
        let origin = self.origin(caller);
        match command {
            Command::Add { id, model, binding, marks } => {
                let id = id.unwrap_or_else(|| Uuid::v4(self.desk.executor.bytes()));
                Ok(Reply::Thing(self.run(AddThing { id, model, binding, marks, origin }).await?))
            }
            Command::ReplaceModel { thing, model } => {
                Ok(Reply::Thing(self.run(ReplaceModel { thing, model, origin }).await?))
            }
            Command::Remove { thing } => {
                self.remove(thing, origin).await?;
                Ok(Reply::Done)
            }
            Command::Grant { party, thing, acts, names, from, until } => {
                let add = AddGrant { party, thing, acts, names, from, until, origin };
                Ok(Reply::Granted(self.run(AddThingGrant(add)).await?))
            }
            Command::Revoke { grant } => self.revoke(RevokeGrant { id: grant, origin }).await,
            Command::Grants { thing, after, limit } => {
                let listed = self.desk.executor.run(ListGrants { thing, after, limit }).await;
                Ok(Reply::Grants(listed.map_err(not_run)??))
            }
            _ => Err(Refusal::NotPermitted),
        }
    }

    async fn revoke(&self, revoke: RevokeGrant) -> Result<Reply, Refusal> {
        let done = self.take_away(revoke).await.map_err(not_run)?;
        for effect in done.effects {
            self.judge_revoked(effect).await;
        }
        match done.reply {
            Revoked::Done(_) => Ok(Reply::Done),
            Revoked::Unknown => Err(Refusal::NoSuchGrant),
            Revoked::NoClock => Err(Refusal::Fault(Fault::NoClock)),
            Revoked::BadRecord => Err(Refusal::Fault(Fault::BadRecord)),
        }
    }

    /// Waits for the answer to an order for which a waiter was put down.
    async fn settled(
        &self,
        thing: Uuid,
        order: u64,
        answer: oneshot::Receiver<Answer>,
        wait: Duration,
    ) -> Option<Answer> {
        let _gone = Gone { desk: self, thing, order };
        tokio::time::timeout(wait, answer).await.ok()?.ok()
    }

    fn put_down(&self, thing: Uuid, order: u64, query: Option<String>) -> oneshot::Receiver<Answer> {
        let (settled, answer) = oneshot::channel();
        self.desk.lines.with(thing, |line| {
            line.waiting.entry(order).or_default().push(Waiter { settled, query });
        });
        answer
    }

    /// Asks the device for a value that the caller may read, and stores what it says.
    async fn ask(&self, party: &Party, thing: Uuid, name: &str) -> Result<(), Refusal> {
        let read = Read { thing, name: name.to_owned(), party: party.clone() };
        self.run(read).await?;
        let view = self.run(ReadThing { thing, party: party.clone() }).await?;
        let property = view.model.affordances(AffordanceKind::Property).find(|it| it.name == name);
        let place = property.ok_or(Refusal::NoSuchName)?.place()?;
        let id = order_id(OrderKind::Query, self.desk.queries.fetch_add(1, Ordering::Relaxed) + 1);
        let now = self.desk.executor.now().utc.ok_or(Refusal::Fault(Fault::NoClock))?;
        let wait = u64::try_from(QUERY_WAIT.as_millis()).unwrap_or(u64::MAX);
        let deadline = Timestamp::from_unix_millis(now.as_unix_millis() + wait);
        let order = Order { id, thing, what: What::Query { name: name.to_owned(), place }, deadline };
        let line = self.desk.lines.look(thing, |line| line.device.as_ref().map(|it| it.orders.clone()));
        let line: mpsc::Sender<Order> = line.flatten().ok_or(Refusal::Offline)?;
        let answer = self.put_down(thing, id, Some(name.to_owned()));
        // A pump that has just begun holds the whole line for a moment.
        let sent = tokio::time::timeout(LINE_WAIT, line.send(order)).await;
        if let Err(why) = sent.map_or(Err(Refusal::Busy), |sent| sent.map_err(|_| Refusal::Offline)) {
            drop(answer);
            self.desk.lines.with(thing, |line| line.waiting.remove(&id));
            return Err(why);
        }
        match self.settled(thing, id, answer, QUERY_WAIT).await {
            Some(Ok(_)) => Ok(()),
            Some(Err((code, message))) => Err(Refusal::DeviceRefused { code, message }),
            None => Err(Refusal::NoAnswer),
        }
    }

    async fn write(
        &self,
        caller: &Caller,
        thing: Uuid,
        name: String,
        value: Value,
        (wait, taken): (Duration, Option<oneshot::Sender<()>>),
    ) -> Result<DesiredView, Refusal> {
        let asked = self.asked(caller);
        let write = Write { thing, name: name.clone(), value, asked };
        let done = self.desk.executor.commit(write).await.map_err(not_run)?;
        let written = done.reply?;
        let answer = self.put_down(thing, written.order, None);
        for effect in done.effects {
            self.carry(effect).await;
        }
        note(taken);
        self.settled(thing, written.order, answer, wait).await;
        self.run(ReadDesired { thing, name, party: caller.party.clone() }).await
    }

    async fn invoke(
        &self,
        mut invoke: Invoke,
        (wait, taken): (Duration, Option<oneshot::Sender<()>>),
    ) -> Result<OperationView, Refusal> {
        let (thing, name, party) = (invoke.thing, invoke.name.clone(), invoke.asked.party.clone());
        let line = self.desk.lines.look(thing, |line| line.device.as_ref().map(|it| it.orders.clone()));
        let permit = line.flatten().and_then(|line| line.try_reserve_owned().ok());
        invoke.is_deliverable = permit.is_some();
        let done = self.desk.executor.commit(invoke).await.map_err(not_run)?;
        let view = done.reply?;
        let id = order_id(OrderKind::Call, view.number);
        let answer = self.put_down(thing, id, None);
        let order = done.effects.into_iter().find_map(|effect| match effect {
            Effect::Order(order) => Some(order),
            Effect::Notice(_) | Effect::Settled(_) | Effect::Judge { .. } => None,
        });
        match (permit, order) {
            (Some(permit), Some(order)) => {
                permit.send(order);
            }
            // The device may have come in between.
            (None, _) | (_, None) => self.start_pump(thing, Load::Operations),
        }
        note(taken);
        self.settled(thing, id, answer, wait).await;
        self.run(ReadOperation { thing, name, number: view.number, party }).await
    }
}

/// Takes away who waits for an order no more: the wait is over, or whoever asked has hung up.
struct Gone<'a> {
    desk: &'a HubDesk,
    thing: Uuid,
    order: u64,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.desk.desk.lines.look(self.thing, |line| {
            if let Some(waiters) = line.waiting.get_mut(&self.order) {
                waiters.retain(|waiter| !waiter.settled.is_closed());
                if waiters.is_empty() {
                    line.waiting.remove(&self.order);
                }
            }
        });
    }
}
