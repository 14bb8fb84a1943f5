//! Ports that stay free until a server opens them.
//!
//! Between the choice and the opening of a port, and while a server is started again, any program may get the
//! port from the operating system that asks for one of any number. Those come out of one range; ours do not. And
//! another demo may choose it: so each holds the first port of a block for as long as it runs.

use std::hash::BuildHasher as _;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;

use crate::failure::{Failure, Outcome};

/// Where Linux says which ports it gives to programs that name none.
const GIVEN_OUT: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Below are the ports of well-known services.
const LOWEST: u16 = 10_000;
/// Ports of a block: the one that is held, and those for servers.
const BLOCK: u16 = 24;
/// Fewer ports than these are no choice.
const CHOICE_MIN: usize = 1_000;
const TRIES_MAX: usize = 10_000;

/// Ports for servers, as long as this lives.
pub(crate) struct Block {
    /// Keeps other demos off the block; `None` where ports come from the operating system one by one.
    _first: Option<TcpListener>,
    ports: Vec<u16>,
}

impl Block {
    /// Different ports that are free on loopback, for TCP and for UDP.
    ///
    /// # Errors
    /// A [`Failure`] when there are not so many.
    pub(crate) fn choose() -> Outcome<Self> {
        let range = std::fs::read_to_string(GIVEN_OUT).ok().and_then(|text| left_alone(&text));
        let chosen = range.map_or_else(given, |range| among(&range));
        chosen.map_err(|error| Failure::new("cannot-listen", "127.0.0.1").because(error))
    }

    /// The ports, in no order that means anything.
    pub(crate) fn ports<const COUNT: usize>(&self) -> [u16; COUNT] {
        const { assert!(COUNT < BLOCK as usize, "a block has fewer") };
        std::array::from_fn(|at| self.ports[at])
    }
}

/// The ports between those of services and those that are given out; `None` when these are too few.
fn left_alone(given_out: &str) -> Option<Range<u16>> {
    let first = given_out.split_whitespace().next()?.parse().ok()?;
    let range = LOWEST..first;
    (range.len() >= CHOICE_MIN).then_some(range)
}

fn among(range: &Range<u16>) -> io::Result<Block> {
    let chance = std::hash::RandomState::new();
    let count = u64::from((range.end - range.start) / BLOCK);
    for number in 0..TRIES_MAX {
        let block =
            u16::try_from(chance.hash_one(number) % count).expect("a range of ports has fewer blocks");
        let first = range.start + block * BLOCK;
        let Ok(held) = TcpListener::bind(("127.0.0.1", first)) else { continue };
        let ports: Vec<u16> = (first + 1..first + BLOCK).collect();
        if ports.iter().all(|port| is_free(*port)) {
            return Ok(Block { _first: Some(held), ports });
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
}

/// What the operating system gives, where nothing is known of its range.
fn given() -> io::Result<Block> {
    let held: Vec<_> = (1..BLOCK).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<_>>()?;
    let ports =
        held.iter().map(|socket| socket.local_addr().map(|at| at.port())).collect::<io::Result<_>>()?;
    Ok(Block { _first: None, ports })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_are_given_out_to_anybody_are_left_alone() {
        assert_eq!(left_alone("32768\t60999\n"), Some(10_000..32_768));
        assert_eq!(left_alone("1024\t65535\n"), None, "nothing is left");
        assert_eq!(left_alone("10500 60999"), None, "too few are left");
        assert_eq!(left_alone(""), None);
    }

    #[test]
    fn a_block_belongs_to_one_demo_as_long_as_it_runs() {
        let block = Block::choose().unwrap();
        let ports: [u16; 11] = block.ports();
        assert!(ports.iter().all(|port| is_free(*port)), "they can be opened");
        if block._first.is_some() {
            let mine = ports[0] - 1..ports[0] - 1 + BLOCK;
            assert!(among(&mine).is_err(), "no other gets it");
            drop(block);
            assert!(among(&mine).is_ok());
        }
    }

    #[test]
    fn a_block_with_a_port_that_is_taken_is_not_chosen() {
        let block = Block::choose().unwrap();
        let [first, second] = block.ports();
        let mine = first - 1..first - 1 + BLOCK;
        drop(block);
        let taken = UdpSocket::bind(("127.0.0.1", second)).unwrap();
        assert!(among(&mine).is_err());
        drop(taken);
        assert_eq!(given().unwrap().ports.len(), usize::from(BLOCK - 1));
    }
}
