//! What the Metering Process tells the Exporting Process of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::export::options::text::readable;
use crate::time::Timestamp;

/// The Metering Process as the Exporting Process knows it. Clones tell of the same.
#[derive(Clone, Debug, Default)]
pub struct Metering {
    /// What does not change while a run lasts.
    pub facts: Arc<Facts>,
    /// What the workers count.
    pub counters: Arc<MeteringCounters>,
    /// Where packets are observed.
    pub points: Arc<ObservationPoints>,
    /// The timeouts, once they were changed.
    pub timeouts: Arc<ChangedTimeouts>,
}

impl Metering {
    /// `flowActiveTimeout` (IE 36) and `flowIdleTimeout` (IE 37) as they are now.
    pub fn timeouts(&self) -> (Duration, Duration) {
        let changed = *self.timeouts.0.read().unwrap_or_else(PoisonError::into_inner);
        changed.unwrap_or((self.facts.active_timeout, self.facts.idle_timeout))
    }
}

/// Timeouts that are no longer those of [`Facts`]: active and idle.
#[derive(Debug, Default)]
pub struct ChangedTimeouts(RwLock<Option<(Duration, Duration)>>);

impl ChangedTimeouts {
    /// Tells of others from now on.
    pub fn set(&self, active: Duration, idle: Duration) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((active, idle));
    }
}

/// What does not change while a run lasts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facts {
    /// `meteringProcessId` (IE 143).
    pub metering_process: u32,
    /// `exportingProcessId` (IE 144).
    pub exporting_process: u32,
    /// `flowActiveTimeout` (IE 36) at the start.
    pub active_timeout: Duration,
    /// `flowIdleTimeout` (IE 37) at the start.
    pub idle_timeout: Duration,
    /// `systemInitTimeMilliseconds` (IE 160): when metering began; unknown in a replay.
    pub started: Option<Timestamp>,
    /// Whether the outermost VLAN id is part of the Flow Key.
    pub vlan_key: bool,
    /// Whether packets are selected by a filter; what is left out by it is told then.
    pub is_filtered: bool,
}

/// An Observation Point.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// `ingressInterface` (IE 10).
    pub index: u32,
    /// `interfaceName` (IE 82).
    pub name: String,
    /// `interfaceDescription` (IE 83).
    pub description: String,
}

impl Interface {
    /// An Observation Point by what a system or a capture says of it, in whatever octets.
    ///
    /// Both texts are always there, because one Collector shows only the name and another only the
    /// description: a description that is missing is the name, as `ifDescr` is on Linux, and a name
    /// that is missing is that of the capture. Never that of its file: where captures lie is nobody
    /// else's business.
    pub fn new(index: u32, name: &[u8], description: &[u8]) -> Self {
        let mut name = readable(name);
        if name.is_empty() {
            name = if index == 1 { "capture".to_owned() } else { format!("capture-{index}") };
        }
        let mut description = readable(description);
        if description.is_empty() {
            description.clone_from(&name);
        }
        Self { index, name, description }
    }
}

/// The Observation Points met so far: a list that only grows, so that its first part says the same
/// to everyone at any time.
#[derive(Debug, Default)]
pub struct ObservationPoints(RwLock<Vec<Interface>>);

impl ObservationPoints {
    /// Makes sure that the first `known` points are in the list, by appending those from
    /// `describe(start, known)` that are not, fewer if there are not so many. Workers may learn of
    /// them in any order.
    pub fn learn(&self, known: usize, describe: impl FnOnce(usize, usize) -> Vec<Interface>) {
        let mut points = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if points.len() < known {
            let start = points.len();
            points.extend(describe(start, known));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none as yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those from `start` up to `end`, as far as there are any.
    pub(crate) fn range(&self, start: usize, end: usize) -> Vec<Interface> {
        let points = self.0.read().unwrap_or_else(PoisonError::into_inner);
        points.get(start..end.min(points.len())).unwrap_or_default().to_vec()
    }
}

/// Packets that the Metering Process did not process (RFC 7011 §4.2).
///
/// These are packets that were observed: those that could not be decoded, and those that the kernel
/// dropped because we were too slow. What an interface lost was not observed, and frames that carry
/// no IP at all, ARP and the like, are not what the elements count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ignored {
    /// `ignoredPacketTotalCount` (IE 164).
    pub packets: u64,
    /// `ignoredOctetTotalCount` (IE 165), as octets on the wire: where an IP packet begins in what
    /// cannot be decoded, nobody can say. Packets that the kernel dropped have none, for the same
    /// reason.
    pub octets: u64,
    /// When the first of them was observed.
    pub first: Timestamp,
    /// When the last of them was observed.
    pub last: Timestamp,
}

impl Default for Ignored {
    fn default() -> Self {
        Self { packets: 0, octets: 0, first: Timestamp::MAX, last: Timestamp::EPOCH }
    }
}

impl Ignored {
    /// Adds `packets` that had `octets` together and were observed about `at`.
    pub fn add(&mut self, packets: u64, octets: u64, at: Timestamp) {
        self.packets = self.packets.saturating_add(packets);
        self.octets = self.octets.saturating_add(octets);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

/// Packets that a filter was asked of and those it took (RFC 5476 §6.5.3): IP packets that could be
/// decoded. The difference is neither metered nor ignored.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Selection {
    /// `selectorIdTotalPktsObserved` (IE 318).
    pub observed: u64,
    /// `selectorIdTotalPktsSelected` (IE 319).
    pub selected: u64,
}

impl Selection {
    /// What came after `before`.
    pub const fn since(self, before: Self) -> Self {
        Self {
            observed: self.observed.saturating_sub(before.observed),
            selected: self.selected.saturating_sub(before.selected),
        }
    }
}

/// What workers count and the Exporting Process reports. Workers add their share once a block, so
/// it costs nothing on the way of a packet.
#[derive(Debug)]
pub struct MeteringCounters {
    packets: AtomicU64,
    octets: AtomicU64,
    first: AtomicU64,
    last: AtomicU64,
    observed: AtomicU64,
    selected: AtomicU64,
}

impl Default for MeteringCounters {
    fn default() -> Self {
        Self {
            packets: AtomicU64::new(0),
            octets: AtomicU64::new(0),
            first: AtomicU64::new(u64::MAX),
            last: AtomicU64::new(0),
            observed: AtomicU64::new(0),
            selected: AtomicU64::new(0),
        }
    }
}

impl MeteringCounters {
    /// Adds the share of a worker, which was not added before.
    pub fn ignore(&self, share: Ignored) {
        if share.packets == 0 {
            return;
        }
        self.first.fetch_min(share.first.as_nanos(), Ordering::Relaxed);
        self.last.fetch_max(share.last.as_nanos(), Ordering::Relaxed);
        self.octets.fetch_add(share.octets, Ordering::Relaxed);
        // Last, and acquired first: who sees the packets sees their times.
        self.packets.fetch_add(share.packets, Ordering::Release);
    }

