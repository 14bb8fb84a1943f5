//! What a device costs in the stores: bytes, and reads, writes and processor time per step of its life.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clock::Dice;
use crypto::Provider;
use crypto_server::Server;
use ledger::AUDIT;
use store::{Space, Table};
use store_redb::{Options, RedbStore};
use store_sealed::{SEALING_KEY_LENGTH, Sealed};

use super::Effort;
use super::child::{internal, thread_time};
use super::rows::{Figure, Line, Row};
use super::scratch::Scratch;
use super::world::Stores;
use super::world::counting::{Counting, Counts};
use super::world::crowd::{Crowd, everything};
use super::world::device::Device;
use crate::failure::Outcome;
use crate::storage::CACHE_SIZE;

/// Stored bytes of one device that are wanted at most, without its image.
const BYTES_LIMIT: f64 = 4096.0;
/// How much more processor time a step may take with many devices.
const TIME_RATIO_MAX: f64 = 1.3;
/// Spaces of images: at the bootstrap server, and at the management system until it is uploaded and after.
const IMAGES: [Space; 2] = [Space(0x21), Space(0x33)];
/// What stands in the file besides name and value of a record: its space, its version, and what sealing adds.
const RECORD_OVERHEAD: usize = 1 + 8 + 29;
/// New devices whose steps are looked at in one run, beside those that are there.
const PROBE_COUNT: usize = 20;

/// Rows of this benchmark, with few devices and with many.
pub(super) fn measure(device_counts: [u32; 2], effort: Effort) -> Outcome<Vec<Line>> {
    let mut dice = Dice::numbered(11);
    let crowd = Crowd::new(&mut dice)?;
    let mut places = Vec::new();
    for count in device_counts {
        places.push(Place::new(&crowd, count, &mut dice)?);
    }
    let [few, many] = &places[..] else { return Err(internal("the benchmark", "two counts are wanted")) };
    let mut lines = bytes(many, device_counts[1])?;
    lines.extend(steps(&crowd, few, many, device_counts, effort, &mut dice)?);
    for place in places {
        lines.extend(place.compacted()?);
    }
    Ok(lines)
}

/// The stores of three servers in one folder.
struct Place {
    stores: Stores,
    counting: [Arc<Counting>; 3],
    folder: Scratch,
    count: u32,
}

const FILES: [&str; 3] = ["registration", "bootstrap", "management"];

impl Place {
    fn new(crowd: &Crowd, count: u32, dice: &mut Dice) -> Outcome<Self> {
        let folder = Scratch::new("bench-stored")?;
        let open = |name: &str, dice: &mut Dice| {
            let table = sealed(&folder.join(name), dice)?;
            Ok::<_, crate::failure::Failure>(Arc::new(Counting::over(table)))
        };
        let counting = [open(FILES[0], dice)?, open(FILES[1], dice)?, open(FILES[2], dice)?];
        let [registration, bootstrap, management] = counting.clone();
        let stores = Stores { registration, bootstrap, management };
        crowd.found(&stores)?;
        crowd.fill(&stores, count, dice)?;
        let place = Self { stores, counting, folder, count };
        place.counted();
        Ok(place)
    }

    /// What was counted since the last call, of all three.
    fn counted(&self) -> Counts {
        self.counting.iter().map(|one| one.take()).fold(Counts::default(), |sum, one| sum + one)
    }

    /// Bytes of the files, as they are and after compaction.
    fn compacted(self) -> Outcome<Vec<Line>> {
        let Self { stores, counting, folder, count } = self;
        drop((stores, counting));
        let mut lines = Vec::new();
        for when in ["as it is", "after compaction"] {
            let mut total = 0;
            for name in FILES {
                let path = folder.join(name);
                if when == "after compaction" {
                    let store = RedbStore::open(&path, Options::default());
                    let store = store.map_err(|error| internal("a store", error))?;
                    store.compact().map_err(|error| internal("a store", error))?;
                }
                total += length(&path)?;
            }
            let what = format!("files of {count} devices, {when}, each");
            lines.extend(Figure::of(&what, "bytes", &[per(total, count)]).map(Line::from));
        }
        Ok(lines)
    }
}

/// A store in a file, behind a sealing key.
pub(super) fn sealed(path: &Path, dice: &mut Dice) -> Outcome<Arc<dyn Table>> {
    let provider: Arc<dyn Provider> = Arc::new(Server::new());
    let options = Options { cache_size: CACHE_SIZE, ..Options::default() };
    let table = RedbStore::open(path, options).map_err(|error| internal("a store", error))?;
    let key = dice.bytes::<SEALING_KEY_LENGTH>();
    let sealed = Sealed::new(table, &*provider, &key, dice.split());
    Ok(Arc::new(sealed.map_err(|error| internal("a store", error))?))
}

