//! What must stand in no log: case strings, keys, and anything out of a device's sealed state.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use assure_proto::Label;
use crypto::{Aead, Provider as _};

/// So many bytes in a row are no accident.
const WINDOW: usize = 16;
const HEX_DIGITS: &str = "0123456789abcdefABCDEF";

/// Looks for every secret of a demo, played in `folder`, in all its logs and in `said`.
pub(super) fn are_nowhere_in(folder: &Path, said: &[&str]) {
    let mut texts: Vec<(String, Vec<u8>)> =
        said.iter().map(|text| ("the output".to_owned(), text.as_bytes().to_vec())).collect();
    let logs = files(&folder.join("log"));
    assert!(logs.len() > 10, "{logs:?}");
    texts.extend(logs.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())));
    let labels: Vec<Label> = files(&folder.join("maker"))
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .map(|path| read_label(path))
        .collect();
    assert_eq!(labels.len(), 4);
    let mut hidden: HashSet<Vec<u8>> = HashSet::new();
    for label in &labels {
        hidden.insert(label.case_id.expose().to_vec());
    }
    for path in files(folder) {
        if path.file_name().is_some_and(|name| name == "seal.key") {
            hidden.extend(windows(&fs::read(&path).unwrap()));
        }
        if path.file_name().is_some_and(|name| name == "sensor.password") {
            let password = fs::read(&path).unwrap();
            assert!(password.len() > WINDOW);
            hidden.extend(windows(&password));
        }
        if path.file_name().is_some_and(|name| name == "activation") {
            let link = fs::read_to_string(&path).unwrap();
            let token = link.lines().next().unwrap().split_once('#').unwrap().1;
            hidden.extend(windows(&model::bytes_from_hex(token).unwrap()));
        }
        if path.file_name().is_some_and(|name| name == "operator.pem") {
            let pem = fs::read_to_string(&path).unwrap();
            let blocks = certificate::pem_blocks(&pem).unwrap();
            let keys: Vec<_> = blocks.iter().filter(|block| block.label == "PRIVATE KEY").collect();
            assert_eq!(keys.len(), 1, "{}", path.display());
            hidden.extend(windows(keys[0].der.expose()).skip(32));
        }
    }
    let devices = fs::read_dir(folder.join("devices")).unwrap();
    let states: Vec<_> = devices.map(|entry| device_state(&entry.unwrap().path())).collect();
    assert_eq!(states.len(), 4);
    // Names and versions are text and no secret; of sixteen random bytes one is none.
    let is_text = |window: &Vec<u8>| window.iter().all(|byte| (0x20..0x7f).contains(byte));
    hidden.extend(states.iter().flat_map(|state| windows(state).filter(|window| !is_text(window))));
    for (name, text) in &texts {
        let shown = String::from_utf8_lossy(text).to_lowercase();
        assert!(!shown.contains("private key"), "{name} holds a private key");
        for label in &labels {
            let case: &str = &label.case_id.case_string();
            assert!(
                !shown.contains(&case.to_lowercase()),
                "{name} holds the case string of {}",
                label.device
            );
        }
        for bytes in [text.clone()].into_iter().chain(hexadecimal_runs(text)) {
            let found = bytes.windows(WINDOW).find(|window| hidden.contains(*window));
            assert_eq!(found, None, "{name} holds a part of a key or of a device's state");
        }
    }
}

fn windows(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    bytes.windows(WINDOW).map(<[u8]>::to_vec)
}

/// What is written in hexadecimal digits, in both places that a pair can begin.
fn hexadecimal_runs(text: &[u8]) -> Vec<Vec<u8>> {
    let is_digit = |byte: &u8| HEX_DIGITS.as_bytes().contains(byte);
    let runs = text.split(|byte| !is_digit(byte)).filter(|run| run.len() >= 2 * WINDOW);
    let value = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    let decode = |run: &[u8]| run.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect();
    runs.flat_map(|run| [decode(run), decode(&run[1..])]).collect()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

pub(crate) fn read_label(path: &Path) -> Label {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut points = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut points).unwrap();
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut picture =
        rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| points[y * width + x]);
    let mut bytes = Vec::new();
    picture.detect_grids()[0].decode_to(&mut bytes).unwrap();
    Label::decode(&bytes).unwrap()
}

/// The newest state of a device, opened with its own sealing key.
fn device_state(folder: &Path) -> Vec<u8> {
    let provider = crypto_server::Server::new();
    let key = provider.aead(Aead::Aes256Gcm, &fs::read(folder.join("seal.key")).unwrap()).unwrap();
    let open = |copy: &str| {
        let sealed = fs::read(folder.join(copy)).ok()?;
        let (nonce, mut sealed) = (sealed[1..13].to_vec(), sealed[13..].to_vec());
        key.open(&nonce, b"thingstead device state\x01", &mut sealed).ok()?;
        Some(sealed)
    };
    let newest = ["state.0", "state.1"].into_iter().filter_map(open).max_by(|a, b| a[..8].cmp(&b[..8]));
    newest.unwrap()[8..].to_vec()
}
