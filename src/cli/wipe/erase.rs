//! Erasing one file, without ever following a symbolic link.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Whether it is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Erasure {
    /// It is.
    Real,
    /// Only what would happen is told.
    Pretended,
}

/// Overwrites a regular file, waits until the disk has it, and removes it.
pub(super) fn overwrite_and_remove(path: &Path) -> io::Result<()> {
    let (folder, name) = Folder::of(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(folder.path(name))
        .map_err(no_link)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut left = metadata.len();
    while left > 0 {
        let length = left.min(NOTHING.len() as u64);
        let length = usize::try_from(length).unwrap_or(NOTHING.len());
        file.write_all(NOTHING.get(..length).unwrap_or(&NOTHING))?;
        left -= length as u64;
    }
    file.sync_all()?;
    folder.remove(name)
}

/// Removes a file, or a symbolic link and not what it leads to.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let (folder, name) = Folder::of(path)?;
    folder.remove(name)
}

/// Removes a directory that is empty.
pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    let (folder, name) = Folder::of(path)?;
    fs::remove_dir(folder.path(name))
}

/// A directory that stays the same whatever becomes of its path: between two steps somebody could put
/// a link in its place.
struct Folder {
    file: File,
    shown: PathBuf,
}

impl Folder {
    /// The directory of a file, and the name of the file in it.
    fn of(path: &Path) -> io::Result<(Self, &OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .open(parent)?;
        Ok((Self { file, shown: parent.to_owned() }, name))
    }

    fn path(&self, name: &OsStr) -> PathBuf {
        if cfg!(target_os = "linux") {
            Path::new("/proc/self/fd").join(self.file.as_raw_fd().to_string()).join(name)
        } else {
            self.shown.join(name)
        }
    }

    /// The name is gone when this returns, also after a power cut where the file system can say so.
    fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path(name))?;
        let _ = self.file.sync_all();
        Ok(())
    }
}

fn no_link(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other("it is a symbolic link, which is not followed"),
        _ => error,
    }
}

static NOTHING: [u8; 65_536] = [0; 65_536];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    #[test]
    fn what_is_overwritten_is_nothing_also_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (folder.path().join("key"), folder.path().join("other"));
        fs::write(&key, [7; 100_000]).unwrap();
        fs::hard_link(&key, &other).unwrap();
        overwrite_and_remove(&key).unwrap();
        assert!(!key.exists());
        assert_eq!(fs::read(&other).unwrap(), [0; 100_000]);
        assert_eq!(fs::metadata(&other).unwrap().nlink(), 1);
    }

    #[test]
    fn links_and_what_is_no_file_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
        fs::write(&victim, "mine").unwrap();
        symlink(&victim, &link).unwrap();
        let error = overwrite_and_remove(&link).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert!(overwrite_and_remove(folder.path()).is_err());
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        remove(&link).unwrap();
        assert!(victim.exists() && fs::symlink_metadata(&link).is_err());
        assert_eq!(remove(&link).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
