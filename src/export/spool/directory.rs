//! The directory of one target below that of the spool.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::digest;

use crate::export::spool::error::SpoolError;
use crate::sys::disk;

/// A directory that is ours alone as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Makes the directory of `target` below `parent` if it is not there, and locks it.
    pub(super) fn open(parent: &Path, target: &str) -> Result<Self, SpoolError> {
        let path = parent.join(name_of(target));
        match prepare(&path) {
            Ok(Some(lock)) => Ok(Self { path, lock }),
            Ok(None) => Err(SpoolError::Locked { path }),
            Err(source) => Err(SpoolError::Directory { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is still where it was: it may have been removed or moved.
    pub(super) fn is_in_place(&self) -> bool {
        let here = self.lock.metadata();
        let there = fs::symlink_metadata(self.path.join(LOCK_NAME));
        here.is_ok_and(|here| {
            there.is_ok_and(|there| (here.dev(), here.ino()) == (there.dev(), there.ino()))
        })
    }

    /// Octets that are free on its file system.
    pub(super) fn free(&self) -> Option<u64> {
        disk::free_octets_beside(&self.lock)
    }

    /// Makes the directory again after it was removed.
    pub(super) fn restore(&mut self) -> io::Result<()> {
        self.lock = prepare(&self.path)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::WouldBlock, "the spool directory was taken over")
        })?;
        Ok(())
    }

    /// Removes the directory; of what is not ours it is left, with what is in it.
    pub(super) fn remove(self) {
        let _ = fs::remove_file(self.path.join(LOCK_NAME));
        let _ = fs::remove_dir(&self.path);
    }

    /// The files of segments in it, in the order of their names, and how many others there are.
    pub(super) fn segments(&self) -> io::Result<(Vec<PathBuf>, usize)> {
        let mut segments = Vec::new();
        let mut foreign = 0;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if is_segment_name(&entry.file_name()) && entry.file_type()?.is_file() {
                segments.push(entry.path());
            } else if entry.file_name() != LOCK_NAME {
                foreign += 1;
            }
        }
        segments.sort();
        Ok((segments, foreign))
    }

    /// Where the segment of this number is.
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}{SEGMENT_SUFFIX}"))
    }

    /// Where it is while two segments change names.
    pub(super) fn moved_segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}{SEGMENT_SUFFIX}{MOVED_SUFFIX}"))
    }
}

impl Drop for Directory {
    /// A program that another thread is about to start has a copy of every descriptor for a moment:
    /// to close ours would not let the lock go.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// The directory made and locked; `None` if somebody else has the lock.
fn prepare(path: &Path) -> io::Result<Option<File>> {
    // The one that has the lock may remove it right before it lets it go.
    for _ in 0..LOCK_ATTEMPTS {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if fs::metadata(path)?.permissions().mode() & 0o777 != 0o700 {
            fs::set_permissions(path, Permissions::from_mode(0o700))?;
        }
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_NAME));
        let lock = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) if lock.metadata()?.nlink() > 0 => return Ok(Some(lock)),
            Ok(()) => {}
        }
    }
    Ok(None)
}

/// A name that is safe in any file system and of no other target: what can be read of `target`, and
/// a hash of all of it.
fn name_of(target: &str) -> String {
    let readable: String = target
        .chars()
        .take(READABLE_LENGTH)
        .map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' })
        .collect();
    let mut name = readable.trim_start_matches(['.', '-']).to_ascii_lowercase();
    name.push('-');
    let hash = digest::digest(&digest::SHA256, target.as_bytes());
    for octet in hash.as_ref().iter().take(HASH_LENGTH) {
        name.push_str(&format!("{octet:02x}"));
    }
    name
}

/// Whether a directory may have this name as that of a target.
pub(super) fn is_target_name(name: &OsStr) -> bool {
    let hash = name.to_str().and_then(|name| name.rsplit_once('-')).map(|(_, hash)| hash);
    hash.is_some_and(|hash| {
        hash.len() == 2 * HASH_LENGTH
            && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

pub(super) fn is_segment_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let name = name.strip_suffix(MOVED_SUFFIX).unwrap_or(name);
    name.strip_suffix(SEGMENT_SUFFIX).is_some_and(|number| {
        number.len() == 16 && number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

pub(super) const LOCK_NAME: &str = "lock";
const SEGMENT_SUFFIX: &str = ".spool";
const MOVED_SUFFIX: &str = ".moved";
const LOCK_ATTEMPTS: usize = 8;
const READABLE_LENGTH: usize = 48;
const HASH_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_distinct() {
        let targets = ["tcp://a:1", "tcp://A:1", "tcp:__a:1", "..", "../../etc", "", "a\0b", "ü"];
        let names: Vec<_> = targets.iter().map(|target| name_of(target)).collect();
        for name in &names {
            assert!(!name.contains(['/', '\0', ':']) && !name.starts_with('.'), "{name}");
            assert!(name.len() <= READABLE_LENGTH + 1 + 2 * HASH_LENGTH, "{name}");
            assert!(is_target_name(OsStr::new(name)), "{name}");
        }
        for (position, name) in names.iter().enumerate() {
            assert!(!names[..position].contains(name), "{name} twice");
        }
        assert!(names[0].starts_with("tcp___a_1-"), "{}", names[0]);
        assert_eq!(names[0], name_of("tcp://a:1"), "the same in every run");
    }

    #[test]
    fn only_our_own_names_are_segments() {
        for name in ["00000000000000ff.spool", "00000000000000ff.spool.moved"] {
            assert!(is_segment_name(OsStr::new(name)), "{name}");
        }
        for name in ["ff.spool", "00000000000000FF.spool", "00000000000000ff.spool~", "lock"] {
            assert!(!is_segment_name(OsStr::new(name)), "{name}");
            assert!(!is_target_name(OsStr::new(name)), "{name}");
        }
    }
}
