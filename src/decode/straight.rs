//! The straight path: what most packets are, read in one go.
//!
//! Ethernet with at most two VLAN tags, IPv4 without options or IPv6 without extension headers, no
//! fragment, TCP, UDP or ICMP, and nothing wrong with any of it; or such a packet in one tunnel around
//! which all is as usual too. Everything else is [`Unusual`], and is read again step by step.
//! What this path takes, it gives the same headers for (`decode/tests/properties.rs` holds it to that).
//!
//! It writes each field of the headers, in place, so nothing of the packet before is left there.

use etherparse::{
    Ethernet2HeaderSlice, Ipv4HeaderSlice, Ipv6HeaderSlice, SingleVlanHeaderSlice, UdpHeaderSlice,
};

use crate::decode::anomaly::AnomalySet;
use crate::decode::headers::{Address, Headers, IpVersion, MacAddresses, MplsLabels, VlanTags};
use crate::decode::link::Next;
use crate::decode::octets::Octets;
use crate::decode::{Config, Tunnels, ip, transport, tunnel};
use crate::frame::{Frame, LinkType};

/// Not what most packets are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unusual;

/// What an IP packet carries, as far as this path takes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Carries {
    /// TCP, UDP or ICMP, which is read.
    Transport,
    /// What looks like a tunnel from its protocol and ports.
    Tunnel,
}

/// Reads a frame that is like most frames.
pub(super) fn decode(
    frame: &Frame<'_>,
    config: Config,
    headers: &mut Headers,
) -> Result<(), Unusual> {
    if frame.link_type != LinkType::Ethernet {
        return Err(Unusual);
    }
    headers.at = frame.at;
    headers.interface = frame.interface;
    headers.icmp_type_code = 0;
    headers.anomalies = AnomalySet::NONE;
    headers.mpls = MplsLabels::default();
    headers.fragment = None;
    headers.tunnel = None;
    headers.vlan = match frame.stripped_vlan {
        Some(tag) => VlanTags { outer: tag.tci, inner: 0, count: 1 },
        None => VlanTags::default(),
    };
    let mut octets = Octets::of(frame);
    let ethernet = octets.take::<ETHERNET>().ok_or(Unusual)?;
    let ethernet = Ethernet2HeaderSlice::from_slice(ethernet).map_err(|_short| Unusual)?;
    headers.mac =
        Some(MacAddresses { source: ethernet.source(), destination: ethernet.destination() });
    let mut ethertype = ethernet.ether_type().0;
    while matches!(ethertype, VLAN | SERVICE_VLAN) {
        ethertype = vlan_tag(&mut octets, true, headers)?;
    }
    while packet(ethertype, &mut octets, config, headers)? == Carries::Tunnel {
        (ethertype, octets) = inside(octets, headers)?;
    }
    Ok(())
}

/// Reads a tag that is kept unless it is another network's, and gives the EtherType behind it.
fn vlan_tag(octets: &mut Octets<'_>, is_kept: bool, headers: &mut Headers) -> Result<u16, Unusual> {
    let octets = octets.take::<VLAN_TAG>().ok_or(Unusual)?;
    let tag = SingleVlanHeaderSlice::from_slice(octets).map_err(|_short| Unusual)?;
    if is_kept {
        let [high, low, ..] = *octets;
        let control = u16::from_be_bytes([high, low]);
        headers.vlan = match headers.vlan {
            VlanTags { count: 0, .. } => VlanTags { outer: control, inner: 0, count: 1 },
            VlanTags { count: 1, outer, .. } => VlanTags { outer, inner: control, count: 2 },
            _ => return Err(Unusual),
        };
    }
    Ok(tag.ether_type().0)
}

