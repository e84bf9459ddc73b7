//! What lies in the directory of a spool, told without its key: for whoever erases it, or asks how it
//! is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::export::spool::directory::{LOCK_NAME, is_segment_name, is_target_name};

/// The directories of targets in that of a spool.
#[derive(Debug, Default)]
pub struct SpoolInventory {
    /// In the order of their names.
    pub targets: Vec<SpoolTarget>,
    /// What is not of a spool.
    pub foreign: Vec<PathBuf>,
}

/// The directory of one target. While this lives no probe can use it.
#[derive(Debug)]
pub struct SpoolTarget {
    /// The directory.
    pub path: PathBuf,
    /// Files of records, in order.
    pub segments: Vec<SpoolSegment>,
    /// Its lock, if there is one.
    pub lock_file: Option<PathBuf>,
    /// What is not of a spool.
    pub foreign: Vec<PathBuf>,
    /// Whether a probe has it.
    pub in_use: bool,
    /// Holds the lock, where nobody else does.
    _lock: Option<File>,
}

/// One file of records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpoolSegment {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub octets: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

impl SpoolInventory {
    /// Looks into `directory` as it is; a symbolic link in it is not followed.
    ///
    /// What a spool makes is known by its names, as a probe knows it when it starts. With `lock` the
    /// targets are kept from being used.
    ///
    /// # Errors
    ///
    /// What the file system says of a directory, [`io::ErrorKind::NotFound`] included.
    pub fn of(directory: &Path, lock: bool) -> io::Result<Self> {
        let mut inventory = Self::default();
        for entry in sorted(directory)? {
            let (path, is_directory, is_ours) =
                (entry.path(), entry.file_type()?.is_dir(), is_target_name(&entry.file_name()));
            if is_directory && is_ours {
                inventory.targets.push(SpoolTarget::of(path, lock)?);
            } else {
                inventory.foreign.push(path);
            }
        }
        Ok(inventory)
    }
}

impl SpoolTarget {
    fn of(path: PathBuf, lock: bool) -> io::Result<Self> {
        let lock_path = path.join(LOCK_NAME);
        let has_lock = fs::symlink_metadata(&lock_path).is_ok_and(|it| it.is_file());
        let (in_use, held) = match has_lock {
            true => try_lock(&lock_path)?,
            false => (false, None),
        };
        let mut target = Self {
            path,
            segments: Vec::new(),
            lock_file: has_lock.then_some(lock_path),
            foreign: Vec::new(),
            in_use,
            _lock: held.filter(|_| lock),
        };
        for entry in sorted(&target.path)? {
            let is_file = entry.file_type()?.is_file();
            if is_file && is_segment_name(&entry.file_name()) {
                // A probe may remove it while we look.
                let Ok(metadata) = entry.metadata() else { continue };
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                let (path, octets) = (entry.path(), metadata.len());
                target.segments.push(SpoolSegment { path, octets, modified });
            } else if !(is_file && entry.file_name() == LOCK_NAME) {
                target.foreign.push(entry.path());
            }
        }
        Ok(target)
    }
}

/// Whether somebody else has the lock, and the lock where nobody has.
fn try_lock(path: &Path) -> io::Result<(bool, Option<File>)> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok((false, Some(file))),
        Err(TryLockError::WouldBlock) => Ok((true, None)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn sorted(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;
    use crate::export::account::Totals;
    use crate::export::body::Body;
    use crate::export::config::SpoolConfig;
    use crate::export::spool::Spool;
    use crate::time::Timestamp;

    fn config(folder: &Path) -> SpoolConfig {
        SpoolConfig {
            directory: folder.join("spool"),
            maximum_octets: 1 << 20,
            maximum_age: Duration::from_secs(60),
            key_file: Some(folder.join("spool.key")),
        }
    }

    #[test]
    fn what_a_spool_makes_is_found_and_is_free_when_the_probe_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let now = Timestamp::from_parts(1_800_000_000, 0);
        let (mut spool, _) = Spool::open(&config, "tcp://a:1", "context", now).unwrap();
        let totals = Totals { records: 1, packets: 2, octets: 3 };
        spool.push(&Body { sets: vec![7; 100], totals }, now).unwrap();
        spool.flush();
        let inventory = SpoolInventory::of(&config.directory, true).unwrap();
        let [target] = &inventory.targets[..] else { panic!("{inventory:?}") };
        assert!(target.in_use && target.lock_file.is_some(), "{target:?}");
        let [segment] = &target.segments[..] else { panic!("{target:?}") };
        assert!(segment.octets > 100);
        drop(spool);

        let inventory = SpoolInventory::of(&config.directory, true).unwrap();
        assert!(!inventory.targets[0].in_use);
        let again = Spool::open(&config, "tcp://a:1", "context", now);
        assert!(again.is_err(), "an inventory that locks keeps probes out");
        drop(inventory);
        assert!(Spool::open(&config, "tcp://a:1", "context", now).is_ok());
    }

    #[test]
    fn files_and_links_of_others_are_foreign() {
        let folder = tempfile::tempdir().unwrap();
        let spool = folder.path().join("spool");
        let target = spool.join(format!("tcp___a_1-{}", "0f".repeat(16)));
        fs::create_dir_all(&target).unwrap();
        for path in [spool.join("notes"), target.join("notes")] {
            fs::write(path, "mine").unwrap();
        }
        symlink("/etc", spool.join(format!("etc-{}", "0f".repeat(16)))).unwrap();
        symlink("/etc/passwd", target.join("0000000000000001.spool")).unwrap();
        symlink("/etc/passwd", target.join("lock")).unwrap();
        fs::create_dir(target.join("0000000000000002.spool")).unwrap();
        let inventory = SpoolInventory::of(&spool, true).unwrap();
        assert_eq!((inventory.targets.len(), inventory.foreign.len()), (1, 2), "{inventory:?}");
        let [target] = &inventory.targets[..] else { panic!() };
        assert_eq!((target.segments.len(), target.foreign.len()), (0, 4), "{target:?}");
        assert!(!target.in_use && target.lock_file.is_none());
    }
}
