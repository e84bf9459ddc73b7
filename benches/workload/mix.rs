//! W3 and W5: flows that begin, live and end, as on a link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::packet::{ACK, Class, FIN, Packet, Protocol, SYN, Version, Way, write_packet};
use super::pcap::Writer;
use super::random::SplitMix;
use super::tunnel;

/// So many packets of so many flows, in the open or in tunnels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) packets: u64,
    pub(crate) flows: u64,
    pub(crate) tunnels: bool,
}

impl Mix {
    pub(super) fn write_to(self, file: &mut Writer) -> io::Result<()> {
        let mut flows = self.flows();
        let mut random = SplitMix(0x31a3);
        // When each flow sends next, in the time of the flows; the earliest is on top.
        let mut next: BinaryHeap<_> =
            flows.iter().enumerate().map(|(index, flow)| Reverse((flow.start, index))).collect();
        let mut sizes = Sizes::default();
        let mut frame = Frame::new(self.tunnels);
        let mut number = 0;
        while let Some(Reverse((time, index))) = next.pop() {
            let flow = &mut flows[index];
            let packet = flow.next_packet(&mut sizes, &mut random);
            frame.write(file, number * NANOS_APART, index as u64, flow.class, packet)?;
            number += 1;
            if flow.sent < flow.packets {
                // Half to one and a half times the usual gap: no clockwork.
                let gap = flow.gap / 2 + random.below(flow.gap.max(1));
                next.push(Reverse((time + gap, index)));
            }
        }
        Ok(())
    }

    /// The flows by rank, with exactly as many packets in all as are wanted.
    fn flows(self) -> Vec<Flow> {
        let top = self.packets_of_the_first();
        let mut left = self.packets;
        let mut shares = Shares::default();
        let mut random = SplitMix(0x21bf);
        let mut flows = Vec::new();
        for rank in 1..=self.flows {
            let packets = (top / rank).max(1).min(left);
            if packets == 0 {
                break;
            }
            left -= packets;
            // What rounding left over goes to the first.
            let packets = if rank == self.flows { packets + left } else { packets };
            let class = shares.next(packets);
            // A packet each 20 ms and flow, but no flow is longer than the capture.
            let life = (packets * 20_000_000).min(self.packets * NANOS_APART);
            let start = random.below((self.packets * NANOS_APART - life).max(1));
            let closes = packets >= 5 && random.below(8) != 0;
            flows.push(Flow { class, packets, sent: 0, start, gap: life / packets, closes });
        }
        flows
    }

    /// Zipf: the flow of rank n has this / n packets, and at least one.
    fn packets_of_the_first(self) -> u64 {
        let total = |top: u64| (1..=self.flows).map(|rank| (top / rank).max(1)).sum::<u64>();
        let (mut low, mut high) = (1, self.packets);
        while low < high {
            let middle = (low + high).div_ceil(2);
            if total(middle) <= self.packets { low = middle } else { high = middle - 1 }
        }
        low
    }
}

/// One packet each 5 µs.
const NANOS_APART: u64 = 5_000;

#[derive(Debug)]
struct Flow {
    class: Class,
    packets: u64,
    sent: u64,
    /// Nanoseconds after the first packet of the capture, as is the gap between two packets.
    start: u64,
    gap: u64,
    /// Whether TCP says that it ends.
    closes: bool,
}

impl Flow {
    fn next_packet(&mut self, sizes: &mut Sizes, random: &mut SplitMix) -> Packet {
        let (sent, left) = (self.sent, self.packets - self.sent);
        self.sent += 1;
        let any = if random.below(5) < 3 { Way::Back } else { Way::There };
        let (way, tcp_flags) = match (self.class.protocol, sent, left) {
            (Protocol::Tcp, 0, _) => (Way::There, SYN),
            (Protocol::Tcp, 1, _) => (Way::Back, SYN | ACK),
            (Protocol::Tcp, _, 2) if self.closes => (Way::There, FIN | ACK),
            (Protocol::Tcp, _, 1) if self.closes => (Way::Back, FIN | ACK),
            (Protocol::Tcp, 2, _) => (Way::There, ACK),
            (Protocol::Tcp, ..) => (any, ACK),
            // Question and answer.
            _ if sent.is_multiple_of(2) => (Way::There, 0),
            _ => (Way::Back, 0),
        };
        let length = if tcp_flags & (SYN | FIN) != 0 { sizes.small() } else { sizes.any(random) };
        Packet { way, tcp_flags, length, number: sent }
    }
}

/// The simple IMIX: 64, 576 and 1,500 octets as 7 to 4 to 1.
#[derive(Debug, Default)]
struct Sizes {
    /// Packets that had to be small and were not drawn: as many draws of a small one are void.
    owed: u64,
}

impl Sizes {
    const fn small(&mut self) -> usize {
        self.owed += 1;
        64
    }

    fn any(&mut self, random: &mut SplitMix) -> usize {
        loop {
            match random.below(12) {
                0..7 if self.owed > 0 => self.owed -= 1,
                0..7 => return 64,
                7..11 => return 576,
                _ => return 1_500,
            }
        }
    }
}

/// Gives each flow the class that lacks most packets, so that the shares are right at every rank.
#[derive(Debug, Default)]
struct Shares {
    total: u64,
    given: [u64; CLASSES.len()],
}

impl Shares {
    fn next(&mut self, packets: u64) -> Class {
        self.total += packets;
        let lacks = |class: usize| {
            let due = self.total * CLASSES[class].1;
            i128::from(due) - i128::from(self.given[class] * 1_000)
        };
        let class = (0..CLASSES.len()).max_by_key(|&class| lacks(class)).unwrap_or(0);
        self.given[class] += packets;
        CLASSES[class].0
    }
}

/// Shares of packets, in thousandths.
const CLASSES: [(Class, u64); 6] = [
    (Class { version: Version::V4, protocol: Protocol::Tcp }, 560),
    (Class { version: Version::V4, protocol: Protocol::Udp }, 126),
    (Class { version: Version::V4, protocol: Protocol::Icmp }, 14),
    (Class { version: Version::V6, protocol: Protocol::Tcp }, 240),
    (Class { version: Version::V6, protocol: Protocol::Udp }, 54),
    (Class { version: Version::V6, protocol: Protocol::Icmp }, 6),
];

/// The place where frames are put together: room for what stands before the IP packet, then the packet.
struct Frame {
    octets: Vec<u8>,
    tunnels: bool,
}

impl Frame {
    fn new(tunnels: bool) -> Self {
        Self { octets: vec![0; tunnel::ROOM + 1_500], tunnels }
    }

    fn write(
        &mut self,
        file: &mut Writer,
        nanos: u64,
        flow: u64,
        class: Class,
        packet: Packet,
    ) -> io::Result<()> {
        let (before, inner) =
            self.octets.split_first_chunk_mut::<{ tunnel::ROOM }>().expect("there is room");
        let written = write_packet(inner, flow, class, packet);
        let ethertype = match class.version {
            Version::V4 => [0x08, 0x00],
            Version::V6 => [0x86, 0xdd],
        };
        let length = if self.tunnels {
            tunnel::write_tunnel(before, flow, packet.way, packet.length, ethertype)
        } else {
            let ethernet = before.last_chunk_mut::<14>().expect("there is room");
            ethernet[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
            ethernet[12..].copy_from_slice(&ethertype);
            14
        };
        let frame = &self.octets[tunnel::ROOM - length..tunnel::ROOM + packet.length];
        file.record(nanos, frame, frame.len() as u64)?;
        self.octets[tunnel::ROOM..tunnel::ROOM + written].fill(0);
        Ok(())
    }
}