/// Reads a tunnel header, and up to the IP header inside.
// Out of line, and what it changes by value: the octets stay in registers elsewhere.
#[inline(never)]
fn inside<'a>(mut octets: Octets<'a>, headers: &mut Headers) -> Result<(u16, Octets<'a>), Unusual> {
    if headers.tunnel.is_some() {
        return Err(Unusual);
    }
    let inside = tunnel::enter(headers, &mut octets).map_err(|_stop| Unusual)?;
    let ethertype = match inside.next {
        Next::Ethernet => {
            let ethernet = octets.take::<ETHERNET>().ok_or(Unusual)?;
            let ethernet = Ethernet2HeaderSlice::from_slice(ethernet).map_err(|_short| Unusual)?;
            match ethernet.ether_type().0 {
                VLAN => {
                    let is_kept = headers.vlan.count == 0;
                    vlan_tag(&mut octets, is_kept, headers)?
                }
                ethertype => ethertype,
            }
        }
        Next::Ipv4 => IPV4,
        Next::Ipv6 => IPV6,
        Next::Ethertype(ethertype) => ethertype,
        Next::Ip => match octets.peek() {
            Some(&[first]) if first >> 4 == 4 => IPV4,
            Some(&[first]) if first >> 4 == 6 => IPV6,
            _ => return Err(Unusual),
        },
        _ => return Err(Unusual),
    };
    headers.tunnel = Some(inside.around(headers));
    Ok((ethertype, octets))
}

/// Reads an IP packet, up to a tunnel in it.
fn packet(
    ethertype: u16,
    octets: &mut Octets<'_>,
    config: Config,
    headers: &mut Headers,
) -> Result<Carries, Unusual> {
    match ethertype {
        IPV4 => ipv4(octets, headers)?,
        IPV6 => ipv6(octets, headers)?,
        _ => return Err(Unusual),
    }
    // Not a `match`, which becomes a jump through a table.
    if headers.protocol == transport::TCP {
        tcp(*octets, headers)
    } else if headers.protocol == transport::UDP {
        udp(*octets, config, headers)
    } else if config.tunnels == Tunnels::Inner && tunnel::is_protocol(headers.protocol) {
        Ok(Carries::Tunnel)
    } else {
        icmp(*octets, headers)
    }
}

fn ipv4(octets: &mut Octets<'_>, headers: &mut Headers) -> Result<(), Unusual> {
    let on_wire = octets.length();
    let fixed = octets.take::<IPV4_FIXED>().ok_or(Unusual)?;
    if !matches!(fixed, [VERSION_4_WITHOUT_OPTIONS, ..]) {
        return Err(Unusual);
    }
    let header = Ipv4HeaderSlice::from_slice(fixed).map_err(|_not_this| Unusual)?;
    let ip_length = header.total_len();
    let (source, destination) = (header.source(), header.destination());
    let [first, ..] = source;
    let is_unusual = usize::from(ip_length) > on_wire
        || header.more_fragments()
        || header.fragments_offset().value() != 0
        || source == destination
        // Multicast, loopback, limited broadcast, and the rest of class E.
        || first >= 224
        || first == 127
        || !ip::checksum_is_right(fixed);
    if is_unusual {
        return Err(Unusual);
    }
    octets.claim(usize::from(ip_length).checked_sub(IPV4_FIXED).ok_or(Unusual)?);
    headers.source = Address::v4(source);
    headers.destination = Address::v4(destination);
    headers.ip_length = u32::from(ip_length);
    headers.protocol = header.protocol().0;
    headers.version = IpVersion::V4;
    headers.tos = header.dcp().value() << 2 | header.ecn().value();
    headers.ttl = header.ttl();
    headers.flow_label = 0;
    Ok(())
}

fn ipv6(octets: &mut Octets<'_>, headers: &mut Headers) -> Result<(), Unusual> {
    let fixed = octets.take::<IPV6_FIXED>().ok_or(Unusual)?;
    let header = Ipv6HeaderSlice::from_slice(fixed).map_err(|_not_this| Unusual)?;
    let length = header.payload_length();
    let (source, destination) = (header.source(), header.destination());
    let [first, ..] = source;
    let is_unusual = usize::from(length) > octets.length()
        || source == destination
        || first == 0xff
        || source == ip::IPV6_LOOPBACK;
    if is_unusual {
        return Err(Unusual);
    }
    // If that is 0, no transport header follows, which is unusual too.
    octets.claim(usize::from(length));
    headers.source = Address(source);
    headers.destination = Address(destination);
    headers.ip_length = u32::try_from(usize::from(length) + IPV6_FIXED).unwrap_or(u32::MAX);
    headers.protocol = header.next_header().0;
    headers.version = IpVersion::V6;
    headers.tos = header.traffic_class();
    headers.ttl = header.hop_limit();
    headers.flow_label = header.flow_label().value();
    Ok(())
}

