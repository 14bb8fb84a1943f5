//! Which crate may use which: architecture decides, this table says it to the machine.
//!
//! A crate may use crates of lower floors, and those of its own floor that its row names.

use crate::Outcome;
use crate::metadata::{self, Kind, Package};
use crate::repository::Repository;

/// One crate: its name, its floor, and what it may use on its own floor.
struct Place {
    name: &'static str,
    floor: u8,
    beside: &'static [&'static str],
}

const fn place(name: &'static str, floor: u8) -> Place {
    Place { name, floor, beside: &[] }
}

const fn beside(name: &'static str, floor: u8, beside: &'static [&'static str]) -> Place {
    Place { name, floor, beside }
}

const PLACES: &[Place] = &[
    // words
    place("clock", 0),
    place("wire", 0),
    place("model", 0),
    // machines
    place("crypto", 1),
    beside("assure-proto", 1, &["crypto"]),
    beside("assure-json", 1, &["crypto"]),
    beside("certificate", 1, &["crypto"]),
    beside("dtls-proto", 1, &["crypto"]),
    place("coap-proto", 1),
    beside("coaps", 1, &["coap-proto", "crypto", "dtls-proto"]),
    beside("osap-proto", 1, &["crypto"]),
    beside("osap-things", 1, &["osap-proto"]),
    place("mqtt-proto", 1),
    place("xml", 1),
    beside("xmpp-proto", 1, &["xml"]),
    beside("upnp-proto", 1, &["xml"]),
    beside("dpws-proto", 1, &["xml"]),
    place("bacnet-proto", 1),
    place("store", 1),
    // domain
    place("accounts", 2),
    beside("admission", 2, &["accounts", "consent", "hub", "ledger"]),
    beside("ledger", 2, &["accounts"]),
    beside("authority", 2, &["accounts", "ledger"]),
    beside("management", 2, &["accounts", "ledger"]),
    beside("consent", 2, &["accounts", "ledger"]),
    beside("depot", 2, &["accounts", "ledger"]),
    beside("hub", 2, &["accounts", "consent", "ledger"]),
    place("registry", 2),
    place("broker", 2),
    place("courier", 2),
    place("market", 2),
    // edges
    place("front", 3),
    place("agent", 3),
    place("gateway", 3),
    place("crypto-server", 3),
    place("crypto-portable", 3),
    place("store-redb", 3),
    place("store-sealed", 3),
    place("store-segments", 3),
    place("store-postgres", 3),
    place("bus-nats", 3),
    // adapters
    beside("coap-front", 4, &["hub-desk"]),
    beside("hub-desk", 4, &["net"]),
    place("mqtt-front", 4),
    place("osap-front", 4),
    place("xmpp-front", 4),
    place("lan-front", 4),
    beside("http-front", 4, &["hub-desk", "net"]),
    place("net", 4),
    beside("things-desk", 4, &["coap-front", "hub-desk", "mqtt-front", "net"]),
    // programs
    place("thingstead", 5),
    place("sim", 5),
    place("conformance", 5),
    place("xtask", 5),
];

/// Providers, back ends and both ends of a device's channels, on which tests of lower floors run: a
/// dependency for development alone may point up to these.
const TEST_GROUND: &[&str] = &["agent", "coap-front", "crypto-portable", "crypto-server", "store-redb"];

/// Outside crates that only the named crates may use.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("aws-lc-rs", &["crypto-server", "net"]),
    ("axum", &["http-front", "net", "thingstead"]),
    ("redb", &["store-redb"]),
    ("rustls", &["net", "certificate", "thingstead"]),
    ("tokio-rustls", &["net"]),
];

/// Outside crates that run code in the background; see [`crate::purity`] for what they bring in.
pub(crate) const RUNTIMES: &[&str] =
    &["tokio", "async-std", "async-executor", "smol", "futures-executor", "embassy-executor"];

/// The floor of a crate.
pub(crate) fn floor_of(name: &str) -> Option<u8> {
    find(name).map(|place| place.floor)
}

fn find(name: &str) -> Option<&'static Place> {
    PLACES.iter().find(|place| place.name == name)
}

