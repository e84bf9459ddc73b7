//! Capture files as Observation Points: pcap and pcapng, plain or packed by gzip or zstd.
//!
//! The files of one run are one capture, read once and in order by any number of workers. Whoever
//! asks takes the next batch of records: under a lock it only walks over them, noting where each
//! packet lies; it decodes them after it has let go. Tickets keep the order of the batches, and the
//! clock that goes with each is the capture's own, so what is metered depends on the files alone.
//!
//! A file is believed as far as it makes sense. What comes before the damage is delivered, then the
//! damage is reported with its offset, and the next file goes on. So it does where a file shrinks, or
//! its disk fails, while it is read.
//!
//! Regular files are mapped, all else is read. Where a batch ends depends on neither, so the same
//! capture gives the same records in any packing. Memory is bounded by the workers, not by what a
//! file says of itself: what is mapped of a file, or read of a stream, is one piece and what the
//! batches of the workers lie in, two pieces each at most where records are of usual size. A piece
//! has 2 MiB mapped, which the kernel counts as ours although they are its page cache, and half a MiB
//! read; larger only where a record is (at most 16 MiB, 128 MiB on USB and D-Bus links).

mod ahead;
mod batch;
mod block;
mod chunk;
mod clock;
mod described;
mod input;
mod interface;
mod mapped;
mod opened;
mod pcap;
mod pcapng;
mod supply;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::clock::CLOCK_STEP;
pub use self::described::DescribedInterface;

use self::batch::{Batch, Found, Piece};
use self::chunk::{CHUNK, Chunks};
use self::clock::CaptureClock;
use self::described::DescribedInterfaces;
use self::mapped::WINDOW;
use self::opened::Opened;
use super::{CaptureError, Drops, FrameSource, Polled};
use crate::frame::Frame;
use crate::sys::memory::{CACHE_LINE, prefetch};

/// The files of one run, in order, as one capture. Cheap to clone: clones share the reading.
#[derive(Clone, Debug)]
pub struct Replay {
    shared: Arc<Shared>,
}

impl Replay {
    /// Opens every file and checks its beginning, so that what is no capture is known before
    /// anything is written. `-` is standard input.
    ///
    /// Plain files are opened again when their turn comes, so any number of them will do.
    ///
    /// # Errors
    ///
    /// [`CaptureError::File`] for a file that cannot be read, or standard input named twice;
    /// [`CaptureError::NotACapture`] for anything but a capture.
    pub fn open(paths: &[impl AsRef<Path>]) -> Result<Self, CaptureError> {
        Self::open_through(paths, Sizes::default())
    }

    /// As [`Replay::open`], but regular files are read like everything else and not mapped: the same
    /// frames in the same batches, slower.
    ///
    /// # Errors
    ///
    /// As [`Replay::open`].
    pub fn open_unmapped(paths: &[impl AsRef<Path>]) -> Result<Self, CaptureError> {
        Self::open_through(paths, Sizes { window: 0, ..Sizes::default() })
    }

    fn open_through(paths: &[impl AsRef<Path>], sizes: Sizes) -> Result<Self, CaptureError> {
        let consumed = Arc::new(AtomicU64::new(0));
        let mut waiting = VecDeque::with_capacity(paths.len());
        let mut total = Some(0_u64);
        if paths.iter().filter(|path| input::is_standard_input(path.as_ref())).count() > 1 {
            let source = io::Error::other("standard input can be read only once");
            return Err(CaptureError::File { path: PathBuf::from("-"), source });
        }
        for path in paths.iter().map(AsRef::as_ref) {
            let file = Waiting::open(path, sizes.window, &consumed)?;
            total = total.zip(file.length).map(|(total, length)| total.saturating_add(length));
            waiting.push_back(Waiting { end: total, ..file });
        }
        Ok(Self::of(waiting, total, consumed, sizes))
    }

    fn of(
        waiting: VecDeque<Waiting>,
        total: Option<u64>,
        consumed: Arc<AtomicU64>,
        sizes: Sizes,
    ) -> Self {
        let state = Mutex::new(State {
            current: None,
            end: None,
            waiting,
            window: sizes.window,
            chunks: Chunks::of(sizes.chunk),
            clock: CaptureClock::default(),
            described: DescribedInterfaces::default(),
            next_ticket: 0,
        });
        let steps = AtomicU64::new(0);
        Self { shared: Arc::new(Shared { state, consumed, total, steps }) }
    }

