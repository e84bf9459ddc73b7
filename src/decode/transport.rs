//! Ports, TCP flags, ICMP type and code: the fixed part of the transport header, nothing behind it.

use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use crate::decode::anomaly::PacketAnomaly;
use crate::decode::headers::{Headers, IpVersion};
use crate::decode::ip::Carried;
use crate::decode::octets::Octets;

/// Reads the transport header at the front of `octets`, as far as it was captured; what it has not
/// or what was not captured stays 0.
pub(super) fn read(carried: Carried, octets: Octets<'_>, headers: &mut Headers) {
    if !carried.transport_follows {
        return;
    }
    match headers.protocol {
        TCP => read_tcp(octets, headers),
        UDP => read_udp(carried, octets, headers),
        _ => read_other(octets, headers),
    }
}

fn read_tcp(octets: Octets<'_>, headers: &mut Headers) {
    let Ok(header) = TcpHeaderSlice::from_slice(octets.captured()) else {
        return read_tcp_cut(octets, headers);
    };
    octets.note_read(header.slice().len());
    headers.source_port = header.source_port();
    headers.destination_port = header.destination_port();
    headers.tcp_sequence = header.sequence_number();
    headers.tcp_window = header.window_size();
    read_tcp_flags(octets, headers);
}

/// The low twelve bits of octets 12 and 13.
fn read_tcp_flags(octets: Octets<'_>, headers: &mut Headers) {
    if let Some(flags) = octets.u16_at(12) {
        headers.tcp_flags = flags & TCP_CONTROL_BITS;
        if are_impossible(headers.tcp_flags) {
            headers.anomalies.insert(PacketAnomaly::TcpFlagsImpossible);
        }
    }
}

/// A TCP header that is cut, or whose Data Offset is impossible.
fn read_tcp_cut(octets: Octets<'_>, headers: &mut Headers) {
    if is_long_enough(TCP_FIXED, octets, headers)
        && let Some(&data_offset) = octets.captured().get(12)
    {
        let header_length = usize::from(data_offset >> 4) * 4;
        check_length(TCP_FIXED, header_length, octets, headers);
    }
    read_ports(octets, headers);
    if let Some(&[.., a, b, c, d]) = octets.peek::<8>() {
        headers.tcp_sequence = u32::from_be_bytes([a, b, c, d]);
    }
    read_tcp_flags(octets, headers);
    headers.tcp_window = octets.u16_at(14).unwrap_or_default();
}

fn read_udp(carried: Carried, octets: Octets<'_>, headers: &mut Headers) {
    let Ok(header) = UdpHeaderSlice::from_slice(octets.captured()) else {
        return read_udp_cut(carried, octets, headers);
    };
    octets.note_read(header.slice().len());
    headers.source_port = header.source_port();
    headers.destination_port = header.destination_port();
    check_udp_length(header.length(), carried, octets, headers);
}

fn read_udp_cut(carried: Carried, octets: Octets<'_>, headers: &mut Headers) {
    if is_long_enough(UDP_FIXED, octets, headers)
        && let Some(length) = octets.u16_at(4)
    {
        check_udp_length(length, carried, octets, headers);
    }
    read_ports(octets, headers);
}

/// RFC 768: Length covers the header and at most what the IP packet carries; less is legal.
fn check_udp_length(length: u16, carried: Carried, octets: Octets<'_>, headers: &mut Headers) {
    // RFC 2675 §4: 0 where the field is too small. Segmentation offload leaves it unset as well.
    let is_elsewhere = carried.is_oversized && (length == 0 || octets.length() > MAXIMUM_U16);
    let is_too_long = usize::from(length) > octets.length() && headers.fragment.is_none();
    if !is_elsewhere && (usize::from(length) < UDP_FIXED || is_too_long) {
        headers.anomalies.insert(PacketAnomaly::TransportLengthImpossible);
    }
}

