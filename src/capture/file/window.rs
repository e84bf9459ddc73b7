//! The stretch of a capture that is in memory.

use std::io;
use std::sync::Arc;

use super::input::{Input, fill};

/// A window that moves over a stream from beginning to end.
///
/// Its octets stand in a chunk that workers share while they decode the frames in it. To move on,
/// the window leaves the chunk to them and takes another one, so nobody waits and nothing is copied
/// but the record that lies across the seam.
///
/// Why not map the file? Measured on captures in the page cache, a walk that touches each packet
/// does 68 million header-cut records a second either way: the copy into a chunk that fits the
/// second-level cache costs what the cache misses on a mapping cost. Only for whole 1,400-octet
/// packets is a mapping faster (10 million a second against 5 million, which is 60 Gbit/s). For that
/// it would make a file that shrinks while it is read, or a disk that fails, end the process with
/// SIGBUS, and need a second way for everything that cannot be mapped.
#[derive(Debug)]
pub(super) struct Window {
    chunk: Arc<Vec<u8>>,
    filled: usize,
    /// Where in the chunk the walk stands.
    pub(super) position: usize,
    /// Octets of the stream before the chunk.
    passed: u64,
    ended: bool,
    /// Why the stream ended, when it did not end by itself.
    failure: Option<io::Error>,
}

/// What came of moving a window.
#[derive(Debug)]
pub(super) enum Moved {
    /// There is more to see.
    On,
    /// There is nothing more in the stream.
    AtEnd,
    /// The stream broke off.
    Failed(io::Error),
}

impl Window {
    /// A window over what was read of a stream already; the walk begins at `position`.
    /// `failure` says that the stream broke off there.
    pub(super) fn over(head: Vec<u8>, position: usize, failure: Option<io::Error>) -> Self {
        Self {
            filled: head.len(),
            chunk: Arc::new(head),
            position,
            passed: 0,
            ended: failure.is_some(),
            failure,
        }
    }

    /// What can be seen, from the beginning of the chunk.
    pub(super) fn octets(&self) -> &[u8] {
        self.chunk.get(..self.filled).unwrap_or_default()
    }

    /// Octets ahead of the walk.
    pub(super) fn ahead(&self) -> usize {
        self.filled.saturating_sub(self.position)
    }

    /// Where in the stream the walk stands.
    pub(super) const fn offset(&self) -> u64 {
        self.passed.saturating_add(self.position as u64)
    }

    /// The chunk, to be held on to while its frames are decoded.
    pub(super) fn chunk(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.chunk)
    }

    /// Moves on so that `needed` octets ahead can be seen, or nearer to it.
    ///
    /// A stream that breaks off is seen as far as it goes first; then the failure is told, once. The
    /// chunk at most doubles with each move: a length that lies costs as much memory as the
    /// file has octets to back it, and no more.
    pub(super) fn advance(
        &mut self,
        input: &mut Input,
        needed: usize,
        chunks: &mut Chunks,
    ) -> Moved {
        if self.ended {
            return self.failure.take().map_or(Moved::AtEnd, Moved::Failed);
        }
        let ahead = self.ahead();
        let mut chunk = chunks.take(needed.min(ahead.saturating_mul(2)));
        let rest = self.chunk.get(self.position..self.filled).unwrap_or_default();
        let Some((kept, fresh)) = chunk.split_at_mut_checked(rest.len()) else {
            // Not reached: who asks to move on needs more than is ahead.
            return Moved::AtEnd;
        };
        kept.copy_from_slice(rest);
        let (count, result) = fill(input, fresh);
        self.failure = result.err();
        self.ended = count < fresh.len();

        self.passed = self.offset();
        self.position = 0;
        self.filled = ahead + count;
        chunks.give_back(std::mem::replace(&mut self.chunk, Arc::new(chunk)));
        if count > 0 { Moved::On } else { self.advance(input, needed, chunks) }
    }
}

/// The chunks that are not the window's, among them those that workers still look at.
///
/// There is at most one for each worker and one that is free: another is only made when none is.
#[derive(Debug)]
pub(super) struct Chunks {
    size: usize,
    left: Vec<Arc<Vec<u8>>>,
}

impl Chunks {
    /// Chunks of `size` octets as a rule.
    pub(super) const fn of(size: usize) -> Self {
        Self { size, left: Vec::new() }
    }

    /// A chunk of `length` octets or more.
    fn take(&mut self, length: usize) -> Vec<u8> {
        if length <= self.size
            && let Some(index) = self.left.iter().position(|chunk| Arc::strong_count(chunk) == 1)
            && let Ok(chunk) = Arc::try_unwrap(self.left.swap_remove(index))
        {
            return chunk;
        }
        vec![0; length.max(self.size)]
    }

    fn give_back(&mut self, chunk: Arc<Vec<u8>>) {
        // One that was made for a giant goes with its last reader.
        if chunk.len() == self.size {
            self.left.push(chunk);
        }
    }
}

/// The usual size of a chunk: large against a read's cost, small against a second-level cache.
pub(super) const CHUNK: usize = 512 << 10;
