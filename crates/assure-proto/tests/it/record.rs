//! Makers' records: ECIES to the identity server, signed by the station.

use assure_proto::ecies::{self, ECIES_LENGTH_MAX, EciesContext, EciesError};
use assure_proto::{
    Class, KeyDefinition, MakerRecord, RECORD_LENGTH_MAX, RecordError, SignatureError, Signer, SimpleTime,
    Validity,
};
use clock::Dice;
use crypto::{CryptoError, Curve, KeyKind, PrivateKey, Provider, PublicKey};
use model::{KeyId, Uuid};
use std::sync::Arc;
use wire::{DecodeError, Reason};

use crate::reject;
use crate::vectors::{self, hex, id, load, name, providers, reason};

const CONTEXT: EciesContext = EciesContext { maker: Uuid([3; 16]), device: Uuid([4; 16]) };
const NOW: Validity = Validity::since(SimpleTime { secs: 520_000_000 });
const STATION: KeyId = KeyId([5; 16]);

fn make_key(provider: &dyn Provider, curve: Curve, run: u64) -> Arc<dyn PrivateKey> {
    provider.generate_key(KeyKind::Ec(curve), &mut Dice::numbered(run)).unwrap()
}

fn record(
    provider: &dyn Provider,
    station: &dyn PrivateKey,
    json: &[u8],
) -> Result<MakerRecord, CryptoError> {
    let signer = Signer::with_private_key(STATION, Class::Manufacturer, station);
    MakerRecord::sign(provider, &signer, NOW, json, &mut Dice::numbered(1))
}

// verifies: ASSURE-9.2.1-12, TS-M11
#[test]
fn records_of_the_oracle_are_read_alike() {
    let file = load("record.json");
    let world = &file["world"];
    let stations = world["stations"].as_array().unwrap();
    let listed = |found: KeyId| {
        let station = stations.iter().find(|station| id(station, "key_id") == found)?;
        let definition = KeyDefinition::decode(&hex(station, "definition")).unwrap();
        definition.public_key().cloned()
    };
    let mut accepted = 0;
    for vector in vectors::vectors(&file) {
        let context =
            EciesContext { maker: id(vector, "maker_id").into(), device: id(vector, "uuid").into() };
        for provider in providers() {
            let identity = provider.import_key(&hex(&world["identity"], "private_key")).unwrap();
            let read = MakerRecord::open(provider, &*identity, context, &hex(vector, "blob"));
            match (reason(vector), read) {
                (None, Ok(record)) => {
                    accepted += 1;
                    assert_eq!(
                        record.json(),
                        vector["json"].as_str().unwrap().as_bytes(),
                        "{}",
                        name(vector)
                    );
                    assert_eq!(record.encoded(), hex(vector, "plaintext"), "{}", name(vector));
                    record.verify(provider, &listed(record.station()).unwrap()).unwrap();
                }
                (Some("unknown-station"), Ok(record)) => assert_eq!(listed(record.station()), None),
                (Some("bad-signature"), Ok(record)) => {
                    let station: PublicKey = listed(record.station()).unwrap();
                    assert_eq!(record.verify(provider, &station), Err(SignatureError::NotGenuine));
                }
                // what the JSON says is for its own reader to judge
                (Some("record-json" | "record-id" | "record-key" | "record-field"), Ok(record)) => {
                    record.verify(provider, &listed(record.station()).unwrap()).unwrap();
                }
                (Some("ecies-mac" | "ecies-padding"), outcome) => {
                    let expected = RecordError::Blob(EciesError::NotGenuine);
                    assert_eq!(outcome, Err(expected), "{}", name(vector));
                }
                (Some(_), Err(_)) => {}
                (expected, outcome) => panic!("{}: {expected:?} {outcome:?}", name(vector)),
            }
        }
    }
    assert!(accepted > 10);
}

// verifies: TS-M11, ASSURE-9.2.1-12
#[test]
fn ts_m11_record_that_no_listed_station_signed_is_not_verified() {
    for provider in providers() {
        let identity = make_key(provider, Curve::P521, 1);
        let (station, forger) = (make_key(provider, Curve::P256, 2), make_key(provider, Curve::P256, 3));
        let dice = &mut Dice::numbered(9);
        let seal = |record: MakerRecord, dice: &mut Dice| {
            record.seal(provider, identity.public(), CONTEXT, dice).unwrap()
        };
        // Anyone can encrypt to the identity server: the forger copies the station's id.
        let forged = seal(record(provider, &*forger, b"{}").unwrap(), dice);
        let forged = MakerRecord::open(provider, &*identity, CONTEXT, &forged).unwrap();
        assert_eq!(forged.station(), STATION);
        assert_eq!(forged.verify(provider, station.public()), Err(SignatureError::NotGenuine));

        let genuine = seal(record(provider, &*station, b"{}").unwrap(), dice);
        let opened = MakerRecord::open(provider, &*identity, CONTEXT, &genuine).unwrap();
        assert_eq!((opened.verify(provider, station.public()), opened.json()), (Ok(()), &b"{}"[..]));

        // The genuine blob under another maker's name, or for another device, does not open at all.
        for context in [
            EciesContext { maker: Uuid([7; 16]), ..CONTEXT },
            EciesContext { device: Uuid([7; 16]), ..CONTEXT },
            EciesContext { maker: CONTEXT.device, device: CONTEXT.maker },
        ] {
            let refused = MakerRecord::open(provider, &*identity, context, &genuine);
            assert_eq!(refused, Err(RecordError::Blob(EciesError::NotGenuine)));
        }
    }
}

