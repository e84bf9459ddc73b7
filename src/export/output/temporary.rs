//! A file that has its name when it is complete.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::rename::rename_to_free_name;
use crate::sys::write_out::begin_write_out;

/// A regular file under a temporary name, beside the one it is to have.
///
/// Dropped before [`Self::complete`] it disappears.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    pub(super) file: File,
    /// Octets of the file that are on their way to the disk.
    under_way: u64,
    temporary: PathBuf,
    wanted: PathBuf,
    naming: Naming,
    keep: bool,
}

/// What happens to a file that has the wanted name already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Naming {
    /// It is replaced.
    Replace,
    /// It stays, and the new one is numbered: `NAME-1.EXTENSION`.
    Number,
}

impl TemporaryFile {
    /// Creates a file that will be at `wanted`.
    pub(crate) fn create(wanted: PathBuf, naming: Naming) -> io::Result<Self> {
        let (temporary, file) = loop {
            let temporary = temporary_name(&wanted)?;
            match File::create_new(&temporary) {
                // In a container every run has the same process number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => break (temporary, created?),
            }
        };
        // Tells whoever looks that we live. Where there are no locks nobody can tell.
        let _ = file.try_lock();
        Ok(Self { file, under_way: 0, temporary, wanted, naming, keep: false })
    }

    /// Sends what was written of the first `length` octets on its way to the disk, if that is much.
    ///
    /// [`Self::complete`] waits for the disk. With nothing under way until then, that took a sixth of
    /// the wall time of a replay that writes 900 MB (`scripts/bench --workloads w4`).
    pub(super) fn write_behind(&mut self, length: u64) {
        if length.saturating_sub(self.under_way) >= WRITE_BEHIND {
            begin_write_out(&self.file, self.under_way..length);
            self.under_way = length;
        }
    }

    /// Gives the file its name, which is returned, once its octets are on the disk: after a power
    /// cut there is no name without them.
    ///
    /// # Errors
    ///
    /// What the file system says. The file then stays under its temporary name, which the error
    /// tells: what it holds is good.
    pub(crate) fn complete(mut self) -> io::Result<PathBuf> {
        self.keep = true;
        self.name().map_err(|error| {
            let text = format!("{error} (complete in {})", self.temporary.display());
            io::Error::new(error.kind(), text)
        })
    }

    fn name(&self) -> io::Result<PathBuf> {
        self.file.sync_all()?;
        let name = match self.naming {
            Naming::Replace => {
                fs::rename(&self.temporary, &self.wanted)?;
                self.wanted.clone()
            }
            Naming::Number => self.take_free_name()?,
        };
        // Some file systems cannot do that; the file is safe, under this name or the temporary one.
        if let Some(directory) = name.parent().and_then(|path| File::open(or_here(path)).ok()) {
            let _ = directory.sync_all();
        }
        Ok(name)
    }

