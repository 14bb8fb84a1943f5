//! The peers of an endpoint by their names.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::peer::Peer;
use crate::PeerId;

/// Finds a peer in logarithmic time, and the one that was found last at once: what one datagram brings about
/// concerns one peer.
#[derive(Default)]
pub(super) struct Peers {
    places: BTreeMap<PeerId, usize>,
    peers: Vec<Option<Box<Peer>>>,
    /// Places without a peer.
    free: Vec<usize>,
    last: Option<(PeerId, usize)>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn contains(&self, id: PeerId) -> bool {
        self.places.contains_key(&id)
    }

    /// The peer, if there is one with this name.
    #[inline]
    pub(super) fn find(&mut self, id: PeerId) -> Option<&mut Peer> {
        let place = match self.last {
            Some((last, place)) if last == id => place,
            Some(_) | None => {
                let place = *self.places.get(&id)?;
                self.last = Some((id, place));
                place
            }
        };
        self.peers.get_mut(place)?.as_deref_mut()
    }

    /// The peer, without remembering that it was looked for.
    pub(super) fn look_at(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(*self.places.get(&id)?)?.as_deref()
    }

    /// Adds a peer whose name is not there yet.
    pub(super) fn add(&mut self, peer: Peer) {
        let id = peer.id;
        assert!(!self.contains(id), "a peer is added once");
        let place = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        self.peers[place] = Some(Box::new(peer));
        self.places.insert(id, place);
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Box<Peer>> {
        let place = self.places.remove(&id)?;
        self.last = None;
        self.free.push(place);
        self.peers[place].take()
    }
}

#[cfg(test)]
mod tests {
    use clock::Dice;

    use super::*;
    use crate::PathLimits;

    #[test]
    fn a_peer_that_is_gone_is_not_found_and_its_place_is_used_again() {
        let mut dice = Dice::numbered(1);
        let mut peers = Peers::default();
        let mut add = |peers: &mut Peers, id| peers.add(Peer::new(PeerId(id), PathLimits::UDP, &mut dice));
        let found = |peers: &mut Peers, id| peers.find(PeerId(id)).map(|peer| peer.id.0);
        add(&mut peers, 1);
        add(&mut peers, 2);
        assert_eq!((found(&mut peers, 1), found(&mut peers, 1)), (Some(1), Some(1)));
        assert!(peers.remove(PeerId(1)).is_some_and(|gone| gone.id == PeerId(1)));
        assert_eq!((found(&mut peers, 1), peers.len()), (None, 1), "not even the last found");
        assert!(peers.remove(PeerId(1)).is_none());
        add(&mut peers, 3);
        assert_eq!(
            (found(&mut peers, 1), found(&mut peers, 2), found(&mut peers, 3)),
            (None, Some(2), Some(3))
        );
        assert_eq!((peers.peers.len(), peers.contains(PeerId(3))), (2, true));
        assert_eq!(peers.look_at(PeerId(2)).map(|peer| peer.id), Some(PeerId(2)));
    }
}
