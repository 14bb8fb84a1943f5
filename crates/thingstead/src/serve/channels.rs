//! The management channels of one owner: the CoAP face on one side, the domain on the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use assure_proto::{Address, PskHint};
use coap_front::channels::{
    ChannelCommand, ChannelEvent, OfflineReason, Order, OrderAnswer, OrderFailure, OrderId, Receipt,
};
use coap_front::{Admission, AdmissionKey, Claim, Credential};
use management::{
    ChannelAccess, ChannelLost, ChannelProof, DueOrder, FindPeer, Goodbye, Heard, Origin, Outcome, OwnProof,
    OwnerKeys, PeerSign, Presence, Proven, SettleOrder, TakeOrders, Trouble, key_digest,
};
use model::{KeyId, Uuid};
use net::executor::Executor;
use tokio::sync::mpsc::{Receiver, Sender};

/// The name of this server in the audit log.
const ROLE: &str = "management";

/// What the HTTPS side tells the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelWord {
    /// A device is not ours any more, or proves itself otherwise from now on.
    Drop(Uuid),
    /// Orders wait for a device, or, without one, for some.
    Orders(Option<Uuid>),
}

/// Answers the face's questions out of the store, and sends orders to devices that are there.
pub(crate) struct ChannelDesk {
    executor: Executor,
    keys: Arc<OwnerKeys>,
    commands: Sender<ChannelCommand>,
    /// Under which owner sequence number each device that is there proved itself.
    admitted: BTreeMap<Uuid, u32>,
    addresses: BTreeMap<Uuid, SocketAddr>,
    /// Orders that are with the face: the device and the number of its queue.
    under_way: BTreeMap<u64, (Uuid, u64)>,
    next_order: u64,
}

impl ChannelDesk {
    /// A desk for the channels behind `commands`.
    pub(crate) const fn new(
        executor: Executor,
        keys: Arc<OwnerKeys>,
        commands: Sender<ChannelCommand>,
    ) -> Self {
        Self {
            executor,
            keys,
            commands,
            admitted: BTreeMap::new(),
            addresses: BTreeMap::new(),
            under_way: BTreeMap::new(),
            next_order: 1,
        }
    }

