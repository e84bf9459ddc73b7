//! Everything in front of an IP header: from the link type of the capture to IPv4 or IPv6.

mod cooked;
mod ethernet;
mod frame_relay;
mod mpls;
mod ppp;
mod wireless;

use crate::decode::error::{DecodeError, Layer};
use crate::decode::headers::{IpVersion, MacAddresses, MplsLabels, VlanTags};
use crate::decode::octets::Octets;
use crate::frame::{LinkType, StrippedVlan, nesting};

/// What the headers in front of the IP header said, and how many there were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) mac: Option<MacAddresses>,
    pub(super) vlan: VlanTags,
    pub(super) mpls: MplsLabels,
    /// Sender and receiver are one host, so loopback addresses are in their place.
    pub(super) loopback: bool,
    /// VLAN tags are still those of the outermost frame that has any.
    keeps_vlan: bool,
    /// An IP header has been crossed: MAC addresses are no longer the outermost.
    in_tunnel: bool,
    /// VLAN tags since the last header of another kind.
    tags: usize,
    /// Encapsulations that may still be followed.
    encapsulations_left: usize,
    /// How far the headers of the packet in hand are followed.
    pub(super) level: nesting::Level,
    /// The levels of the packets inside.
    levels_inside: &'static [nesting::Level],
}

/// What the header just read says is next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// An IPv4 header.
    Ipv4,
    /// An IPv6 header.
    Ipv6,
    /// An IP header of the version that its first four bits say.
    Ip,
    /// What this EtherType says.
    Ethertype(u16),
    /// What this EtherType says, or IEEE 802.2 LLC if it is a length (IEEE 802.3 §3.2.6).
    TypeOrLength(u16),
    /// An Ethernet header.
    Ethernet,
    /// An IEEE 802.2 LLC header.
    Llc,
    /// An MPLS label stack.
    Mpls,
    /// PPP, with or without address and control octets.
    Ppp,
    /// A PPPoE session header.
    Pppoe,
    /// A VLAN tag, without its TPID.
    Vlan,
}

impl Link {
    /// Nothing seen yet but the tag that the kernel took out.
    #[inline]
    pub(super) fn new(stripped: Option<StrippedVlan>) -> Self {
        let mut vlan = VlanTags::default();
        let [level, levels_inside @ ..] = &nesting::LEVELS;
        if let Some(tag) = stripped {
            vlan.outer = tag.tci;
            vlan.count = 1;
        }
        Self {
            mac: None,
            vlan,
            mpls: MplsLabels::default(),
            loopback: false,
            keeps_vlan: true,
            in_tunnel: false,
            tags: 0,
            encapsulations_left: level.encapsulations,
            level: *level,
            levels_inside,
        }
    }

    /// Reads from the first octet of the frame to its IP header.
    pub(super) fn enter(
        &mut self,
        octets: &mut Octets<'_>,
        link_type: LinkType,
    ) -> Result<IpVersion, DecodeError> {
        let next = match link_type {
            LinkType::BsdLoopback => self.bsd_loopback(octets)?,
            LinkType::Ethernet => self.ethernet(octets)?,
            LinkType::Ppp => Next::Ppp,
            LinkType::PppHdlc => ppp::hdlc(octets)?,
            LinkType::PppEther => Next::Pppoe,
            LinkType::RawIp => Next::Ip,
            LinkType::CiscoHdlc => ppp::cisco_hdlc(octets)?,
            LinkType::Ieee80211 => self.ieee_80211(octets)?,
            LinkType::FrameRelay => frame_relay::read(octets)?,
            LinkType::LinuxSll => self.linux_sll(octets)?,
            LinkType::Radiotap => self.radiotap(octets)?,
            LinkType::LinuxSll2 => self.linux_sll2(octets)?,
            LinkType::Other(number) => return Err(DecodeError::UnsupportedLinkType(number)),
        };
        self.walk(octets, next)
    }

