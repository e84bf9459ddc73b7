//! Octets of a capture that are in memory, shared by the workers that look at them.

use std::sync::Arc;

use super::mapped::View;

/// A stretch of a capture: read into memory of ours, or mapped.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Perhaps not filled to its end.
    Read(Vec<u8>),
    Mapped(View),
}

impl Chunk {
    #[inline]
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::Read(octets) => octets,
            Self::Mapped(view) => view.octets(),
        }
    }

    /// The mapping, if it is one.
    #[inline]
    pub(super) const fn view(&self) -> Option<&View> {
        match self {
            Self::Read(_) => None,
            Self::Mapped(view) => Some(view),
        }
    }
}

/// The chunks to read into, among them those that workers still look at.
///
/// There are at most as many as workers hold and one that is free: another is only made when none
/// is.
#[derive(Debug)]
pub(super) struct Chunks {
    size: usize,
    left: Vec<Arc<Chunk>>,
}

impl Chunks {
    /// Chunks of `size` octets as a rule.
    pub(super) const fn of(size: usize) -> Self {
        Self { size, left: Vec::new() }
    }

    /// A chunk of `length` octets or more.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        if length <= self.size
            && let Some(index) = self.left.iter().position(|chunk| Arc::strong_count(chunk) == 1)
            && let Ok(Chunk::Read(octets)) = Arc::try_unwrap(self.left.swap_remove(index))
        {
            return octets;
        }
        vec![0; length.max(self.size)]
    }

    /// Takes a chunk back that its worker may still look at.
    pub(super) fn give_back(&mut self, chunk: Arc<Chunk>) {
        // One that was made for a giant goes with its last reader, and so does a mapping.
        if matches!(&*chunk, Chunk::Read(octets) if octets.len() == self.size) {
            self.left.push(chunk);
        }
    }
}

/// The usual size of a chunk: large against a read's cost, small against a second-level cache.
pub(super) const CHUNK: usize = 512 << 10;
