//! Embeds the console's built files, `console/dist`, with gzip variants of the texts. Never runs Node.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let folder = root.join("../../console/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../console/dist");
    let mut files = Vec::new();
    if folder.is_dir() {
        collect(&folder, &folder, &mut files);
    }
    files.sort();
    let mut table = String::from("static FILES: &[File] = &[\n");
    for (at, (name, path)) in files.iter().enumerate() {
        let zipped = zip(path, &out.join(format!("{at}.gz")));
        let gzip = zipped.map_or_else(|| "None".to_owned(), |path| format!("Some(include_bytes!({path:?}))"));
        let path = path.canonicalize().expect("a listed file is there");
        writeln!(table, "File {{ name: {name:?}, bytes: include_bytes!({path:?}), gzip: {gzip} }},")
            .expect("writing to a string does not fail");
    }
    table.push_str("];\n");
    fs::write(out.join("console_files.rs"), table).expect("the build's own folder can be written");
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).expect("the console's folder can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it lies below").to_str().expect("names are text");
            files.push((name.replace('\\', "/"), path));
        }
    }
}

/// The compressed variant, when the file is text that gets smaller by it.
fn zip(path: &Path, to: &Path) -> Option<PathBuf> {
    let is_text = ["html", "js", "css", "svg", "json", "txt", "webmanifest"]
        .iter()
        .any(|extension| path.extension().is_some_and(|own| own == *extension));
    let bytes = fs::read(path).expect("a listed file can be read");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&bytes).expect("writing to a vector does not fail");
    let zipped = encoder.finish().expect("writing to a vector does not fail");
    if !is_text || zipped.len() >= bytes.len() {
        return None;
    }
    fs::write(to, zipped).expect("the build's own folder can be written");
    Some(to.to_owned())
}
