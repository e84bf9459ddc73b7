//! The loop of one worker: frames in, records out.

use std::sync::Arc;

use crate::capture::Drops;
use crate::decode::{self, DecodeError, PacketAnomaly};
use crate::export::{Exporter, Ignored, Metering, RecordBatch, Selection};
use crate::flow::{Batch, FlowCache, FlowRecord, PacketFilter, Sweep, Turn};
use crate::frame::Frame;
use crate::pipeline::Config;
use crate::pipeline::departures::{Departures, Due};
use crate::pipeline::ledger::Ledger;
use crate::pipeline::symptoms::Suspects;
use crate::time::Timestamp;

/// What a worker carries from frame to frame.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    decode: decode::Config,
    filter: Option<Arc<PacketFilter>>,
    cache: &'a FlowCache,
    exporter: &'a Exporter,
    pub(super) metering: &'a Metering,
    batch: Batch,
    expired: Vec<FlowRecord>,
    /// Whether batches of several workers must enter the cache in order, each as a whole.
    ordered: bool,
    /// Observation Points that are known at the end of this block.
    pub(super) interfaces: usize,
    /// Records of a batch at most.
    pub(super) records_at_once: usize,
    /// What was ignored since it was told last.
    ignored: Ignored,
    /// What the filter was asked of and took, as far as it was told.
    selected: Selection,
    /// Packets dropped by the kernel, as far as they were told.
    kernel_drops: u64,
    pub(super) ledger: Ledger,
    /// What is counted of records beyond the books; not in a replay.
    pub(super) departures: Option<Departures>,
    /// What records are held against then.
    pub(super) suspects: Suspects,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        config: &'a Config,
        cache: &'a FlowCache,
        exporter: &'a Exporter,
        metering: &'a Metering,
        ordered: bool,
    ) -> Self {
        Self {
            decode: config.decode,
            filter: config.filter.clone(),
            cache,
            exporter,
            metering,
            batch: Batch::default(),
            expired: Vec::new(),
            ordered,
            interfaces: 0,
            records_at_once: RECORDS_AT_ONCE,
            ignored: Ignored::default(),
            selected: Selection::default(),
            kernel_drops: 0,
            ledger: Ledger::default(),
            departures: None,
            suspects: Suspects::default(),
        }
    }

    /// Selects by another filter from now on.
    pub(super) fn set_filter(&mut self, filter: Option<Arc<PacketFilter>>) {
        self.filter = filter;
    }

    /// Takes one frame in, of so many octets on the wire as its source says. The frame ends here; what
    /// goes on are its [`decode::Headers`].
    #[inline]
    pub(super) fn observe(&mut self, frame: &Frame<'_>, octets: u32) {
        let octets = u64::from(octets);
        self.ledger.received_packets += 1;
        self.ledger.received_octets += octets;
        let taken = self.cache.enqueue_with(&mut self.batch, |headers| {
            decode::decode_into(frame, self.decode, headers).map_err(NotTaken::Ignored)?;
            match &self.filter {
                Some(filter) if !filter.takes(headers) => Err(NotTaken::Filtered),
                _ => Ok(()),
            }
        });
        match taken {
            Ok(headers) => {
                self.ledger.count_metered(headers.ip_length, headers.anomalies);
                if self.batch.len() >= BATCH && !self.ordered {
                    self.meter(Turn::Any, None);
                }
            }
            Err(NotTaken::Ignored(reason)) => self.ignore(frame.at, reason, octets),
            Err(NotTaken::Filtered) => self.ledger.count_filtered(octets),
        }
    }

    #[cold]
    fn ignore(&mut self, at: Timestamp, reason: DecodeError, octets: u64) {
        self.ledger.count_ignored(reason, octets);
        // RFC 7011 §4.2 counts IP packets.
        if reason != DecodeError::NotIp {
            self.ignored.add(1, octets, at);
        }
    }

    /// Tells what the source says the kernel dropped since the start; when, it cannot say.
    pub(super) fn count_drops(&mut self, drops: Drops, clock: Timestamp) {
        self.ledger.drops = drops;
        if let Some(news @ 1..) = drops.kernel.checked_sub(self.kernel_drops) {
            self.kernel_drops = drops.kernel;
            self.ignored.add(news, 0, clock);
        }
    }

    /// Ends a block of frames: what is left of it is metered, what is due leaves.
    pub(super) fn end_block(&mut self, turn: Turn, sweep: Option<Sweep>, clock: Timestamp) {
        self.meter(turn, sweep);
        self.tell_ignored();
        if !self.expired.is_empty() {
            let records = std::mem::take(&mut self.expired);
            self.hand_over(records, clock);
        }
    }

    /// Adds what was ignored and selected since the last call to what the Exporting Process reports.
    pub(super) fn tell_ignored(&mut self) {
        self.metering.counters.ignore(std::mem::take(&mut self.ignored));
        if self.filter.is_some() || self.metering.facts.is_filtered {
            let selected = self.ledger.metered_packets;
            let observed = selected + self.ledger.filtered_packets;
            let so_far = Selection { observed, selected };
            self.metering.counters.select(so_far.since(self.selected));
            self.selected = so_far;
        }
    }

    /// Hands records to the Exporting Process, in batches of which a queue can hold many.
    pub(super) fn hand_over(&mut self, records: Vec<FlowRecord>, clock: Timestamp) {
        if records.len() <= self.records_at_once {
            return self.send(records, clock);
        }
        let mut records = records.into_iter();
        while records.len() > 0 {
            self.send(records.by_ref().take(self.records_at_once).collect(), clock);
        }
    }

    fn send(&mut self, records: Vec<FlowRecord>, clock: Timestamp) {
        if !records.is_empty() {
            self.ledger.count_exported(&records);
            if let Some(departures) = &mut self.departures {
                departures.count(&records, clock, &Due::now(self.metering), &self.suspects);
            }
            let interfaces = self.interfaces;
            self.exporter.send(&Arc::new(RecordBatch { records, clock, interfaces }));
        }
    }

    fn meter(&mut self, turn: Turn, sweep: Option<Sweep>) {
        let overlaps = self.cache.meter(&mut self.batch, turn, sweep, &mut self.expired);
        self.ledger.add_anomalies(PacketAnomaly::FragmentOverlap, overlaps);
    }
}

/// Why a frame goes into no Flow.
#[derive(Clone, Copy, Debug)]
enum NotTaken {
    /// It gave no headers.
    Ignored(DecodeError),
    /// Nobody wants it metered.
    Filtered,
}

/// Packets decoded before the cache is entered: enough to sort by shard and to look ahead, few
/// enough to stay in the processor's cache. Against 256, with 16 shards, whole program, five pairs of runs
/// each: 0.89 of the CPU time in user mode at 100,000 Flows, 0.93 at 1,000,000. With 8 shards the two
/// differ by less than the noise.
const BATCH: usize = 512;

/// Records of a batch at most, a quarter of a MiB: queues are bounded in batches, so this bounds their
/// memory, also when a leap of the clock ends many Flows at once.
const RECORDS_AT_ONCE: usize = 1024;
