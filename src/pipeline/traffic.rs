//! How much comes in when: what a probe is to be built for.
//!
//! It is counted beside the data path, around a source or a file, so that no other run pays for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::capture::live::{NewFilter, Notice};
use crate::capture::truncation::{Reach, cut};
use crate::capture::{CaptureError, Drops, FrameSource, Polled};
use crate::frame::Frame;
use crate::pipeline::live::LiveFrames;
use crate::pipeline::replay::Treatment;
use crate::pipeline::worker::Worker;
use crate::time::Timestamp;

/// Counts by units of time, in bounded memory: the largest of each, and how many units have any.
///
/// Units come about in order. Of those that are long over only the largest is kept; what comes for
/// them later counts as another unit.
#[derive(Clone, Debug)]
pub struct PerUnit<const N: usize> {
    open: BTreeMap<u64, [u64; N]>,
    closed: u64,
    most: [u64; N],
}

impl<const N: usize> PerUnit<N> {
    /// Adds to what there is in a unit.
    pub fn add(&mut self, unit: u64, counts: [u64; N]) {
        let sums = self.open.entry(unit).or_insert([0; N]);
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
        while self.open.len() > MOST_OPEN {
            let Some((_, counts)) = self.open.pop_first() else { break };
            self.closed += 1;
            larger(&mut self.most, counts);
        }
    }

    /// The most of each count that any unit has.
    pub fn most(&self) -> [u64; N] {
        let mut most = self.most;
        self.open.values().for_each(|&counts| larger(&mut most, counts));
        most
    }

    /// Units that have any.
    pub fn units(&self) -> u64 {
        self.closed + self.open.len() as u64
    }

    fn merge(&mut self, other: Self) {
        let Self { open, closed, most } = other;
        self.closed += closed;
        larger(&mut self.most, most);
        open.into_iter().for_each(|(unit, counts)| self.add(unit, counts));
    }
}

impl<const N: usize> Default for PerUnit<N> {
    fn default() -> Self {
        Self { open: BTreeMap::new(), closed: 0, most: [0; N] }
    }
}

fn larger<const N: usize>(most: &mut [u64; N], counts: [u64; N]) {
    most.iter_mut().zip(counts).for_each(|(most, count)| *most = (*most).max(count));
}

/// Frames, by the time of their capture. Octets are those on the wire.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// The earliest and the latest frame.
    pub period: Option<(Timestamp, Timestamp)>,
    /// Frames, and octets on the wire, of each second of UTC.
    pub seconds: PerUnit<2>,
    /// The same of each minute.
    pub minutes: PerUnit<2>,
    /// Frames of which the source does not have all octets.
    pub in_part: u64,
    /// The second in hand.
    second: u64,
    counts: [u64; 2],
}

impl Traffic {
    #[inline]
    fn count(&mut self, frame: &Frame<'_>) {
        let second = frame.at.as_secs();
        if second != self.second {
            self.settle();
            self.second = second;
        }
        let [frames, octets] = &mut self.counts;
        *frames += 1;
        *octets += u64::from(frame.wire_length);
        self.in_part += u64::from(frame.bytes.len() < frame.wire_length as usize);
        let (first, last) = self.period.get_or_insert((frame.at, frame.at));
        *first = (*first).min(frame.at);
        *last = (*last).max(frame.at);
    }

    fn settle(&mut self) {
        let counts = std::mem::take(&mut self.counts);
        if counts != [0; 2] {
            self.seconds.add(self.second, counts);
            self.minutes.add(self.second / 60, counts);
        }
    }

    fn merge(&mut self, mut other: Self) {
        other.settle();
        self.period = match (self.period, other.period) {
            (Some((first, last)), Some((start, end))) => Some((first.min(start), last.max(end))),
            (one, other) => one.or(other),
        };
        self.seconds.merge(other.seconds);
        self.minutes.merge(other.minutes);
        self.in_part += other.in_part;
    }
}

/// Where all workers of a run bring what they counted.
#[derive(Clone, Debug, Default)]
pub struct TrafficTotal(Arc<Mutex<Traffic>>);

impl TrafficTotal {
    /// What was counted; of a run that is over.
    pub fn take(&self) -> Traffic {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, traffic: Traffic) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).merge(traffic);
    }
}

/// A worker's share, which is added to the total at its end.
#[derive(Debug)]
struct Share {
    traffic: Traffic,
    total: TrafficTotal,
}

impl Share {
    fn of(total: &TrafficTotal) -> Self {
        Self { traffic: Traffic::default(), total: total.clone() }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.add(std::mem::take(&mut self.traffic));
    }
}

/// Frames of a file are counted, then cut and metered.
#[derive(Debug)]
pub(super) struct Count {
    reach: Reach,
    share: Share,
}

impl Count {
    pub(super) fn new(reach: Reach, total: &TrafficTotal) -> Self {
        Self { reach, share: Share::of(total) }
    }
}

impl Treatment for Count {
    fn observe(&mut self, worker: &mut Worker<'_>, frame: Frame<'_>) {
        self.share.traffic.count(&frame);
        worker.observe(&cut(frame, self.reach), frame.wire_length);
    }
}

/// A source whose frames are counted.
#[derive(Debug)]
pub struct CountedSource<S> {
    source: S,
    share: Share,
}

impl<S> CountedSource<S> {
    /// Counts the frames of `source`, and adds them to `total` at its end.
    pub fn new(source: S, total: &TrafficTotal) -> Self {
        Self { source, share: Share::of(total) }
    }
}

impl<S: FrameSource> FrameSource for CountedSource<S> {
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        maximum: usize,
        timeout: Duration,
        mut lend: F,
    ) -> Result<Polled, CaptureError> {
        let traffic = &mut self.share.traffic;
        self.source.poll(maximum, timeout, |frame| {
            traffic.count(&frame);
            lend(frame);
        })
    }

    fn drops(&mut self) -> Drops {
        self.source.drops()
    }
}

impl<S: LiveFrames> LiveFrames for CountedSource<S> {
    fn stop(&mut self) {
        self.source.stop();
    }

    fn notices(&mut self) -> Vec<Notice> {
        self.source.notices()
    }

    fn refilter(&mut self, filter: &NewFilter) {
        self.source.refilter(filter);
    }

    fn point_drops(&mut self) -> Vec<(u32, Drops)> {
        self.source.point_drops()
    }
}

/// A day and more of seconds, some MiB.
const MOST_OPEN: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_unit_is_found_however_many_there_are() {
        let mut units = PerUnit::default();
        for unit in 0..MOST_OPEN as u64 + 500 {
            units.add(unit, [1, if unit == 3 { 70 } else { 2 }]);
        }
        units.add(9_000, [5, 0]);
        assert_eq!(units.most(), [6, 70]);
        assert_eq!(units.units(), MOST_OPEN as u64 + 500);
        assert_eq!(units.open.len(), MOST_OPEN);
    }

    #[test]
    fn workers_that_share_a_second_are_added_up() {
        let (mut one, mut other) = (PerUnit::default(), PerUnit::default());
        one.add(7, [1, 10]);
        other.add(7, [2, 20]);
        other.add(8, [1, 5]);
        one.merge(other);
        assert_eq!((one.most(), one.units()), ([3, 30], 2));
    }
}
