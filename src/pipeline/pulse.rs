//! Whether the workers of a live run move, and what they have seen: written by them, read by others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::pipeline::orders::Running;

/// The workers of a live run while it goes on.
#[derive(Debug)]
pub struct Pulse(Vec<Beat>);

/// What one worker tells after each block of frames, and at least every 20 ms or so. It costs three
/// stores a block, and nobody waits for anybody.
#[derive(Debug, Default)]
// A cache line of its own, and of the one that the processor fetches with it.
#[repr(align(128))]
struct Beat {
    turns: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
}

/// Who follows a live run, on the thread that called [`LiveRun::run`](super::LiveRun::run).
pub trait Watch {
    /// Called every 20 ms or so while the workers capture; what can be changed of `running` may be
    /// changed. `at` is the time now.
    fn look(&mut self, pulse: &Pulse, running: &Running<'_>, at: Instant);

    /// Called once, when the run is to end, before it is flushed and its targets are closed.
    fn ending(&mut self);
}

/// Nobody.
impl Watch for () {
    fn look(&mut self, _: &Pulse, _: &Running<'_>, _: Instant) {}
    fn ending(&mut self) {}
}

impl Pulse {
    /// Of so many workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Beat::default()).collect())
    }

    /// A worker has come round, and has so many packets by now; nobody else tells of it.
    pub fn turn(&self, worker: usize, received: u64, dropped: u64) {
        let Some(beat) = self.0.get(worker) else { return };
        let turns = beat.turns.load(Ordering::Relaxed);
        beat.turns.store(turns.wrapping_add(1), Ordering::Relaxed);
        beat.received.store(received, Ordering::Relaxed);
        beat.dropped.store(dropped, Ordering::Relaxed);
    }

    /// How often each worker has come round: one that stands still has the same number twice.
    pub fn turns(&self) -> Vec<u64> {
        self.0.iter().map(|beat| beat.turns.load(Ordering::Relaxed)).collect()
    }

    /// Packets received so far.
    pub fn received_packets(&self) -> u64 {
        self.0.iter().map(|beat| beat.received.load(Ordering::Relaxed)).sum()
    }

    /// Packets that the kernel or the interfaces dropped so far, as of a second ago.
    pub fn dropped_packets(&self) -> u64 {
        self.0.iter().map(|beat| beat.dropped.load(Ordering::Relaxed)).sum()
    }
}
