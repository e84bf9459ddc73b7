//! What a walk over records finds, before anybody looks at the packets.

use std::sync::Arc;
use std::time::Duration;

use super::chunk::Chunk;
use super::clock::CaptureClock;
use crate::frame::LinkType;
use crate::time::Timestamp;

/// One record of a chunk: where its packet lies, and what the record says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// First octet of the packet, counted from the beginning of the chunk.
    pub(super) start: usize,
    pub(super) captured: u32,
    /// The original length as it stands in the file, even zero or below the captured one: libpcap
    /// passes it on and capinfos and tshark add it up, so our sums agree with theirs.
    pub(super) wire_length: u32,
    pub(super) interface: u32,
    pub(super) link_type: LinkType,
    pub(super) at: Timestamp,
}

impl Found {
    /// Where the packet ends in its chunk.
    #[inline]
    pub(super) const fn end(&self) -> usize {
        self.start + self.captured as usize
    }
}

/// The chunk in which a part of a batch lies.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) chunk: Arc<Chunk>,
    /// The first record of the batch that does not lie in it any more.
    pub(super) until: usize,
}

/// The records of one poll. It is full at `max`, and ends where the clock was set back, so that it
/// lies on one side of such a step; and of a quiet capture it has a second at most, because the
/// records of all Flows that end in it leave together, with the time of its end.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    found: &'a mut Vec<Found>,
    max: usize,
    clock: &'a mut CaptureClock,
    /// The clock before this batch.
    before: CaptureClock,
}

impl<'a> Batch<'a> {
    pub(super) fn new(found: &'a mut Vec<Found>, max: usize, clock: &'a mut CaptureClock) -> Self {
        found.clear();
        let before = *clock;
        // A batch of none would make no progress.
        Self { found, max: max.max(1), clock, before }
    }

    pub(super) const fn len(&self) -> usize {
        self.found.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.found.len() >= self.max
    }

    /// Takes a record in, or says no: then the walk stops before it.
    #[inline]
    pub(super) fn offer(&mut self, record: Found) -> bool {
        if self.is_full() {
            return false;
        }
        if let Some(first) = self.found.first()
            && (self.clock.is_set_back_by(record.at)
                || record.at >= first.at.saturating_add(LONGEST))
        {
            return false;
        }
        self.clock.observe(record.at);
        self.found.push(record);
        true
    }
}

impl Batch<'_> {
    /// Gives up those records from the `first`th on that do not end before `present` in their
    /// chunk, as if they had never been found.
    #[cold]
    pub(super) fn cut(&mut self, first: usize, present: usize) {
        let is_gone = |record: &Found| record.end() > present;
        let gone = self.found.iter().skip(first).position(is_gone);
        let Some(gone) = gone.map(|index| first + index) else { return };
        self.found.truncate(gone);
        *self.clock = self.before;
        for record in &*self.found {
            self.clock.observe(record.at);
        }
    }
}

/// What a batch spans at most.
const LONGEST: Duration = Duration::from_secs(1);

/// Why a walk stopped.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The batch takes no more.
    Full,
    /// The window ends within `part`, which is `needed` octets long from where the walk stands.
    Short { needed: usize, part: &'static str },
    /// What comes next contradicts itself.
    Damaged(String),
}

/// The longest packet of a link type that is believed, as libpcap has it: a larger captured length
/// is damage, not a packet.
pub(super) const fn longest_packet(link_type_number: u16) -> u32 {
    match link_type_number {
        // USB (Linux, Linux memory-mapped), D-Bus, USBPcap: one message is one "packet".
        189 | 220 | 231 | 249 => 128 << 20,
        // Elektrobit high speed capture and replay.
        279 => 8 << 20,
        _ => 256 << 10,
    }
}
