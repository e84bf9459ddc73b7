//! From a packet to the packet inside it, and inside that one.

mod gre;
mod gtp;
mod l2tp;
mod teredo;
mod vxlan;

use crate::decode::anomaly::PacketAnomaly;
use crate::decode::assemble;
use crate::decode::error::DecodeError;
use crate::decode::headers::{Headers, Tunnel, TunnelKind};
use crate::decode::ip::{self, Carried};
use crate::decode::link::{Link, Next};
use crate::decode::octets::Octets;
use crate::decode::transport::{self, Transport};
use crate::frame::Frame;

/// What a tunnel header said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inside {
    pub(super) kind: TunnelKind,
    pub(super) id: Option<u32>,
    pub(super) next: Next,
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
#[inline]
pub(super) fn is_likely(carried: Carried, transport: Transport) -> bool {
    if carried.is_fragment || !carried.transport_follows {
        return false;
    }
    match carried.protocol {
        transport::UDP => is_port(transport.source_port, transport.destination_port),
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

/// Follows tunnels as deep as they decode and gives the headers of the innermost packet.
#[inline(never)]
pub(super) fn innermost(
    frame: &Frame<'_>,
    mut link: Link,
    outermost: Headers,
    mut octets: Octets<'_>,
) -> Headers {
    let mut headers = outermost;
    for depth in 0.. {
        if depth == MAXIMUM_TUNNELS {
            headers.anomalies.insert(PacketAnomaly::NestingTooDeep);
            break;
        }
        match descend(frame, &mut link, &outermost, &headers, &mut octets) {
            Ok((inner, is_tunnel)) => {
                headers = inner;
                if !is_tunnel {
                    break;
                }
            }
            Err(stop) => {
                match stop {
                    Stop::NotFollowed => {}
                    Stop::Undecodable => headers.anomalies.insert(PacketAnomaly::TunnelUndecodable),
                    Stop::TooDeep => headers.anomalies.insert(PacketAnomaly::NestingTooDeep),
                }
                break;
            }
        }
    }
    headers
}

/// One tunnel deeper: the packet inside, and whether it looks like a tunnel again.
fn descend(
    frame: &Frame<'_>,
    link: &mut Link,
    outermost: &Headers,
    headers: &Headers,
    octets: &mut Octets<'_>,
) -> Result<(Headers, bool), Stop> {
    let Inside { kind, id, next } = enter(headers, octets)?;
    let mut anomalies = headers.anomalies;
    // Cookies of unknown length may stand before what L2TPv3 carries, so a failure proves nothing.
    let is_certain = kind != TunnelKind::L2tpV3;
    let packet = link
        .enter_tunnel(octets, next)
        .and_then(|version| ip::read(version, octets, link.loopback, &mut anomalies))
        .map_err(|error| match error {
            DecodeError::NestingTooDeep => Stop::TooDeep,
            DecodeError::Malformed(_) if is_certain => Stop::Undecodable,
            DecodeError::Truncated(_) if is_certain && !octets.is_cut() => Stop::Undecodable,
            _ => Stop::NotFollowed,
        })?;
    let transport = transport::read(packet.carried, *octets, &mut anomalies);
    let tunnel = Tunnel {
        kind,
        version: outermost.version,
        source: outermost.source,
        destination: outermost.destination,
        id,
    };
    let inner = assemble(frame, link, &packet, transport, anomalies, Some(tunnel));
    Ok((inner, is_likely(packet.carried, transport)))
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

/// Stops at a header that is not there in full: a fault only if the capture is not to blame.
fn cut(octets: Octets<'_>) -> Stop {
    if octets.is_cut() { Stop::NotFollowed } else { Stop::Undecodable }
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

const MAXIMUM_TUNNELS: u32 = 8;
