//! The keys of an owner in the hands of somebody who speaks DTLS: as a server, and as a client.

use std::net::SocketAddr;

use clock::Dice;
use coap_proto::{Code, Request};
use crypto::PublicKey;
use dtls_proto::{CipherSuite, ClientSetup, Credential};
use management::{ChannelAccess, ChannelProof, OwnProof};

use super::former::{Former, provider};
use crate::device::server::Proof;
use crate::device::wire::Wired;
use crate::going_on::until;

/// One who has an owner's keys for one device.
pub(super) struct Holder {
    access: ChannelAccess,
    former: Credential,
    /// As the owner's management system, at an address of its own.
    pub(super) server: Wired,
}

impl Holder {
    pub(super) fn of(former: &Former, access: ChannelAccess, run: u64) -> Self {
        let own = match &access.proof {
            ChannelProof::PublicKey { own: OwnProof::Rsa, .. } => former.keys.rsa.clone(),
            ChannelProof::PublicKey { own: OwnProof::Ec, .. } | ChannelProof::Psk { .. } => {
                former.keys.class_2.clone()
            }
        };
        let former = Credential::raw(own);
        let server = Wired::of(provider(), access.own_name, Self::proof(&access, &former, None), run);
        Self { access, former, server }
    }

    /// What an owner proves itself with, and `device` itself where its key is to be seen.
    fn proof(access: &ChannelAccess, own: &Credential, device: Option<&PublicKey>) -> Proof {
        match &access.proof {
            ChannelProof::Psk { key, secret } => Proof::named(*key, secret),
            ChannelProof::PublicKey { .. } => Proof::Pair { own: own.clone(), peer: device.cloned() },
        }
    }

    fn setup(&self, name: [u8; 16]) -> ClientSetup {
        let dice = Dice::numbered(u64::from(name[0]));
        let setup = match &self.access.proof {
            ChannelProof::Psk { .. } => ClientSetup::psk(provider(), dice),
            ChannelProof::PublicKey { own, .. } => {
                let suite = match own {
                    OwnProof::Ec => CipherSuite::EcdheEcdsaAes128GcmSha256,
                    OwnProof::Rsa => CipherSuite::EcdheRsaAes128GcmSha256,
                };
                ClientSetup::keyed(provider(), dice, &[suite], Some(self.former.clone()))
            }
        };
        ClientSetup { name: Some(name), ..setup }
    }

    /// The id of the key that the device knew it by.
    pub(super) fn key(&self) -> String {
        self.access.own_name.to_string()
    }

    /// Calls the device as its owner.
    pub(super) fn calls_device(&self, at: SocketAddr) -> Attempt {
        self.calls(at, self.access.own_name.0)
    }

    /// Calls a server in the name of the device.
    pub(super) fn calls_server(&self, at: SocketAddr) -> Attempt {
        self.calls(at, self.access.device.0)
    }

    fn calls(&self, at: SocketAddr, name: [u8; 16]) -> Attempt {
        let proof = Self::proof(&self.access, &self.former, None);
        let client = Wired::of(provider(), self.access.own_name, proof, u64::from(name[1]));
        client.call(at, self.setup(name));
        Attempt { client }
    }

    /// Asks in the newest session that the device opened.
    pub(super) fn asks_in_session(&self) {
        self.server.ask(Request::new(Code::GET, "v1/info"));
    }

    /// How many answers came in sessions that the device opened.
    pub(super) fn answers(&self) -> usize {
        self.server.server().answers.iter().filter(|(_, answer)| answer.is_some()).count()
    }

    /// Forgets who came so far: how many sessions the device had opened.
    pub(super) fn forget_sessions(&self) -> usize {
        std::mem::take(&mut self.server.server().connected).len()
    }
}

/// A handshake that was begun.
pub(super) struct Attempt {
    client: Wired,
}

impl Attempt {
    /// Waits for the end of the handshake: whether a session came of it that lasted for a question.
    pub(super) fn came_in(&self, what: &str) -> bool {
        until(what, || {
            let server = self.client.server();
            !server.connected.is_empty() || !server.ends.is_empty()
        });
        if self.client.server().connected.is_empty() {
            return false;
        }
        // A server that asks its store may end a session after the handshake.
        self.client.ask(Request::new(Code::GET, "v1/info"));
        until(what, || {
            let server = self.client.server();
            !server.answers.is_empty() || !server.ends.is_empty()
        });
        self.client
            .server()
            .answers
            .iter()
            .any(|(_, answer)| answer.as_ref().is_some_and(|answer| answer.code.is_success()))
    }

    /// How the handshake ended.
    pub(super) fn end(&self) -> String {
        format!("{:?}", self.client.server().ends)
    }
}
