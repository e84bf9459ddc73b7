//! The last header: the part of it that has a fixed length, and the options of TCP.

use std::convert::Infallible;

use super::ip::Carried;
use super::link::IpVersion;
use super::{Octets, Step};

/// Takes the transport header; nothing that follows is a header.
///
/// Of protocols of which the decoder reads nothing, nothing is let through.
pub(super) fn end(octets: &mut Octets<'_>, carried: Carried) -> Step<Infallible> {
    match (carried.protocol, carried.version) {
        (TCP, _) => return tcp(octets),
        (ICMP, IpVersion::V4) | (UDP | UDP_LITE, _) => octets.take::<8>().map(drop),
        (ICMPV6, IpVersion::V6) => octets.take::<4>().map(drop),
        (DCCP | AUTHENTICATION | SCTP, _) => octets.take::<12>().map(drop),
        _ => Ok(()),
    }?;
    octets.stop()
}

fn tcp(octets: &mut Octets<'_>) -> Step<Infallible> {
    let &[_, _, _, _, _, _, _, _, _, _, _, _, data_offset, ..] = octets.take::<20>()?;
    octets.skip((usize::from(data_offset >> 4) * 4).saturating_sub(20))?;
    octets.stop()
}

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
const DCCP: u8 = 33;
const AUTHENTICATION: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