/// Checks every dependency of every crate of the workspace.
pub(crate) fn check(repository: &Repository) -> Outcome {
    let packages = metadata::packages(repository).map_err(|reason| vec![reason])?;
    let complaints = complaints_about(&packages);
    let edges: usize = packages.iter().map(|package| package.dependencies.len()).sum();
    println!("floors: {} crates, {edges} dependencies, {} complaints", packages.len(), complaints.len());
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

fn complaints_about(packages: &[Package]) -> Vec<String> {
    packages.iter().flat_map(complaints_about_one).collect()
}

fn complaints_about_one(package: &Package) -> Vec<String> {
    let Some(own) = find(&package.name) else {
        return vec![format!("{}: stands on no floor; give it a row in xtask/src/floors.rs", package.name)];
    };
    let mut complaints = Vec::new();
    for dependency in &package.dependencies {
        let used = &dependency.name;
        if *used == package.name {
            continue;
        }
        if !dependency.is_ours {
            let kept = KEPT_TO.iter().find(|(name, _)| name == used);
            let for_tests = dependency.kind == Kind::Development;
            if let Some((_, users)) = kept.filter(|(_, users)| !for_tests && !users.contains(&own.name)) {
                complaints.push(format!("{} uses {used}, which is kept to {}", own.name, users.join(", ")));
            }
            continue;
        }
        let for_tests = dependency.kind == Kind::Development && TEST_GROUND.contains(&used.as_str());
        match find(used) {
            None => complaints.push(format!("{} uses {used}, which stands on no floor", own.name)),
            Some(_) if for_tests => {}
            Some(other) if other.floor < own.floor => {}
            Some(other) if other.floor == own.floor && own.beside.contains(&other.name) => {}
            Some(other) => complaints.push(format!(
                "{} (floor {}) uses {used} (floor {}): only lower floors, or a row that names it",
                own.name, own.floor, other.floor
            )),
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Dependency;

    fn package(name: &str, uses: &[(&str, Kind, bool)]) -> Package {
        let dependencies = uses.iter().map(|(name, kind, is_ours)| Dependency {
            name: (*name).to_owned(),
            kind: *kind,
            is_ours: *is_ours,
        });
        Package { name: name.to_owned(), directory: String::new(), dependencies: dependencies.collect() }
    }

    fn complaints(name: &str, uses: &[(&str, Kind, bool)]) -> usize {
        complaints_about(&[package(name, uses)]).len()
    }

    #[test]
    fn lower_floors_may_be_used_and_higher_ones_not() {
        assert_eq!(complaints("authority", &[("store", Kind::Normal, true)]), 0);
        assert_eq!(complaints("store", &[("authority", Kind::Normal, true)]), 1);
        assert_eq!(complaints("clock", &[("net", Kind::Build, true)]), 1);
    }

    #[test]
    fn the_own_floor_may_be_used_where_the_row_says_so() {
        assert_eq!(complaints("assure-proto", &[("crypto", Kind::Normal, true)]), 0);
        assert_eq!(complaints("management", &[("authority", Kind::Normal, true)]), 1);
        assert_eq!(complaints("coap-proto", &[("dtls-proto", Kind::Development, true)]), 1);
    }

    #[test]
    fn tests_may_stand_on_providers_and_back_ends() {
        assert_eq!(complaints("dtls-proto", &[("crypto-portable", Kind::Development, true)]), 0);
        assert_eq!(complaints("dtls-proto", &[("crypto-portable", Kind::Normal, true)]), 1);
        assert_eq!(complaints("dtls-proto", &[("net", Kind::Development, true)]), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_a_complaint() {
        assert_eq!(complaints("helpers", &[]), 1);
        assert_eq!(complaints("net", &[("helpers", Kind::Normal, true)]), 1);
    }

    #[test]
    fn outside_crates_are_kept_to_their_users() {
        assert_eq!(complaints("net", &[("tokio-rustls", Kind::Normal, false)]), 0);
        assert_eq!(complaints("http-front", &[("tokio-rustls", Kind::Normal, false)]), 1);
        assert_eq!(complaints("certificate", &[("aws-lc-rs", Kind::Development, false)]), 0);
    }

    /// Crates that move bytes, and machines of protocols that do.
    const TRANSPORTS: [&str; 9] = [
        "broker",
        "coap-front",
        "coap-proto",
        "dtls-proto",
        "http-front",
        "mqtt-front",
        "mqtt-proto",
        "net",
        "osap-front",
    ];

    // verifies: OSAP-3-01
    #[test]
    fn what_is_said_of_things_rests_on_no_transport() {
        let packages = metadata::packages(&Repository::find().unwrap()).unwrap();
        let uses = |name: &str| {
            let package = packages.iter().find(|package| package.name == name).unwrap();
            let ours = package.dependencies.iter().filter(|used| used.is_ours && used.kind == Kind::Normal);
            ours.map(|used| used.name.clone()).collect::<Vec<_>>()
        };
        for business in ["hub", "consent", "admission", "depot", "osap-things"] {
            let (mut seen, mut next) = (vec![business.to_owned()], vec![business.to_owned()]);
            while let Some(name) = next.pop() {
                let new: Vec<_> = uses(&name).into_iter().filter(|used| !seen.contains(used)).collect();
                seen.extend(new.iter().cloned());
                next.extend(new);
            }
            let transport = seen.iter().find(|used| TRANSPORTS.contains(&used.as_str()));
            assert_eq!(transport, None, "{business} rests on it");
        }
        let front = uses("osap-front");
        assert!(
            ["osap-proto", "osap-things", "mqtt-proto"].iter().all(|name| front.iter().any(|it| it == name))
        );
    }
}
