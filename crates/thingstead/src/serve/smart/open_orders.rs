//! Orders of a device that it has not answered: no more than its access service keeps.

use std::collections::BTreeMap;

use clock::Moment;
use osap_things::Node;

/// So many are with the access service at once. It keeps 64 of a device, some of which may be left from its connection
/// before; the others wait at the hub.
const OPEN_COUNT_MAX: usize = 48;

/// Orders under way, of the device and of what is behind it.
#[derive(Debug, Default)]
pub(super) struct OpenOrders(BTreeMap<(Node, u64), Moment>);

impl OpenOrders {
    /// Whether one more may go.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < OPEN_COUNT_MAX
    }

    pub(super) fn opened(&mut self, node: Node, id: u64, deadline: Moment) {
        self.0.insert((node, id), deadline);
    }

    pub(super) fn ended(&mut self, node: &Node, id: u64) {
        self.0.remove(&(node.clone(), id));
    }

    /// The access service drops these, too.
    pub(super) fn expire(&mut self, now: Moment) {
        self.0.retain(|_, deadline| *deadline > now);
    }

    pub(super) fn forget(&mut self, node: &Node) {
        self.0.retain(|(of, _), _| of != node);
    }

    /// When there is room again by time alone.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.0.values().min().copied()
    }
}
