//! The access services that a load balancer hands out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crypto::{Provider, Secret};
use net::shutdown::{Shutdown, Trigger};
use osap_front::das::DasCommand;
use osap_proto::{DasTicket, Devid, Serial, ServerId, TicketKey};
use osap_things::Node;
use tokio::sync::mpsc::Sender;

/// A ticket key serves for so long; the one before it opens for as long again.
/// Source: OSAP secure profile section 12.
const KEY_TIME: Duration = Duration::from_secs(24 * 3600);

/// Where devices reach an access service.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    /// Of the listener without TLS, where one is switched on.
    pub(super) plain_port: Option<u16>,
    /// Of the listener of type 1, where that is switched on.
    pub(super) compat_port: Option<u16>,
    /// SHA-256 of the TLS key.
    pub(super) tls_key: [u8; 32],
}

/// How many devices an access service has, and how many were sent there since.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) online: AtomicUsize,
    sent: AtomicUsize,
}

impl Load {
    /// A device came, perhaps one that was sent.
    pub(super) fn came(&self) {
        self.online.fetch_add(1, Ordering::Relaxed);
        self.sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| sent.checked_sub(1)).ok();
    }

    /// A device went.
    pub(super) fn went(&self) {
        self.online.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |online| online.checked_sub(1)).ok();
    }

    fn weight(&self) -> usize {
        self.online.load(Ordering::Relaxed) + self.sent.load(Ordering::Relaxed)
    }
}

/// One access service.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: ServerId,
    pub(super) place: Place,
    commands: Sender<DasCommand>,
    load: Arc<Load>,
    key: Mutex<Option<TicketKey>>,
    /// Ends the link to one of another process when the fleet lets it go.
    link: Option<Trigger>,
}

impl Member {
    pub(super) fn new(id: ServerId, place: Place, commands: Sender<DasCommand>) -> Self {
        Self { id, place, commands, load: Arc::default(), key: Mutex::new(None), link: None }
    }

    /// One whose machine is in another process; `link` asks its link to end.
    pub(super) fn of_another_process(
        id: ServerId,
        place: Place,
        commands: Sender<DasCommand>,
        link: Trigger,
    ) -> Self {
        Self { link: Some(link), ..Self::new(id, place, commands) }
    }

    pub(super) fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }

    fn let_go(&self) {
        if let Some(link) = &self.link {
            link.request();
        }
    }

    /// One whose machine is gone takes nobody.
    fn is_alive(&self) -> bool {
        !self.commands.is_closed()
    }

    async fn renew(&self, id: [u8; 8], key: [u8; 32]) {
        let key = TicketKey { id, key: Secret::from(&key[..]) };
        if self.commands.send(DasCommand::TicketKey(key.clone())).await.is_ok() {
            *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        }
    }

    /// The ticket as text.
    pub(super) fn seal(&self, provider: &dyn Provider, ticket: &DasTicket, salt: [u8; 16]) -> Option<String> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        String::from_utf8(ticket.seal(provider, &key, salt)).ok()
    }
}

/// All access services: those of this process, and those whose link to it stands.
pub(super) struct Fleet {
    pub(super) provider: Arc<dyn Provider>,
    members: RwLock<Vec<Arc<Member>>>,
}