// verifies: ASSURE-9.2.1-12
#[test]
fn blobs_open_with_the_p521_key_only_and_nothing_in_them_can_be_changed() {
    for (sealing, opening) in [(0, 1), (1, 0)] {
        let (sealing, opening) = (providers()[sealing], providers()[opening]);
        let identity = make_key(opening, Curve::P521, 1);
        let seal = |plaintext: &[u8]| {
            ecies::seal(sealing, identity.public(), CONTEXT, plaintext, &mut Dice::numbered(2)).unwrap()
        };
        for length in [0, 15, 16, 1000] {
            let blob = seal(&vec![7; length]);
            assert_eq!(blob.len(), 133 + (length / 16 + 1) * 16 + 64);
            assert_eq!(ecies::open(opening, &*identity, CONTEXT, &blob).unwrap().expose(), vec![7; length]);
        }
        let good = seal(b"record");
        for (at, bit) in reject::every_bit(&good) {
            let mut changed = good.clone();
            changed[at] ^= bit;
            assert!(ecies::open(opening, &*identity, CONTEXT, &changed).is_err(), "bit {bit:02x} of {at}");
        }
        for length in 0..good.len() {
            assert!(ecies::open(opening, &*identity, CONTEXT, &good[..length]).is_err(), "cut at {length}");
        }
        let other = make_key(opening, Curve::P521, 5);
        assert_eq!(ecies::open(opening, &*other, CONTEXT, &good), Err(EciesError::NotGenuine));
        let small = make_key(opening, Curve::P256, 5);
        assert_eq!(ecies::open(opening, &*small, CONTEXT, &good), Err(EciesError::WrongKey));
        let sealed = ecies::seal(sealing, small.public(), CONTEXT, b"x", &mut Dice::numbered(1));
        assert_eq!(sealed, Err(CryptoError::WrongKey), "P-521 only");
        let over = vec![4; ECIES_LENGTH_MAX + 1];
        let expected = EciesError::Malformed(DecodeError::new(ECIES_LENGTH_MAX, Reason::OverLimit));
        assert_eq!(ecies::open(opening, &*identity, CONTEXT, &over), Err(expected));
    }
}

#[test]
fn malformed_records_are_refused() {
    let provider = providers()[0];
    let station = make_key(provider, Curve::P256, 2);
    let good = record(provider, &*station, b"{\"id\":1}").unwrap();
    reject::cuts_and_additions(good.encoded(), MakerRecord::decode);
    reject::flips(good.encoded(), MakerRecord::decode);
    for (at, bit) in reject::every_bit(good.encoded()) {
        let mut changed = good.encoded().to_vec();
        changed[at] ^= bit;
        let verified = MakerRecord::decode(&changed).map(|record| record.verify(provider, station.public()));
        // the station's id is covered like everything else
        assert!(!matches!(verified, Ok(Ok(()))), "bit {bit:02x} of byte {at}");
    }
    assert!(!format!("{good:?}").contains("id\\\""), "the JSON may hold a secret");
    let p384 = make_key(provider, Curve::P384, 2);
    assert_eq!(record(provider, &*p384, b"{}"), Err(CryptoError::WrongKey), "stations sign with P-256");
}

#[test]
fn records_have_at_most_16_kib() {
    let provider = providers()[0];
    let station = make_key(provider, Curve::P256, 2);
    let frame = record(provider, &*station, &[b' '; 1000]).unwrap().encoded().len() - 1000;
    let most = record(provider, &*station, &vec![b' '; RECORD_LENGTH_MAX - frame]).unwrap();
    assert_eq!(most.encoded().len(), RECORD_LENGTH_MAX);
    let over = record(provider, &*station, &vec![b' '; RECORD_LENGTH_MAX - frame + 1]);
    assert_eq!(over, Err(CryptoError::BadInput));
    let long = vec![0; RECORD_LENGTH_MAX + 1];
    let expected = DecodeError::new(RECORD_LENGTH_MAX, Reason::OverLimit);
    assert_eq!(MakerRecord::decode(&long), Err(expected));
}

// verifies: TS-L6
#[test]
fn ts_l6_the_mirrored_point_opens_nothing() {
    for provider in providers() {
        let identity = make_key(provider, Curve::P521, 31);
        let blob =
            ecies::seal(provider, identity.public(), CONTEXT, b"a record", &mut Dice::numbered(32)).unwrap();
        let opened = ecies::open(provider, &*identity, CONTEXT, &blob).unwrap();
        assert_eq!(opened.expose(), b"a record");
        // -R has the same X, so the shared secret is the same; p is all ones, so p - Y flips every bit of Y
        let mut mirrored = blob.clone();
        let y = &mut mirrored[1 + 66..133];
        y[0] ^= 0x01;
        y[1..].iter_mut().for_each(|byte| *byte ^= 0xff);
        let point = PublicKey::from_point(Curve::P521, &mirrored[..133]).unwrap();
        assert_eq!(provider.check_key(&point), Ok(()), "it is on the curve");
        assert_eq!(ecies::open(provider, &*identity, CONTEXT, &mirrored).err(), Some(EciesError::NotGenuine));
        let other = EciesContext { device: Uuid([9; 16]), ..CONTEXT };
        assert_eq!(ecies::open(provider, &*identity, other, &blob).err(), Some(EciesError::NotGenuine));
    }
}
