//! The last hour, in a ring of points.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The last hour of a probe. A page that is opened later shows it too.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct History {
    /// Seconds between two points.
    pub step_seconds: u64,
    /// When the last point was taken, in seconds since 1970.
    pub end: u64,
    /// Frames received by all interfaces, a second.
    pub packets: VecDeque<u64>,
    /// Bits on the wire received by all interfaces, a second.
    pub bits: VecDeque<u64>,
    /// Frames dropped by the kernel or an interface, a second.
    pub drops: VecDeque<u64>,
    /// Flow Records that left the cache, a second.
    pub records: VecDeque<u64>,
    /// Flows in the cache.
    pub flows: VecDeque<u64>,
    /// The same of each interface.
    pub interfaces: Vec<InterfaceHistory>,
}

/// The last hour of an interface.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct InterfaceHistory {
    /// Its name.
    pub name: String,
    /// Frames received, a second.
    pub packets: VecDeque<u64>,
    /// Bits on the wire received, a second.
    pub bits: VecDeque<u64>,
}

/// What is remembered of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub(super) at: u64,
    pub(super) packets: u64,
    pub(super) bits: u64,
    pub(super) drops: u64,
    pub(super) records: u64,
    pub(super) flows: u64,
    /// Packets and bits of each interface, in an order that does not change.
    pub(super) interfaces: Vec<(u64, u64)>,
}

impl History {
    pub(super) fn new(interfaces: impl IntoIterator<Item = String>) -> Self {
        let named = |name| InterfaceHistory { name, ..InterfaceHistory::default() };
        Self {
            step_seconds: STEP_SECONDS,
            interfaces: interfaces.into_iter().map(named).collect(),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, point: &Point) {
        self.end = point.at;
        for (values, value) in [
            (&mut self.packets, point.packets),
            (&mut self.bits, point.bits),
            (&mut self.drops, point.drops),
            (&mut self.records, point.records),
            (&mut self.flows, point.flows),
        ] {
            append(values, value);
        }
        for (interface, &(packets, bits)) in self.interfaces.iter_mut().zip(&point.interfaces) {
            append(&mut interface.packets, packets);
            append(&mut interface.bits, bits);
        }
    }
}

fn append(values: &mut VecDeque<u64>, value: u64) {
    if values.len() >= POINTS {
        values.pop_front();
    }
    values.push_back(value);
}

/// An hour in steps that a chart can show: 720 points, 6 kB for each line.
pub(super) const STEP_SECONDS: u64 = 5;
const POINTS: usize = 720;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_is_bounded_and_the_oldest_goes_first() {
        let mut history = History::new(["a".to_owned()]);
        for at in 0..1000 {
            history.push(&Point {
                at: at * STEP_SECONDS,
                packets: at,
                interfaces: vec![(at, 8 * at)],
                ..Point::default()
            });
        }
        assert_eq!(history.packets.len() as u64 * STEP_SECONDS, 3600);
        assert_eq!((history.packets[0], history.packets[719], history.end), (280, 999, 4995));
        assert_eq!(history.interfaces[0].bits[719], 7992);
        assert_eq!((history.drops.len(), history.flows.len()), (POINTS, POINTS));
    }
}