    /// A source for one worker. All sources of a replay share its frames.
    pub fn source(&self) -> FileSource {
        FileSource {
            shared: Arc::clone(&self.shared),
            found: Vec::new(),
            pieces: Vec::new(),
            failure: None,
            drops: Drops::default(),
            described: 0,
        }
    }

    /// The interfaces that were described `start`th to before `end`th, in the order of the capture;
    /// fewer if there are not so many as yet.
    pub fn described(&self, start: usize, end: usize) -> Vec<DescribedInterface> {
        self.shared.state().described.range(start, end)
    }

    /// How far the replay has come. Takes no lock.
    pub fn progress(&self) -> Progress {
        let octets = self.shared.consumed.load(Ordering::Relaxed);
        Progress { octets, total: self.shared.total }
    }

    /// How often a packet's time lay more than [`CLOCK_STEP`] before the capture's clock, which was
    /// then set back.
    pub fn clock_steps(&self) -> u64 {
        self.shared.steps.load(Ordering::Relaxed)
    }
}

/// How much of a file is in memory at once.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Of what is read.
    chunk: usize,
    /// Of what is mapped; 0 to map nothing.
    window: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { chunk: CHUNK, window: WINDOW }
    }
}

/// How far a replay has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Octets read so far, of the files as they lie there (packed, if they are packed).
    pub octets: u64,
    /// The octets that there are; not known when one of the files is a pipe.
    pub total: Option<u64>,
}

/// The frames of a replay, as one of its workers gets them.
#[derive(Debug)]
pub struct FileSource {
    shared: Arc<Shared>,
    /// What the last walk found; kept for its memory.
    found: Vec<Found>,
    /// Where it found it; empty between two calls.
    pieces: Vec<Piece>,
    /// What went wrong with frames while they were lent.
    failure: Option<CaptureError>,
    drops: Drops,
    described: usize,
}

impl FileSource {
    /// How many interfaces the capture had described before the end of the last batch: like the
    /// batch itself, a matter of the files alone. [`Replay::described`] tells which.
    pub const fn interfaces_described(&self) -> usize {
        self.described
    }
}

impl FrameSource for FileSource {
    /// Lends the next frames of the capture that no other worker has had.
    ///
    /// Where a batch ends depends on the files and `max` alone: at `max`, at a step of the clock, at
    /// the end of a file, and where it would span more octets than are held at once.
    ///
    /// # Errors
    ///
    /// [`CaptureError::Damaged`] behind the last good frame of a damaged file, and
    /// [`CaptureError::File`] where the system fails, or the file shrinks while it is read; both once,
    /// to one of the workers. The next call goes on with the next file. A file that shrinks after
    /// its frames were found and before they were lent has them lent with zeros in them.
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        _patience: Duration,
        mut each: F,
    ) -> Result<Polled, CaptureError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let taken = self.shared.take(max, &mut self.found, &mut self.pieces, &mut self.drops)?;
        let Some(taken) = taken else {
            self.described = usize::MAX; // all there are
            return Ok(Polled::End);
        };
        self.described = taken.described;
        let mut first = 0;
        for Piece { chunk, until } in self.pieces.drain(..) {
            let found = self.found.get(first..until).unwrap_or_default();
            first = until;
            lend(chunk.octets(), found, &mut each);
            // A file that was cut off under our hands: the frames counted as what they decoded to.
            if let Some(view) = chunk.view()
                && let Some(tear) = view.tear(found.last().map_or(0, Found::end))
            {
                self.failure = view.tell(tear.failure).or_else(|| self.failure.take());
            }
        }
        Ok(taken.polled)
    }

    /// What interface statistics in the capture say, of the blocks that this worker came by. The sum
    /// over all workers is the capture's own statement.
    fn drops(&mut self) -> Drops {
        self.drops
    }
}