    /// Goes on behind an IP header, where a tunnel begins.
    pub(super) fn enter_tunnel(
        &mut self,
        octets: &mut Octets<'_>,
        next: Next,
    ) -> Result<IpVersion, DecodeError> {
        self.in_tunnel = true;
        self.loopback = false;
        self.keeps_vlan = self.vlan.count == 0;
        self.tags = 0;
        let Some((level, levels_inside)) = self.levels_inside.split_first() else {
            return Err(DecodeError::NestingTooDeep);
        };
        (self.level, self.levels_inside) = (*level, levels_inside);
        self.encapsulations_left = level.encapsulations;
        self.walk(octets, next)
    }

    /// Reads header after header until an IP header is in front.
    fn walk(&mut self, octets: &mut Octets<'_>, mut next: Next) -> Result<IpVersion, DecodeError> {
        if matches!(next, Next::Llc | Next::Mpls | Next::Ppp | Next::Pppoe) {
            next = self.count(next)?;
        }
        loop {
            next = match next {
                Next::Ipv4 => return Ok(IpVersion::V4),
                Next::Ipv6 => return Ok(IpVersion::V6),
                Next::Ip => by_version(*octets)?,
                Next::Ethertype(number) => self.count(by_ethertype(number)?)?,
                Next::TypeOrLength(number) => self.count(by_type_or_length(number, octets)?)?,
                Next::Ethernet => self.ethernet(octets)?,
                Next::Llc => self.llc(octets)?,
                Next::Mpls => self.mpls(octets)?,
                Next::Ppp => ppp::ppp(octets)?,
                Next::Pppoe => self.pppoe(octets)?,
                Next::Vlan => self.vlan_tag(octets)?,
            };
        }
    }

    /// Counts what an EtherType says is next. Every way back to the same kind of header leads over
    /// an EtherType, so this is what ends [`Self::walk`].
    fn count(&mut self, next: Next) -> Result<Next, DecodeError> {
        let is_followed = match next {
            Next::Ipv4 | Next::Ipv6 => true,
            Next::Vlan => {
                self.tags += 1;
                self.tags <= self.level.vlan_tags
            }
            _ => {
                self.tags = 0;
                let left = self.encapsulations_left.checked_sub(1);
                self.encapsulations_left = left.unwrap_or_default();
                left.is_some()
            }
        };
        if is_followed { Ok(next) } else { Err(DecodeError::NestingTooDeep) }
    }
}

/// An IP header of either version.
fn by_version(octets: Octets<'_>) -> Result<Next, DecodeError> {
    match octets.peek() {
        Some(&[first]) => match first >> 4 {
            4 => Ok(Next::Ipv4),
            6 => Ok(Next::Ipv6),
            _ => Err(DecodeError::NotIp),
        },
        None => Err(DecodeError::Truncated(Layer::Link)),
    }
}

#[inline]
fn by_ethertype(number: u16) -> Result<Next, DecodeError> {
    match number {
        0x0800 => Ok(Next::Ipv4),
        0x86dd => Ok(Next::Ipv6),
        // 802.1Q, 802.1ad, and what stacks used before 802.1ad.
        0x8100 | 0x88a8 | 0x9100 => Ok(Next::Vlan),
        0x8847 | 0x8848 => Ok(Next::Mpls),
        0x8864 => Ok(Next::Pppoe),
        0x6558 => Ok(Next::Ethernet),
        0x880b => Ok(Next::Ppp),
        // LLC in frames too large for a length field.
        0x8870 => Ok(Next::Llc),
        _ => Err(DecodeError::NotIp),
    }
}

#[inline]
fn by_type_or_length(number: u16, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    match number {
        SMALLEST_ETHERTYPE.. => by_ethertype(number),
        0..=LARGEST_LENGTH => {
            octets.limit(usize::from(number));
            Ok(Next::Llc)
        }
        _ => Err(DecodeError::NotIp),
    }
}

/// IEEE 802.3 §3.2.6: from here on it is a type, up to the other it is a length.
pub(super) const SMALLEST_ETHERTYPE: u16 = 0x0600;
const LARGEST_LENGTH: u16 = 1500;
