//! Files that appear when they are complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::export::account::{Account, Totals};

/// Buffered output of whole units: Messages, or lines.
///
/// A regular file is written under a temporary name beside its own and renamed at the end, so that
/// nobody mistakes half of it for all. If the disk fills up it ends after the last unit that was
/// written in full, and if there is one it gets its name all the same: what it holds is good, and
/// counted.
#[derive(Debug)]
pub(crate) struct Output {
    destination: Destination,
    buffer: Vec<u8>,
    /// Where each unit in `buffer` ends, and what it tells of.
    units: Vec<(usize, Totals)>,
    /// Octets of the file that end with a whole unit.
    whole: u64,
    broken: bool,
}

#[derive(Debug)]
enum Destination {
    Standard,
    /// Something that is no regular file, and cannot be renamed.
    Special(File),
    /// `None` once renamed.
    Regular {
        file: File,
        names: Option<Names>,
    },
}

#[derive(Debug)]
struct Names {
    temporary: PathBuf,
    wanted: PathBuf,
}

impl Output {
    pub(crate) fn standard() -> Self {
        Self::new(Destination::Standard)
    }

    /// Creates a file that will be at `path`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // It may be redirected into a regular file: replacing that by another one would lose what
        // else is written to standard output.
        if STANDARD_OUTPUT.iter().any(|name| Path::new(name) == path) {
            return Ok(Self::standard());
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Ok(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(path)?;
                return Ok(Self::new(Destination::Special(file)));
            }
            Ok(_) | Err(_) => {}
        }
        // Through a symbolic link: the link stays, the file behind it is replaced.
        let wanted = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let temporary = temporary_name(&wanted)?;
        let file = File::create(&temporary)?;
        Ok(Self::new(Destination::Regular { file, names: Some(Names { temporary, wanted }) }))
    }

    fn new(destination: Destination) -> Self {
        Self {
            destination,
            buffer: Vec::with_capacity(2 * BUFFER_SIZE),
            units: Vec::new(),
            whole: 0,
            broken: false,
        }
    }

    /// Adds one unit that tells of `totals`; `write` appends its octets.
    pub(crate) fn add(
        &mut self,
        totals: Totals,
        account: &mut Account,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        write(&mut self.buffer);
        self.units.push((self.buffer.len(), totals));
        if self.buffer.len() >= BUFFER_SIZE { self.flush(account) } else { Ok(()) }
    }

    /// Writes what is buffered. After an error the output takes nothing more.
    pub(crate) fn flush(&mut self, account: &mut Account) -> io::Result<()> {
        if self.broken || self.buffer.is_empty() {
            return Ok(());
        }
        let (written, outcome) = match &mut self.destination {
            Destination::Standard => {
                let mut standard = io::stdout().lock();
                let (written, outcome) = write_all(&mut standard, &self.buffer);
                (written, outcome.and_then(|()| standard.flush()))
            }
            Destination::Special(file) | Destination::Regular { file, .. } => {
                write_all(file, &self.buffer)
            }
        };
        let whole = self.units.partition_point(|&(end, _)| end <= written);
        let mut end = 0;
        for (unit_end, totals) in self.units.drain(..whole) {
            end = unit_end;
            account.sent(totals);
        }
        account.messages(whole as u64, end);
        self.whole += end as u64;
        self.broken = outcome.is_err();
        if !self.broken {
            self.buffer.clear();
        }
        outcome
    }

    /// Records that were added and not yet written.
    pub(crate) fn take_unwritten(&mut self) -> Totals {
        let mut unwritten = Totals::default();
        for (_, totals) in self.units.drain(..) {
            unwritten += totals;
        }
        unwritten
    }

    /// Whether an error ended this output.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Writes the rest and gives the file its name.
    pub(crate) fn finish(&mut self, account: &mut Account) -> io::Result<()> {
        let flushed = self.flush(account);
        let Destination::Regular { file, names } = &mut self.destination else {
            return flushed;
        };
        if self.broken {
            file.set_len(self.whole)?;
            if self.whole == 0 {
                // Nothing of it is good, so it does not replace what may be there.
                return flushed;
            }
        }
        if let Some(Names { temporary, wanted }) = names {
            fs::rename(temporary, wanted)?;
            *names = None;
        }
        flushed
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Destination::Regular { names: Some(Names { temporary, .. }), .. } = &self.destination
        {
            // It was never complete. If it cannot be removed there is nobody left to tell.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Writes as much as can be written, and says how much that was.
fn write_all(output: &mut impl Write, octets: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = octets.get(written..)
        && !rest.is_empty()
    {
        match output.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// A hidden name beside `path`, so that the rename stays within one file system.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}-{count}.partial", process::id()));
    Ok(path.with_file_name(temporary))
}

/// Names of standard output in the file system.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Octets that are written at once.
const BUFFER_SIZE: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(directory: &Path) -> Vec<OsString> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flows");
        fs::write(&path, "old").unwrap();
        let mut account = Account::default();
        let mut output = Output::create(&path).unwrap();
        output.add(Totals::default(), &mut account, |out| out.extend(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");

        output.finish(&mut account).unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(entries(directory.path()), ["flows"]);
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let output = Output::create(&directory.path().join("flows")).unwrap();
        assert_eq!(entries(directory.path()).len(), 1);
        drop(output);
        assert!(entries(directory.path()).is_empty());
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut output = Output::create(&link).unwrap();
        output.finish(&mut Account::default()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"");
    }

    #[test]
    fn directories_and_missing_directories_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Output::create(directory.path()).is_err());
        assert!(Output::create(&directory.path().join("none/flows")).is_err());
        assert!(entries(directory.path()).is_empty());
    }

    #[test]
    fn what_was_written_of_a_broken_output_ends_with_a_whole_unit() {
        /// Takes ten octets.
        struct Small(usize);
        impl Write for Small {
            fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
                let count = octets.len().min(self.0);
                self.0 -= count;
                if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (written, outcome) = write_all(&mut Small(10), &[0; 14]);
        assert_eq!((written, outcome.is_err()), (10, true));
        assert_eq!(write_all(&mut Small(10), &[0; 10]).0, 10);
    }

    #[test]
    fn a_full_disk_is_an_error_and_ends_the_output() {
        let mut account = Account::default();
        let mut output = Output::create(Path::new("/dev/full")).unwrap();
        let totals = Totals { records: 1, packets: 2, octets: 3 };
        output.add(totals, &mut account, |out| out.push(1)).unwrap();
        let error = output.flush(&mut account).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(output.is_broken());
        assert_eq!(account.settled(), Totals::default());
        assert_eq!(output.take_unwritten(), totals);
        output.finish(&mut account).unwrap();
    }
}
