//! What stands before the packets of W5: a VLAN tag, IPv4, and VXLAN or GTP-U.
//!
//! The tunnels run between sixteen pairs of hosts; which, and which kind, is a matter of the flow.
//! As the networks below carry whole inner packets, their MTU is above 1,500 octets.

use super::packet::{Way, internet_checksum, put};
use super::random::mix;

/// The most that [`write_tunnel`] writes.
pub(super) const ROOM: usize = 14 + 4 + 20 + 8 + 8 + 14;

/// Writes the outer headers at the end of `out`, before an inner packet of so many octets; returns
/// how many there are. `ethertype` is that of the inner packet.
pub(super) fn write_tunnel(
    out: &mut [u8; ROOM],
    flow: u64,
    way: Way,
    inner: usize,
    ethertype: [u8; 2],
) -> usize {
    let draw = mix(flow ^ 0x7a99);
    let (pair, vlan) = (draw >> 8 & 15, 100 + (draw >> 16 & 3));
    let is_vxlan = draw & 1 == 0;
    // VXLAN carries a frame, GTP-U a packet.
    let behind = if is_vxlan { 8 + 14 } else { 8 };
    let start = ROOM - behind - 8 - 20 - 4 - 14;
    let frame = &mut out[start..];
    frame.fill(0);
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1]);
    frame[12..14].copy_from_slice(&[0x81, 0x00]);
    put(&mut frame[14..16], vlan);
    frame[16..18].copy_from_slice(&[0x08, 0x00]);
    let total = 20 + 8 + behind + inner;
    let network = &mut frame[18..38];
    network[0] = 0x45;
    put(&mut network[2..4], total as u64);
    network[8] = 250;
    network[9] = 17;
    let ends = [0xc633_6400 + pair, 0xc633_6480 + pair];
    let [source, destination] = if way == Way::There { ends } else { [ends[1], ends[0]] };
    put(&mut network[12..16], source);
    put(&mut network[16..20], destination);
    let checksum = internet_checksum(network, 0);
    network[10..12].copy_from_slice(&checksum.to_be_bytes());
    let transport = &mut frame[38..];
    // Without a checksum, as RFC 7348 §5 wants it and 3GPP TS 29.281 allows it.
    put(&mut transport[4..6], total as u64 - 20);
    if is_vxlan {
        // RFC 7348 §5: the source port is drawn from the inner flow.
        put(&mut transport[..2], 49_152 + (draw >> 20) % 16_384);
        put(&mut transport[2..4], 4_789);
        transport[8] = 0x08;
        put(&mut transport[12..15], 5_000 + pair);
        transport[16..28].copy_from_slice(&[2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 2, 1]);
        transport[28..30].copy_from_slice(&ethertype);
    } else {
        put(&mut transport[..2], 2_152);
        put(&mut transport[2..4], 2_152);
        transport[8] = 0x30; // version 1, GTP, no options
        transport[9] = 255; // G-PDU
        put(&mut transport[10..12], inner as u64);
        // Each end chooses the identifier by which it is sent to.
        put(&mut transport[12..16], (draw >> 24) << 1 | u64::from(way == Way::Back));
    }
    ROOM - start
}
