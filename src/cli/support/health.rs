//! How the spools are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::args::Capture;
use crate::cli::installation;
use crate::export::SpoolInventory;

/// Counts of the spools that are given, and of those that the options and the configuration name; not
/// what they are called, for that tells of the Collectors.
pub(super) fn facts(
    given: &[PathBuf],
    options: Option<&[String]>,
    configured: Option<&Capture>,
    state: &Path,
) -> Value {
    let by_options = options.and_then(installation::capture_of);
    let captures = by_options.as_ref().into_iter().chain(configured);
    let named = captures.filter_map(|capture| {
        let join = |path: &Option<PathBuf>| path.as_ref().map(|it| state.join(it));
        Some((join(&capture.spool.directory)?, join(&capture.spool.key)))
    });
    let spools = given.iter().map(|spool| (spool.clone(), None)).chain(named);
    let spools: Vec<_> = spools.map(|(spool, key)| one(&spool, key.as_deref())).collect();
    json!({ "state_directory": state.is_dir(), "spools": spools })
}

fn one(spool: &Path, key: Option<&Path>) -> Value {
    let key = key.map(|key| match fs::metadata(key) {
        Ok(it) if it.permissions().mode() & 0o077 == 0 => "private".to_owned(),
        Ok(_) => "exposed".to_owned(),
        Err(error) => error.kind().to_string(),
    });
    let inventory = match SpoolInventory::of(spool, false) {
        Ok(inventory) => inventory,
        Err(error) => return json!({ "error": error.kind().to_string(), "key": key }),
    };
    let SpoolInventory { targets, foreign } = inventory;
    let segments = || targets.iter().flat_map(|target| &target.segments);
    let ages = || segments().filter_map(|it| Some(it.modified.elapsed().ok()?.as_secs()));
    json!({
        "key": key,
        "targets": targets.len(),
        "targets_in_use": targets.iter().filter(|target| target.in_use).count(),
        "files": segments().count(),
        "octets": segments().map(|segment| segment.octets).sum::<u64>(),
        "oldest_seconds": ages().max(),
        "newest_seconds": ages().min(),
        "foreign_files": foreign.len() + targets.iter().map(|it| it.foreign.len()).sum::<usize>(),
    })
}
