//! Which kind of key joins two devices.

use super::LinkKind;
use crate::device::{KeyKind, OwnedDevice};

/// The kind of the channel between `opener` and `listener`: device keys as they are, else an issued EC key,
/// else an issued RSA key, else a shared secret.
/// Source: aSSURE 13.1 to 13.7.
pub(crate) fn kind_of(opener: &OwnedDevice, listener: &OwnedDevice) -> LinkKind {
    match (opener.kind, listener.kind) {
        (KeyKind::Ec, KeyKind::Ec) => LinkKind::Ec,
        (KeyKind::Rsa, KeyKind::Rsa) => LinkKind::Rsa,
        (KeyKind::SharedSecret, _) | (_, KeyKind::SharedSecret) => LinkKind::SharedSecret,
        (KeyKind::Ec, KeyKind::Rsa) => mixed(opener, listener),
        (KeyKind::Rsa, KeyKind::Ec) => mixed(listener, opener),
    }
}

/// The three options of 13.3, in their order.
const fn mixed(ec: &OwnedDevice, rsa: &OwnedDevice) -> LinkKind {
    if rsa.ec_capable {
        LinkKind::IssuedEc
    } else if ec.rsa_capable {
        LinkKind::IssuedRsa
    } else {
        LinkKind::SharedSecret
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::Secret;
    use model::KeyId;

    fn device(kind: KeyKind, ec_capable: bool, rsa_capable: bool) -> OwnedDevice {
        OwnedDevice {
            kind,
            ec_capable,
            rsa_capable,
            aes256_capable: false,
            spki: Vec::new(),
            owner_key: KeyId([0; 16]),
            owner_secret: Secret::new(Vec::new()),
            seq: 1,
            channel: None,
        }
    }

    // verifies: ASSURE-13.1-02, ASSURE-13.3-01
    #[test]
    fn the_example_topology_has_the_kinds_of_13_2_to_13_7() {
        let a = device(KeyKind::Ec, true, false);
        let b = device(KeyKind::Rsa, true, true);
        let c = device(KeyKind::Rsa, false, true);
        let d = device(KeyKind::SharedSecret, false, false);
        let (e, f) = (d.clone(), a.clone());
        let g = device(KeyKind::Ec, true, true);
        let devices = [("A", &a), ("B", &b), ("C", &c), ("D", &d), ("E", &e), ("F", &f), ("G", &g)];
        let table = |one: &str, other: &str| match (one, other) {
            ("A", "F" | "G") | ("F", "G") => LinkKind::Ec,
            ("B", "C") => LinkKind::Rsa,
            ("A" | "F" | "G", "B") | ("B", "F" | "G") => LinkKind::IssuedEc,
            ("C", "G") => LinkKind::IssuedRsa,
            _ => LinkKind::SharedSecret,
        };
        for (at, (one, first)) in devices.iter().enumerate() {
            for (other, second) in &devices[at + 1..] {
                let expected = table(one, other);
                assert_eq!(kind_of(first, second), expected, "{one}-{other}");
                assert_eq!(kind_of(second, first), expected, "{other}-{one}");
            }
        }
    }
}
