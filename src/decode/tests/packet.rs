//! Packets for tests, built from the inside out: `payload(100).tcp(SYN).ipv4().vlan(5).ethernet()`.
//!
//! Each step puts one header in front, with its length fields right and with the number that says
//! what follows. What a test wants wrong it changes with [`Packet::set`].

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::decode::headers::Address;

pub(crate) const V4_SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const V4_DESTINATION: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
pub(crate) const V6_SOURCE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const V6_DESTINATION: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 2);
/// Addresses of tunnel end points.
pub(crate) const V4_NEAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
pub(crate) const V4_FAR: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
pub(crate) const V6_NEAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
pub(crate) const V6_FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 2);
pub(crate) const MAC_SOURCE: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x53, 0x01];
pub(crate) const MAC_DESTINATION: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x53, 0x02];

pub(crate) const FIN: u16 = 0x001;
pub(crate) const SYN: u16 = 0x002;
pub(crate) const RST: u16 = 0x004;
pub(crate) const PSH: u16 = 0x008;
pub(crate) const ACK: u16 = 0x010;
pub(crate) const URG: u16 = 0x020;

/// Octets of headers, then of payload, and what a header in front has to say of them.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) octets: Vec<u8>,
    /// How many octets at the end are payload.
    pub(crate) payload: usize,
    /// What an IP header says of the header in front.
    protocol: u8,
    /// What an Ethernet header says of it.
    ethertype: u16,
}

/// `length` octets that no header decoder may look at.
pub(crate) fn payload(length: usize) -> Packet {
    let octets = (0..length).map(|index| (index * 7 + 13).to_le_bytes()[0]).collect();
    Packet { octets, payload: length, protocol: 253, ethertype: 0x88b5 }
}

impl Packet {
    /// Puts any header in front.
    pub(crate) fn behind(mut self, header: &[u8]) -> Self {
        self.octets.splice(..0, header.iter().copied());
        self
    }

    /// As [`Self::behind`], a header of this IP protocol.
    pub(crate) fn behind_protocol(mut self, protocol: u8, header: &[u8]) -> Self {
        self.protocol = protocol;
        self.behind(header)
    }

    /// As [`Self::behind`], a header of this EtherType.
    pub(crate) fn behind_ethertype(mut self, ethertype: u16, header: &[u8]) -> Self {
        self.ethertype = ethertype;
        self.behind(header)
    }

    /// What an IP header in front will say, whatever is there.
    pub(crate) fn with_protocol(mut self, protocol: u8) -> Self {
        self.protocol = protocol;
        self
    }

    /// What an Ethernet header in front will say, whatever is there.
    pub(crate) fn with_ethertype(mut self, ethertype: u16) -> Self {
        self.ethertype = ethertype;
        self
    }

    /// Overwrites octets, counted from the front as it is now.
    pub(crate) fn set(mut self, offset: usize, octets: &[u8]) -> Self {
        self.octets[offset..offset + octets.len()].copy_from_slice(octets);
        self
    }

    /// Octets behind the packet: padding, a trailer.
    pub(crate) fn padded(mut self, length: usize) -> Self {
        self.octets.extend(std::iter::repeat_n(0xa5, length));
        self.payload += length;
        self
    }

