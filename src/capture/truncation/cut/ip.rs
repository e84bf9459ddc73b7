//! IPv4 with its options, IPv6 with its extension headers.

use super::link::IpVersion;
use super::{End, Octets, Step, transport};
use crate::frame::nesting::Level;

/// What a packet carries, if its headers go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub(super) version: IpVersion,
    pub(super) protocol: u8,
    /// The first of several: it has a transport header, but no tunnel is followed.
    pub(super) is_fragment: bool,
}

pub(super) fn take(octets: &mut Octets<'_>, version: IpVersion, level: &Level) -> Step<Carried> {
    match version {
        IpVersion::V4 => take_v4(octets),
        IpVersion::V6 => take_v6(octets, level),
    }
}

fn take_v4(octets: &mut Octets<'_>) -> Step<Carried> {
    let mut packet = *octets;
    let &[version_and_length, _, total_high, total_low, _, _, high, low, _, protocol, ..] =
        octets.take::<20>()?;
    let header_length = usize::from(version_and_length & 0x0f) * 4;
    let total_length = match u16::from_be_bytes([total_high, total_low]) {
        // The sender left it to its hardware.
        0 => packet.length(),
        length => usize::from(length),
    };
    if version_and_length >> 4 != 4 || header_length < 20 || total_length < header_length {
        return octets.stop();
    }
    packet.claim(total_length);
    if header_length > packet.end - packet.at {
        // Options, not all of which are there.
        return Err(End(packet.end));
    }
    packet.at += header_length;
    *octets = packet;
    let field = u16::from_be_bytes([high, low]);
    if field & OFFSET != 0 || octets.length() == 0 {
        return octets.stop();
    }
    Ok(Carried { version: IpVersion::V4, protocol, is_fragment: field & MORE != 0 })
}

fn take_v6(octets: &mut Octets<'_>, level: &Level) -> Step<Carried> {
    let on_wire = octets.length();
    let &[first, _, _, _, high, low, next_header, ..] = octets.take::<40>()?;
    if first >> 4 != 6 {
        return octets.stop();
    }
    match u16::from_be_bytes([high, low]) {
        0 => claim_elsewhere(octets, on_wire, next_header)?,
        length => octets.claim(usize::from(length)),
    }
    follow_extensions(octets, next_header, level)
}

/// The length of a packet whose Payload Length is 0 (`decode::ip` says why).
fn claim_elsewhere(octets: &mut Octets<'_>, on_wire: usize, next_header: u8) -> Step<()> {
    if next_header == HOP_BY_HOP
        && let Ok(&[_, _, 0xc2, 4, a, b, c, d]) = octets.peek()
        && let length @ 0x1_0000.. = u32::from_be_bytes([a, b, c, d])
    {
        octets.claim(usize::try_from(length).unwrap_or(usize::MAX));
        return Ok(());
    }
    let is_offloaded = on_wire > 40 + 65_535 || (next_header == transport::TCP && on_wire >= 60);
    if is_offloaded {
        return Ok(());
    }
    // Nothing follows. Whether there is a jumbo payload option it took a look to know.
    octets.stop_after(if next_header == HOP_BY_HOP { 8 } else { 0 })
}

fn follow_extensions(octets: &mut Octets<'_>, mut protocol: u8, level: &Level) -> Step<Carried> {
    let mut is_fragment = false;
    for _ in 0..level.extension_headers {
        if !is_extension(protocol) {
            break;
        }
        let &[next_header, units] = octets.peek()?;
        let length = match protocol {
            FRAGMENT => 8,
            AUTHENTICATION => (usize::from(units) + 2) * 4,
            _ => (usize::from(units) + 1) * 8,
        };
        let is_impossible = protocol == AUTHENTICATION && length < 12;
        if is_impossible || length > octets.end - octets.at {
            return octets.stop_after(2);
        }
        let field = if protocol == FRAGMENT { octets.u16_at(2).unwrap_or_default() } else { 0 };
        octets.skip(length)?;
        protocol = next_header;
        // Of several Fragment headers the first that says anything counts.
        if !is_fragment && field & V6_OFFSET != 0 {
            return octets.stop();
        }
        is_fragment |= field & V6_MORE != 0;
    }
    if is_extension(protocol) {
        return octets.stop();
    }
    Ok(Carried { version: IpVersion::V6, protocol, is_fragment })
}

const fn is_extension(next_header: u8) -> bool {
    matches!(next_header, HOP_BY_HOP | 43 | FRAGMENT | AUTHENTICATION | 60 | 135 | 139 | 140)
}

pub(super) const MORE: u16 = 0x2000;
pub(super) const OFFSET: u16 = 0x1fff;
const V6_OFFSET: u16 = 0xfff8;
const V6_MORE: u16 = 0x0001;
const HOP_BY_HOP: u8 = 0;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
