//! IPv4 (RFC 791) and IPv6 (RFC 8200), up to the first octet of what they carry.

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use crate::decode::anomaly::PacketAnomaly;
use crate::decode::error::{DecodeError, Layer};
use crate::decode::extension;
use crate::decode::headers::{Address, Fragment, Headers, IpVersion};
use crate::decode::link::Link;
use crate::decode::octets::Octets;

/// What the transport header's reader has to know of the packet, beside what the headers say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    /// The transport header begins where these headers end: not so if nothing follows or in a
    /// fragment other than the first, and unknown where the capture ends in an extension header.
    pub(super) transport_follows: bool,
    /// The length fields cannot be trusted to be filled in: the sender left segmentation to its
    /// hardware, or the packet is a jumbogram.
    pub(super) is_oversized: bool,
}

/// Reads one IP header; `octets` are then what it carries, without padding.
pub(super) fn read(
    version: IpVersion,
    octets: &mut Octets<'_>,
    link: &Link,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    let Link { loopback, level, .. } = *link;
    octets.note_read(match version {
        IpVersion::V4 => IPV4_FIXED,
        IpVersion::V6 => IPV6_FIXED,
    });
    match version {
        IpVersion::V4 => match Ipv4HeaderSlice::from_slice(octets.captured()) {
            Ok(header) => read_v4_whole(&header, octets, loopback, headers),
            Err(_) => read_v4_cut(octets, loopback, headers),
        },
        IpVersion::V6 => read_v6(octets, loopback, level.extension_headers, headers),
    }
}

fn read_v4_whole(
    header: &Ipv4HeaderSlice<'_>,
    octets: &mut Octets<'_>,
    loopback: bool,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    // A sender that leaves the length to its hardware leaves the checksum to it as well.
    if header.total_len() != 0 && !checksum_is_right(header.slice()) {
        headers.anomalies.insert(PacketAnomaly::Ipv4ChecksumBad);
    }
    read_v4_fields(header, header.slice().len(), octets, loopback, headers)
}

/// The fixed header of a packet whose options were not captured in full.
#[cold]
fn read_v4_cut(
    octets: &mut Octets<'_>,
    loopback: bool,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    let Some(mut fixed) = octets.peek::<IPV4_FIXED>().copied() else {
        return Err(DecodeError::Truncated(Layer::Ipv4));
    };
    let [version_and_length, ..] = &mut fixed;
    let header_length = usize::from(*version_and_length & 0x0f) * 4;
    if *version_and_length >> 4 != 4 || header_length < IPV4_FIXED {
        return Err(DecodeError::Malformed(Layer::Ipv4));
    }
    // The slice type insists on the options, so it is shown a header that has none.
    *version_and_length = 0x45;
    let header = Ipv4HeaderSlice::from_slice(&fixed)
        .map_err(|_impossible| DecodeError::Malformed(Layer::Ipv4))?;
    read_v4_fields(&header, header_length, octets, loopback, headers)
}

fn read_v4_fields(
    header: &Ipv4HeaderSlice<'_>,
    header_length: usize,
    octets: &mut Octets<'_>,
    loopback: bool,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    let total_length = usize::from(header.total_len());
    // Total Length 0 is a packet seen before its sender's hardware cut it into segments.
    let ip_length = if total_length == 0 { octets.length() } else { total_length };
    if ip_length < header_length {
        return Err(DecodeError::Malformed(Layer::Ipv4));
    }
    confine(octets, ip_length, header_length, headers);
    if header_length > IPV4_FIXED {
        headers.anomalies.note_options();
    }

    let source = header.source();
    let destination = header.destination();
    let [first, ..] = source;
    let is_loopback = first == 127;
    if source == destination && !(loopback && is_loopback) {
        headers.anomalies.insert(PacketAnomaly::SourceEqualsDestination);
    }
    if matches!(first, 224..=239) || source == [255; 4] || (is_loopback && !loopback) {
        headers.anomalies.insert(PacketAnomaly::SourceImpossible);
    }

    let offset = header.fragments_offset().byte_offset();
    let more = header.more_fragments();
    let fragment = (more || offset != 0).then(|| Fragment {
        identification: u32::from(header.identification()),
        offset: u32::from(offset),
        length: u32::try_from(octets.length()).unwrap_or(u32::MAX),
        more,
    });
    headers.source = Address::v4(source);
    headers.destination = Address::v4(destination);
    headers.ip_length = u32::try_from(ip_length).unwrap_or(u32::MAX);
    headers.protocol = header.protocol().0;
    headers.version = IpVersion::V4;
    headers.tos = header.dcp().value() << 2 | header.ecn().value();
    headers.ttl = header.ttl();
    headers.fragment = fragment;
    if let Some(fragment) = fragment {
        check_fragment(fragment, headers.protocol, headers);
    }
    Ok(Carried {
        transport_follows: offset == 0 && octets.length() != 0,
        is_oversized: total_length == 0,
    })
}

