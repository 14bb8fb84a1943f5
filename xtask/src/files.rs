//! The source files of the repository.

use std::path::{Path, PathBuf};

/// All files below `directory` with one of `extensions`, sorted; build output and fuzz corpora left out.
pub(crate) fn below(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(directory, extensions, &mut found);
    found.sort();
    found
}

fn collect(directory: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            let skipped = ["target", "node_modules", "corpus", "artifacts", "__pycache__"].contains(&&*name);
            if !skipped && !name.starts_with('.') {
                collect(&path, extensions, found);
            }
        } else if path.extension().is_some_and(|own| extensions.iter().any(|wanted| own == *wanted)) {
            found.push(path);
        }
    }
}