fn length(path: &Path) -> Outcome<u64> {
    std::fs::metadata(path).map(|data| data.len()).map_err(|error| internal("a store", error))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files here are far below 2^53")]
fn per(total: u64, count: u32) -> f64 {
    total as f64 / f64::from(count.max(1))
}

/// Stored bytes of a device, by server and in all.
fn bytes(place: &Place, count: u32) -> Outcome<Vec<Line>> {
    let mut lines = Vec::new();
    let (mut records, mut images, mut audit) = (0, 0, 0);
    for (name, table) in place.stores.named() {
        let mut own = 0;
        for (key, value) in everything(&**table)? {
            let size = (key.name.len() + value.len() + RECORD_OVERHEAD) as u64;
            match key.space {
                AUDIT => audit += size,
                space if IMAGES.contains(&space) => images += size,
                _ => own += size,
            }
        }
        records += own;
        let what = format!("stored for a claimed device by {name}");
        lines.extend(Figure::of(&what, "bytes", &[per(own, count)]).map(Line::from));
    }
    let all = Figure::of("stored for a claimed device, without its image", "bytes", &[per(records, count)]);
    lines.extend(all.map(|all| all.limited(BYTES_LIMIT).into()));
    for (what, sum) in [
        ("its image, at both servers that keep it", images),
        ("its entries in audit logs, of which a management system keeps 100,000", audit),
    ] {
        lines.extend(Figure::of(what, "bytes", &[per(sum, count)]).map(Line::from));
    }
    place.counted();
    Ok(lines)
}

/// What one step of a device's life took.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    counts: Counts,
    time: Duration,
}

const STEPS: [&str; 3] = ["claim", "bootstrap", "presence"];

/// What is counted, and under which name it is shown.
type Column = (&'static str, fn(Counts) -> u64);

const COLUMNS: [Column; 5] = [
    ("records read", |counts| counts.reads),
    ("bytes read", |counts| counts.bytes_read),
    ("commits", |counts| counts.commits),
    ("records written", |counts| counts.writes),
    ("bytes written", |counts| counts.bytes_written),
];

/// Each step with few devices there and with many.
fn steps(
    crowd: &Crowd,
    few: &Place,
    many: &Place,
    [few_count, many_count]: [u32; 2],
    effort: Effort,
    dice: &mut Dice,
) -> Outcome<Vec<Line>> {
    let mut runs = Vec::new();
    for _ in 0..effort.pairs {
        runs.push((probe(crowd, many, dice)?, probe(crowd, few, dice)?));
    }
    let mut lines = Vec::new();
    let reference = format!("{few_count} devices");
    for (index, step) in STEPS.into_iter().enumerate() {
        let what = |counted: &str| format!("{step} with {many_count} devices: {counted}");
        for (name, column) in COLUMNS {
            let each = |took: &[Took; 3]| per(column(took[index].counts), PROBE_COUNT as u32);
            let pairs: Vec<_> = runs.iter().map(|(many, few)| (each(many), each(few))).collect();
            let row = Row::of(&what(name), &reference, "each", &pairs);
            lines.extend(row.map(|row| row.at_most(1.0).into()));
        }
        let micros = |took: &[Took; 3]| took[index].time.as_secs_f64() * 1e6 / PROBE_COUNT as f64;
        let pairs: Vec<_> = runs.iter().map(|(many, few)| (micros(many), micros(few))).collect();
        let row = Row::of(&what("CPU time"), &reference, "microseconds", &pairs);
        lines.extend(row.map(|row| row.at_most(TIME_RATIO_MAX).into()));
    }
    Ok(lines)
}

/// The steps of some new devices.
fn probe(crowd: &Crowd, place: &Place, dice: &mut Dice) -> Outcome<[Took; 3]> {
    let mut sums = [Took::default(); 3];
    for _ in 0..PROBE_COUNT {
        let mut device = Device::with_secret(&crowd.keys, dice.split())?;
        device.issue(&place.stores, &crowd.keys)?;
        place.counted();
        let begin = thread_time()?;
        device.claim(&place.stores, &crowd.keys)?;
        add(&mut sums[0], place, begin)?;
        device.configure(&place.stores, &crowd.keys)?;
        place.counted();
        let begin = thread_time()?;
        device.serve(&place.stores)?;
        add(&mut sums[1], place, begin)?;
        let begin = thread_time()?;
        device.present(&place.stores)?;
        add(&mut sums[2], place, begin)?;
    }
    Ok(sums)
}

fn add(sum: &mut Took, place: &Place, begin: Duration) -> Outcome {
    sum.time += thread_time()?.saturating_sub(begin);
    sum.counts = sum.counts + place.counted();
    Ok(())
}