/// Reads the fixed part of a TCP header; its options need not have been captured, which etherparse's
/// slice type would want.
fn tcp(octets: Octets<'_>, headers: &mut Headers) -> Result<Carries, Unusual> {
    let &[a, b, c, d, s, e, q, u, _, _, _, _, offset, flags, w, x, _, _, _, _] =
        octets.peek::<TCP_FIXED>().ok_or(Unusual)?;
    let header_length = usize::from(offset >> 4) * 4;
    let flags = u16::from_be_bytes([offset, flags]) & transport::TCP_CONTROL_BITS;
    let is_unusual = header_length < TCP_FIXED
        || header_length > octets.length()
        || transport::are_impossible(flags);
    if is_unusual {
        return Err(Unusual);
    }
    headers.source_port = u16::from_be_bytes([a, b]);
    headers.destination_port = u16::from_be_bytes([c, d]);
    headers.tcp_flags = flags;
    headers.tcp_window = u16::from_be_bytes([w, x]);
    headers.tcp_sequence = u32::from_be_bytes([s, e, q, u]);
    Ok(Carries::Transport)
}

fn udp(octets: Octets<'_>, config: Config, headers: &mut Headers) -> Result<Carries, Unusual> {
    let header = octets.peek::<UDP_FIXED>().ok_or(Unusual)?;
    let header = UdpHeaderSlice::from_slice(header).map_err(|_short| Unusual)?;
    let length = usize::from(header.length());
    if length < UDP_FIXED || length > octets.length() {
        return Err(Unusual);
    }
    headers.source_port = header.source_port();
    headers.destination_port = header.destination_port();
    headers.tcp_flags = 0;
    headers.tcp_window = 0;
    headers.tcp_sequence = 0;
    let is_tunnel = config.tunnels == Tunnels::Inner
        && tunnel::is_port(header.source_port(), header.destination_port());
    Ok(if is_tunnel { Carries::Tunnel } else { Carries::Transport })
}

/// ICMP or ICMPv6, of at least eight octets, as every message but a few of ICMPv6 are.
fn icmp(octets: Octets<'_>, headers: &mut Headers) -> Result<Carries, Unusual> {
    if !matches!(
        (headers.version, headers.protocol),
        (IpVersion::V4, transport::ICMP) | (IpVersion::V6, transport::ICMPV6)
    ) {
        return Err(Unusual);
    }
    // The header of ICMPv6 has four octets, and a capture may end behind it.
    let &[kind, code, ..] = octets.peek::<ICMPV6_FIXED>().ok_or(Unusual)?;
    if octets.length() < ICMP_FIXED {
        return Err(Unusual);
    }
    headers.source_port = 0;
    headers.destination_port = 0;
    headers.tcp_flags = 0;
    headers.tcp_window = 0;
    headers.tcp_sequence = 0;
    headers.icmp_type_code = u16::from_be_bytes([kind, code]);
    Ok(Carries::Transport)
}

const VLAN: u16 = 0x8100;
/// IEEE 802.1ad: outside the customer's own tag.
const SERVICE_VLAN: u16 = 0x88a8;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// The first octet of such an IPv4 header: version, and header length in words of four octets.
const VERSION_4_WITHOUT_OPTIONS: u8 = 0x45;
const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;
const IPV4_FIXED: usize = 20;
const IPV6_FIXED: usize = 40;
const TCP_FIXED: usize = 20;
const UDP_FIXED: usize = 8;
const ICMP_FIXED: usize = 8;
const ICMPV6_FIXED: usize = 4;