impl Fleet {
    pub(super) const fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider, members: RwLock::new(Vec::new()) }
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds one, with its first ticket key; one of the same name goes.
    pub(super) async fn add(&self, member: Member, key_id: [u8; 8], key: [u8; 32]) -> Arc<Member> {
        member.renew(key_id, key).await;
        let member = Arc::new(member);
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        for before in members.iter().filter(|before| before.id == member.id) {
            before.let_go();
        }
        members.retain(|before| before.id != member.id);
        members.push(Arc::clone(&member));
        member
    }

    /// Hands this one out no more; a newer one of its name stays.
    pub(super) fn remove(&self, member: &Arc<Member>) {
        let mut members = self.members.write().unwrap_or_else(PoisonError::into_inner);
        members.retain(|one| !Arc::ptr_eq(one, member));
    }

    /// Whether an access service of this name is in this process.
    pub(super) fn is_of_this_process(&self, id: &ServerId) -> bool {
        self.members().iter().any(|member| member.id == *id && member.link.is_none())
    }

    /// The one that has the least to do.
    pub(super) fn choose(&self) -> Option<Arc<Member>> {
        self.choose_of(|_| true)
    }

    /// The one with a listener of type 1 that has the least to do, and where that listener is.
    pub(super) fn choose_compat(&self) -> Option<(Arc<Member>, u16)> {
        let chosen = self.choose_of(|member| member.place.compat_port.is_some())?;
        let port = chosen.place.compat_port?;
        Some((chosen, port))
    }

    fn choose_of(&self, takes: impl Fn(&Member) -> bool) -> Option<Arc<Member>> {
        let fitting = self.members().into_iter().filter(|member| member.is_alive() && takes(member));
        let chosen = fitting.min_by_key(|one| one.load.weight())?;
        chosen.load.sent.fetch_add(1, Ordering::Relaxed);
        Some(chosen)
    }

    /// Tells the access service of a device's earlier ticket that a newer one was given out.
    pub(super) async fn replaced(&self, at: &ServerId, devid: Devid, issued: u64, epoch: u32) {
        if let Some(member) = self.members().iter().find(|member| member.id == *at) {
            // One that is gone has no session to end.
            member.commands.send(DasCommand::Replaced { devid, issued, epoch }).await.ok();
        }
    }

    /// Ends the session of a device wherever it is.
    pub(super) async fn close(&self, serial: &Serial) {
        self.tell(|_| true, &DasCommand::Close { serial: serial.clone() }).await;
    }

    /// The thing of a device is no more: its session ends wherever it is, and what it was to do is dropped.
    pub(super) async fn forget(&self, serial: &Serial) {
        self.tell(|_| true, &DasCommand::Forget { serial: serial.clone(), node: Node::Device }).await;
    }

    /// Ends what a device has at other access services than this one.
    pub(super) async fn close_elsewhere(&self, serial: &Serial, id: &ServerId) {
        self.tell(|member| member.id != *id, &DasCommand::Close { serial: serial.clone() }).await;
    }

    async fn tell(&self, is_meant: impl Fn(&Member) -> bool, command: &DasCommand) {
        for member in self.members().iter().filter(|member| is_meant(member)) {
            // One that is gone has neither session nor orders.
            member.commands.send(command.clone()).await.ok();
        }
    }

    /// Makes ticket keys anew while the process runs.
    pub(super) async fn renew_keys(self: Arc<Self>, stop: Shutdown) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(KEY_TIME) => {}
            }
            for member in self.members() {
                let Ok(mut dice) = net::seed::dice() else { continue };
                member.renew(dice.bytes(), dice.bytes()).await;
                // Those who were sent and never came are forgotten once a day.
                member.load.sent.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Receiver, channel};

    use super::*;

    fn member(name: &str) -> (Member, Receiver<DasCommand>) {
        let (commands, machine) = channel(4);
        let place = Place {
            host: "localhost".into(),
            port: 1,
            plain_port: None,
            compat_port: None,
            tls_key: [0; 32],
        };
        (Member::new(ServerId::new(name.as_bytes()).unwrap(), place, commands), machine)
    }

    #[tokio::test]
    async fn an_access_service_that_is_dead_is_handed_out_to_nobody() {
        let fleet = Fleet::new(Arc::new(crypto_server::Server::new()));
        assert!(fleet.choose().is_none(), "there is none");
        let ((first, of_first), (second, of_second)) = (member("das-1"), member("das-2"));
        let load = second.load();
        fleet.add(first, [1; 8], [1; 32]).await;
        fleet.add(second, [2; 8], [2; 32]).await;
        let mut chosen: Vec<_> = (0..4).map(|_| fleet.choose().unwrap().id.as_bytes().to_vec()).collect();
        chosen.sort();
        assert_eq!(chosen[1], chosen[0], "by turns");
        assert_ne!(chosen[2], chosen[0]);
        // The machine of the one with less to do ends: its desk is closed with it.
        (0..100).for_each(|_| load.came());
        drop(of_first);
        for _ in 0..20 {
            assert_eq!(fleet.choose().unwrap().id.as_bytes(), b"das-2");
        }
        fleet.replaced(&ServerId::new(b"das-1").unwrap(), Devid::from_random([1; 16]), 1, 1).await;
        drop(of_second);
        assert!(fleet.choose().is_none(), "nobody is left");
    }
}
