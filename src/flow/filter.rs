//! Which packets are metered: networks that are left out, and networks that are kept to.

use crate::decode::{Headers, Tunnel};
use crate::flow::networks::Networks;

/// A selection of packets by their addresses: purpose limitation. What it leaves out is counted as
/// filtered and goes into no Flow.
///
/// It sees what a record would show. Of a tunnelled packet that are the addresses of the innermost
/// packet and of the outermost (with `--tunnels outer`, of the outermost only): a network is left
/// out whether its packets come as they are, inside a tunnel, or as the tunnel's own ends. What
/// cannot be read, the inside of an encrypted tunnel or of one in fragments, cannot be told by its
/// addresses, and no record shows them.
///
/// Every fragment carries the addresses, so all fragments of a packet fare alike.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PacketFilter {
    /// A packet with any address in one of these is left out.
    pub excluded: Networks,
    /// A packet without source or destination in one of these is left out; `None` keeps to nothing.
    ///
    /// These are the addresses of the metered packet: that a tunnel ends in a network makes what
    /// others say through it no communication of that network.
    pub only: Option<Networks>,
}

impl PacketFilter {
    /// Whether it takes every packet.
    pub const fn is_open(&self) -> bool {
        self.excluded.is_empty() && self.only.is_none()
    }

    /// Whether a packet is to be metered.
    #[inline]
    pub fn takes(&self, headers: &Headers) -> bool {
        let Headers { version, source, destination, .. } = *headers;
        let ends = |networks: &Networks| {
            networks.contain(version, source) || networks.contain(version, destination)
        };
        let is_tunnelled = |networks: &Networks| {
            headers.tunnel.is_some_and(|Tunnel { version, source, destination, .. }| {
                networks.contain(version, source) || networks.contain(version, destination)
            })
        };
        self.only.as_ref().is_none_or(ends)
            && (self.excluded.is_empty() || !(ends(&self.excluded) || is_tunnelled(&self.excluded)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{Address, Fragment, IpVersion, TunnelKind};
    use crate::flow::Network;

    const INSIDE: [u8; 4] = [10, 0, 0, 1];
    const GUEST: [u8; 4] = [10, 9, 0, 1];
    const OUTSIDE: [u8; 4] = [192, 0, 2, 1];

    fn networks(texts: &[&str]) -> Networks {
        texts.iter().map(|text| text.parse::<Network>().unwrap()).collect()
    }

    fn packet(source: [u8; 4], destination: [u8; 4]) -> Headers {
        Headers {
            source: Address::v4(source),
            destination: Address::v4(destination),
            ..Headers::BLANK
        }
    }

    fn carried(inner: Headers, source: [u8; 4], destination: [u8; 4]) -> Headers {
        let tunnel = Tunnel {
            id: Some(1),
            kind: TunnelKind::Vxlan,
            version: IpVersion::V4,
            source: Address::v4(source),
            destination: Address::v4(destination),
        };
        Headers { tunnel: Some(tunnel), ..inner }
    }

    fn filter(excluded: &[&str], only: &[&str]) -> PacketFilter {
        let only = (!only.is_empty()).then(|| networks(only));
        PacketFilter { excluded: networks(excluded), only }
    }

    #[test]
    fn an_excluded_network_is_left_out_at_either_end() {
        let filter = filter(&["10.9.0.0/16"], &[]);
        assert!(filter.takes(&packet(INSIDE, OUTSIDE)));
        assert!(!filter.takes(&packet(GUEST, OUTSIDE)));
        assert!(!filter.takes(&packet(OUTSIDE, GUEST)));
    }

    #[test]
    fn one_end_in_the_networks_that_are_kept_to_is_enough_and_none_is_not() {
        let filter = filter(&[], &["10.0.0.0/8"]);
        assert!(filter.takes(&packet(INSIDE, OUTSIDE)));
        assert!(filter.takes(&packet(OUTSIDE, INSIDE)));
        assert!(!filter.takes(&packet(OUTSIDE, OUTSIDE)));
    }

    #[test]
    fn an_excluded_network_inside_one_that_is_kept_to_is_left_out() {
        let filter = filter(&["10.9.0.0/16"], &["10.0.0.0/8"]);
        assert!(filter.takes(&packet(INSIDE, OUTSIDE)));
        assert!(!filter.takes(&packet(GUEST, INSIDE)));
    }

    #[test]
    fn a_guest_in_a_tunnel_is_left_out_and_so_is_a_tunnel_that_ends_at_a_guest() {
        let filter = filter(&["10.9.0.0/16"], &[]);
        assert!(filter.takes(&carried(packet(INSIDE, OUTSIDE), OUTSIDE, INSIDE)));
        assert!(!filter.takes(&carried(packet(GUEST, OUTSIDE), OUTSIDE, INSIDE)));
        assert!(!filter.takes(&carried(packet(INSIDE, OUTSIDE), OUTSIDE, GUEST)));
        assert!(!filter.takes(&carried(packet(INSIDE, OUTSIDE), GUEST, OUTSIDE)));
    }

    #[test]
    fn a_tunnel_that_ends_in_a_network_makes_its_inside_none_of_that_network() {
        let filter = filter(&[], &["10.0.0.0/8"]);
        assert!(!filter.takes(&carried(packet(OUTSIDE, OUTSIDE), INSIDE, INSIDE)));
        assert!(filter.takes(&carried(packet(INSIDE, OUTSIDE), OUTSIDE, OUTSIDE)));
    }

    #[test]
    fn the_version_of_a_tunnel_is_its_own() {
        let filter = filter(&["2001:db8::/32"], &[]);
        let outer = Address([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let mut headers = carried(packet(INSIDE, OUTSIDE), OUTSIDE, OUTSIDE);
        assert!(filter.takes(&headers));
        if let Some(tunnel) = &mut headers.tunnel {
            (tunnel.version, tunnel.source) = (IpVersion::V6, outer);
        }
        assert!(!filter.takes(&headers));
    }

    #[test]
    fn a_fragment_without_ports_fares_like_the_first() {
        let filter = filter(&["10.9.0.0/16"], &[]);
        let fragment = Fragment { identification: 7, offset: 1480, length: 100, more: false };
        let later = |headers| Headers { fragment: Some(fragment), ..headers };
        assert!(filter.takes(&later(packet(INSIDE, OUTSIDE))));
        assert!(!filter.takes(&later(packet(GUEST, OUTSIDE))));
    }

    #[test]
    fn no_networks_are_no_filter_but_to_keep_to_none_takes_nothing() {
        assert!(PacketFilter::default().is_open());
        assert!(PacketFilter::default().takes(&packet(GUEST, OUTSIDE)));
        let nothing = PacketFilter { only: Some(Networks::default()), ..PacketFilter::default() };
        assert!(!nothing.is_open() && !nothing.takes(&packet(GUEST, OUTSIDE)));
    }

    fn octets() -> impl Strategy<Value = [u8; 4]> + Clone {
        (0_u8..4, 0_u8..4).prop_map(|(high, low)| [10, high, 0, low])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_filter_takes_what_the_lists_say_read_one_by_one(
            excluded in prop::collection::vec((octets(), 14_u8..=32), 0..4),
            only in prop::option::of(prop::collection::vec((octets(), 14_u8..=32), 0..4)),
            ends in [octets(), octets(), octets(), octets()],
            is_tunnelled in any::<bool>(),
        ) {
            let list = |written: &[([u8; 4], u8)]| -> Vec<Network> {
                written.iter().map(|&(octets, length)| Network::of(octets.into(), length)).collect()
            };
            let (excluded, only) = (list(&excluded), only.map(|only| list(&only)));
            let [source, destination, outer_source, outer_destination] = ends;
            let mut headers = packet(source, destination);
            if is_tunnelled {
                headers = carried(headers, outer_source, outer_destination);
            }
            let shown = if is_tunnelled { &ends[..] } else { &ends[..2] };
            let any = |list: &[Network], ends: &[[u8; 4]]| {
                ends.iter().any(|&end| list.iter().any(|network| network.contains(end.into())))
            };
            let naive = !any(&excluded, shown)
                && only.as_ref().is_none_or(|only| any(only, &ends[..2]));
            let filter = PacketFilter {
                excluded: excluded.into_iter().collect(),
                only: only.map(|only| only.into_iter().collect()),
            };
            prop_assert_eq!(filter.takes(&headers), naive);
        }
    }
}
