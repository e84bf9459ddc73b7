//! One packet of every kind, for the tests that hold for all of them.

use super::packet::*;
use crate::frame::LinkType;

/// Whole, honest frames: link type and packet.
pub(crate) fn all() -> Vec<(LinkType, Packet)> {
    let mut examples = Vec::new();
    for transport in transports() {
        for network in networks(&transport) {
            for link in links(&network) {
                examples.push(link);
            }
        }
    }
    for inside in [payload(30).tcp(ACK).ipv4(), payload(30).udp(1000, 2000).ipv6()] {
        for tunnel in tunnels(&inside) {
            examples.push((LinkType::Ethernet, tunnel.clone().near_far_v4().vlan(6).ethernet()));
            examples.push((LinkType::RawIp, tunnel.extension(60, 1).near_far_v6()));
        }
    }
    examples
}

pub(crate) fn transports() -> Vec<Packet> {
    vec![
        payload(30).tcp(SYN),
        payload(30).tcp_with_options(PSH | ACK, &[1; 12]),
        payload(30).tcp(SYN | FIN),
        payload(30).tcp(ACK).set(12, &[0xf0]),
        payload(30).udp(1000, 2000),
        payload(30).udp(1000, 2000).set(4, &[0xff]),
        payload(30).udp_lite(),
        payload(30).sctp(),
        payload(32).dccp(),
        payload(30).icmp(8, 0),
        payload(30).icmpv6(128, 0),
        payload(30).behind_protocol(2, &[0x16, 0, 0, 0, 224, 0, 0, 9]),
        payload(30).behind_protocol(50, &[0, 0, 1, 0, 0, 0, 0, 1]),
        payload(30).udp(1000, 2000).authentication(),
        payload(30),
    ]
}

pub(crate) fn networks(transport: &Packet) -> Vec<Packet> {
    let it = || transport.clone();
    vec![
        it().ipv4(),
        it().ipv4_with_options(&[1; 20]),
        it().ipv4_fragment(0, true),
        it().ipv4().set(10, &[0xff, 0xff]),
        it().ipv6(),
        it().extension(0, 0).ipv6(),
        it().extension(60, 1).extension(43, 2).extension(0, 0).ipv6(),
        it().ipv6_fragment_header(0, true).ipv6(),
        it().ipv6_fragment_header(0, false).ipv6(),
        it().authentication().extension(135, 0).ipv6(),
    ]
}

pub(crate) fn links(network: &Packet) -> Vec<(LinkType, Packet)> {
    let it = || network.clone();
    let snap_length = u16::try_from(network.len() + 8).expect("small");
    let is_v4 = network.octets[0] >> 4 == 4;
    let [family, nlpid] = if is_v4 { [2, 0xcc] } else { [28, 0x8e] };
    let ethertype = if is_v4 { [0x08, 0x00] } else { [0x86, 0xdd] };
    let sll = [&[0, 4, 0, 1, 0, 6, 2, 0, 0x5e, 0, 0x53, 1, 0, 0], ethertype.as_slice()].concat();
    let mut sll2 = [ethertype.as_slice(), &[0, 0, 0, 0, 0, 2, 0, 1, 4, 6]].concat();
    sll2.extend([2, 0, 0x5e, 0, 0x53, 1, 0, 0]);
    let mut wireless = vec![0x88, 0x01, 0, 0];
    wireless.resize(26, 1);
    wireless[22] = 0;
    wireless[24] = 0;
    vec![
        (LinkType::Ethernet, it().ethernet()),
        (LinkType::Ethernet, it().ethernet().padded(6)),
        (LinkType::Ethernet, it().vlan(5).tag(0x88a8, 6).ethernet()),
        (LinkType::Ethernet, it().snap().ethernet_with(snap_length)),
        (LinkType::Ethernet, it().mpls(&[16, 17]).ethernet()),
        (LinkType::Ethernet, it().ethernet().behind(&[0; 4]).mpls(&[16]).ethernet()),
        (LinkType::Ethernet, it().ethernet().mpls(&[16]).ethernet()),
        (LinkType::Ethernet, it().pppoe().vlan(7).ethernet()),
        (LinkType::Ppp, it().ppp()),
        (LinkType::PppHdlc, it().ppp().behind(&[0xff, 0x03])),
        (LinkType::PppEther, it().pppoe()),
        (LinkType::CiscoHdlc, it().behind(&ethertype).behind(&[0x0f, 0])),
        (LinkType::FrameRelay, it().behind(&[0x18, 0x41, 3, nlpid])),
        (LinkType::BsdLoopback, it().behind(&[family, 0, 0, 0])),
        (LinkType::RawIp, it()),
        (LinkType::LinuxSll, it().behind(&sll)),
        (LinkType::LinuxSll2, it().behind(&sll2)),
        (LinkType::Ieee80211, it().snap().behind(&wireless)),
        (LinkType::Radiotap, it().snap().behind(&wireless).behind(&[0, 0, 8, 0, 0, 0, 0, 0])),
    ]
}

/// Everything that can be carried by IP, around one IP packet.
pub(crate) fn tunnels(inside: &Packet) -> Vec<Packet> {
    let it = || inside.clone();
    let bridged = || inside.clone().ethernet();
    let erspan = [0, 0, 0, 1, 0x10, 0x03, 0x0a, 0xbc, 0, 0, 0, 0];
    let erspan_3 = [0, 0, 0, 1, 0x20, 0x03, 0x0a, 0xbc, 1, 2, 3, 4, 0, 0, 0, 0];
    let mut tunnels = vec![
        it(),
        it().gre(0, &[]),
        it().gre(0xb000, &[0; 12]),
        bridged().gre(0x2000, &[0, 0, 5, 0]),
        it().mpls(&[70, 71]).gre(0, &[]),
        bridged().gre_with(0, 0x88be, &[]),
        bridged().gre_with(0x1000, 0x88be, &erspan),
        bridged().gre_with(0x1000, 0x22eb, &erspan_3),
        bridged().vxlan(5),
        it().vlan(9).ethernet().vxlan(5),
        bridged().geneve(5, &[0; 12]),
        it().geneve(5, &[]),
        it().gtp(0, 5, &[]),
        it().gtp(0x04, 5, &[0, 0, 0, 0x85, 1, 0, 0, 0]),
        it().ppp().behind(&[0x00, 0x02, 0, 5, 0, 6]).udp(1701, 1701),
        bridged().behind_protocol(115, &[0, 0, 0, 5, 0, 0, 0, 0]),
        bridged().vxlan(1).ipv4().gtp(0, 5, &[]),
    ];
    if inside.octets[0] >> 4 == 6 {
        tunnels.push(it().udp(50_000, 3544));
    }
    tunnels
}
