//! The folder of a device under cuts, changes and strangers.

use std::sync::atomic::{AtomicU32, Ordering};

use crypto_server::Server;

use super::*;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sealed-state-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Another folder with the same files.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(&self.0).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.0.join(entry.file_name())).unwrap();
        }
        copy
    }

    /// A program that another test starts holds our locks too until it runs by itself: a moment.
    fn opened(&self) -> Outcome<(SealedState, Secret)> {
        for _ in 0..100_000 {
            match SealedState::open(&self.0, &provider()) {
                Err(failure) if failure.code() == "state-in-use" => std::thread::yield_now(),
                outcome => return outcome,
            }
        }
        SealedState::open(&self.0, &provider())
    }

    fn open(&self) -> Outcome<Secret> {
        self.opened().map(|(_, state)| state)
    }

    fn code(&self) -> &'static str {
        SealedState::open(&self.0, &provider()).map(|_| ()).unwrap_err().code()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_to_the_system = fs::remove_dir_all(&self.0);
    }
}

fn provider() -> Arc<dyn Provider> {
    Arc::new(Server::new())
}

fn state(word: &str) -> Secret {
    Secret::from(word.as_bytes())
}

/// A device that was made and written to `count` more times: states "state 1", "state 2", ...
fn written(count: usize) -> Folder {
    let folder = Folder::new();
    let mut kept = SealedState::make(&folder.0, &provider(), &state("state 1")).unwrap();
    for n in 0..count {
        assert_eq!(kept.write(&state(&format!("state {}", n + 2))).unwrap(), n as u64 + 2);
    }
    folder
}

/// Where write `number` lies.
fn copy_of(number: usize) -> &'static str {
    COPIES[(number + 1) % 2]
}

// verifies: ASSURE-6.2.3-04, ASSURE-7.2-13
#[test]
fn what_is_written_is_read_and_stands_nowhere_in_the_clear() {
    let folder = written(1);
    assert_eq!(folder.open().unwrap(), state("state 2"));
    for entry in fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"state"), "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = written(1);
    for name in ["seal.key", "state.0", "state.1"] {
        let mode = fs::metadata(folder.0.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_power_cut_at_any_step_of_a_write_leaves_the_last_state_or_the_new_one() {
    let before = written(2);
    let after = before.copy();
    after.opened().unwrap().0.write(&state("state 4")).unwrap();
    let target = copy_of(4);
    let sealed = fs::read(after.0.join(target)).unwrap();
    let part = format!("{target}.part");
    for cut in 0..=sealed.len() {
        // written beside, up to here
        let beside = before.copy();
        fs::write(beside.0.join(&part), &sealed[..cut]).unwrap();
        assert_eq!(beside.open().unwrap(), state("state 3"), "beside, cut at {cut}");
        // a file system that puts the name before the bytes
        let torn = before.copy();
        fs::write(torn.0.join(target), &sealed[..cut]).unwrap();
        let expected = if cut == sealed.len() { "state 4" } else { "state 3" };
        assert_eq!(torn.open().unwrap(), state(expected), "torn at {cut}");
        // and life goes on from there
        let (mut kept, _) = beside.opened().unwrap();
        kept.write(&state("later")).unwrap();
        drop(kept);
        assert_eq!(beside.open().unwrap(), state("later"));
        assert!(!beside.0.join(&part).exists());
    }
    let gone = before.copy();
    fs::remove_file(gone.0.join(target)).unwrap();
    assert_eq!(gone.open().unwrap(), state("state 3"), "the older copy removed");
    assert_eq!(after.open().unwrap(), state("state 4"));
}

#[test]
fn a_copy_that_was_cut_or_changed_anywhere_does_not_count() {
    let folder = written(2);
    let newest = fs::read(folder.0.join(copy_of(3))).unwrap();
    for at in 0..newest.len() {
        let cut = folder.copy();
        fs::write(cut.0.join(copy_of(3)), &newest[..at]).unwrap();
        assert_eq!(cut.open().unwrap(), state("state 2"), "cut at {at}");
        let changed = folder.copy();
        let mut bytes = newest.clone();
        bytes[at] ^= 1;
        fs::write(changed.0.join(copy_of(3)), bytes).unwrap();
        assert_eq!(changed.open().unwrap(), state("state 2"), "changed at {at}");
    }
}

#[test]
fn the_number_inside_decides_and_not_the_name() {
    let folder = written(2);
    let [one, other] = COPIES.map(|copy| folder.0.join(copy));
    let aside = folder.0.join("aside");
    fs::rename(&one, &aside).unwrap();
    fs::rename(&other, &one).unwrap();
    fs::rename(&aside, &other).unwrap();
    assert_eq!(folder.open().unwrap(), state("state 3"));
    let (mut kept, _) = folder.opened().unwrap();
    assert_eq!(kept.write(&state("state 4")).unwrap(), 4);
    drop(kept);
    assert_eq!(folder.open().unwrap(), state("state 4"));
}

#[test]
fn a_state_of_another_device_does_not_open() {
    let (folder, foreign) = (written(1), written(1));
    for copy in COPIES {
        fs::copy(foreign.0.join(copy), folder.0.join(copy)).unwrap();
    }
    assert_eq!(folder.code(), "state-damaged");
    fs::write(folder.0.join("seal.key"), b"too short").unwrap();
    assert_eq!(folder.code(), "store-key-wrong");
    fs::remove_file(folder.0.join("seal.key")).unwrap();
    assert_eq!(folder.code(), "store-key-wrong");
    assert!(!folder.0.join("seal.key").exists(), "a state is never given a new key");
}

#[test]
fn garbage_is_no_state_however_long() {
    let folder = written(1);
    for garbage in [vec![], vec![1], vec![2; 100], vec![0xff; SEALED_LENGTH_MAX as usize + 1]] {
        for copy in COPIES {
            fs::write(folder.0.join(copy), &garbage).unwrap();
        }
        assert_eq!(folder.code(), "state-damaged", "{} bytes", garbage.len());
    }
    assert_eq!(Folder::new().code(), "state-missing");
}

#[test]
fn one_process_at_a_time_uses_a_state() {
    let folder = written(0);
    let (kept, _) = folder.opened().unwrap();
    assert_eq!(folder.code(), "state-in-use");
    assert_eq!(SealedState::peek(&folder.0, &provider()).unwrap(), (1, state("state 1")));
    drop(kept);
    assert!(folder.open().is_ok());
}

#[test]
fn a_device_is_made_once() {
    let folder = written(0);
    let again = SealedState::make(&folder.0, &provider(), &state("other")).map(|_| ()).unwrap_err();
    assert_eq!(again.code(), "already-there");
    assert_eq!(folder.open().unwrap(), state("state 1"));
}

// An earlier owner's keys stand in the copy before the last one.
// verifies: ASSURE-14.7-08
#[test]
fn ts_m14_the_copy_before_the_last_one_can_be_forgotten() {
    let folder = written(3);
    let (mut kept, _) = folder.opened().unwrap();
    kept.forget_earlier().unwrap();
    kept.forget_earlier().unwrap();
    assert!(!folder.0.join(copy_of(3)).exists());
    assert_eq!(kept.read().unwrap(), state("state 4"));
    assert_eq!(kept.write(&state("state 5")).unwrap(), 5);
    assert_eq!(kept.read().unwrap(), state("state 5"));
}
