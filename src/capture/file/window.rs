//! The stretch of a capture that is in memory.

use std::io;
use std::sync::Arc;

use super::batch::Piece;
use super::chunk::{Chunk, Chunks};
use super::input::{Input, fill};
use super::mapped::{MappedFile, Tear};
use super::supply::Supply;

/// A window that moves over a capture from beginning to end.
///
/// Its octets stand in a chunk that workers share while they decode the frames in it. To move on,
/// the window leaves the chunk to them and takes another one, so nobody waits.
///
/// A regular file is mapped: nothing is copied, and the record that lies across the seam is simply
/// seen again from the beginning of the next window. Measured in the page cache against reading
/// into a chunk, walk and a touch of each packet, CPU time a record: 15 and 21 ns of 112 octets, 42
/// and 53 ns of 64, 576 and 1,500 octets mixed, 110 and 190 ns of 1,500 octets (`benches/walk.rs` has
/// the like). That holds with the pages made ready at once and cache lines fetched ahead
/// ([`Ahead`](super::ahead::Ahead)); without the latter the copy is the better prefetch, and
/// reading wins. Not the whole file at once: mapped pages of the page cache count as memory of the
/// process.
///
/// Everything else is read into a chunk, and only the record across the seam is copied.
#[derive(Debug)]
pub(super) struct Window {
    chunk: Arc<Chunk>,
    filled: usize,
    /// Where in the chunk the walk stands.
    pub(super) position: usize,
    /// Octets of the capture before the chunk.
    passed: u64,
    ended: bool,
    /// Why the capture ended, when it did not end by itself.
    failure: Option<io::Error>,
}

impl Window {
    /// A window over what was read of a capture already; the walk begins at `position`.
    /// `failure` says that the capture broke off there.
    pub(super) fn over(head: Vec<u8>, position: usize, failure: Option<io::Error>) -> Self {
        Self {
            filled: head.len(),
            chunk: Arc::new(Chunk::Read(head)),
            position,
            passed: 0,
            ended: failure.is_some(),
            failure,
        }
    }

    /// What can be seen before `bound`, an offset in the capture, from the beginning of the chunk.
    pub(super) fn octets(&self, bound: u64) -> &[u8] {
        let bound = usize::try_from(bound.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        self.chunk.octets().get(..self.filled.min(bound)).unwrap_or_default()
    }

    /// Octets ahead of the walk.
    pub(super) fn ahead(&self) -> usize {
        self.filled.saturating_sub(self.position)
    }

    /// Where in the capture the walk stands.
    pub(super) const fn offset(&self) -> u64 {
        self.passed.saturating_add(self.position as u64)
    }

    /// The chunk, to be held on to while the frames in it, up to the `until`th, are decoded.
    pub(super) fn piece(&self, until: usize) -> Piece {
        Piece { chunk: Arc::clone(&self.chunk), until }
    }

    /// Why the capture broke off, once.
    pub(super) const fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Looks whether what was walked over was really there. If not, the window ends where the file
    /// does, with a failure behind it, and what is left of it is told.
    ///
    /// To be asked after each walk, and before anything is made of what it found.
    pub(super) fn cut_if_torn(&mut self) -> Option<usize> {
        let Tear { present, failure } = self.chunk.view()?.tear(self.filled)?;
        self.filled = self.filled.min(present);
        self.position = self.position.min(self.filled);
        self.ended = true;
        self.failure = Some(failure);
        Some(self.filled)
    }

    /// Moves on so that `needed` octets ahead can be seen, or nearer to it; `false` if there is
    /// nothing more to see, be it that the capture ends or that it broke off.
    pub(super) fn advance(
        &mut self,
        supply: &mut Supply,
        needed: usize,
        chunks: &mut Chunks,
    ) -> bool {
        if self.ended {
            return false;
        }
        let input = match supply {
            Supply::Stream(input) => input,
            Supply::Mapped(file) => match self.map(file, needed) {
                Ok(moved) => return moved,
                // A file system without mmap(2), no room: what cannot be mapped can be read.
                Err(_) => match file.stream(self.passed.saturating_add(self.filled as u64)) {
                    Ok(input) => supply.insert_stream(input),
                    Err(failure) => {
                        self.ended = true;
                        self.failure = Some(failure);
                        return false;
                    }
                },
            },
        };
        self.read(input, needed, chunks)
    }

    /// Moves on in a file that is mapped. Its size is asked for each time, so that one that grows is
    /// read to the end that it has when we get there.
    fn map(&mut self, file: &mut MappedFile, needed: usize) -> io::Result<bool> {
        let size = file.size()?;
        let seen = self.passed.saturating_add(self.filled as u64);
        if size <= seen {
            self.ended = true;
            return Ok(false);
        }
        let offset = self.offset();
        let view = file.view(offset, needed, size)?;
        self.passed = view.start();
        self.position = usize::try_from(offset - self.passed).unwrap_or(usize::MAX);
        self.filled = view.octets().len();
        self.chunk = Arc::new(Chunk::Mapped(view));
        Ok(true)
    }

    /// Moves on in a stream.
    ///
    /// A stream that breaks off is seen as far as it goes first. The chunk at most doubles with each
    /// move: a length that lies costs as much memory as the stream has octets to back it, and no
    /// more.
    fn read(&mut self, input: &mut Input, needed: usize, chunks: &mut Chunks) -> bool {
        let ahead = self.ahead();
        let mut chunk = chunks.take(needed.min(ahead.saturating_mul(2)));
        let rest = self.chunk.octets().get(self.position..self.filled).unwrap_or_default();
        let Some((kept, fresh)) = chunk.split_at_mut_checked(rest.len()) else {
            // Not reached: who asks to move on needs more than is ahead.
            return false;
        };
        kept.copy_from_slice(rest);
        let (count, result) = fill(input, fresh);
        self.failure = result.err();
        self.ended = count < fresh.len();
        let chunk = Arc::new(Chunk::Read(chunk));
        if count == 0 {
            chunks.give_back(chunk);
            return false;
        }
        self.passed = self.offset();
        self.position = 0;
        self.filled = ahead + count;
        chunks.give_back(std::mem::replace(&mut self.chunk, chunk));
        true
    }
}
