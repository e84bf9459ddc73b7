//! Frame → [`Headers`]: the first wall. Payload does not exist behind it.
//!
//! Pure functions over borrowed octets: no I/O, no clock, no allocation, no state.
//!
//! ```text
//!  Frame ─▶ link ─▶ ip ─▶ transport ─▶ Headers
//!            ▲              │
//!            └── tunnel ◀───┘   as long as the packet is a tunnel we know and its inside decodes
//! ```
//!
//! The `straight` path takes most packets (Ethernet with a VLAN tag or two, IPv4 or IPv6, TCP, UDP or
//! ICMP, in a tunnel perhaps) in one go; what is not that is read again step by step. Either writes
//! the headers in the place where they stay. Every step works on `Octets`, which keeps what was
//! captured and what was on the wire apart, so no length is ever taken from the capture.

mod anomaly;
mod error;
mod extension;
mod headers;
mod identity;
mod ip;
mod link;
mod octets;
mod straight;
#[cfg(test)]
pub(crate) mod tests;
mod transport;
mod tunnel;

pub use anomaly::{AnomalySet, PacketAnomaly};
pub use error::{DecodeError, Layer};
pub use headers::{
    Address, Fragment, Headers, IpVersion, MacAddresses, MplsLabels, Tunnel, TunnelKind, VlanTags,
};
pub use identity::{Identity, identity};

use crate::decode::ip::Carried;
use crate::decode::link::Link;
use crate::decode::octets::Octets;
use crate::decode::straight::Unusual;
use crate::frame::Frame;

/// What the decoder is asked to meter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where to stop in a tunnel.
    pub tunnels: Tunnels,
}

/// Which IP packet of a tunnelled frame is metered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tunnels {
    /// The innermost one that decodes; the outer addresses and the tunnel id are kept beside it.
    #[default]
    Inner,
    /// The outermost one; what it carries is not looked at.
    Outer,
}

/// Decodes one frame.
///
/// The result depends on headers only, and a capture that ends with the last header of the metered
/// packet gives what the whole frame gives. A capture that ends earlier is used as far as it goes:
/// once the fixed IP header is there, the packet is metered by its own length fields, with 0 for
/// every field that was not captured.
///
/// # Errors
///
/// [`DecodeError`] when no IP packet could be reached; the frame is then counted as ignored.
pub fn decode(frame: &Frame<'_>, config: Config) -> Result<Headers, DecodeError> {
    let mut headers = Headers::BLANK;
    decode_into(frame, config, &mut headers).map(|()| headers)
}

/// As [`decode`], into a place of the caller's, where they stay: what is there is overwritten whole,
/// and nothing is copied.
///
/// # Errors
///
/// As [`decode`]; `headers` then hold nothing of use.
pub fn decode_into(
    frame: &Frame<'_>,
    config: Config,
    headers: &mut Headers,
) -> Result<(), DecodeError> {
    match straight::decode(frame, config, headers) {
        Ok(()) => Ok(()),
        Err(Unusual) => decode_step_by_step(frame, config, headers),
    }
}

/// As [`decode_into`], for every header there is.
#[inline(never)] // nor does it take registers from the straight path
fn decode_step_by_step(
    frame: &Frame<'_>,
    config: Config,
    headers: &mut Headers,
) -> Result<(), DecodeError> {
    *headers = Headers { at: frame.at, interface: frame.interface, ..Headers::BLANK };
    let mut octets = Octets::of(frame);
    let mut link = Link::new(frame.stripped_vlan);
    let version = link.enter(&mut octets, frame.link_type)?;
    let carried = read_packet(version, &link, &mut octets, headers)?;
    if config.tunnels == Tunnels::Inner && tunnel::is_likely(carried, headers) {
        tunnel::follow(link, octets, headers);
    }
    Ok(())
}

/// Reads the IP header and the transport header behind `link`.
fn read_packet(
    version: IpVersion,
    link: &Link,
    octets: &mut Octets<'_>,
    headers: &mut Headers,
) -> Result<Carried, DecodeError> {
    headers.mac = link.mac;
    headers.vlan = link.vlan;
    headers.mpls = link.mpls;
    let carried = ip::read(version, octets, link, headers)?;
    transport::read(carried, *octets, headers);
    Ok(carried)
}