/// Everything but TCP and UDP.
fn read_other(octets: Octets<'_>, headers: &mut Headers) {
    match (headers.protocol, headers.version) {
        (ICMP, IpVersion::V4) => read_icmp(ICMP_FIXED, octets, headers),
        (ICMPV6, IpVersion::V6) => read_icmp(ICMPV6_FIXED, octets, headers),
        (SCTP, _) => {
            is_long_enough(SCTP_FIXED, octets, headers);
            read_ports(octets, headers);
        }
        (UDP_LITE, _) => {
            if is_long_enough(UDP_FIXED, octets, headers)
                && let Some(coverage) = octets.u16_at(4)
                // RFC 3828 §3.1: 0 is the whole carried.
                && coverage != 0
            {
                check_length(UDP_FIXED, usize::from(coverage), octets, headers);
            }
            read_ports(octets, headers);
        }
        (DCCP, _) => {
            if is_long_enough(DCCP_FIXED, octets, headers)
                && let Some(&[.., data_offset, _, _, _, type_and_x]) = octets.peek::<9>()
            {
                // RFC 4340 §5.1: X makes the Sequence Number, and so the header, longer.
                let smallest = if type_and_x & 1 == 0 { DCCP_FIXED } else { DCCP_FIXED + 4 };
                let header_length = usize::from(data_offset) * 4;
                check_length(smallest, header_length, octets, headers);
            }
            read_ports(octets, headers);
        }
        // Only in IPv4: `protocolIdentifier` is its Protocol field, and what stands behind the header
        // is not looked at. IPv6 makes AH an extension header, so there it is followed.
        (AUTHENTICATION, _) => {
            if is_long_enough(AUTHENTICATION_FIXED, octets, headers)
                && let Some(&[_next_header, units]) = octets.peek()
            {
                let header_length = (usize::from(units) + 2) * 4;
                check_length(AUTHENTICATION_FIXED, header_length, octets, headers);
            }
        }
        (ESP, _) => {
            is_long_enough(ESP_FIXED, octets, headers);
        }
        (IGMP, _) => {
            is_long_enough(IGMP_FIXED, octets, headers);
        }
        _ => {}
    }
}

fn read_icmp(fixed: usize, octets: Octets<'_>, headers: &mut Headers) {
    is_long_enough(fixed, octets, headers);
    // Type, then code: IE 32 and IE 139 want them in this order too.
    headers.icmp_type_code = octets.u16_at(0).unwrap_or_default();
}

fn read_ports(octets: Octets<'_>, headers: &mut Headers) {
    if let Some(&[a, b, c, d]) = octets.peek() {
        headers.source_port = u16::from_be_bytes([a, b]);
        headers.destination_port = u16::from_be_bytes([c, d]);
    }
}

/// Whether the packet, by its own length, has room for the fixed header.
fn is_long_enough(fixed: usize, octets: Octets<'_>, headers: &mut Headers) -> bool {
    octets.note_read(fixed);
    if octets.length() >= fixed {
        return true;
    }
    headers.anomalies.insert(if headers.fragment.is_some() {
        PacketAnomaly::TinyFragment
    } else {
        PacketAnomaly::TransportHeaderCut
    });
    false
}

/// Holds a length the header states against what it must have and what the packet has.
fn check_length(smallest: usize, stated: usize, octets: Octets<'_>, headers: &mut Headers) {
    if stated < smallest {
        headers.anomalies.insert(PacketAnomaly::TransportLengthImpossible);
    } else if stated > octets.length() {
        if headers.fragment.is_none() {
            headers.anomalies.insert(PacketAnomaly::TransportLengthImpossible);
        } else if headers.protocol != UDP_LITE {
            // Not UDP-Lite, which states the length of data that may be in later fragments.
            headers.anomalies.insert(PacketAnomaly::TinyFragment);
        }
    }
}

/// Whether no implementation sends these TCP flags.
#[inline]
pub(super) const fn are_impossible(flags: u16) -> bool {
    IMPOSSIBLE_FLAGS >> (flags & (FIN | SYN | RST | PSH | ACK | URG)) & 1 != 0
}

/// A bit for each combination of the six classic flags. RFC 9293 §3.10.7: only a SYN or a RST may
/// come without ACK, and they exclude each other and FIN.
const IMPOSSIBLE_FLAGS: u64 = {
    let mut set = 0;
    let mut flags = 0;
    while flags < 64 {
        let is_impossible = flags == 0
            || (flags & SYN != 0 && flags & (FIN | RST) != 0)
            || (flags & FIN != 0 && flags & RST != 0)
            || (flags & ACK == 0 && flags & (FIN | PSH | URG) != 0);
        if is_impossible {
            set |= 1 << flags;
        }
        flags += 1;
    }
    set
};

pub(super) const ICMP: u8 = 1;
const IGMP: u8 = 2;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const DCCP: u8 = 33;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

const ICMP_FIXED: usize = 8; // RFC 792: no message is shorter
const IGMP_FIXED: usize = 8; // RFC 9776 §4
const TCP_FIXED: usize = 20; // RFC 9293 §3.1
const UDP_FIXED: usize = 8; // RFC 768
const DCCP_FIXED: usize = 12; // RFC 4340 §5.1
const ESP_FIXED: usize = 8; // RFC 4303 §2
const AUTHENTICATION_FIXED: usize = 12; // RFC 4302 §2
const ICMPV6_FIXED: usize = 4; // RFC 4443 §2.1
const SCTP_FIXED: usize = 12; // RFC 9260 §3.1

pub(super) const TCP_CONTROL_BITS: u16 = 0x0fff;
const FIN: u16 = 0x001;
const SYN: u16 = 0x002;
const RST: u16 = 0x004;
const PSH: u16 = 0x008;
const ACK: u16 = 0x010;
const URG: u16 = 0x020;

const MAXIMUM_U16: usize = 65_535;
