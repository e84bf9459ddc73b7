//! Files that appear when they are complete.

mod pipe;
mod temporary;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

use crate::export::account::{Account, Totals};
use crate::export::counted::Counter;
use crate::export::ending::Ending;
use crate::export::error::ExportError;

use pipe::Pipe;
pub(crate) use temporary::{Naming, TemporaryFile, left_over, with_suffix};

/// Buffered output of whole units: Messages, or lines.
///
/// A regular file is written under a temporary name beside its own and renamed at the end, so that
/// nobody mistakes half of it for all. If the disk fills up it ends after the last unit that was
/// written in full, and if there is one it gets its name all the same: what it holds is good, and
/// counted.
///
/// Compressed, what is written at once is a frame of its own: damage costs no more than that, and a
/// file that had to end early ends with a whole frame.
pub(crate) struct Output {
    destination: Destination,
    compressor: Option<Compressor<'static>>,
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
    /// A FIFO, for whoever reads it.
    Pipe(Pipe),
    /// Nothing is written.
    Counted(Counter),
    /// `None` once there is nothing more to write.
    Regular(Option<TemporaryFile>),
}

impl Output {
    pub(crate) fn standard() -> Self {
        Self::new(Destination::Standard)
    }

    /// Creates a file that will be at `path`, or opens what is there if it is none.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // It may be redirected into a regular file: replacing that by another one would lose what
        // else is written to standard output.
        if is_standard_output(path) {
            return Ok(Self::standard());
        }
        if is_fifo(path) {
            return Ok(Self::new(Destination::Pipe(Pipe::open(path)?)));
        }
        if is_special(path)? {
            let file = File::options().write(true).open(path)?;
            return Ok(Self::new(Destination::Special(file)));
        }
        // Through a symbolic link: the link stays, the file behind it is replaced.
        let wanted = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        TemporaryFile::create(wanted, Naming::Replace).map(Self::to_file)
    }

    /// Where a FIFO has no reader, one is waited for until the run is over, and not for ever.
    pub(crate) fn wait_until(&mut self, ending: &Arc<Ending>) {
        if let Destination::Pipe(pipe) = &mut self.destination {
            pipe.wait_until(Arc::clone(ending));
        }
    }

    /// Writes to a file that gets its name at the end.
    pub(crate) fn to_file(file: TemporaryFile) -> Self {
        Self::new(Destination::Regular(Some(file)))
    }

    /// Counts what would be written.
    pub(crate) fn counted(counter: Counter) -> Self {
        Self::new(Destination::Counted(counter))
    }

    /// The same, compressed by zstd (RFC 8878).
    pub(crate) fn compressed(mut self) -> io::Result<Self> {
        let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
        compressor.include_checksum(true)?;
        self.compressor = Some(compressor);
        Ok(self)
    }

    fn new(destination: Destination) -> Self {
        Self {
            destination,
            compressor: None,
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
        let start = self.buffer.len();
        write(&mut self.buffer);
        if let Destination::Counted(counter) = &self.destination {
            counter.count_message(self.buffer.get(start..).unwrap_or_default());
        }
        self.units.push((self.buffer.len(), totals));
        let enough = if self.compressor.is_some() { FRAME_SIZE } else { BUFFER_SIZE };
        if self.buffer.len() >= enough { self.flush(account) } else { Ok(()) }
    }

    /// Writes what is buffered. After an error the output takes nothing more.
    pub(crate) fn flush(&mut self, account: &mut Account) -> io::Result<()> {
        if self.broken || self.buffer.is_empty() {
            return Ok(());
        }
        let frame = match &mut self.compressor {
            Some(compressor) => {
                Some(compressor.compress(&self.buffer).inspect_err(|_| self.broken = true)?)
            }
            None => None,
        };
        let octets = frame.as_deref().unwrap_or(&self.buffer);
        let (written, outcome) = match &mut self.destination {
            Destination::Standard => {
                let mut standard = io::stdout().lock();
                let (written, outcome) = write_all(&mut standard, octets);
                (written, outcome.and_then(|()| standard.flush()))
            }
            Destination::Special(file) | Destination::Regular(Some(TemporaryFile { file, .. })) => {
                write_all(file, octets)
            }
            Destination::Pipe(pipe) => match pipe.reader() {
                Ok(file) => write_all(file, octets),
                Err(error) => (0, Err(error)),
            },
            Destination::Counted(counter) => {
                counter.count_octets(octets.len());
                (octets.len(), Ok(()))
            }
            Destination::Regular(None) => (0, Err(io::ErrorKind::NotConnected.into())),
        };
        // Of a frame the parts are nothing.
        let (whole, on_disk) = match frame {
            Some(frame) if written == frame.len() => (self.units.len(), Some(frame.len())),
            Some(_) => (0, Some(0)),
            None => (self.units.partition_point(|&(end, _)| end <= written), None),
        };
        let mut end = 0;
        for (unit_end, totals) in self.units.drain(..whole) {
            end = unit_end;
            account.sent(totals);
        }
        let on_disk = on_disk.unwrap_or(end) as u64;
        account.messages(whole as u64, end);
        account.in_file(on_disk);
        self.whole += on_disk;
        self.broken = outcome.is_err();
        if !self.broken {
            self.buffer.clear();
            if let Destination::Regular(Some(file)) = &mut self.destination {
                file.write_behind(self.whole);
            }
        }
        outcome
    }

    /// Octets in the file.
    pub(crate) const fn written(&self) -> u64 {
        self.whole
    }

    /// Octets that the file has at most once what is buffered is written, and `more` with it.
    pub(crate) fn size_with(&self, more: usize) -> u64 {
        let more = self.buffer.len() + more;
        self.whole + if self.compressor.is_some() { compress_bound(more) } else { more } as u64
    }

    /// Whether something waits to be written.
    pub(crate) const fn is_buffering(&self) -> bool {
        !self.units.is_empty()
    }

    /// Whether what is written at once ought to be much, because each time costs room.
    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressor.is_some()
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
        let (file, flushed) = self.end(account);
        match file {
            Some(file) => file.complete().map(drop).and(flushed),
            None => flushed,
        }
    }

    /// Writes the rest. A file that something good is in is to be completed, also after an error.
    pub(crate) fn end(&mut self, account: &mut Account) -> (Option<TemporaryFile>, io::Result<()>) {
        let flushed = self.flush(account);
        let Destination::Regular(file) = &mut self.destination else { return (None, flushed) };
        let Some(file) = file.take() else { return (None, flushed) };
        if self.broken {
            // What is cut off is not whole. Where nothing is, it does not replace what may be there.
            if let Err(error) = file.file.set_len(self.whole) {
                return (None, flushed.and(Err(error)));
            }
            if self.whole == 0 {
                return (None, flushed);
            }
        }
        (Some(file), flushed)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("destination", &self.destination)
            .field("whole", &self.whole)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Whether the reader of an output has left. Whoever has seen enough and closes the pipe is no error
/// of ours; `file:/dev/stdout` may be one.
pub(crate) fn reader_has_left(target: &str, done: io::Result<()>) -> Result<bool, ExportError> {
    match done {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(source) => Err(ExportError::Write { target: target.to_owned(), source }),
    }
}

pub(crate) fn is_standard_output(path: &Path) -> bool {
    STANDARD_OUTPUT.iter().any(|name| Path::new(name) == path)
}

/// What has to be writable for [`Output::create`], and until the file has its name: the directory of
/// the file, or what is there if it is none.
pub(crate) fn written_place(path: &Path) -> Option<PathBuf> {
    if is_standard_output(path) {
        return None;
    }
    if is_special(path).ok()? {
        return Some(path.to_owned());
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = path.parent().map(|directory| match directory {
        here if here == Path::new("") => Path::new("."),
        there => there,
    });
    directory.filter(|directory| directory.is_dir()).map(Path::to_owned)
}

fn is_fifo(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Whether something is at `path` that is no regular file.
///
/// # Errors
///
/// [`io::ErrorKind::IsADirectory`] for a directory.
pub(crate) fn is_special(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) => Ok(!metadata.is_file()),
        Err(_) => Ok(false),
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

/// Names of standard output in the file system.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Octets that are written at once.
const BUFFER_SIZE: usize = 256 << 10;

/// Octets that are compressed together: what one damaged octet may cost. Larger ones gain little.
const FRAME_SIZE: usize = 1 << 20;

/// zstd's own default.
const COMPRESSION_LEVEL: i32 = 3;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

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
