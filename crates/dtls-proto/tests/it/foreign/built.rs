//! Peers built from the sources of foreign libraries: how they are started, and what they say of a session.
//!
//! `conformance/peers/dtls/driver.c` tells their arguments and what they print.

use clock::Dice;
use dtls_proto::{CipherSuite, ClientSetup};

use super::{Bridge, Peer, installed};
use crate::pair::{PSK, Policy, provider};

pub(crate) const IDENTITY: &str = "device-1";

/// A library, and what it calls suites.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    pub(crate) program: &'static str,
    pub(crate) suites: &'static [(CipherSuite, &'static str)],
}

pub(crate) const WOLFSSL: Library = Library {
    program: "wolfssl-peer",
    suites: &[
        (CipherSuite::EcdhePskAes128GcmSha256, "ECDHE-PSK-AES128-GCM-SHA256"),
        (CipherSuite::PskAes128Ccm8, "PSK-AES128-CCM-8"),
        (CipherSuite::PskAes128GcmSha256, "PSK-AES128-GCM-SHA256"),
        (CipherSuite::PskAes256GcmSha384, "PSK-AES256-GCM-SHA384"),
    ],
};

pub(crate) const MBED_TLS: Library = Library {
    program: "mbedtls-peer",
    suites: &[
        (CipherSuite::PskAes128Ccm8, "TLS-PSK-WITH-AES-128-CCM-8"),
        (CipherSuite::PskAes128GcmSha256, "TLS-PSK-WITH-AES-128-GCM-SHA256"),
        (CipherSuite::PskAes256GcmSha384, "TLS-PSK-WITH-AES-256-GCM-SHA384"),
    ],
};

pub(crate) const OPENSSL: Library = Library {
    program: "openssl-peer",
    suites: &[(CipherSuite::PskAes128GcmSha256, "PSK-AES128-GCM-SHA256")],
};

impl Library {
    pub(crate) fn is_there(&self) -> bool {
        installed(self.program)
    }

    /// The library's cheapest suite, and its name for it.
    pub(crate) fn suite(&self) -> (CipherSuite, &'static str) {
        self.suites[self.suites.len() - 1]
    }

    /// Starts the library as a client of `bridge`.
    pub(crate) fn client(&self, suite: &str, bridge: &Bridge, more: &[&str]) -> Peer {
        self.start("client", bridge.port(), suite, more)
    }

    /// Starts the library as a server; its port.
    pub(crate) fn server(&self, suite: &str, more: &[&str]) -> (Peer, u16) {
        let peer = self.start("server", 0, suite, more);
        let port = peer.waited_for("port ");
        (peer, port.parse().expect("a port is a number"))
    }

    fn start(&self, role: &str, port: u16, suite: &str, more: &[&str]) -> Peer {
        let psk: String = PSK.iter().map(|byte| format!("{byte:02x}")).collect();
        let port = port.to_string();
        let always = [role, &port, "--psk", &psk, "--identity", IDENTITY, "--suite", suite];
        Peer::start(self.program, &[&always, more].concat())
    }
}

impl Peer {
    /// The newest line that starts so, without its start; waits for the first one.
    pub(crate) fn waited_for(&self, start: &str) -> String {
        let patience = std::time::Instant::now() + super::PATIENCE;
        loop {
            let said = self.said();
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().rev().find_map(|line| line.strip_prefix(start)) {
                return line.to_owned();
            }
            assert!(std::time::Instant::now() < patience, "no line {start:?}; peer: {said}");
            std::thread::yield_now();
        }
    }

    /// What the peer says of `name` about its newest session.
    pub(crate) fn agreed(&self, name: &str) -> String {
        let line = self.waited_for("connected ");
        let words = line.split(' ').filter_map(|word| word.split_once('='));
        let value = words.filter(|(key, _)| *key == name).map(|(_, value)| value).next();
        value.expect("the peer tells it").to_owned()
    }

    /// How often the peer was connected.
    pub(crate) fn times_connected(&self) -> usize {
        self.said().lines().filter(|line| line.starts_with("connected ")).count()
    }
}

impl Bridge {
    /// Runs until the peer, too, says that it is connected.
    pub(crate) fn until_both_connected(&mut self, peer: &Peer, times: usize) {
        self.until_connected(peer);
        self.until(peer, "connecting on its side", |_, peer| peer.times_connected() >= times);
    }

    /// Waits until the peer has heard that many goodbyes.
    pub(crate) fn until_closed(&self, peer: &Peer, times: usize) {
        let patience = std::time::Instant::now() + super::PATIENCE;
        while peer.said().lines().filter(|line| *line == "closed").count() < times {
            assert!(std::time::Instant::now() < patience, "no goodbye was heard; peer: {}", peer.said());
            std::thread::yield_now();
        }
    }

    /// Receives `times` times, whatever comes.
    pub(crate) fn pass(&mut self, times: usize) {
        for _ in 0..times {
            self.drain();
            self.receive();
        }
    }
}

/// A policy that knows the peers by their identity.
pub(crate) fn policy(suite: CipherSuite) -> Policy {
    let mut policy = Policy::new();
    policy.identity = IDENTITY.as_bytes().to_vec();
    policy.secrets = [(policy.identity.clone(), PSK.to_vec())].into();
    policy.choice.suites = vec![suite];
    policy
}

pub(crate) fn client_setup(suite: CipherSuite) -> ClientSetup {
    ClientSetup { suites: vec![suite], ..ClientSetup::psk(provider(), Dice::numbered(9)) }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