    /// Works until the face ends, which it does at shutdown.
    pub(crate) async fn run(mut self, mut events: Receiver<ChannelEvent>, mut words: Receiver<ChannelWord>) {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.hear(event).await,
                    None => return,
                },
                Some(word) = words.recv() => match word {
                    ChannelWord::Drop(device) => self.say(ChannelCommand::Drop { device }).await,
                    ChannelWord::Orders(Some(device)) => self.send_orders(device).await,
                    ChannelWord::Orders(None) => self.send_all_orders().await,
                },
            }
        }
    }

    async fn hear(&mut self, event: ChannelEvent) {
        match event {
            ChannelEvent::WhoIs { association, claim } => {
                let command = match self.find(&claim).await {
                    Ok(Some(access)) => {
                        self.admitted.insert(access.device, access.seq);
                        ChannelCommand::Known { association, admission: Box::new(self.admission(access)) }
                    }
                    Ok(None) => ChannelCommand::Unknown { association },
                    Err(()) => ChannelCommand::CouldNotLookUp { association },
                };
                self.say(command).await;
            }
            ChannelEvent::Online { device, address, resumed, .. } => {
                tracing::info!(%device, resumed, "device online");
                self.addresses.insert(device, address);
                self.send_orders(device).await;
            }
            ChannelEvent::Offline { device, reason } => self.gone(device, reason).await,
            ChannelEvent::Presence { exchange, device, info } => {
                let presence = Presence {
                    proven: self.proven(device),
                    named: device,
                    info: info.encode(),
                    address: self.addresses.get(&device).copied().map(address_of),
                    origin: self.origin(device.to_string()),
                };
                let receipt = receipt(self.executor.run(presence).await);
                self.say(ChannelCommand::Received { exchange, receipt }).await;
            }
            ChannelEvent::Goodbye { exchange, device, reason } => {
                let goodbye = Goodbye {
                    proven: self.proven(device),
                    named: device,
                    reason: reason.encode(),
                    origin: self.origin(device.to_string()),
                };
                let receipt = receipt(self.executor.run(goodbye).await);
                self.say(ChannelCommand::Received { exchange, receipt }).await;
            }
            ChannelEvent::OrderDone { id, device, outcome } => self.settle(id, device, outcome).await,
        }
    }

    fn proven(&self, device: Uuid) -> Proven {
        Proven { device, seq: self.admitted.get(&device).copied().unwrap_or_default() }
    }

    fn origin(&self, actor: impl Into<String>) -> Origin {
        let (correlation, seed) = (self.executor.correlation(), self.executor.bytes());
        Origin { address: None, role: ROLE, actor: actor.into(), correlation, seed }
    }

    async fn say(&self, command: ChannelCommand) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the channels are closed");
        }
    }

    async fn find(&self, claim: &Claim) -> Result<Option<ChannelAccess>, ()> {
        let sign = match claim {
            Claim::Device(device) => PeerSign::Name(*device),
            Claim::Secret(key) => PeerSign::PskKey(*key),
            Claim::PublicKey(key) => PeerSign::PublicKey(key_digest(&*self.keys.provider, key)),
        };
        match self.executor.run(FindPeer { sign }).await {
            Ok(Ok(access)) => Ok(access),
            Ok(Err(bad)) => {
                tracing::error!(?bad, "cannot look a device up");
                Err(())
            }
            Err(error) => {
                tracing::error!(?error, "cannot look a device up");
                Err(())
            }
        }
    }

    fn admission(&self, access: ChannelAccess) -> Admission {
        let key = match access.proof {
            ChannelProof::Psk { key, secret } => {
                AdmissionKey::Secret { id: key, secret, hint: PskHint::KeyId(key) }
            }
            ChannelProof::PublicKey { expected, own } => {
                let ours = match own {
                    OwnProof::Ec => self.keys.class_2.clone(),
                    OwnProof::Rsa => self.keys.rsa.clone(),
                };
                let id = KeyId::from(access.device);
                AdmissionKey::PublicKey { id, theirs: expected, ours: Credential::raw(ours) }
            }
        };
        let own_name = access.own_name.0;
        Admission { device: access.device, key, own_name, owner_sequence: Some(access.seq) }
    }

    async fn gone(&mut self, device: Uuid, reason: OfflineReason) {
        tracing::info!(%device, ?reason, "device offline");
        self.addresses.remove(&device);
        match reason {
            OfflineReason::Closed(_) | OfflineReason::Silent => {
                let origin = self.origin(device.to_string());
                let lost = ChannelLost { device, trouble: Trouble::Unreachable, origin };
                if let Err(error) = self.executor.run(lost).await {
                    tracing::error!(?error, %device, "cannot store that a device is gone");
                }
            }
            OfflineReason::Goodbye(_) | OfflineReason::Dropped | OfflineReason::Displaced => {}
        }
    }

    async fn send_all_orders(&mut self) {
        let there: Vec<Uuid> = self.addresses.keys().copied().collect();
        for device in there {
            self.send_orders(device).await;
        }
    }

    /// Hands the orders that are due to the face, if the device is there.
    async fn send_orders(&mut self, device: Uuid) {
        if !self.addresses.contains_key(&device) {
            return;
        }
        match self.executor.run(TakeOrders { device }).await {
            Ok(Ok(orders)) => {
                for order in orders {
                    self.send_order(device, order).await;
                }
            }
            Ok(Err(bad)) => tracing::error!(?bad, %device, "cannot read orders"),
            Err(error) => tracing::error!(?error, %device, "cannot read orders"),
        }
    }

    async fn send_order(&mut self, device: Uuid, due: DueOrder) {
        // the queue gives out again what has no answer yet; the face still waits for that one
        if self.under_way.values().any(|sent| *sent == (device, due.number)) {
            return;
        }
        let request = due.command.request();
        let id = OrderId(self.next_order);
        self.next_order += 1;
        self.under_way.insert(id.0, (device, due.number));
        let order = Order {
            id,
            device,
            method: request.method,
            path: request.path,
            queries: request.queries,
            payload: request.payload.expose().to_vec(),
        };
        self.say(ChannelCommand::Order(Box::new(order))).await;
    }

    async fn settle(&mut self, id: OrderId, device: Uuid, outcome: Result<OrderAnswer, OrderFailure>) {
        let Some((_, number)) = self.under_way.remove(&id.0) else { return };
        let outcome = match outcome {
            Ok(answer) => Outcome::Answered { code: answer.code.byte(), payload: answer.payload },
            Err(OrderFailure::NotConnected | OrderFailure::Busy(_) | OrderFailure::Failed(_)) => {
                Outcome::NoAnswer
            }
        };
        let settle = SettleOrder { device, number, outcome, origin: self.origin(device.to_string()) };
        match self.executor.run(settle).await {
            // an order of another device may have waited for this one
            Ok(Ok(_)) => self.send_all_orders().await,
            Ok(Err(bad)) => tracing::error!(?bad, %device, "cannot settle an order"),
            Err(error) => tracing::error!(?error, %device, "cannot settle an order"),
        }
    }
}

fn receipt<E: std::fmt::Debug>(ran: Result<Result<Heard, E>, store::RunError>) -> Receipt {
    match ran {
        Ok(Ok(Heard::Acknowledged)) => Receipt::Stored,
        Ok(Ok(Heard::Unauthorized | Heard::Malformed)) => Receipt::NotOurs,
        Ok(Err(error)) => {
            tracing::error!(?error, "cannot store what a device told");
            Receipt::Unable
        }
        Err(error) => {
            tracing::error!(?error, "cannot store what a device told");
            Receipt::Unable
        }
    }
}

/// Where a device's datagrams come from, as it stands in channel definitions.
const fn address_of(at: SocketAddr) -> Address {
    Address::Ip { remote: at.ip(), local_port: 0, remote_port: at.port() }
}
