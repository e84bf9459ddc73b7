//! Which Flows a member of a balanced group gets.

use crate::flow::FlowRecord;

/// A part of all Flows.
///
/// Both directions of a Flow, and all its slices, have the same place: it depends on addresses, ports
/// and protocol alone, and is the same in every run and on every probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Share {
    member: u64,
    members: u64,
}

impl Share {
    /// All of them.
    pub(crate) const ALL: Self = Self { member: 0, members: 1 };

    /// Share number `member` of `members`.
    pub(crate) fn new(member: usize, members: usize) -> Self {
        Self { member: member as u64, members: members.max(1) as u64 }
    }

    /// Whether this record is part of it.
    #[inline]
    pub(crate) fn has(self, record: &FlowRecord) -> bool {
        self.members == 1 || place(record) % self.members == self.member
    }
}

/// The same number for both directions.
fn place(record: &FlowRecord) -> u64 {
    let source = endpoint(record.source.0, record.source_port);
    let destination = endpoint(record.destination.0, record.destination_port);
    // A sum has no order.
    mix(source.wrapping_add(destination) ^ u64::from(record.protocol))
}

fn endpoint(address: [u8; 16], port: u16) -> u64 {
    let [high, low] = [0, 8].map(|begin| {
        address.iter().skip(begin).take(8).fold(0, |half, &octet| half << 8 | u64::from(octet))
    });
    mix(mix(high ^ u64::from(port)) ^ low)
}

/// Every bit of the input changes half of the output: the finalizer of SplitMix64.
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::udp_uniflow;

    #[test]
    fn every_flow_has_one_place_whatever_its_direction() {
        let shares = [0, 1, 2].map(|member| Share::new(member, 3));
        let mut counts = [0; 3];
        for number in 0..3_000 {
            let record = udp_uniflow(number);
            let turned = FlowRecord {
                source: record.destination,
                destination: record.source,
                source_port: record.destination_port,
                destination_port: record.source_port,
                ..record
            };
            let places: Vec<_> = (0..3).filter(|&member| shares[member].has(&record)).collect();
            assert_eq!(places.len(), 1);
            assert!(shares[places[0]].has(&turned));
            counts[places[0]] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn all_is_all() {
        assert!(Share::ALL.has(&udp_uniflow(1)));
    }
}
