//! Names that people know numbers by.

/// An IP protocol number, or its name if it is a common one.
pub(in crate::cli) fn protocol(number: u64) -> String {
    match number {
        0 => "HOPOPT",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4",
        6 => "TCP",
        8 => "EGP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        44 => "IPv6-Frag",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        59 => "IPv6-NoNxt",
        88 => "EIGRP",
        89 => "OSPF",
        94 => "IPIP",
        97 => "ETHERIP",
        103 => "PIM",
        108 => "IPComp",
        112 => "VRRP",
        115 => "L2TP",
        132 => "SCTP",
        135 => "Mobility",
        136 => "UDPLite",
        137 => "MPLS",
        143 => "Ethernet",
        _ => return number.to_string(),
    }
    .to_owned()
}

/// The number of a protocol by the name that [`protocol`] gives it, or by `icmp6`, in any case.
pub(in crate::cli) fn protocol_number(name: &str) -> Option<u64> {
    if name.eq_ignore_ascii_case("icmp6") {
        return Some(58);
    }
    (0..=255).find(|&number| {
        protocol(number).eq_ignore_ascii_case(name)
            && !name.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// An EtherType, or its name if it is a common one.
pub(in crate::cli) fn ethernet_type(number: u64) -> String {
    match number {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x86dd => "IPv6",
        0x8847 | 0x8848 => "MPLS",
        0x88cc => "LLDP",
        _ => return format!("{number:#06x}"),
    }
    .to_owned()
}

/// An ICMP message by its type × 256 + code.
pub(in crate::cli) fn icmp(is_v6: bool, type_code: u64) -> String {
    let (kind, code) = (type_code >> 8, type_code & 0xff);
    let name = match (is_v6, kind, code) {
        (false, 0, _) | (true, 129, _) => "echo reply",
        (false, 8, _) | (true, 128, _) => "echo request",
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) | (true, 2, _) => "packet too big",
        (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6) => "prohibited",
        (true, 1, 0) => "no route",
        (false, 5, _) | (true, 137, _) => "redirect",
        (false, 9, _) | (true, 134, _) => "router advertisement",
        (false, 10, _) | (true, 133, _) => "router solicitation",
        (false, 11, 0) | (true, 3, 0) => "hop limit exceeded",
        (false, 11, 1) | (true, 3, 1) => "reassembly timeout",
        (false, 12, _) | (true, 4, _) => "parameter problem",
        (false, 13, _) => "timestamp request",
        (false, 14, _) => "timestamp reply",
        (true, 130, _) => "multicast listener query",
        (true, 131 | 143, _) => "multicast listener report",
        (true, 132, _) => "multicast listener done",
        (true, 135, _) => "neighbour solicitation",
        (true, 136, _) => "neighbour advertisement",
        _ => return format!("type {kind} code {code}"),
    };
    name.to_owned()
}

/// `flowtapTunnelType` (32473/1).
pub(in crate::cli) fn tunnel(number: u64) -> String {
    match number {
        1 => "ip-in-ip",
        TUNNEL_GRE => "gre",
        TUNNEL_NVGRE => "nvgre",
        4 => "erspan",
        TUNNEL_VXLAN => "vxlan",
        6 => "geneve",
        TUNNEL_GTP_U => "gtp-u",
        8 => "l2tpv2",
        9 => "l2tpv3",
        10 => "teredo",
        _ => return format!("tunnel {number}"),
    }
    .to_owned()
}

pub(super) const TUNNEL_GRE: u64 = 2;
pub(super) const TUNNEL_NVGRE: u64 = 3;
pub(super) const TUNNEL_VXLAN: u64 = 5;
pub(super) const TUNNEL_GTP_U: u64 = 7;

/// `flowEndReason` (IE 136) in one word.
pub(in crate::cli) fn end_reason(number: u64) -> String {
    match number {
        1 => "idle",
        2 => "active",
        3 => "end",
        4 => "forced",
        5 => "full",
        _ => return number.to_string(),
    }
    .to_owned()
}

/// The number of the reason that [`end_reason`] gives this word.
pub(in crate::cli) fn end_reason_number(name: &str) -> Option<u64> {
    (1..=5).find(|&number| end_reason(number).eq_ignore_ascii_case(name))
}

/// `tcpControlBits` (IE 6) as letters: SYN, ACK, PSH and FIN each at its place, then RST, URG, ECE
/// and CWR where they are set.
pub(in crate::cli) fn tcp_flags(bits: u64) -> String {
    let letter = |(bit, letter): (u64, char), otherwise: Option<char>| {
        if bits & bit != 0 { Some(letter) } else { otherwise }
    };
    let usual = [(0x02, 'S'), (0x10, 'A'), (0x08, 'P'), (0x01, 'F')].into_iter();
    let others = [(0x04, 'R'), (0x20, 'U'), (0x40, 'E'), (0x80, 'C')].into_iter();
    usual
        .filter_map(|flag| letter(flag, Some('.')))
        .chain(others.filter_map(|flag| letter(flag, None)))
        .collect()
}
