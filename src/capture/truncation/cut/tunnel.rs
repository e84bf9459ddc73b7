//! Tunnel headers, to what they carry.

use super::ip::Carried;
use super::link::Next;
use super::link::ethertype_or_stop;
use super::{Octets, Step, transport};
use crate::frame::nesting;

/// Takes the headers between an IP header and what is inside the tunnel, if there is one.
pub(super) fn take(octets: &mut Octets<'_>, carried: Carried) -> Step<Next> {
    match carried.protocol {
        4 => Ok(Next::Ipv4),
        41 => Ok(Next::Ipv6),
        47 => gre(octets),
        115 => l2tp_version_3(octets),
        transport::UDP => udp(octets),
        _ => match transport::end(octets, carried)? {},
    }
}

fn udp(octets: &mut Octets<'_>) -> Step<Next> {
    let &[a, b, c, d, high, low, _, _] = octets.take()?;
    let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    if !is_port(source, destination) {
        return octets.stop();
    }
    if let Some(length) = u16::from_be_bytes([high, low]).checked_sub(8) {
        octets.limit_u16(length);
    }
    match destination {
        VXLAN | VXLAN_LINUX => vxlan(octets),
        VXLAN_GPE => vxlan_generic(octets),
        GENEVE => geneve(octets),
        GTP_U => gtp(octets),
        L2TP => l2tp(octets),
        TEREDO => teredo(octets),
        _ if source == L2TP => l2tp(octets),
        _ => teredo(octets),
    }
}

/// Whether a tunnel uses these UDP ports.
#[inline]
pub(super) const fn is_port(source: u16, destination: u16) -> bool {
    matches!(destination, VXLAN | VXLAN_LINUX | VXLAN_GPE | GENEVE | GTP_U | L2TP | TEREDO)
        || matches!(source, L2TP | TEREDO)
}

fn vxlan(octets: &mut Octets<'_>) -> Step<Next> {
    let &[flags, ..] = octets.take::<8>()?;
    if flags & 0x08 == 0 { octets.stop() } else { Ok(Next::Ethernet) }
}

fn vxlan_generic(octets: &mut Octets<'_>) -> Step<Next> {
    let &[flags, _, _, protocol, ..] = octets.take::<8>()?;
    if flags & 0x38 != 0x08 {
        return octets.stop();
    }
    match (flags & 0x04 != 0, protocol) {
        (false, _) | (true, 3) => Ok(Next::Ethernet),
        (true, 1) => Ok(Next::Ipv4),
        (true, 2) => Ok(Next::Ipv6),
        (true, 5) => Ok(Next::Mpls),
        _ => octets.stop(),
    }
}

fn geneve(octets: &mut Octets<'_>) -> Step<Next> {
    let &[version_and_length, _, high, low, ..] = octets.take::<8>()?;
    if version_and_length >> 6 != 0 {
        return octets.stop();
    }
    let next = ethertype_or_stop(octets, [high, low])?;
    octets.skip(usize::from(version_and_length & 0x3f) * 4)?;
    Ok(if next == BRIDGED { Next::Ethernet } else { next })
}

fn gtp(octets: &mut Octets<'_>) -> Step<Next> {
    let &[flags, message_type, high, low, ..] = octets.take::<8>()?;
    if flags & 0xf0 != 0x30 || message_type != 255 {
        return octets.stop();
    }
    octets.limit_u16(u16::from_be_bytes([high, low]));
    if flags & 0x07 == 0 {
        return Ok(Next::Ip);
    }
    let &[_, _, _, mut next_extension] = octets.take()?;
    if flags & 0x04 == 0 {
        return Ok(Next::Ip);
    }
    for _ in 0..nesting::GTP_EXTENSION_HEADERS {
        if next_extension == 0 {
            break;
        }
        let &[units] = octets.peek()?;
        let length = usize::from(units) * 4;
        if length == 0 || length > octets.end - octets.at {
            return octets.stop_after(1);
        }
        octets.skip(length - 1)?;
        [next_extension] = *octets.take()?;
    }
    if next_extension == 0 { Ok(Next::Ip) } else { octets.stop() }
}

fn l2tp(octets: &mut Octets<'_>) -> Step<Next> {
    let flags = u16::from_be_bytes(*octets.take()?);
    match flags & 0x800f {
        2 => l2tp_version_2(octets, flags),
        3 => {
            octets.skip(2)?;
            l2tp_version_3(octets)
        }
        _ => octets.stop(),
    }
}