/// Lends the frames that were found in `octets`.
#[inline]
fn lend(octets: &[u8], found: &[Found], mut each: impl FnMut(Frame<'_>)) {
    for (index, record) in found.iter().enumerate() {
        if let Some(ahead) = found.get(index + FRAMES_AHEAD) {
            prefetch(octets, ahead.start);
            prefetch(octets, ahead.start + CACHE_LINE);
        }
        each(Frame {
            bytes: octets.get(record.start..record.end()).unwrap_or_default(),
            wire_length: record.wire_length,
            at: record.at,
            link_type: record.link_type,
            interface: record.interface,
            stripped_vlan: None,
        });
    }
}

/// How far ahead of the frame that is lent the lines of headers are fetched.
const FRAMES_AHEAD: usize = 4;

/// What the workers share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    consumed: Arc<AtomicU64>,
    total: Option<u64>,
    steps: AtomicU64,
}

/// A batch that belongs to one worker.
struct Taken {
    polled: Polled,
    /// Interfaces described so far.
    described: usize,
}

impl Shared {
    /// Walks over the next batch; `None` when there are no more.
    fn take(
        &self,
        max: usize,
        found: &mut Vec<Found>,
        pieces: &mut Vec<Piece>,
        drops: &mut Drops,
    ) -> Result<Option<Taken>, CaptureError> {
        let state = &mut *self.state();
        loop {
            let opened = match &mut state.current {
                Some(opened) => opened,
                none => {
                    let Some(next) = state.waiting.pop_front() else { return Ok(None) };
                    state.end = next.end;
                    match next.begin(state.window, &self.consumed) {
                        Ok(opened) => none.insert(opened),
                        Err(error) => {
                            self.count_as_read(state.end);
                            return Err(error);
                        }
                    }
                }
            };
            let mut batch = Batch::new(found, max, &mut state.clock);
            let walked = opened.walk(&mut batch, pieces, &mut state.chunks);
            let news = opened.take_drops();
            drops.kernel = drops.kernel.saturating_add(news.kernel);
            drops.interface = drops.interface.saturating_add(news.interface);
            for interface in opened.take_described() {
                state.described.append(interface);
            }
            if let Ok(true) = walked {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                self.steps.store(state.clock.steps(), Ordering::Relaxed);
                let clock = state.clock.now();
                let polled = Polled::Frames { count: found.len(), ticket, clock };
                let described = state.described.len();
                return Ok(Some(Taken { polled, described }));
            }
            pieces.clear();
            state.current = None;
            self.count_as_read(state.end);
            walked?;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, and the state is whole between any two statements
        // that could panic, so a worker that died elsewhere poisons nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the progress to the end of a file, whatever was damaged in it.
    fn count_as_read(&self, end: Option<u64>) {
        if let Some(end) = end {
            self.consumed.store(end, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
struct State {
    /// The file that is being read.
    current: Option<Opened>,
    /// The octets of all files up to its end, if known.
    end: Option<u64>,
    waiting: VecDeque<Waiting>,
    /// The usual length of a window over a file that is mapped.
    window: usize,
    chunks: Chunks,
    clock: CaptureClock,
    described: DescribedInterfaces,
    next_ticket: u64,
}

/// A file whose turn has not come.
#[derive(Debug)]
struct Waiting {
    path: PathBuf,
    /// Held open if it could not be opened from its beginning again.
    opened: Option<Opened>,
    length: Option<u64>,
    /// The octets of all files up to the end of this one, if known.
    end: Option<u64>,
}

impl Waiting {
    fn open(path: &Path, window: usize, consumed: &Arc<AtomicU64>) -> Result<Self, CaptureError> {
        let path = path.to_owned();
        if input::is_standard_input(&path) {
            let opened = Some(Opened::open(&path, window, Arc::clone(consumed))?);
            return Ok(Self { path, opened, length: None, end: None });
        }
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(source) => return Err(CaptureError::File { path, source }),
        };
        if metadata.is_file() {
            // Checked, and closed again: what is read now is not progress.
            Opened::open(&path, window, Arc::default())?;
            return Ok(Self { path, opened: None, length: Some(metadata.len()), end: None });
        }
        let opened = Some(Opened::open(&path, window, Arc::clone(consumed))?);
        Ok(Self { path, opened, length: None, end: None })
    }

    fn begin(self, window: usize, consumed: &Arc<AtomicU64>) -> Result<Opened, CaptureError> {
        match self.opened {
            Some(opened) => Ok(opened),
            None => Opened::open(&self.path, window, Arc::clone(consumed)),
        }
    }
}
