//! GRE (RFC 2784, RFC 2890) and what is built on it: NVGRE (RFC 7637), ERSPAN, PPTP (RFC 2637), WCCP.

use super::{Inside, Stop, missing};
use crate::decode::headers::TunnelKind;
use crate::decode::link::{Next, SMALLEST_ETHERTYPE};
use crate::decode::octets::Octets;

pub(super) fn enter(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[flags_high, flags_low, high, low] = octets.take().ok_or_else(|| missing(4, *octets))?;
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    let protocol = u16::from_be_bytes([high, low]);
    match flags & VERSION {
        0 => enter_version_0(flags, protocol, octets),
        1 => enter_version_1(flags, protocol, octets),
        _ => Err(Stop::Undecodable),
    }
}

fn enter_version_0(flags: u16, protocol: u16, octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    // RFC 2784 §2.3: source routes of RFC 1701 are to be discarded.
    if flags & ROUTING != 0 {
        return Err(Stop::Undecodable);
    }
    if flags & CHECKSUM != 0 {
        octets.skip(4).ok_or_else(|| missing(4, *octets))?;
    }
    let mut key = None;
    if flags & KEY != 0 {
        key = Some(u32::from_be_bytes(*octets.take().ok_or_else(|| missing(4, *octets))?));
    }
    if flags & SEQUENCE != 0 {
        octets.skip(4).ok_or_else(|| missing(4, *octets))?;
    }
    match protocol {
        TRANSPARENT_ETHERNET => Ok(match key {
            // RFC 7637 §3.2: the key is there and nothing else; 24 bits of it are the subnet.
            Some(key) if flags == KEY => {
                Inside { kind: TunnelKind::Nvgre, id: Some(key >> 8), next: Next::Ethernet }
            }
            _ => Inside { kind: TunnelKind::Gre, id: key, next: Next::Ethernet },
        }),
        ERSPAN_I_II if flags & SEQUENCE == 0 => {
            Ok(Inside { kind: TunnelKind::Erspan, id: None, next: Next::Ethernet })
        }
        ERSPAN_I_II => enter_erspan_ii(octets),
        ERSPAN_III => enter_erspan_iii(octets),
        WCCP => {
            // WCCPv2 puts four octets in front that never begin like an IPv4 header; WCCPv1 none.
            match octets.peek() {
                Some(&[first]) if first >> 4 == 4 => {}
                Some(_) => octets.skip(4).ok_or_else(|| missing(4, *octets))?,
                None => return Err(missing(1, *octets)),
            }
            Ok(Inside { kind: TunnelKind::Gre, id: key, next: Next::Ipv4 })
        }
        SMALLEST_ETHERTYPE.. => {
            Ok(Inside { kind: TunnelKind::Gre, id: key, next: Next::Ethertype(protocol) })
        }
        // Keepalives, OSI.
        _ => Err(Stop::NotFollowed),
    }
}

/// Version, VLAN, class, truncation and session in four octets; an index in four more.
fn enter_erspan_ii(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[version, _, session_high, session_low, ..] =
        octets.take::<8>().ok_or_else(|| missing(8, *octets))?;
    if version >> 4 != 1 {
        return Err(Stop::Undecodable);
    }
    let id = session([session_high, session_low]);
    Ok(Inside { kind: TunnelKind::Erspan, id, next: Next::Ethernet })
}

/// As type II, then a timestamp, a security tag, and flags that may add eight octets.
fn enter_erspan_iii(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[version, _, session_high, session_low, .., frame_type, flags] =
        octets.take::<12>().ok_or_else(|| missing(12, *octets))?;
    if version >> 4 != 2 {
        return Err(Stop::Undecodable);
    }
    if flags & ERSPAN_MORE != 0 {
        octets.skip(8).ok_or_else(|| missing(8, *octets))?;
    }
    let next = match frame_type >> 2 & 0x1f {
        0 => Next::Ethernet,
        2 => Next::Ip,
        _ => return Err(Stop::NotFollowed),
    };
    let id = session([session_high, session_low]);
    Ok(Inside { kind: TunnelKind::Erspan, id, next })
}

/// The low ten bits.
fn session(octets: [u8; 2]) -> Option<u32> {
    Some(u32::from(u16::from_be_bytes(octets) & 0x03ff))
}

/// RFC 2637 §4.1: the key is the length of the payload and the call's id.
fn enter_version_1(flags: u16, protocol: u16, octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    if protocol != PPP || flags & KEY == 0 || flags & (CHECKSUM | ROUTING) != 0 {
        return Err(Stop::Undecodable);
    }
    let &[length_high, length_low, call_high, call_low] =
        octets.take().ok_or_else(|| missing(4, *octets))?;
    if flags & SEQUENCE == 0 {
        // An acknowledgement and no payload.
        return Err(Stop::NotFollowed);
    }
    octets.skip(4).ok_or_else(|| missing(4, *octets))?;
    if flags & ACKNOWLEDGEMENT != 0 {
        octets.skip(4).ok_or_else(|| missing(4, *octets))?;
    }
    octets.limit_u16(u16::from_be_bytes([length_high, length_low]));
    let id = Some(u32::from(u16::from_be_bytes([call_high, call_low])));
    Ok(Inside { kind: TunnelKind::Gre, id, next: Next::Ppp })
}

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

const ERSPAN_III: u16 = 0x22eb;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const PPP: u16 = 0x880b;
const WCCP: u16 = 0x883e;
const ERSPAN_I_II: u16 = 0x88be;
const ERSPAN_MORE: u8 = 0x01;