    fn take_free_name(&self) -> io::Result<PathBuf> {
        for number in 0..MOST_NUMBERS {
            let name = match number {
                0 => self.wanted.clone(),
                _ => with_suffix(&self.wanted, &format!("-{number}")),
            };
            match rename_to_free_name(&self.temporary, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                outcome => return outcome.map(|()| name),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.keep {
            // It was never complete. If it cannot be removed there is nobody left to tell.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Octets that are sent to the disk together: enough for it to work at its full rate.
const WRITE_BEHIND: u64 = 8 << 20;

/// `path` with `suffix` between the name and its extension; `.zst` does not count as one.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let Some(name) = path.file_name().map(Path::new) else { return path.to_owned() };
    let (name, zst) = match name.extension() {
        Some(extension) if extension == "zst" => (name.with_extension(""), Some(extension)),
        _ => (name.to_owned(), None),
    };
    let mut suffixed = name.file_stem().unwrap_or_default().to_owned();
    suffixed.push(suffix);
    for extension in name.extension().into_iter().chain(zst) {
        suffixed.push(".");
        suffixed.push(extension);
    }
    path.with_file_name(suffixed)
}

/// A hidden name beside `path`, so that the rename stays within one file system.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}-{count}{TEMPORARY_EXTENSION}", process::id()));
    Ok(path.with_file_name(temporary))
}

/// Files in `directory` whose final name would begin with `prefix` and that nobody writes any more,
/// in the order of their names: somebody was killed.
pub(crate) fn left_over(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(or_here(directory)) else { return Vec::new() };
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    let mut found: Vec<_> = names
        .filter(|name| is_temporary_name(name, prefix))
        .map(|name| directory.join(name))
        // The lock goes with the process, also where its number says nothing: in another container.
        .filter(|path| File::open(path).is_ok_and(|file| file.try_lock().is_ok()))
        .collect();
    found.sort();
    found
}

/// Whether [`temporary_name`] may have made this of a name that begins with `prefix`.
fn is_temporary_name(name: &OsStr, prefix: &str) -> bool {
    let rest = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_prefix(prefix));
    let rest = rest.and_then(|rest| rest.strip_suffix(TEMPORARY_EXTENSION));
    let numbers = rest.and_then(|rest| rest.rsplit_once('.')?.1.split_once('-'));
    numbers.is_some_and(|(process, count)| {
        process.parse::<u32>().is_ok() && count.parse::<u32>().is_ok()
    })
}

/// The empty path is this directory, which has to be called so.
fn or_here(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

const TEMPORARY_EXTENSION: &str = ".partial";

/// Whoever has so many files of the same name has another problem.
const MOST_NUMBERS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_gets_a_number_before_its_extension() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("flows.ipfix.zst");
        let names: Vec<_> = (0..3)
            .map(|_| {
                let file = TemporaryFile::create(wanted.clone(), Naming::Number).unwrap();
                file.complete().unwrap().file_name().unwrap().to_owned()
            })
            .collect();
        assert_eq!(names, ["flows.ipfix.zst", "flows-1.ipfix.zst", "flows-2.ipfix.zst"]);
    }

    #[test]
    fn suffixes_stand_before_the_extension() {
        for (path, expected) in [
            ("/a.b/flows.ipfix", "/a.b/flows-1.ipfix"),
            ("flows", "flows-1"),
            ("a/.flows", "a/.flows-1"),
            ("flows.zst", "flows-1.zst"),
            ("flows.v1.ipfix.zst", "flows.v1-1.ipfix.zst"),
        ] {
            assert_eq!(with_suffix(Path::new(path), "-1"), Path::new(expected));
        }
    }

    #[test]
    fn a_complete_file_without_a_name_is_kept_and_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("flows");
        let file = TemporaryFile::create(wanted.clone(), Naming::Replace).unwrap();
        fs::create_dir(&wanted).unwrap();
        let error = file.complete().unwrap_err().to_string();
        let kept = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.is_file())
            .unwrap();
        assert!(error.contains(kept.to_str().unwrap()), "{error}");
    }

    #[test]
    fn files_that_nobody_writes_are_left_over() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("flows-5");
        let file = TemporaryFile::create(wanted, Naming::Number).unwrap();
        for name in [
            ".flows-1.1-0.partial",
            ".other-1.1-0.partial",
            ".flows-1.1-x.partial",
            ".flows-1.1-0",
            "flows-1.1-0.partial",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found = left_over(directory.path(), "flows-");
        assert_eq!(found, [directory.path().join(".flows-1.1-0.partial")]);
        drop(file);
    }

    #[test]
    fn a_file_of_a_former_run_with_our_number_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("flows");
        let next = TemporaryFile::create(wanted.clone(), Naming::Number).unwrap();
        let name = next.temporary.to_str().unwrap().to_owned();
        let (front, count) = name.strip_suffix(".partial").unwrap().rsplit_once('-').unwrap();
        let count: u32 = count.parse().unwrap();
        let names: Vec<_> =
            (1..100).map(|n| PathBuf::from(format!("{front}-{}.partial", count + n))).collect();
        for name in &names {
            fs::write(name, "whole messages").unwrap();
        }
        drop(TemporaryFile::create(wanted, Naming::Number).unwrap());
        for name in &names {
            assert_eq!(fs::read(name).unwrap(), b"whole messages");
        }
    }
}
