//! Peers that send anything.

use std::time::Duration;

use coap_proto::{Code, ContentFormat, Output, PathLimits, Request, Response};
use proptest::prelude::*;

use crate::pair::{Bench, PEER, steady};

/// Answers what came in, so that every state is reached.
fn act(bench: &mut Bench, outputs: Vec<Output>, choice: u8) {
    for output in outputs {
        match output {
            Output::Request(incoming) if choice & 1 == 0 => {
                let response = Response::content(ContentFormat::TEXT, vec![b'x'; usize::from(choice) * 9]);
                let done = bench.endpoint.respond_observed(incoming.exchange, response, bench.now);
                assert!(done.is_ok(), "a request just handed out is open");
            }
            Output::Transmit { datagram, .. } => assert!(datagram.len() <= 1152),
            _ => {}
        }
    }
}

fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..40);
    let message = (
        0_u8..4,
        prop_oneof![Just(0_u8), 1_u8..8, Just(0x45), Just(0x5f), any::<u8>()],
        0_u8..4,
        proptest::collection::vec(
            (
                prop_oneof![Just(0_u8), Just(1), Just(4), Just(6), Just(12), any::<u8>()],
                any::<u8>(),
                any::<u8>(),
            ),
            0..4,
        ),
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(kind, code, id, options, payload)| {
            let mut bytes = vec![0x41 | kind << 4, code, 0, id, id];
            for (delta, one, two) in options {
                bytes.extend_from_slice(&[(delta % 13) << 4 | 2, one, two]);
            }
            if !payload.is_empty() {
                bytes.push(0xff);
                bytes.extend_from_slice(&payload);
            }
            bytes
        });
    prop_oneof![noise, message]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn nothing_a_peer_sends_breaks_the_endpoint(
        inputs in proptest::collection::vec((datagram(), any::<u8>(), 0_u64..400), 1..60)
    ) {
        let mut bench = Bench::with(steady(), PathLimits::UDP);
        for (bytes, choice, secs) in inputs {
            if choice & 2 == 0 {
                let ask = Request::new(Code::GET, "/a").with_payload(ContentFormat::TEXT, vec![0; usize::from(choice) * 8]);
                let asked = if choice & 4 == 0 {
                    bench.endpoint.request(PEER, ask, bench.now)
                } else {
                    bench.endpoint.observe(PEER, ask, bench.now)
                };
                if let (Ok(id), 0) = (asked, choice & 8) {
                    bench.endpoint.cancel(id, bench.now);
                }
            }
            let outputs = bench.receive(&bytes);
            act(&mut bench, outputs, choice);
            let _ = bench.drain();
            if choice & 16 == 0 {
                bench.pass(Duration::from_secs(secs));
            }
        }
        bench.endpoint.forget(PEER, bench.now);
        prop_assert_eq!(bench.endpoint.transfer_bytes(), 0, "every claimed byte is given back");
    }
}
