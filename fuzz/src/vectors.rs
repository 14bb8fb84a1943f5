//! Seeds out of the oracle's vectors.

use std::path::PathBuf;

use model::bytes_from_hex;
use serde_json::Value;

/// Longer vectors show limits, which generated inputs reach as well.
const SEED_LENGTH_MAX: usize = 6000;
/// Seeds taken from one file; every so many are passed over in larger files.
const SEED_COUNT_MAX: usize = 80;

/// A file of vectors.
pub(crate) fn load(name: &str) -> Value {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../conformance/vectors/assure", name].iter().collect();
    let text = std::fs::read_to_string(&path).expect("the vector file is part of the repository");
    serde_json::from_str(&text).expect("the vector file is JSON")
}

/// A member that is hexadecimal text.
pub(crate) fn hex(vector: &Value, member: &str) -> Option<Vec<u8>> {
    bytes_from_hex(vector.get(member)?.as_str()?).ok()
}

/// The bytes of one member of all vectors of a file, accepted ones first.
pub(crate) fn member(file: &str, member: &str) -> Vec<Vec<u8>> {
    of_kind(file, member, |_| true)
}

/// Likewise for the vectors of one kind.
pub(crate) fn of_kind(file: &str, member: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let file = load(file);
    let all = file["vectors"].as_array().expect("a list of vectors");
    let fitting = |accept: bool| {
        let wanted = &wanted;
        let of = all.iter().filter(move |vector| {
            vector["accept"] == accept && wanted(vector["kind"].as_str().unwrap_or_default())
        });
        of.filter_map(|vector| hex(vector, member)).filter(|bytes| bytes.len() <= SEED_LENGTH_MAX)
    };
    let mut seeds: Vec<Vec<u8>> = fitting(true).take(SEED_COUNT_MAX / 2).collect();
    let refused: Vec<_> = fitting(false).collect();
    let stride = refused.len().div_ceil(SEED_COUNT_MAX / 2).max(1);
    seeds.extend(refused.into_iter().step_by(stride));
    seeds
}
