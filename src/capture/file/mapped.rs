//! A capture file that is mapped, window by window.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::input::{Input, fill};
use crate::capture::CaptureError;
use crate::sys::file_mapping::{FileMapping, read_ahead};
use crate::sys::memory::page_size;

/// A regular file, not packed, from which one window after the other is mapped.
#[derive(Debug)]
pub(super) struct MappedFile {
    file: Arc<SharedFile>,
    /// The usual length of a window.
    window: usize,
    /// Where progress is told, and up to where it was.
    consumed: Arc<AtomicU64>,
    counted: u64,
    /// Up to where the kernel was asked to read ahead.
    announced: u64,
}

/// What the windows of a file share.
#[derive(Debug)]
struct SharedFile {
    file: File,
    path: PathBuf,
    /// Whether its failure was told: once is enough, whichever worker met it.
    is_failure_told: AtomicBool,
}

impl MappedFile {
    pub(super) fn new(file: File, path: &Path, window: usize, consumed: Arc<AtomicU64>) -> Self {
        let path = path.to_owned();
        let file = Arc::new(SharedFile { file, path, is_failure_told: AtomicBool::new(false) });
        Self { file, window, consumed, counted: 0, announced: 0 }
    }

    /// Reads the first octets into `head`.
    pub(super) fn head(&mut self, head: &mut [u8]) -> (usize, io::Result<()>) {
        fill(&mut &self.file.file, head)
    }

    /// Octets that the file has now.
    pub(super) fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    /// Maps the file from the page of `offset` on, so that `needed` octets from `offset` on can be
    /// seen, if there are so many in its `size`.
    pub(super) fn view(&mut self, offset: u64, needed: usize, size: u64) -> io::Result<View> {
        let page = page_size() as u64;
        let start = offset - offset % page;
        let least = u64::try_from(needed).unwrap_or(u64::MAX).saturating_add(offset - start);
        let usual = self.window as u64;
        let end = size.min(start.saturating_add(least.max(usual)));
        let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        self.announce(start, end, size);
        // A window that is larger than usual has a giant in it, of which only the beginning is
        // looked at: no reason to have all of it in memory.
        let populate = length <= self.window;
        let mapping = FileMapping::new(self.file.file.as_fd(), start, length, populate)?;
        self.consumed.fetch_add(end.saturating_sub(self.counted), Ordering::Relaxed);
        self.counted = self.counted.max(end);
        Ok(View { mapping, file: Arc::clone(&self.file), start })
    }

    /// Has the kernel read on while the window from `start` to `end` is looked at, if the file is not
    /// in memory: the windows are made ready at once, and who waits for the disk then waits long.
    fn announce(&mut self, start: u64, end: u64, size: u64) {
        let from = self.announced.max(start);
        let to = end.saturating_add(WINDOWS_AHEAD * self.window as u64).min(size);
        if from < to {
            read_ahead(self.file.file.as_fd(), from, to - from);
            self.announced = to;
        }
    }

    /// The rest of the file from `offset` on, to be read instead.
    pub(super) fn stream(&self, offset: u64) -> io::Result<Input> {
        let mut file = self.file.file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Input::plain(file, Arc::clone(&self.consumed)))
    }

    /// `failure` as an error of this file, unless it had one already.
    pub(super) fn tell(&self, failure: io::Error) -> Option<CaptureError> {
        self.file.tell(failure)
    }
}

/// A window of a file: unmapped when the last worker that decodes frames of it has dropped it.
#[derive(Debug)]
pub(super) struct View {
    mapping: FileMapping,
    file: Arc<SharedFile>,
    /// Where in the file it begins.
    start: u64,
}

impl View {
    #[inline]
    pub(super) fn octets(&self) -> &[u8] {
        self.mapping.octets()
    }

    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// What is missing of the first `length` octets, as of now: the file may have shrunk since it
    /// was mapped, or a part of it cannot be read.
    ///
    /// The size is asked for as well, because within the last page that a file still has, what
    /// was cut off reads as zeros and raises no signal.
    pub(super) fn tear(&self, length: usize) -> Option<Tear> {
        let torn_at = self.mapping.torn_at().unwrap_or(usize::MAX);
        let size = self.file.size().unwrap_or(u64::MAX);
        let present = size.saturating_sub(self.start);
        let is_shorter = present < length as u64;
        if !is_shorter && torn_at >= length {
            return None;
        }
        let present = usize::try_from(present).unwrap_or(usize::MAX).min(torn_at);
        let what = if is_shorter {
            format!("it shrank to {size} octets while it was read")
        } else {
            format!("it cannot be read at offset {}", self.start + torn_at as u64)
        };
        Some(Tear { present, failure: io::Error::other(what) })
    }

    /// `failure` as an error of this file, unless it had one already.
    pub(super) fn tell(&self, failure: io::Error) -> Option<CaptureError> {
        self.file.tell(failure)
    }
}

/// What happened to a window.
#[derive(Debug)]
pub(super) struct Tear {
    /// Octets from its beginning that are still there.
    pub(super) present: usize,
    pub(super) failure: io::Error,
}

impl SharedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn tell(&self, source: io::Error) -> Option<CaptureError> {
        if self.is_failure_told.swap(true, Ordering::Relaxed) {
            return None;
        }
        Some(CaptureError::File { path: self.path.clone(), source })
    }
}

/// How many windows the disk is kept ahead of us.
const WINDOWS_AHEAD: u64 = 2;

/// The usual length of a window. Mapped pages count as memory of the process, and two windows are
/// there at once where they meet; with 8 MiB the walk is some 4 % faster, with half a MiB 8 % slower.
pub(super) const WINDOW: usize = 2 << 20;
