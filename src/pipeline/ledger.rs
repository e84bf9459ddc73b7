//! The books: every frame received is counted exactly once, and the sums must agree.

use std::time::Duration;

use ahash::RandomState;
use hashbrown::HashMap;

use crate::capture::Drops;
use crate::decode::{AnomalySet, DecodeError, PacketAnomaly};
use crate::flow::{FlowEndReason, FlowRecord};

/// Counters of one run, or of one worker's share of it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Frames that a source lent to us.
    pub received_packets: u64,
    /// Their octets on the wire, from the first octet of the link-layer header.
    pub received_octets: u64,
    /// Packets accounted to a Flow.
    pub metered_packets: u64,
    /// Their octets: IP header(s) and payload, by the length fields of the metered IP packet.
    pub metered_octets: u64,
    /// Frames that were not metered, by reason. `ignoredPacketTotalCount` (IE 164) is told of those
    /// that may have been IP packets, and of what the kernel dropped.
    pub ignored: HashMap<DecodeError, u64, RandomState>,
    /// Their octets on the wire: where an IP packet begins in what cannot be decoded, nobody can say.
    pub ignored_octets: u64,
    /// Packets that were decoded, and then left out by [`PacketFilter`](crate::flow::PacketFilter).
    pub filtered_packets: u64,
    /// Their octets on the wire.
    pub filtered_octets: u64,
    /// Metered packets that were broken or suspicious, by kind; one packet may count in several.
    pub anomalies: [u64; PacketAnomaly::ALL.len()],
    /// Metered packets with IP options: in IPv4, or in a Hop-by-Hop or Destination Options header.
    pub option_packets: u64,
    /// `exportedFlowRecordTotalCount` (IE 42): records handed to the Exporting Process.
    pub exported_flows: u64,
    /// Packets in those records, both directions.
    pub exported_packets: u64,
    /// Octets in those records, both directions.
    pub exported_octets: u64,
    /// Records by `flowEndReason` (IE 136).
    pub expired: [u64; FlowEndReason::ALL.len()],
    /// What was lost before it reached us.
    pub drops: Drops,
    /// The most Flows the cache held.
    pub peak_flows: u64,
    /// How often the cache became nearly full; live only.
    pub cache_nearly_full: u64,
    /// How often the capture's clock was set back.
    pub clock_steps: u64,
    /// How long the run took.
    pub elapsed: Duration,
}

/// The books do not balance: a defect of the probe, never of its input.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Imbalance {
    /// `received = metered + Σ ignored + filtered` does not hold.
    #[error(
        "the books do not balance: {received} packets received, but {metered} metered, \
         {ignored} ignored and {filtered} filtered"
    )]
    Received {
        /// Packets received.
        received: u64,
        /// Packets metered.
        metered: u64,
        /// Packets ignored, all reasons.
        ignored: u64,
        /// Packets filtered.
        filtered: u64,
    },
    /// `metered = exported` does not hold.
    #[error("the books do not balance: {metered} {unit} metered, but {exported} exported")]
    Exported {
        /// `packets` or `octets`.
        unit: &'static str,
        /// What was metered.
        metered: u64,
        /// What was exported.
        exported: u64,
    },
}

impl Ledger {
    /// Counts one metered packet.
    #[inline]
    pub(super) fn count_metered(&mut self, octets: u32, anomalies: AnomalySet) {
        self.metered_packets += 1;
        self.metered_octets += u64::from(octets);
        if !anomalies.is_empty() {
            self.count_anomalies(anomalies);
        }
    }

    /// Counts one ignored packet.
    #[cold]
    pub(super) fn count_ignored(&mut self, reason: DecodeError, octets: u64) {
        *self.ignored.entry(reason).or_insert(0) += 1;
        self.ignored_octets += octets;
    }

    /// Counts one packet that the filter left out.
    #[inline]
    pub(super) fn count_filtered(&mut self, octets: u64) {
        self.filtered_packets += 1;
        self.filtered_octets += octets;
    }

    #[cold]
    fn count_anomalies(&mut self, anomalies: AnomalySet) {
        self.option_packets += u64::from(anomalies.has_options());
        for anomaly in anomalies.iter() {
            self.add_anomalies(anomaly, 1);
        }
    }

    /// Adds anomalies that showed only in the cache.
    pub(super) fn add_anomalies(&mut self, anomaly: PacketAnomaly, count: u64) {
        if let Some(counter) = self.anomalies.get_mut(anomaly as usize) {
            *counter += count;
        }
    }

    /// Counts records on their way to the Exporting Process.
    pub(super) fn count_exported(&mut self, records: &[FlowRecord]) {
        self.exported_flows += records.len() as u64;
        for record in records {
            self.exported_packets += record.packets();
            self.exported_octets += record.octets();
            if let Some(counter) = self.expired.get_mut(record.end_reason as usize - 1) {
                *counter += 1;
            }
        }
    }

