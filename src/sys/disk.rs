//! What file systems have free.

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::statvfs::{Statvfs, fstatvfs, statvfs};

/// Octets that are free for this user where `directory` is or will be.
pub fn free_octets(directory: &Path) -> Option<u64> {
    let there = directory.ancestors().find_map(|place| {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        statvfs(place).ok()
    })?;
    Some(free(there))
}

/// Octets that are free for this user where an open file is.
pub fn free_octets_beside(file: impl AsFd) -> Option<u64> {
    fstatvfs(file).ok().map(free)
}

fn free(there: Statvfs) -> u64 {
    #[allow(clippy::useless_conversion, reason = "32 bits on processors of 32")]
    let (blocks, size) = (u64::from(there.blocks_available()), u64::from(there.fragment_size()));
    blocks.saturating_mul(size)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_file_and_what_is_not_there_yet_are_on_the_same_disk() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("file")).unwrap();
        let by_path = free_octets(&folder.path().join("not/there")).unwrap();
        let by_file = free_octets_beside(&file).unwrap();
        // Others write there as well.
        assert!(free_octets(Path::new("relative/and/not/there")).is_some());
        assert!(by_path > 0 && by_path.abs_diff(by_file) < 1 << 30, "{by_path} {by_file}");
    }
}
