//! From an Ethernet header or an EtherType to the IP header behind.

use super::{Octets, Step};
use crate::frame::nesting::{self, Level};

/// What is next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    Ipv4,
    Ipv6,
    /// IPv4 or IPv6, by its first four bits.
    Ip,
    Ethertype(u16),
    TypeOrLength(u16),
    Ethernet,
    Vlan,
    Llc,
    Mpls,
    Ppp,
    Pppoe,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum IpVersion {
    V4,
    V6,
}

/// Takes every header up to the IP header.
pub(super) fn walk(octets: &mut Octets<'_>, mut next: Next, level: &Level) -> Step<IpVersion> {
    let mut tags = 0;
    let mut encapsulations = level.encapsulations;
    if matches!(next, Next::Llc | Next::Mpls | Next::Ppp | Next::Pppoe) {
        // As if an EtherType had said so.
        if encapsulations == 0 {
            return octets.stop();
        }
        encapsulations -= 1;
    }
    loop {
        let number = match next {
            Next::Ipv4 => return Ok(IpVersion::V4),
            Next::Ipv6 => return Ok(IpVersion::V6),
            Next::Ethertype(number) | Next::TypeOrLength(number) => number,
            Next::Ip => {
                next = by_version(octets)?;
                continue;
            }
            Next::Ethernet => {
                let &[.., high, low] = octets.take::<14>()?;
                next = Next::TypeOrLength(u16::from_be_bytes([high, low]));
                continue;
            }
            Next::Vlan => {
                let &[_, _, high, low] = octets.take()?;
                next = Next::TypeOrLength(u16::from_be_bytes([high, low]));
                continue;
            }
            Next::Llc => {
                next = llc(octets)?;
                continue;
            }
            Next::Mpls => {
                next = mpls(octets)?;
                continue;
            }
            Next::Ppp => {
                next = ppp(octets)?;
                continue;
            }
            Next::Pppoe => {
                next = pppoe(octets)?;
                continue;
            }
        };
        next = match by_ethertype(number) {
            Some(next) => next,
            None if number <= LARGEST_LENGTH => {
                octets.limit(usize::from(number));
                Next::Llc
            }
            None => return octets.stop(),
        };
        match next {
            Next::Ipv4 | Next::Ipv6 => {}
            Next::Vlan if tags == level.vlan_tags => return octets.stop(),
            Next::Vlan => tags += 1,
            _ if encapsulations == 0 => return octets.stop(),
            _ => {
                tags = 0;
                encapsulations -= 1;
            }
        }
    }
}

fn by_version(octets: &Octets<'_>) -> Step<Next> {
    let &[first] = octets.peek()?;
    match first >> 4 {
        4 => Ok(Next::Ipv4),
        6 => Ok(Next::Ipv6),
        _ => octets.stop_after(1),
    }
}

const fn by_ethertype(number: u16) -> Option<Next> {
    Some(match number {
        0x0800 => Next::Ipv4,
        0x86dd => Next::Ipv6,
        0x8100 | 0x88a8 | 0x9100 => Next::Vlan,
        0x8847 | 0x8848 => Next::Mpls,
        0x8864 => Next::Pppoe,
        0x6558 => Next::Ethernet,
        0x880b => Next::Ppp,
        0x8870 => Next::Llc,
        _ => return None,
    })
}

/// An EtherType where a field may hold something else.
pub(super) fn ethertype_or_stop(octets: &Octets<'_>, number: [u8; 2]) -> Step<Next> {
    match u16::from_be_bytes(number) {
        number @ SMALLEST_ETHERTYPE.. => Ok(Next::Ethertype(number)),
        _ => octets.stop(),
    }
}

fn llc(octets: &mut Octets<'_>) -> Step<Next> {
    match octets.take()? {
        [0xaa, 0xaa, 0x03] => snap(octets),
        [0x06, 0x06, 0x03] => Ok(Next::Ipv4),
        _ => octets.stop(),
    }
}