    /// Adds another worker's share.
    pub(super) fn merge(&mut self, other: &Self) {
        let Self {
            received_packets,
            received_octets,
            metered_packets,
            metered_octets,
            ignored,
            ignored_octets,
            filtered_packets,
            filtered_octets,
            anomalies,
            option_packets,
            exported_flows,
            exported_packets,
            exported_octets,
            expired,
            drops,
            peak_flows,
            cache_nearly_full,
            clock_steps,
            elapsed,
        } = other;
        self.received_packets += received_packets;
        self.received_octets += received_octets;
        self.metered_packets += metered_packets;
        self.metered_octets += metered_octets;
        for (reason, count) in ignored {
            *self.ignored.entry(*reason).or_insert(0) += count;
        }
        self.ignored_octets += ignored_octets;
        self.filtered_packets += filtered_packets;
        self.filtered_octets += filtered_octets;
        self.anomalies.iter_mut().zip(anomalies).for_each(|(sum, count)| *sum += count);
        self.option_packets += option_packets;
        self.exported_flows += exported_flows;
        self.exported_packets += exported_packets;
        self.exported_octets += exported_octets;
        self.expired.iter_mut().zip(expired).for_each(|(sum, count)| *sum += count);
        self.drops.kernel += drops.kernel;
        self.drops.interface += drops.interface;
        self.peak_flows = self.peak_flows.max(*peak_flows);
        self.cache_nearly_full += cache_nearly_full;
        // Every worker follows the same steps.
        self.clock_steps = self.clock_steps.max(*clock_steps);
        self.elapsed = self.elapsed.max(*elapsed);
    }

    /// Packets ignored, all reasons.
    pub fn ignored_packets(&self) -> u64 {
        self.ignored.values().sum()
    }

    /// Reasons and counts of what was ignored, the most frequent first.
    pub fn ignored_by_reason(&self) -> Vec<(String, u64)> {
        let mut reasons: Vec<_> = self
            .ignored
            .iter()
            .map(|(reason, &count)| (reason.reason().into_owned(), count))
            .collect();
        reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        reasons
    }

    /// Checks the laws that hold at the end of every run.
    ///
    /// # Errors
    ///
    /// [`Imbalance`] names the first law that does not hold.
    pub fn check(&self) -> Result<(), Imbalance> {
        let ignored = self.ignored_packets();
        if self.received_packets != self.metered_packets + ignored + self.filtered_packets {
            return Err(Imbalance::Received {
                received: self.received_packets,
                metered: self.metered_packets,
                ignored,
                filtered: self.filtered_packets,
            });
        }
        for (unit, metered, exported) in [
            ("packets", self.metered_packets, self.exported_packets),
            ("octets", self.metered_octets, self.exported_octets),
        ] {
            if metered != exported {
                return Err(Imbalance::Exported { unit, metered, exported });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_packet_and_a_lost_octet_are_both_noticed() {
        let balanced = Ledger {
            received_packets: 7,
            filtered_packets: 4,
            metered_packets: 2,
            metered_octets: 80,
            ignored: std::iter::once((DecodeError::NotIp, 1)).collect(),
            exported_packets: 2,
            exported_octets: 80,
            ..Ledger::default()
        };
        assert_eq!(balanced.check(), Ok(()));
        let lost = Ledger { received_packets: 8, ..balanced.clone() };
        let imbalance = Imbalance::Received { received: 8, metered: 2, ignored: 1, filtered: 4 };
        assert_eq!(lost.check(), Err(imbalance));
        let short = Ledger { exported_octets: 79, ..balanced };
        assert_eq!(
            short.check(),
            Err(Imbalance::Exported { unit: "octets", metered: 80, exported: 79 })
        );
    }

    #[test]
    fn shares_add_up_but_for_what_all_workers_saw_alike() {
        let mut share = Ledger { received_packets: 5, clock_steps: 1, ..Ledger::default() };
        (0..2).for_each(|_| share.count_ignored(DecodeError::NotIp, 60));
        (0..3).for_each(|_| share.count_metered(40, AnomalySet::NONE));
        (0..4).for_each(|_| share.count_filtered(80));
        share.drops = Drops { kernel: 7, interface: 1 };
        share.expired[0] = 4;
        let mut sum = Ledger::default();
        sum.merge(&share);
        sum.merge(&share);
        assert_eq!((sum.received_packets, sum.metered_packets, sum.metered_octets), (10, 6, 240));
        assert_eq!((sum.ignored_packets(), sum.ignored_octets, sum.expired[0]), (4, 240, 8));
        assert_eq!((sum.filtered_packets, sum.filtered_octets), (8, 640));
        assert_eq!(sum.drops, Drops { kernel: 14, interface: 2 });
        assert_eq!(sum.clock_steps, 1, "one clock, set back once");
    }
}
