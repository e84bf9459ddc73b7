//! The real captures beside the checkout, where there are any.

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn shared_captures() -> Vec<PathBuf> {
    let mut captures = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                captures.push(path);
            }
        }
    }
    captures.sort();
    captures
}
