//! Captures for the benches, made on the spot: the same octets on every machine and in every run.
//!
//! | name | packets | octets | what |
//! |---|---|---|---|
//! | `w1` | 10 M | 1.1 GB | [`HeaderCut`]: cut at 96 octets, 100,000 flows, each packet of one drawn evenly |
//! | `w2` | 10 M | 1.1 GB | the same over 1,000,000 flows |
//! | `w3` | 5 M | 1.9 GB | [`Mix`]: whole packets of about 600,000 flows that begin, live and end |
//! | `w4` | 10 M | 1.1 GB | [`Flood`]: cut at 96 octets, every packet a flow of its own |
//! | `w5` | 5 M | 2.3 GB | the packets of `w3` behind a VLAN tag, half in VXLAN, half in GTP-U ([`tunnel`]) |
//! | `flows1m` | 2 M | 0.2 GB | [`Everyone`]: 1,000,000 flows, one packet there and then one back each |
//! | `flows10m` | 20 M | 2.2 GB | the same with 10,000,000 flows |
//!
//! All are pcap files with times in nanoseconds. W1, W2 and W4 are IPv4 with one packet each
//! microsecond; the lengths in their headers, and the "wire" length of their records, are those of
//! packets that were longer than what was kept of them.
//!
//! W3 is what a link carries: IP packets of 64, 576 and 1,500 octets as 7 to 4 to 1 (the "simple
//! IMIX"; with the Ethernet header 368 octets on average), flows whose packets fall off as 1 / rank
//! (Zipf) from a few that are as long as the capture to hundreds of thousands with one packet, 30 %
//! IPv6, 80 % TCP, 18 % UDP, 2 % ICMP (shares of packets), answers in all of them. TCP begins with
//! SYN and SYN-ACK and, in seven flows of eight that are long enough, ends with a FIN each way. There is one
//! packet each 5 µs: 25 seconds, so that some flows end by the idle timeout as well.
//!
//! W5 has whole packets of the same flows, so that its rate divided by W3's is the price of tunnels.
//!
//! Payload is zeros: nobody reads it. Lengths and checksums are right, those of IPv4, TCP, UDP and
//! ICMP alike, except that headers cut off from their payload have no transport checksum.

#![expect(clippy::indexing_slicing, reason = "places in templates of our own")]

mod header_cut;
mod mix;
mod packet;
mod pcap;
mod random;
mod tunnel;

use std::io;
use std::path::Path;

use self::header_cut::{Everyone, Flood, HeaderCut};
use self::mix::Mix;

/// One of the captures, in the size that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Workload {
    /// W1 and W2.
    HeaderCut(HeaderCut),
    /// W4.
    Flood(Flood),
    /// W3 and W5.
    Mix(Mix),
    /// The flows that are counted when memory is measured.
    Everyone(Everyone),
}

/// Name, packets, flows (0 where their number follows from the packets).
const NAMES: [(&str, u64, u64); 7] = [
    ("w1", 10_000_000, 100_000),
    ("w2", 10_000_000, 1_000_000),
    ("w3", 5_000_000, 600_000),
    ("w4", 10_000_000, 0),
    ("w5", 5_000_000, 600_000),
    ("flows1m", 2_000_000, 0),
    ("flows10m", 20_000_000, 0),
];

impl Workload {
    /// A workload by its name, of its own size or with so many packets: the number of flows stays
    /// in proportion, so that a small one has the same mix.
    pub(crate) fn named(name: &str, packets: Option<u64>) -> Option<Self> {
        let &(name, whole, flows) = NAMES.iter().find(|known| known.0 == name)?;
        let packets = packets.unwrap_or(whole);
        let flows = u64::try_from(u128::from(flows) * u128::from(packets) / u128::from(whole));
        let flows = flows.ok()?.max(1);
        Some(match name {
            "w4" => Self::Flood(Flood { packets }),
            "w3" => Self::Mix(Mix { packets, flows, tunnels: false }),
            "w5" => Self::Mix(Mix { packets, flows, tunnels: true }),
            "flows1m" | "flows10m" => Self::Everyone(Everyone { flows: packets.div_ceil(2) }),
            _ => Self::HeaderCut(HeaderCut { packets, flows }),
        })
    }

    /// Writes it as a nanosecond pcap file.
    pub(crate) fn write_to(self, path: &Path) -> io::Result<()> {
        let mut file = pcap::Writer::create(path)?;
        match self {
            Self::HeaderCut(workload) => workload.write_to(&mut file),
            Self::Flood(workload) => workload.write_to(&mut file),
            Self::Mix(workload) => workload.write_to(&mut file),
            Self::Everyone(workload) => workload.write_to(&mut file),
        }?;
        file.finish()
    }
}
