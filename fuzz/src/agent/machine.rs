//! The agent under datagrams of anybody, its button and its platform; and under its owner's requests.

use std::sync::OnceLock;
use std::time::Duration;

use coap_proto::{Code, ContentFormat, Request};

use super::peers::{Peer, device, states, talk};
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::world::{BOOTSTRAP, MANAGEMENT, STRANGER, World};
use crate::{Reached, Target};

pub(super) const AGENT: Target = Target {
    name: "agent",
    about: "Agent: datagrams of servers and strangers, time, the button, a platform that answers late",
    length_max: 16_384,
    run: machine,
    seeds: || {
        let alone = |choice: u8| {
            let mut out = Recorder::default();
            out.u8(choice).u8(3).u16(400).u8(5).u8(0x60).u8(4).u8(4).u8(5).u8(6).u8(4).u8(5).u8(5);
            out.u8(6).u8(0).u8(6).u8(1).u8(2).bytes(&[22, 254, 253]).u8(5).u8(3).u8(4);
            out.0
        };
        (0..8).map(alone).chain([0, 1, 2, 3].map(recorded)).collect()
    },
};

/// Bit 0: a device with a key instead of a secret. Bit 1: in service instead of new. Bit 2: a platform that
/// does nothing by itself.
fn stored(choice: u8) -> &'static [u8] {
    static STATES: OnceLock<[Vec<Vec<u8>>; 2]> = OnceLock::new();
    let states = STATES.get_or_init(|| [false, true].map(states));
    &states[usize::from(choice & 1)][usize::from(choice >> 1 & 1)]
}

fn machine(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let choice = script.u8() & 7;
    let mut platform = device(stored(choice), choice & 1 != 0);
    platform.is_prompt = choice & 4 == 0;
    while !script.is_empty() {
        match script.u8() % 7 {
            0 => platform.receive(BOOTSTRAP, script.bytes()),
            1 => platform.receive(MANAGEMENT, script.bytes()),
            2 => platform.receive(STRANGER, script.bytes()),
            3 => platform.pass(Duration::from_millis(10 * u64::from(script.u16()))),
            4 => platform.pass_to_deadline(),
            5 => platform.control(script.u8()),
            _ => platform.answer(script.u8()),
        }
        platform.way.clear();
    }
    let opened = platform.has_opened;
    platform.finish();
    reached(opened)
}

/// A device that meets its servers, written down as what it hears.
fn recorded(choice: u8) -> Vec<u8> {
    let mut peers = Peer::both(World::of(choice & 1 != 0));
    let mut out = Recorder::default();
    out.u8(choice);
    let mut ticks = 0;
    talk(&mut device(stored(choice), choice & 1 != 0), &mut peers, 30, |heard| match heard {
        None => ticks += 1,
        Some((from, datagram)) => {
            out.u8(3).u16(std::mem::take(&mut ticks));
            out.u8(if from == BOOTSTRAP { 0 } else { 1 }).bytes(datagram);
        }
    });
    out.0
}

pub(super) const API: Target = Target {
    name: "agent_api",
    about: "the device's management API, asked over its management channel by an owner who sends anything",
    length_max: 1024,
    run: api,
    seeds: api_seeds,
};

const PATHS: [&str; 15] = [
    "v1/info",
    "v1/keys",
    "v1/keys/01010101010101010101010101010101",
    "v1/keys/generate",
    "v1/channels",
    "v1/channels/1",
    "v1/channels/2",
    "v1/channels/2/open",
    "v1/channels/2/close",
    "v1/parameters/name",
    "v1/ping",
    "v1/reboot",
    "v1/shutdown",
    "v1/bootstrap",
    "v1/walled-garden",
];

fn api(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    // Handshakes with keys are slow, and the API is the same behind them.
    let choice = if script.u8() == 1 { 3 } else { 2 };
    let mut platform = device(stored(choice), choice & 1 != 0);
    let [_, mut manager] = Peer::both(World::of(choice & 1 != 0));
    let manager = std::slice::from_mut(&mut manager);
    talk(&mut platform, manager, 8, |_| {});
    while !script.is_empty() {
        let (method, path, query) = (script.u8(), script.u8(), script.u8());
        let body = script.bytes();
        let path = match PATHS.get(usize::from(path & 15)) {
            Some(path) => (*path).to_owned(),
            None => String::from_utf8_lossy(body).into_owned(),
        };
        let mut request = Request::new(Code::from_byte(1 + method % 7), &path);
        if !body.is_empty() {
            request = request.with_payload(ContentFormat(u16::from(60 + (method >> 7))), body);
        }
        if query & 1 != 0 {
            request = request.with_query(&format!("type={}", query >> 4));
        }
        let now = platform.now();
        for datagram in manager[0].ask(request, now) {
            platform.receive(MANAGEMENT, &datagram);
        }
        talk(&mut platform, manager, 2 + usize::from(query >> 1 & 7), |_| {});
    }
    let answered = manager[0].answers > 0;
    platform.finish();
    reached(answered)
}

fn api_seeds() -> Vec<Vec<u8>> {
    let channel = crate::vectors::of_kind("channel.json", "bytes", |kind| kind == "channel");
    let key = crate::vectors::of_kind("keys.json", "bytes", |kind| kind == "definition");
    let mut seeds = Vec::new();
    for choice in 0..2 {
        let mut all = Recorder::default();
        all.u8(choice);
        for path in 0..14 {
            all.u8(0).u8(path).u8(0).bytes(&[]);
        }
        seeds.push(all.0);
        let mut writes = Recorder::default();
        writes.u8(choice);
        writes.u8(2).u8(6).u8(4).bytes(&channel[0]).u8(2).u8(2).u8(4).bytes(&key[0]);
        writes.u8(2).u8(7).u8(0).bytes(&[]).u8(0).u8(6).u8(0).bytes(&[]).u8(2).u8(8).u8(4).bytes(&[]);
        writes.u8(1).u8(3).u8(1).bytes(&[]).u8(2).u8(9).u8(0).bytes(b"value").u8(0).u8(9).u8(0).bytes(&[]);
        writes.u8(3).u8(9).u8(0).bytes(&[]).u8(0).u8(10).u8(0).bytes(b"ping").u8(2).u8(11).u8(0).bytes(&[]);
        seeds.push(writes.0);
    }
    seeds
}
