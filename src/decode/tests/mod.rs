//! Tests of the whole decoder, frame by frame.

mod anomalies;
pub(crate) mod examples;
mod ip;
mod link;
pub(crate) mod packet;
mod properties;
pub(crate) mod reading;
mod transport;
mod tunnels;
mod usual;

use super::*;
use crate::frame::LinkType;
use crate::time::Timestamp;
use packet::Packet;

const INNER: Config = Config { tunnels: Tunnels::Inner };
const OUTER: Config = Config { tunnels: Tunnels::Outer };

/// A whole frame as captured.
fn frame(link_type: LinkType, octets: &[u8]) -> Frame<'_> {
    Frame {
        bytes: octets,
        wire_length: u32::try_from(octets.len()).expect("test frames are small"),
        at: Timestamp::from_nanos(42),
        link_type,
        interface: 7,
        stripped_vlan: None,
    }
}

/// The same frame of which only the first `length` octets were captured.
fn cut<'a>(frame: &Frame<'a>, length: usize) -> Frame<'a> {
    Frame { bytes: &frame.bytes[..length], ..*frame }
}

fn decode_as(link_type: LinkType, packet: &Packet) -> Result<Headers, DecodeError> {
    decode(&frame(link_type, &packet.octets), INNER)
}

/// The headers of an Ethernet frame.
fn headers(packet: &Packet) -> Headers {
    headers_as(LinkType::Ethernet, packet)
}

fn headers_as(link_type: LinkType, packet: &Packet) -> Headers {
    decode_as(link_type, packet).expect("the frame carries an IP packet")
}

fn error(packet: &Packet) -> DecodeError {
    error_as(LinkType::Ethernet, packet)
}

fn error_as(link_type: LinkType, packet: &Packet) -> DecodeError {
    decode_as(link_type, packet).expect_err("the frame carries no IP packet")
}

/// The anomalies of an Ethernet frame.
fn anomalies(packet: &Packet) -> Vec<PacketAnomaly> {
    headers(packet).anomalies.iter().collect()
}