    /// Cuts the packet itself, as opposed to its capture.
    pub(crate) fn ending_after(mut self, length: usize) -> Self {
        self.payload = self.payload.saturating_sub(self.octets.len() - length);
        self.octets.truncate(length);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    fn len_u16(&self) -> u16 {
        narrow(self.octets.len())
    }

    // Transport.

    pub(crate) fn tcp(self, flags: u16) -> Self {
        self.tcp_with_options(flags, &[])
    }

    pub(crate) fn tcp_with_options(self, flags: u16, options: &[u8]) -> Self {
        let words = 5 + options.len() / 4;
        let mut header = Vec::new();
        header.extend(40_000_u16.to_be_bytes());
        header.extend(443_u16.to_be_bytes());
        header.extend(0x0102_0304_u32.to_be_bytes()); // sequence number
        header.extend(0x0506_0708_u32.to_be_bytes()); // acknowledgement number
        header.extend(((narrow::<u16, _>(words) << 12) | flags).to_be_bytes());
        header.extend(0x7210_u16.to_be_bytes()); // window
        header.extend([0; 4]); // checksum, urgent pointer
        header.extend(options);
        self.behind_protocol(6, &header)
    }

    pub(crate) fn udp(self, source: u16, destination: u16) -> Self {
        let length = self.len_u16() + 8;
        self.ports(17, source, destination, &[length.to_be_bytes(), [0, 0]].concat())
    }

    pub(crate) fn udp_lite(self) -> Self {
        self.ports(136, 40_000, 5004, &[0, 8, 0, 0])
    }

    pub(crate) fn sctp(self) -> Self {
        self.ports(132, 2905, 2906, &[0; 8])
    }

    pub(crate) fn dccp(self) -> Self {
        // Data offset 4 words, CCVal, checksum; a DATA packet with X set, 48-bit sequence number.
        self.ports(33, 40_000, 5001, &[4, 0, 0, 0, 0b0101, 0, 0, 0, 0, 0, 0, 1])
    }

    fn ports(self, protocol: u8, source: u16, destination: u16, rest: &[u8]) -> Self {
        let header =
            [source.to_be_bytes().as_slice(), destination.to_be_bytes().as_slice(), rest].concat();
        self.behind_protocol(protocol, &header)
    }

    pub(crate) fn icmp(self, kind: u8, code: u8) -> Self {
        self.behind_protocol(1, &[kind, code, 0, 0, 0, 1, 0, 2])
    }

    pub(crate) fn icmpv6(self, kind: u8, code: u8) -> Self {
        self.behind_protocol(58, &[kind, code, 0, 0, 0, 1, 0, 2])
    }

    // IP.

    pub(crate) fn ipv4(self) -> Self {
        self.ipv4_between(V4_SOURCE, V4_DESTINATION)
    }

    pub(crate) fn ipv4_between(self, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        self.ipv4_full(source, destination, 0, &[])
    }

    pub(crate) fn ipv4_with_options(self, options: &[u8]) -> Self {
        self.ipv4_full(V4_SOURCE, V4_DESTINATION, 0, options)
    }

    pub(crate) fn ipv4_fragment(self, offset: u16, more: bool) -> Self {
        let field = (u16::from(more) << 13) | (offset / 8);
        self.ipv4_full(V4_SOURCE, V4_DESTINATION, field, &[])
    }

    fn ipv4_full(
        self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        fragment: u16,
        options: &[u8],
    ) -> Self {
        let length = self.len_u16() + 20 + narrow::<u16, _>(options.len());
        let mut header = vec![0x45 + narrow::<u8, _>(options.len() / 4), 0xb8];
        header.extend(length.to_be_bytes());
        header.extend(0xbeef_u16.to_be_bytes()); // identification
        header.extend(fragment.to_be_bytes());
        header.extend([57, self.protocol, 0, 0]);
        header.extend(source.octets());
        header.extend(destination.octets());
        header.extend(options);
        let mut packet = self.behind_ethertype(0x0800, &header);
        packet.protocol = 4;
        packet.with_checksum()
    }

    /// Makes the checksum of the IPv4 header in front right.
    pub(crate) fn with_checksum(self) -> Self {
        let packet = self.set(10, &[0, 0]);
        let header_length = usize::from(packet.octets[0] & 0x0f) * 4;
        let mut sum: u32 = packet.octets[..header_length]
            .chunks(2)
            .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        packet.set(10, &(!narrow::<u16, _>(sum)).to_be_bytes())
    }

    pub(crate) fn ipv6(self) -> Self {
        self.ipv6_between(V6_SOURCE, V6_DESTINATION)
    }

    pub(crate) fn ipv6_between(self, source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        // Traffic class 0xb8, flow label 0xabcde.
        let mut header = vec![0x6b, 0x8a, 0xbc, 0xde];
        header.extend(self.len_u16().to_be_bytes());
        header.extend([self.protocol, 61]);
        header.extend(source.octets());
        header.extend(destination.octets());
        let mut packet = self.behind_ethertype(0x86dd, &header);
        packet.protocol = 41;
        packet
    }

    /// An IPv6 extension header of the usual layout, `units` × 8 octets beyond the first 8.
    pub(crate) fn extension(self, kind: u8, units: u8) -> Self {
        let mut header = vec![self.protocol, units];
        // One PadN option fills it.
        header.extend([1, 4 + units * 8]);
        header.resize(8 + usize::from(units) * 8, 0);
        self.behind_protocol(kind, &header)
    }

    /// An Authentication Header with a 12-octet check value (RFC 4302).
    pub(crate) fn authentication(self) -> Self {
        let mut header = vec![self.protocol, 4];
        header.resize(24, 0x11);
        self.behind_protocol(51, &header)
    }

    pub(crate) fn ipv6_fragment_header(self, offset: u16, more: bool) -> Self {
        let mut header = vec![self.protocol, 0];
        header.extend((offset | u16::from(more)).to_be_bytes());
        header.extend(0xdead_beef_u32.to_be_bytes());
        self.behind_protocol(44, &header)
    }

    // Link.

    pub(crate) fn ethernet(self) -> Self {
        let ethertype = self.ethertype;
        self.ethernet_with(ethertype)
    }

    pub(crate) fn ethernet_with(self, type_or_length: u16) -> Self {
        let header =
            [&MAC_DESTINATION, &MAC_SOURCE, type_or_length.to_be_bytes().as_slice()].concat();
        self.behind_ethertype(0x6558, &header)
    }

    pub(crate) fn vlan(self, id: u16) -> Self {
        self.tag(0x8100, id)
    }

    pub(crate) fn tag(self, tpid: u16, tci: u16) -> Self {
        let header = [tci.to_be_bytes(), self.ethertype.to_be_bytes()].concat();
        self.behind_ethertype(tpid, &header)
    }

    /// LLC and SNAP, with the organisation of encapsulated Ethernet.
    pub(crate) fn snap(self) -> Self {
        let [high, low] = self.ethertype.to_be_bytes();
        self.behind(&[0xaa, 0xaa, 0x03, 0, 0, 0, high, low])
    }

    /// A label stack, top first.
    pub(crate) fn mpls(self, labels: &[u32]) -> Self {
        let last = labels.len() - 1;
        let stack: Vec<u8> = labels
            .iter()
            .enumerate()
            .flat_map(|(index, label)| {
                ((label << 12) | (u32::from(index == last) << 8) | 64).to_be_bytes()
            })
            .collect();
        self.behind_ethertype(0x8847, &stack)
    }

    pub(crate) fn ppp(self) -> Self {
        let number: u16 = match self.ethertype {
            0x0800 => 0x0021,
            0x86dd => 0x0057,
            0x8847 => 0x0281,
            _ => 0xc021, // LCP
        };
        self.behind_ethertype(0x880b, &number.to_be_bytes())
    }

    pub(crate) fn pppoe(self) -> Self {
        let packet = self.ppp();
        let header = [&[0x11, 0, 0x12, 0x34], packet.len_u16().to_be_bytes().as_slice()].concat();
        packet.behind_ethertype(0x8864, &header)
    }

    // Tunnels.

    /// A GRE header: the flags, whatever optional fields they promise, and the EtherType.
    pub(crate) fn gre(self, flags: u16, fields: &[u8]) -> Self {
        let ethertype = self.ethertype;
        self.gre_with(flags, ethertype, fields)
    }

    pub(crate) fn gre_with(self, flags: u16, protocol: u16, fields: &[u8]) -> Self {
        let header =
            [flags.to_be_bytes().as_slice(), protocol.to_be_bytes().as_slice(), fields].concat();
        self.behind_protocol(47, &header)
    }

    pub(crate) fn vxlan(self, id: u32) -> Self {
        self.behind(&[&[0x08, 0, 0, 0], (id << 8).to_be_bytes().as_slice()].concat())
            .udp(55_555, 4789)
    }

    pub(crate) fn geneve(self, id: u32, options: &[u8]) -> Self {
        let [high, low] = self.ethertype.to_be_bytes();
        let fixed = [narrow(options.len() / 4), 0, high, low];
        self.behind(&[&fixed, (id << 8).to_be_bytes().as_slice(), options].concat())
            .udp(55_555, 6081)
    }

    /// GTP-U: `optional` is what flags beyond the version promise.
    pub(crate) fn gtp(self, flags: u8, tunnel: u32, optional: &[u8]) -> Self {
        let packet = self.behind(optional);
        let length = packet.len_u16().to_be_bytes();
        packet
            .behind(&[&[0x30 | flags, 255], length.as_slice(), &tunnel.to_be_bytes()].concat())
            .udp(2152, 2152)
    }

    /// An outer IPv4 header between tunnel end points.
    pub(crate) fn near_far_v4(self) -> Self {
        self.ipv4_between(V4_NEAR, V4_FAR)
    }

    /// An outer IPv6 header between tunnel end points.
    pub(crate) fn near_far_v6(self) -> Self {
        self.ipv6_between(V6_NEAR, V6_FAR)
    }
}

pub(crate) fn v4(address: Ipv4Addr) -> Address {
    Address::v4(address.octets())
}

pub(crate) fn v6(address: Ipv6Addr) -> Address {
    Address(address.octets())
}

/// A length in the field that is there for it.
pub(crate) fn narrow<T: TryFrom<U, Error: std::fmt::Debug>, U>(length: U) -> T {
    T::try_from(length).expect("test packets fit their length fields")
}