fn read_v6(
    octets: &mut Octets<'_>,
    loopback: bool,
    extension_headers: usize,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    let Ok(header) = Ipv6HeaderSlice::from_slice(octets.captured()) else {
        return Err(bad_v6(*octets));
    };
    let next_header = header.next_header().0;
    let payload_length = usize::from(header.payload_length());
    let ip_length = if payload_length == 0 {
        length_elsewhere(*octets, next_header)
    } else {
        IPV6_FIXED + payload_length
    };
    confine(octets, ip_length, IPV6_FIXED, headers);
    let source = header.source();
    let destination = header.destination();
    let is_loopback = source == IPV6_LOOPBACK;
    if source == destination && !(loopback && is_loopback) {
        headers.anomalies.insert(PacketAnomaly::SourceEqualsDestination);
    }
    let [first, ..] = source;
    if first == 0xff || (is_loopback && !loopback) {
        headers.anomalies.insert(PacketAnomaly::SourceImpossible);
    }
    headers.source = Address(source);
    headers.destination = Address(destination);
    headers.ip_length = u32::try_from(ip_length).unwrap_or(u32::MAX);
    headers.protocol = next_header;
    headers.version = IpVersion::V6;
    headers.tos = header.traffic_class();
    headers.ttl = header.hop_limit();
    headers.flow_label = header.flow_label().value();
    let mut transport_follows = octets.length() != 0;
    if transport_follows && extension::is_extension(next_header) {
        transport_follows = extension::follow(octets, extension_headers, headers);
    }
    Ok(Carried { transport_follows, is_oversized: payload_length == 0 })
}

#[cold]
fn bad_v6(octets: Octets<'_>) -> DecodeError {
    if octets.captured().len() < IPV6_FIXED {
        DecodeError::Truncated(Layer::Ipv6)
    } else {
        DecodeError::Malformed(Layer::Ipv6)
    }
}

/// The length of an IPv6 packet whose Payload Length is 0.
#[cold]
fn length_elsewhere(octets: Octets<'_>, next_header: u8) -> usize {
    let mut extension = octets;
    extension.pass(IPV6_FIXED);
    if next_header == extension::HOP_BY_HOP
        && let Some(length) = extension::jumbo_payload_length(extension)
    {
        // RFC 2675 §2: the length of the packet without its IPv6 header.
        return usize::try_from(length).unwrap_or(usize::MAX).saturating_add(IPV6_FIXED);
    }
    // Without the option the packet is either empty, and what follows is padding of the frame, or it
    // was seen before its sender's hardware cut it into segments: larger than the field can say
    // ("BIG TCP", perhaps in a tunnel), or TCP whose field is left for the hardware to fill in.
    let is_offloaded = octets.length() > IPV6_FIXED + MAXIMUM_U16
        || (next_header == TCP && octets.length() >= SMALLEST_OFFLOADED);
    if is_offloaded { octets.length() } else { IPV6_FIXED }
}

/// Leaves what the IP packet carries by its own length, and holds that length against the frame.
#[inline]
fn confine(octets: &mut Octets<'_>, ip_length: usize, header_length: usize, headers: &mut Headers) {
    if ip_length > octets.length() {
        headers.anomalies.insert(PacketAnomaly::IpLengthBeyondFrame);
    }
    octets.claim(ip_length);
    octets.pass(header_length);
    if octets.length() == 0 {
        headers.anomalies.insert(PacketAnomaly::HeaderOnly);
    }
}

/// Fragments that no sender makes of an honest packet.
#[cold]
pub(super) fn check_fragment(fragment: Fragment, protocol: u8, headers: &mut Headers) {
    let ends_too_early = fragment.more && !fragment.length.is_multiple_of(8);
    // RFC 1858 §4.2: an offset of one unit lets this fragment overwrite the TCP flags.
    let reaches_into_header = fragment.offset == 8 && protocol == TCP;
    if ends_too_early || reaches_into_header {
        headers.anomalies.insert(PacketAnomaly::TinyFragment);
    }
}

/// RFC 791 §3.1: the ones' complement sum of all 16-bit words of the header is all ones.
#[inline]
pub(super) fn checksum_is_right(header: &[u8]) -> bool {
    // The sum may be taken over wider words and in the machine's byte order (RFC 1071 §2). The ones'
    // complement sum is the remainder by 0xffff, with all ones for 0 of a sum that is not 0.
    let mut sum = 0_u64;
    for word in header.chunks_exact(4) {
        if let Some(&word) = word.first_chunk() {
            sum += u64::from(u32::from_ne_bytes(word));
        }
    }
    // `sum.is_multiple_of(0xffff)`, by the multiplicative inverse.
    sum != 0 && sum.wrapping_mul(INVERSE_OF_0XFFFF) <= u64::MAX / 0xffff
}

/// Modulo 2^64.
const INVERSE_OF_0XFFFF: u64 = 0xfffe_fffe_fffe_ffff;
const _: () = assert!(INVERSE_OF_0XFFFF.wrapping_mul(0xffff) == 1);
const IPV4_FIXED: usize = 20;
const IPV6_FIXED: usize = 40;
pub(super) const IPV6_LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const TCP: u8 = 6;
/// An IPv6 header and the smallest TCP header; an Ethernet frame padded to its minimum holds less.
const SMALLEST_OFFLOADED: usize = 60;
const MAXIMUM_U16: usize = 65_535;
