//! Targets that no Flow Record leaves for: what they get is made here, once an interval.

use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::collector::Share;
use crate::export::config::{Config, Pace};
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::mapping::AggregateRecord;
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::privacy::Policy;
use crate::privacy::statistics::{AggregatedFlow, AggregationTable, ConfiguredNetworks, Waiting};
use crate::time::{Timestamp, saturating_nanos};

/// The Aggregated Flows of an interval.
#[derive(Debug)]
pub(crate) struct Aggregates<'a> {
    flows: Vec<AggregatedFlow>,
    networks: &'a ConfiguredNetworks,
    /// Begin and end of the interval.
    interval: [Timestamp; 2],
    /// Observation Points that are known: see [`RecordBatch`].
    pub(crate) interfaces: usize,
}

impl Aggregates<'_> {
    /// The Data Records that tell of them.
    pub(crate) fn data_records(
        &self,
        mapping: Mapping,
    ) -> impl Iterator<Item = AggregateRecord<'_>> {
        let flows = self.flows.iter();
        flows.map(move |flow| AggregateRecord::new(*flow, self.networks, self.interval, mapping))
    }

    /// The end of the interval; in a replay this is Export Time, which must not say when a Flow came.
    pub(crate) const fn end(&self) -> Timestamp {
        let [_, end] = self.interval;
        end
    }

    /// What is lost if they are.
    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for &AggregatedFlow { packets, octets, .. } in &self.flows {
            totals += Totals { records: 1, packets, octets };
        }
        totals
    }
}

/// A sink that writes Aggregated Flows as well as Flow Records.
pub(crate) trait AggregateSink: RecordSink {
    /// How records are told.
    fn mapping(&self) -> Mapping;

    /// Whether who reads the output has left: what would be written then is lost.
    fn reader_is_gone(&self) -> bool {
        false
    }

    /// Takes everything of an interval.
    ///
    /// # Errors
    ///
    /// [`ExportError`] when the target cannot go on.
    fn write_aggregates(
        &mut self,
        aggregates: &Aggregates<'_>,
        account: &mut Account,
    ) -> Result<(), ExportError>;
}

/// Sums up Flow Records, and gives a sink the sums: it never sees a Flow Record.
///
/// A record belongs to the interval in which it arrives here, after its Flow has ended. Intervals are
/// multiples of their length since 1970, by the wall clock, or in a replay by that of the capture.
#[derive(Debug)]
pub(crate) struct Statistical<S> {
    sink: S,
    table: AggregationTable,
    interval: Duration,
    /// Which Flows are this target's.
    share: Share,
    pace: Pace,
    clock: Arc<dyn Clock>,
    /// Begin of the interval; `None` before the first record.
    begin: Option<Timestamp>,
    interfaces: usize,
}

impl<S: AggregateSink> Statistical<S> {
    pub(crate) fn new(sink: S, policy: &Policy, share: Share, config: &Config) -> Self {
        let aggregation = &policy.aggregation;
        let with_sizes = sink.mapping().enterprise_elements;
        Self {
            table: AggregationTable::new(aggregation, config.biflow, with_sizes),
            interval: aggregation.interval.max(SHORTEST),
            sink,
            share,
            pace: config.pace,
            clock: Arc::clone(&config.clock),
            begin: None,
            interfaces: 0,
        }
    }

    /// Ends the interval if `now` is not in it. A clock that was set back ends it too, but not the
    /// little that clocks of several workers differ.
    fn turn(&mut self, now: Timestamp, account: &mut Account) -> Result<(), ExportError> {
        let Some(begin) = self.begin else { return Ok(()) };
        let was_set_back = now.saturating_add(self.interval) < begin;
        if now >= begin.saturating_add(self.interval) || was_set_back {
            self.close(account)?;
            self.begin = None;
        }
        Ok(())
    }

    fn close(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let Some(begin) = self.begin else { return Ok(()) };
        let flows = self.table.close();
        account.coarsened(self.table.take_coarsened());
        let records = flows.iter().map(|flow| flow.records).sum();
        account.aggregated(records, flows.len() as u64);
        if flows.is_empty() {
            return Ok(());
        }
        let interval = [begin, begin.saturating_add(self.interval)];
        let (networks, interfaces) = (self.table.networks(), self.interfaces);
        let aggregates = Aggregates { flows, networks, interval, interfaces };
        if self.sink.reader_is_gone() {
            account.lost(LossReason::ReaderGone, aggregates.totals());
            return Ok(());
        }
        self.sink.write_aggregates(&aggregates, account)
    }

    /// The interval that `now` is in.
    fn begin_of(&self, now: Timestamp) -> Timestamp {
        let (now, interval) = (now.as_nanos(), saturating_nanos(self.interval));
        Timestamp::from_nanos(now - now % interval)
    }
}

impl<S: AggregateSink> RecordSink for Statistical<S> {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        let now = match self.pace {
            Pace::Replay => batch.clock,
            Pace::Live => self.clock.wall(),
        };
        self.turn(now, account)?;
        self.interfaces = self.interfaces.max(batch.interfaces);
        if self.begin.is_none() {
            self.begin = Some(self.begin_of(now));
        }
        let share = self.share;
        for record in batch.records.iter().filter(|record| share.has(record)) {
            self.table.add(record);
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.pace == Pace::Live {
            self.turn(self.clock.wall(), account)?;
        }
        self.sink.tick(account)
    }

    /// The last interval leaves as if it were over; what is too few then is never told.
    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let closed = self.close(account);
        let Waiting { records, packets, octets } = self.table.waiting();
        account.withhold(Totals { records, packets, octets });
        let finished = self.sink.finish(account);
        closed.and(finished)
    }
}

/// An interval of nothing would never end.
const SHORTEST: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests;