fn l2tp_version_2(octets: &mut Octets<'_>, flags: u16) -> Step<Next> {
    if flags & 0x4000 != 0 {
        let Some(length) = u16::from_be_bytes(*octets.take()?).checked_sub(4) else {
            return octets.stop();
        };
        octets.limit(usize::from(length));
    }
    octets.take::<4>()?;
    if flags & 0x0800 != 0 {
        octets.skip(4)?;
    }
    if flags & 0x0200 != 0 {
        let padding = u16::from_be_bytes(*octets.take()?);
        octets.skip(usize::from(padding))?;
    }
    Ok(Next::Ppp)
}

fn l2tp_version_3(octets: &mut Octets<'_>) -> Step<Next> {
    if *octets.take()? == [0; 4] {
        return octets.stop();
    }
    if octets.peek().is_ok_and(|sublayer| *sublayer == [0; 4]) {
        octets.skip(4)?;
    }
    Ok(Next::Ethernet)
}

/// Looks at as few octets as tell Teredo from something else on its port.
fn teredo(octets: &mut Octets<'_>) -> Step<Next> {
    if *octets.peek()? == [0] && *octets.peek()? == [0, 1] {
        let &[_, _, client_length, value_length] = octets.peek()?;
        let length = 4 + usize::from(client_length) + usize::from(value_length) + 9;
        if length > octets.end - octets.at {
            return octets.stop_after(4);
        }
        octets.skip(length)?;
    }
    if *octets.peek()? == [0] {
        if *octets.peek()? != [0, 0] {
            return octets.stop_after(2);
        }
        if octets.end - octets.at < 8 {
            return octets.stop_after(2);
        }
        octets.skip(8)?;
    }
    match octets.peek()? {
        [first] if first >> 4 == 6 => Ok(Next::Ipv6),
        _ => octets.stop_after(1),
    }
}

fn gre(octets: &mut Octets<'_>) -> Step<Next> {
    let &[flags_high, flags_low, high, low] = octets.take()?;
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    let protocol = u16::from_be_bytes([high, low]);
    match flags & 0x0007 {
        0 => gre_version_0(octets, flags, protocol),
        1 => gre_version_1(octets, flags, protocol),
        _ => octets.stop(),
    }
}

fn gre_version_0(octets: &mut Octets<'_>, flags: u16, protocol: u16) -> Step<Next> {
    if flags & ROUTING != 0 {
        return octets.stop();
    }
    for field in [CHECKSUM, KEY, SEQUENCE] {
        if flags & field != 0 {
            if field == KEY { octets.take::<4>().map(drop) } else { octets.skip(4) }?;
        }
    }
    match protocol {
        0x6558 => Ok(Next::Ethernet),
        ERSPAN_I_II if flags & SEQUENCE == 0 => Ok(Next::Ethernet),
        ERSPAN_I_II => {
            let &[version, ..] = octets.take::<8>()?;
            if version >> 4 == 1 { Ok(Next::Ethernet) } else { octets.stop() }
        }
        ERSPAN_III => {
            let &[version, .., frame_type, flags] = octets.take::<12>()?;
            if version >> 4 != 2 {
                return octets.stop();
            }
            if flags & 0x01 != 0 {
                octets.skip(8)?;
            }
            match frame_type & 0x7c {
                0 => Ok(Next::Ethernet),
                0x08 => Ok(Next::Ip),
                _ => octets.stop(),
            }
        }
        WCCP => {
            let &[first] = octets.peek()?;
            if first >> 4 != 4 {
                octets.skip(4)?;
            }
            Ok(Next::Ipv4)
        }
        _ => ethertype_or_stop(octets, protocol.to_be_bytes()),
    }
}

fn gre_version_1(octets: &mut Octets<'_>, flags: u16, protocol: u16) -> Step<Next> {
    if protocol != 0x880b || flags & (KEY | CHECKSUM | ROUTING) != KEY {
        return octets.stop();
    }
    let &[high, low, _, _] = octets.take()?;
    if flags & SEQUENCE == 0 {
        return octets.stop();
    }
    octets.skip(4)?;
    if flags & ACKNOWLEDGEMENT != 0 {
        octets.skip(4)?;
    }
    octets.limit_u16(u16::from_be_bytes([high, low]));
    Ok(Next::Ppp)
}

const BRIDGED: Next = Next::Ethertype(0x6558);

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const ERSPAN_I_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const WCCP: u16 = 0x883e;

const L2TP: u16 = 1701;
const GTP_U: u16 = 2152;
const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
const VXLAN_LINUX: u16 = 8472;
