//! A device's machine: a load balancer that sends anything.

use std::time::Duration;

use clock::Moment;
use osap_proto::*;

use super::parties::{self, NOW};
use crate::memory;
use crate::rules::reached;
use crate::script::{Recorder, Script};
use crate::{Reached, Target};

pub(super) const DEVICE: Target = Target {
    name: "osap_device",
    about: "DeviceRun with each credential: bytes of a load balancer, time",
    length_max: 1536,
    run: |input| memory::within(256 * 1024 + 96 * input.len(), || run(input)),
    seeds,
};

fn run(input: &[u8]) -> Reached {
    let mut script = Script::new(input);
    let mut device = parties::device(script.u8());
    let mut now = NOW;
    let (mut is_over, mut is_believed, mut sent) = (false, false, 0);
    while !script.is_empty() {
        match script.u8() & 3 {
            0 | 1 => device.receive(script.bytes(), now),
            2 => device.stored(now),
            _ => {
                now = now + Duration::from_millis(u64::from(script.u16()));
                device.expire(now);
            }
        }
        is_believed |= drain(&mut device, &mut is_over, &mut sent, now);
    }
    device.expire(now + Duration::from_secs(30));
    drain(&mut device, &mut is_over, &mut sent, now);
    assert!(is_over && device.next_deadline().is_none(), "every run ends");
    assert!(sent <= 3, "a device speaks three times at most");
    reached(is_believed)
}

/// Whether the load balancer proved itself.
fn drain(device: &mut DeviceRun, is_over: &mut bool, sent: &mut usize, now: Moment) -> bool {
    let mut is_believed = false;
    while let Some(output) = device.next_output() {
        assert!(!*is_over, "nothing follows the end: {output:?}");
        match output {
            DeviceOutput::Send(bytes) => {
                assert!(Frame::read(&bytes).is_ok_and(|frame| frame.is_some()));
                *sent += 1;
            }
            DeviceOutput::Store(pending) => {
                is_believed = true;
                assert!(pending.lifetime_secs <= 2_592_000);
            }
            DeviceOutput::Done(done) => {
                *is_over = true;
                assert!(done.min_type >= ProtocolType::PLAIN, "the floor never falls");
            }
            DeviceOutput::Failed(end) => {
                *is_over = true;
                if let DeviceEnd::Rematch(next) = end {
                    assert_eq!(next, ProtocolType::TLS, "only what it offered and did not ask for");
                }
            }
        }
    }
    assert!(*is_over || device.next_deadline().is_some_and(|due| due > now));
    is_believed
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in 0..4 {
        let (_, answered) = parties::honest(kind);
        let [second, granted, das] = &answered[..] else { panic!("an honest one answers three times") };
        let mut script = Recorder::default();
        script.u8(kind).u8(0).bytes(&second[..9]).u8(0).bytes(&second[9..]).u8(0).bytes(granted).u8(2);
        script.u8(0).bytes(das);
        seeds.push(script.0);
    }
    for refusal in [
        &b"\x2a\x09\x04\x03\x02\x04\x08\x01\x02\x00\x14"[..],
        b"\x2a\x0b\x02\x03\x02\x04\x08\x01\x10\x00\x18\x00\x05",
    ] {
        let mut script = Recorder::default();
        script.u8(1).u8(0).bytes(refusal);
        seeds.push(script.0);
    }
    seeds
}
