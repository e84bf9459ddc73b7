//! From a packet to the packet inside it, and inside that one.

mod gre;
mod gtp;
mod l2tp;
mod teredo;
mod vxlan;

use crate::decode::anomaly::PacketAnomaly;
use crate::decode::error::DecodeError;
use crate::decode::headers::{Headers, Tunnel, TunnelKind};
use crate::decode::ip::Carried;
use crate::decode::link::{Link, Next};
use crate::decode::octets::Octets;
use crate::decode::{read_packet, transport};
use crate::frame::nesting;

/// What a tunnel header said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    pub(super) kind: TunnelKind,
    pub(super) id: Option<u32>,
    pub(super) next: Next,
}

impl Inside {
    /// This tunnel, around the packet inside the one that `headers` are of.
    pub(super) const fn around(self, headers: &Headers) -> Tunnel {
        let Self { kind, id, next: _ } = self;
        match headers.tunnel {
            Some(outermost) => Tunnel { kind, id, ..outermost },
            None => Tunnel {
                id,
                kind,
                version: headers.version,
                source: headers.source,
                destination: headers.destination,
            },
        }
    }
}

/// Why a tunnel is not followed further; its packet is metered as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// It carries no IP, is no tunnel after all, or was not captured further: nothing is wrong.
    NotFollowed,
    /// What is there cannot be.
    Undecodable,
    /// More headers than we follow.
    TooDeep,
}

/// Whether a packet looks like a tunnel from its protocol and ports.
///
/// Fragments are not followed: even where the first one has all the headers inside, the others
/// could not be credited to them.
pub(super) fn is_likely(carried: Carried, headers: &Headers) -> bool {
    if headers.fragment.is_some() || !carried.transport_follows {
        return false;
    }
    match headers.protocol {
        transport::UDP => is_port(headers.source_port, headers.destination_port),
        protocol => is_protocol(protocol),
    }
}

/// Whether a tunnel uses these UDP ports.
#[inline]
pub(super) const fn is_port(source: u16, destination: u16) -> bool {
    matches!(destination, VXLAN | VXLAN_LINUX | VXLAN_GPE | GENEVE | GTP_U | L2TP | TEREDO)
        || matches!(source, L2TP | TEREDO)
}

/// Whether this is a tunnel of its own over IP.
#[inline]
pub(super) const fn is_protocol(protocol: u8) -> bool {
    matches!(protocol, IPV4 | IPV6 | GRE | L2TP_OVER_IP)
}

/// Follows tunnels as deep as they decode; `headers` are then those of the innermost packet.
pub(super) fn follow(mut link: Link, mut octets: Octets<'_>, headers: &mut Headers) {
    for _ in 0..nesting::TUNNELS {
        let outside = *headers;
        match descend(&mut link, &mut octets, headers) {
            Ok(true) => {}
            Ok(false) => return,
            Err(stop) => {
                *headers = outside;
                match stop {
                    Stop::NotFollowed => {}
                    Stop::Undecodable => headers.anomalies.insert(PacketAnomaly::TunnelUndecodable),
                    Stop::TooDeep => headers.anomalies.insert(PacketAnomaly::NestingTooDeep),
                }
                return;
            }
        }
    }
    headers.anomalies.insert(PacketAnomaly::NestingTooDeep);
}

/// One tunnel deeper: reads the packet inside, and says whether it looks like a tunnel again.
fn descend(link: &mut Link, octets: &mut Octets<'_>, headers: &mut Headers) -> Result<bool, Stop> {
    let inside = enter(headers, octets)?;
    // Cookies of unknown length may stand before what L2TPv3 carries, so a failure proves nothing.
    let is_certain = inside.kind != TunnelKind::L2tpV3;
    *headers = Headers {
        at: headers.at,
        interface: headers.interface,
        anomalies: headers.anomalies,
        tunnel: Some(inside.around(headers)),
        ..Headers::BLANK
    };
    link.enter_tunnel(octets, inside.next)
        .and_then(|version| read_packet(version, link, octets, headers))
        .map(|carried| is_likely(carried, headers))
        .map_err(|error| match error {
            DecodeError::NestingTooDeep => Stop::TooDeep,
            DecodeError::Malformed(_) if is_certain => Stop::Undecodable,
            DecodeError::Truncated(_) if is_certain && !octets.is_cut() => Stop::Undecodable,
            _ => Stop::NotFollowed,
        })
}

/// Takes the tunnel header that follows the IP header.
pub(super) fn enter(headers: &Headers, octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    match headers.protocol {
        IPV4 => Ok(Inside { kind: TunnelKind::IpInIp, id: None, next: Next::Ipv4 }),
        IPV6 => Ok(Inside { kind: TunnelKind::IpInIp, id: None, next: Next::Ipv6 }),
        GRE => gre::enter(octets),
        L2TP_OVER_IP => l2tp::enter_over_ip(octets),
        _ => {
            let &[.., high, low, _, _] = octets.take::<8>().ok_or(Stop::NotFollowed)?;
            if let Some(length) = u16::from_be_bytes([high, low]).checked_sub(8) {
                octets.limit_u16(length);
            }
            enter_udp(headers.source_port, headers.destination_port, octets)
        }
    }
}

/// Takes the tunnel header that follows the UDP header. Ports are only a hint: what does not look
/// like the tunnel is other traffic, and nothing is wrong with it.
fn enter_udp(
    source_port: u16,
    destination_port: u16,
    octets: &mut Octets<'_>,
) -> Result<Inside, Stop> {
    match (destination_port, source_port) {
        (VXLAN | VXLAN_LINUX, _) => vxlan::enter_vxlan(octets),
        (VXLAN_GPE, _) => vxlan::enter_generic(octets),
        (GENEVE, _) => vxlan::enter_geneve(octets),
        (GTP_U, _) => gtp::enter(octets),
        (L2TP, _) | (_, L2TP) => l2tp::enter_over_udp(octets),
        (TEREDO, _) | (_, TEREDO) => teredo::enter(octets),
        _ => Err(Stop::NotFollowed),
    }
}

/// Stops at a header of `length` octets that is not there in full: a fault only if the packet, by its
/// own length, has no room for it. Then the capture is not to blame.
fn missing(length: usize, octets: Octets<'_>) -> Stop {
    if length > octets.length() { Stop::Undecodable } else { Stop::NotFollowed }
}

const IPV4: u8 = 4;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const L2TP_OVER_IP: u8 = 115;

const L2TP: u16 = 1701;
const GTP_U: u16 = 2152;
const TEREDO: u16 = 3544;
const VXLAN: u16 = 4789;
const VXLAN_GPE: u16 = 4790;
const GENEVE: u16 = 6081;
/// What Linux used before the assignment, and still uses by default.
const VXLAN_LINUX: u16 = 8472;