pub(super) fn snap(octets: &mut Octets<'_>) -> Step<Next> {
    match *octets.take()? {
        [0, 0, 0 | 0xf8, high, low] => ethertype_or_stop(octets, [high, low]),
        [0x00, 0x80, 0xc2, 0x00, 0x01 | 0x07] => Ok(Next::Ethernet),
        _ => octets.stop(),
    }
}

fn pppoe(octets: &mut Octets<'_>) -> Step<Next> {
    let &[version_and_type, code, _, _, high, low] = octets.take()?;
    if [version_and_type, code] != [0x11, 0] {
        return octets.stop();
    }
    octets.limit_u16(u16::from_be_bytes([high, low]));
    Ok(Next::Ppp)
}

fn ppp(octets: &mut Octets<'_>) -> Step<Next> {
    let &[mut first] = octets.take()?;
    if first == 0xff {
        let &[control] = octets.take()?;
        if control != 0x03 {
            return octets.stop();
        }
        [first] = *octets.take()?;
    }
    let number = if first & 1 != 0 {
        u16::from(first)
    } else {
        let &[second] = octets.take()?;
        u16::from_be_bytes([first, second])
    };
    match number {
        0x0021 => Ok(Next::Ipv4),
        0x0057 => Ok(Next::Ipv6),
        0x0281 | 0x0283 => Ok(Next::Mpls),
        _ => octets.stop(),
    }
}

/// A label stack, and what can be told of the octets below it.
fn mpls(octets: &mut Octets<'_>) -> Step<Next> {
    for _ in 0..nesting::LABELS {
        let &[_, _, third, _time_to_live] = octets.take()?;
        if third & BOTTOM_OF_STACK != 0 {
            return below_stack(octets);
        }
    }
    octets.stop()
}

fn below_stack(octets: &mut Octets<'_>) -> Step<Next> {
    let &[first] = octets.peek()?;
    match first >> 4 {
        0 => below_zero(octets),
        1 => octets.stop_after(1),
        4 if is_ethernet(octets, 0) && !is_ipv4(octets) => Ok(Next::Ethernet),
        4 => Ok(Next::Ipv4),
        6 if is_ethernet(octets, 0) && !is_ipv6(octets) => Ok(Next::Ethernet),
        6 => Ok(Next::Ipv6),
        _ => Ok(Next::Ethernet),
    }
}

/// A control word, or a MAC address that begins with four zero bits.
fn below_zero(octets: &mut Octets<'_>) -> Step<Next> {
    let &[first, second, ..] = octets.peek::<CONTROL_WORD>()?;
    if first != 0 || second >= 64 {
        return Ok(Next::Ethernet);
    }
    if is_ethernet(octets, 0) && !is_ethernet(octets, CONTROL_WORD) {
        if octets.u16_at(12) == Some(ARP) {
            // Not followed, but it took a look behind the header to know.
            return octets.stop_after(CONTROL_WORD + 14);
        }
        return Ok(Next::Ethernet);
    }
    octets.skip(CONTROL_WORD)?;
    Ok(Next::Ethernet)
}

fn is_ethernet(octets: &Octets<'_>, offset: usize) -> bool {
    octets.u16_at(offset + 12).is_some_and(|number| {
        number == ARP
            || by_ethertype(number).is_some_and(|next| !matches!(next, Next::Llc | Next::Ppp))
    })
}

fn is_ipv4(octets: &Octets<'_>) -> bool {
    let Ok(&[version_and_length, _, high, low]) = octets.peek() else { return true };
    let header_length = usize::from(version_and_length & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([high, low]));
    header_length >= 20 && (header_length..=octets.length()).contains(&total_length)
}

fn is_ipv6(octets: &Octets<'_>) -> bool {
    octets.u16_at(4).is_none_or(|length| 40 + usize::from(length) <= octets.length())
}

const SMALLEST_ETHERTYPE: u16 = 0x0600;
const LARGEST_LENGTH: u16 = 1500;
const ARP: u16 = 0x0806;
const BOTTOM_OF_STACK: u8 = 0x01;
const CONTROL_WORD: usize = 4;
