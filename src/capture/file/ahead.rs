//! What a walk over records asks the processor to fetch before it gets there.

use crate::sys::memory::{CACHE_LINE, prefetch};

/// Fetches the cache lines ahead of a walk, each once and in order.
///
/// A walk hops from record to record, and where the next one lies stands in this one: without help
/// each hop to a line that is in no cache costs a whole trip to memory, and none overlap. The
/// processor sees no stream in hops of uneven length, and none at all across a page. Measured in
/// the page cache, a record each, without and with it (`benches/walk.rs` has the like): 112 octets
/// 28 and 15 ns, a mix of 64, 576 and 1,500 octets 74 and 42 ns, 1,500 octets 130 and 110 ns.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Up to where lines were fetched.
    fetched: usize,
}

impl Ahead {
    /// For a walk that begins at `at`.
    #[inline]
    pub(super) const fn from(at: usize) -> Self {
        Self { fetched: at + DISTANCE }
    }

    /// Fetches on, for a walk that has come to `at`.
    #[inline]
    pub(super) fn follow(&mut self, octets: &[u8], at: usize) {
        let target = at + DISTANCE;
        // Behind a long record the walk is far ahead: of what it passed by, only the end is
        // fetched, and the memory's bandwidth is left to lines that are needed.
        self.fetched = self.fetched.max(target.saturating_sub(MOST));
        while self.fetched < target {
            prefetch(octets, self.fetched);
            self.fetched += CACHE_LINE;
        }
    }
}

/// How far ahead of the walk lines are fetched: from 4 to 32 KiB it makes no difference that can be
/// told from noise.
const DISTANCE: usize = 8 << 10;
/// Octets fetched for one record at most. With 256, mixed sizes are slower, with 1,500 large ones.
const MOST: usize = 768;
