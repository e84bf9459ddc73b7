//! Frames of every stacking of headers that the decoder follows, full of a payload that is nowhere else.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]
#![expect(clippy::indexing_slicing, reason = "a wrong position in our own frames fails the test")]

/// A frame full of payload.
pub(crate) struct Stacking {
    pub(crate) name: &'static str,
    pub(crate) frame: Vec<u8>,
    /// Where its headers end.
    pub(crate) end: usize,
    /// Where those of the outermost packet end.
    pub(crate) outer_end: usize,
}

/// A frame of every stacking that the decoder follows, numbered in the source's address.
pub(crate) fn stackings() -> Vec<Stacking> {
    let canary = || CANARY.iter().copied().cycle().take(1200).collect::<Vec<u8>>();
    let udp_packet = || ipv4(17, udp(4000, 53, canary()));
    let tcp_packet = || ipv4(6, tcp(&[1; 12], canary()));
    let bridged = || join(&[&[6; 12], &[0x08, 0x00], &udp_packet()]);
    let in_ipv6 = || ipv6(6, tcp(&[], canary()));
    let vxlan = [8, 0, 0, 0, 0, 0, 5, 0];
    let gtp = |packet: Vec<u8>| {
        let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
        join(&[&[0x30, 255], &length, &[0, 0, 0, 9], &packet])
    };
    let tag = join(&[&[0, 5, 0x08, 0x00], &udp_packet()]);
    let two_tags = join(&[&[0, 6, 0x81, 0x00], &tag]);
    let labels = [0, 1, 0, 64, 0, 2, 1, 64];
    let length = u16::try_from(udp_packet().len() + 2).expect("short").to_be_bytes();
    let pppoe = join(&[&[0x11, 0, 0, 7], &length, &[0x00, 0x21], &udp_packet()]);
    let extensions = join(&[
        &[60, 0, 1, 4, 0, 0, 0, 0],                          // hop by hop
        &[43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], // destination options
        &[6, 0, 0, 0, 0, 0, 0, 0],                           // routing
        &tcp(&[2, 4, 5, 0xb4], canary()),
    ]);
    let name_type_rest_outer: Vec<(&'static str, u16, Vec<u8>, Option<usize>)> = vec![
        ("IPv4, UDP", 0x0800, udp_packet(), None),
        ("IPv4, TCP with options", 0x0800, tcp_packet(), None),
        ("IPv4, ICMP", 0x0800, ipv4(1, join(&[&[8, 0, 0, 0, 0, 1, 0, 1], &canary()])), None),
        ("IPv6, TCP", 0x86dd, in_ipv6(), None),
        ("IPv6, extension headers, TCP", 0x86dd, ipv6(0, extensions), None),
        ("VLAN", 0x8100, tag, None),
        ("QinQ", 0x88a8, two_tags, None),
        ("MPLS", 0x8847, join(&[&labels, &udp_packet()]), None),
        ("MPLS, Ethernet", 0x8847, join(&[&labels, &bridged()]), None),
        ("PPPoE", 0x8864, pppoe, None),
        ("IP in IP", 0x0800, ipv4(4, tcp_packet()), Some(34)),
        ("IPv6 in IPv4", 0x0800, ipv4(41, in_ipv6()), Some(34)),
        ("GRE", 0x0800, ipv4(47, join(&[&[0, 0, 0x08, 0x00], &tcp_packet()])), Some(34)),
        ("VXLAN", 0x0800, ipv4(17, udp(4000, 4789, join(&[&vxlan, &bridged()]))), Some(42)),
        (
            "GENEVE",
            0x0800,
            ipv4(17, udp(4000, 6081, join(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &bridged()]))),
            Some(42),
        ),
        ("GTP-U", 0x0800, ipv4(17, udp(2152, 2152, gtp(tcp_packet()))), Some(42)),
        (
            "GTP-U in VXLAN",
            0x0800,
            {
                let inner = ipv4(17, udp(2152, 2152, gtp(in_ipv6())));
                let bridged = join(&[&[6; 12], &[0x08, 0x00], &inner]);
                ipv4(17, udp(4000, 4789, join(&[&vxlan, &bridged])))
            },
            Some(42),
        ),
    ];
    let mut stackings: Vec<_> = name_type_rest_outer
        .into_iter()
        .map(|(name, ethertype, rest, outer_end)| {
            let frame = join(&[&MACS, &ethertype.to_be_bytes(), &rest]);
            let end = frame.len() - 1200;
            Stacking { name, frame, end, outer_end: outer_end.unwrap_or(end) }
        })
        .collect();
    for (name, ethertype, rest, end) in [
        ("ESP, of which nothing is read", 0x0800_u16, ipv4(50, canary()), 34),
        ("a later fragment", 0x0800, fragment(canary()), 34),
        ("what carries no IP", 0x88b5, canary(), 14),
        ("a broken IPv4 header", 0x0800, join(&[&[0x42], &canary()]), 34),
    ] {
        let frame = join(&[&MACS, &ethertype.to_be_bytes(), &rest]);
        stackings.push(Stacking { name, frame, end, outer_end: end });
    }
    // Of a header that is none the fixed part is looked at.
    if let Some(broken) = stackings.last_mut() {
        broken.frame[15..34].fill(0);
    }
    for (number, stacking) in stackings.iter_mut().enumerate() {
        stacking.frame[11] = u8::try_from(number).expect("few");
    }
    stackings
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ipv4(protocol: u8, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(20 + rest.len()).expect("short").to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    header.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    join(&[&header, &rest])
}

fn fragment(rest: Vec<u8>) -> Vec<u8> {
    let mut packet = ipv4(17, rest);
    packet[7] = 100;
    packet
}

fn ipv6(next_header: u8, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, length[0], length[1], next_header, 64];
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    header.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    join(&[&header, &rest])
}

fn udp(source: u16, destination: u16, rest: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(8 + rest.len()).expect("short");
    let words = [source, destination, length, 0].map(u16::to_be_bytes);
    join(&[&words.concat(), &rest])
}

fn tcp(options: &[u8], rest: Vec<u8>) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).expect("few");
    let mut header = vec![0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, words << 4, 0x10];
    header.extend([0x72, 0x10, 0, 0, 0, 0]);
    join(&[&header, options, &rest])
}

/// Every four octets of it are its own: they are in no header.
pub(crate) const CANARY: &[u8] = b"CANARY-6f1c09-NOT-FOR-ANYBODY'S-EYES-";
pub(crate) const MACS: [u8; 12] = [0x02, 0, 0xca, 0x11, 0, 0x02, 0x02, 0, 0xca, 0x11, 0, 0x01];
