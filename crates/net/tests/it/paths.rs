//! X.509 paths outside TLS.

use certificate::Profile;
use clock::Timestamp;
use model::Uuid;
use net::x509_path::{CHAIN_LENGTH_MAX, PathError, PeerRole, check};

use crate::world::World;

// verifies: GISFI-5.3-08, GISFI-5.3-07
#[test]
fn a_path_is_judged_by_root_time_purpose_and_name() {
    let mut world = World::new("Root");
    let others = World::new("Root of others");
    let until = world.later(2);
    let client = vec![world.holder(&Profile::Maker { maker: Uuid([1; 16]), until }).leaf];
    let server = vec![world.holder(&world.server_profile()).leaf];
    let (roots, wrong, both) = (world.roots(), others.roots(), [others.roots(), world.roots()].concat());
    let now = world.now;
    let long_ago = Timestamp::from_unix_millis(now.as_unix_millis() - 7_200_000);
    let garbage = vec![vec![0x30; 40]];
    let cut = vec![client[0][..client[0].len() - 1].to_vec()];
    let mut forged = client.clone();
    *forged[0].last_mut().unwrap() ^= 1;
    let too_long = vec![client[0].clone(); CHAIN_LENGTH_MAX + 1];
    let named = PeerRole::Server;
    let table = [
        (&client, &roots, now, PeerRole::Client, None),
        (&client, &both, now, PeerRole::Client, None),
        (&client, &wrong, now, PeerRole::Client, Some(PathError::UnknownIssuer)),
        (&client, &vec![], now, PeerRole::Client, Some(PathError::UnknownIssuer)),
        (&client, &garbage, now, PeerRole::Client, Some(PathError::BadRoot)),
        (&client, &roots, world.later(3), PeerRole::Client, Some(PathError::Expired)),
        (&client, &roots, long_ago, PeerRole::Client, Some(PathError::NotYetValid)),
        (&client, &roots, now, named("localhost"), Some(PathError::WrongPurpose)),
        (&server, &roots, now, named("localhost"), None),
        (&server, &roots, now, named("127.0.0.1"), None),
        (&server, &roots, now, named("127.0.0.2"), Some(PathError::WrongName)),
        (&server, &roots, now, named("example.org"), Some(PathError::WrongName)),
        (&server, &roots, now, named("not a name"), Some(PathError::Malformed)),
        (&server, &roots, now, PeerRole::Client, Some(PathError::WrongPurpose)),
        (&vec![], &roots, now, PeerRole::Client, Some(PathError::Length)),
        (&too_long, &roots, now, PeerRole::Client, Some(PathError::Length)),
        (&garbage, &roots, now, PeerRole::Client, Some(PathError::Malformed)),
        (&cut, &roots, now, PeerRole::Client, Some(PathError::Malformed)),
        (&forged, &roots, now, PeerRole::Client, Some(PathError::BadSignature)),
        (&roots, &roots, now, PeerRole::Client, Some(PathError::WrongPurpose)),
    ];
    for (row, (chain, roots, at, role, expected)) in table.into_iter().enumerate() {
        assert_eq!(check(chain, roots, at, role).err(), expected, "row {row}");
    }
}
