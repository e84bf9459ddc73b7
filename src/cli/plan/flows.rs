//! Flows by time, told from their records: how many begin, end and are alive in which second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::export::{Account, ExportError, RecordBatch, RecordSink, Totals};
use crate::flow::{self, FlowEndReason, FlowRecord};
use crate::pipeline::PerUnit;
use crate::time::Timestamp;

/// What became of the Flows of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    /// Flows.
    pub(super) new: u64,
    /// Flows that began in a second of UTC.
    pub(super) new_by_second: PerUnit<1>,
    /// Flow Records, by the minute of the last packet in them.
    pub(super) records_by_minute: PerUnit<1>,
    /// Flow Records.
    pub(super) records: u64,
    /// Those of them that ended because the run did.
    pub(super) cut_off: u64,
    /// Those that left early because the cache was full.
    pub(super) crowded_out: u64,
    /// Most Flows in the cache in any second, and that second.
    pub(super) most_alive: (u64, u64),
}

/// Takes every record of a run, and keeps sums.
#[derive(Debug)]
pub(super) struct FlowCounter {
    flows: Flows,
    alive: Alive,
    /// Flows that went on after their last record: by `flowId`, the second in which they leave if
    /// nothing follows.
    going_on: HashMap<u64, u64>,
    /// How many of these there may be before those that are over are sought.
    going_on_limit: usize,
    idle: Duration,
    linger: Duration,
    active: Duration,
    total: Arc<Mutex<Flows>>,
}

impl FlowCounter {
    /// A counter, and where it puts the sums at the end.
    pub(super) fn new(config: &flow::Config) -> (Self, Arc<Mutex<Flows>>) {
        let total = Arc::<Mutex<Flows>>::default();
        let counter = Self {
            flows: Flows::default(),
            alive: Alive::default(),
            going_on: HashMap::new(),
            going_on_limit: 1024,
            idle: config.idle_timeout,
            linger: LINGER.min(config.idle_timeout),
            active: config.active_timeout,
            total: Arc::clone(&total),
        };
        (counter, total)
    }

    fn count(&mut self, record: &FlowRecord, clock: Timestamp) {
        let (first, last) = period(record);
        self.flows.records += 1;
        self.flows.records_by_minute.add(last.as_secs() / 60, [1]);
        self.flows.cut_off += u64::from(record.end_reason == FlowEndReason::ForcedEnd);
        self.flows.crowded_out += u64::from(record.end_reason == FlowEndReason::LackOfResources);
        if self.going_on.remove(&record.flow_id).is_none() {
            self.flows.new += 1;
            self.flows.new_by_second.add(first.as_secs(), [1]);
            self.alive.begin(first.as_secs());
        }
        let leaves = match record.end_reason {
            FlowEndReason::IdleTimeout | FlowEndReason::ActiveTimeout => {
                last.saturating_add(self.idle)
            }
            FlowEndReason::EndOfFlowDetected => last.saturating_add(self.linger),
            FlowEndReason::ForcedEnd | FlowEndReason::LackOfResources => clock.max(last),
        };
        if record.end_reason == FlowEndReason::ActiveTimeout {
            self.going_on.insert(record.flow_id, leaves.as_secs());
            self.forget(clock);
        } else {
            self.alive.end(leaves.as_secs());
        }
    }

    /// A Flow of which nothing came for both timeouts is over.
    fn forget(&mut self, clock: Timestamp) {
        if self.going_on.len() < self.going_on_limit {
            return;
        }
        let before = clock.saturating_sub(self.active.saturating_add(self.idle)).as_secs();
        let alive = &mut self.alive;
        self.going_on.retain(|_, &mut leaves| {
            let stays = leaves >= before;
            if !stays {
                alive.end(leaves);
            }
            stays
        });
        self.going_on_limit = self.going_on.len() * 2 + 1024;
    }
}

/// Times of the first and the last packet of either direction.
fn period(record: &FlowRecord) -> (Timestamp, Timestamp) {
    let directions = [record.forward, record.reverse];
    let used = directions.into_iter().filter(|direction| direction.packets > 0);
    let period = used.map(|direction| (direction.first, direction.last));
    period.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap_or_default()
}

impl RecordSink for FlowCounter {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        batch.records.iter().for_each(|record| self.count(record, batch.clock));
        account.sent(Totals::of(&batch.records, true));
        Ok(())
    }

    fn finish(&mut self, _: &mut Account) -> Result<(), ExportError> {
        for leaves in std::mem::take(&mut self.going_on).into_values() {
            self.alive.end(leaves);
        }
        self.flows.most_alive = std::mem::take(&mut self.alive).most();
        let flows = std::mem::take(&mut self.flows);
        *self.total.lock().unwrap_or_else(PoisonError::into_inner) = flows;
        Ok(())
    }
}

/// How many Flows are in the cache in which second, in bounded memory.
#[derive(Debug, Default)]
struct Alive {
    /// Begins and ends by second; ends leave with the end of it.
    changes: BTreeMap<u64, (u64, u64)>,
    /// Alive before all of them.
    before: u64,
    most: (u64, u64),
    settled: u64,
}

impl Alive {
    fn begin(&mut self, second: u64) {
        self.changes.entry(second.max(self.settled)).or_default().0 += 1;
        self.bound();
    }

    fn end(&mut self, second: u64) {
        self.changes.entry(second.max(self.settled)).or_default().1 += 1;
        self.bound();
    }

    fn bound(&mut self) {
        while self.changes.len() > MOST_SECONDS {
            self.settle_first();
        }
    }

    fn settle_first(&mut self) {
        let Some((second, (begins, ends))) = self.changes.pop_first() else { return };
        self.settled = second;
        let alive = self.before.saturating_add(begins);
        if alive > self.most.0 {
            self.most = (alive, second);
        }
        self.before = alive.saturating_sub(ends);
    }

    fn most(mut self) -> (u64, u64) {
        while !self.changes.is_empty() {
            self.settle_first();
        }
        self.most
    }
}

/// How long a Flow stays that TCP has ended.
const LINGER: Duration = Duration::from_secs(2);
/// A day and more of seconds, some MiB.
const MOST_SECONDS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_alive_from_their_first_second_to_their_last() {
        let mut alive = Alive::default();
        for (begin, end) in [(0, 4), (2, 2), (2, 9), (3, 3), (5, 6)] {
            alive.begin(begin);
            alive.end(end);
        }
        assert_eq!(alive.most(), (3, 2));
    }

    #[test]
    fn a_long_run_is_counted_in_bounded_memory() {
        let mut alive = Alive::default();
        for second in 0..3 * MOST_SECONDS as u64 {
            alive.begin(second);
            alive.end(second + 9);
        }
        assert!(alive.changes.len() <= MOST_SECONDS);
        assert_eq!(alive.most().0, 10);
    }
}