    /// Adds the share of a worker, which was not added before.
    pub fn select(&self, share: Selection) {
        // Observed first, and acquired last: never are more selected than were observed.
        self.observed.fetch_add(share.observed, Ordering::Relaxed);
        self.selected.fetch_add(share.selected, Ordering::Release);
    }

    /// What the filter did so far.
    pub fn selection(&self) -> Selection {
        let selected = self.selected.load(Ordering::Acquire);
        Selection { observed: self.observed.load(Ordering::Relaxed), selected }
    }

    /// What was ignored so far.
    pub fn ignored(&self) -> Ignored {
        Ignored {
            packets: self.packets.load(Ordering::Acquire),
            octets: self.octets.load(Ordering::Relaxed),
            first: Timestamp::from_nanos(self.first.load(Ordering::Relaxed)),
            last: Timestamp::from_nanos(self.last.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn shares_add_up_and_keep_the_outermost_times() {
        let counters = MeteringCounters::default();
        assert_eq!(counters.ignored(), Ignored::default());
        for times in [[7, 9], [3, 8]] {
            let mut share = Ignored::default();
            times.into_iter().for_each(|time| share.add(1, 60, at(time)));
            counters.ignore(share);
        }
        counters.ignore(Ignored::default());
        assert_eq!(
            counters.ignored(),
            Ignored { packets: 4, octets: 240, first: at(3), last: at(9) }
        );
    }

    #[test]
    fn timeouts_are_those_of_the_start_until_they_change_for_every_clone() {
        let second = Duration::from_secs;
        let facts =
            Facts { active_timeout: second(60), idle_timeout: second(15), ..Facts::default() };
        let metering = Metering { facts: Arc::new(facts), ..Metering::default() };
        let clone = metering.clone();
        assert_eq!(clone.timeouts(), (second(60), second(15)));
        metering.timeouts.set(second(30), second(5));
        assert_eq!(clone.timeouts(), (second(30), second(5)));
    }

    #[test]
    fn what_a_filter_did_adds_up() {
        let counters = MeteringCounters::default();
        let so_far = Selection { observed: 9, selected: 4 };
        counters.select(so_far.since(Selection { observed: 5, selected: 4 }));
        counters.select(Selection { observed: 1, selected: 1 });
        assert_eq!(counters.selection(), Selection { observed: 5, selected: 1 });
    }

    #[test]
    fn points_are_learnt_once_in_whatever_order_workers_come_by() {
        let all: Vec<_> = (1..=4).map(|index| Interface::new(index, b"", b"")).collect();
        let points = ObservationPoints::default();
        let learn = |known| {
            points.learn(known, |start, end| all[start..end.min(all.len())].to_vec());
            points.len()
        };
        assert_eq!([0, 3, 1, 2, usize::MAX].map(learn), [0, 3, 3, 3, 4]);
        assert_eq!(points.range(0, usize::MAX), all);
        assert_eq!(points.range(1, 3), all[1..3]);
        assert_eq!(points.range(4, 9), []);
        assert_eq!(points.range(5, 9), []);
    }

    #[test]
    fn an_interface_always_has_a_name_and_a_description() {
        let texts = |name: &[u8], description: &[u8]| {
            let Interface { name, description, .. } = Interface::new(2, name, description);
            (name, description)
        };
        let pair = |name: &str, description: &str| (name.to_owned(), description.to_owned());
        assert_eq!(texts(b"eth0", b"uplink"), pair("eth0", "uplink"));
        assert_eq!(texts(b"eth0", b""), pair("eth0", "eth0"));
        assert_eq!(texts(b"\0", b"uplink"), pair("capture-2", "uplink"));
        assert_eq!(Interface::new(1, b"", b"").name, "capture");
    }
}
