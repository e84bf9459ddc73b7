//! VXLAN (RFC 7348), its generic extension (VXLAN-GPE), and GENEVE (RFC 8926).

use super::{Inside, Stop, missing};
use crate::decode::headers::TunnelKind;
use crate::decode::link::{Next, SMALLEST_ETHERTYPE};
use crate::decode::octets::Octets;

pub(super) fn enter_vxlan(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[flags, _, _, _, a, b, c, _] = octets.take().ok_or(Stop::NotFollowed)?;
    // RFC 7348 §5: I must be set; the other bits are ignored, and extensions use some of them.
    if flags & HAS_ID == 0 {
        return Err(Stop::NotFollowed);
    }
    Ok(Inside { kind: TunnelKind::Vxlan, id: network([a, b, c]), next: Next::Ethernet })
}

/// VXLAN-GPE: a protocol number where VXLAN has reserved bits.
pub(super) fn enter_generic(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[flags, _, _, protocol, a, b, c, _] = octets.take().ok_or(Stop::NotFollowed)?;
    if flags & (HAS_ID | GENERIC_VERSION) != HAS_ID {
        return Err(Stop::NotFollowed);
    }
    let next = match (flags & HAS_PROTOCOL != 0, protocol) {
        (false, _) | (true, 3) => Next::Ethernet,
        (true, 1) => Next::Ipv4,
        (true, 2) => Next::Ipv6,
        (true, 5) => Next::Mpls,
        _ => return Err(Stop::NotFollowed),
    };
    Ok(Inside { kind: TunnelKind::Vxlan, id: network([a, b, c]), next })
}

pub(super) fn enter_geneve(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[version_and_length, _, high, low, a, b, c, _] = octets.take().ok_or(Stop::NotFollowed)?;
    let protocol = u16::from_be_bytes([high, low]);
    // RFC 8926 §3.4: version 0; a protocol that is no EtherType means this is something else.
    if version_and_length >> 6 != 0 || protocol < SMALLEST_ETHERTYPE {
        return Err(Stop::NotFollowed);
    }
    let options_length = usize::from(version_and_length & 0x3f) * 4;
    octets.skip(options_length).ok_or_else(|| missing(options_length, *octets))?;
    let id = network([a, b, c]);
    let next = match protocol {
        BRIDGED_ETHERNET => Next::Ethernet,
        ethertype => Next::Ethertype(ethertype),
    };
    Ok(Inside { kind: TunnelKind::Geneve, id, next })
}

fn network([a, b, c]: [u8; 3]) -> Option<u32> {
    Some(u32::from_be_bytes([0, a, b, c]))
}

const HAS_ID: u8 = 0x08;
const HAS_PROTOCOL: u8 = 0x04;
const GENERIC_VERSION: u8 = 0x30;
const BRIDGED_ETHERNET: u16 = 0x6558;
