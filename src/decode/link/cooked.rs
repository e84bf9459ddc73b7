//! Link-layer headers that capture software makes up: Linux "cooked" and BSD loopback.

use super::{Link, Next, SMALLEST_ETHERTYPE};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::octets::Octets;

impl Link {
    /// Linux cooked v1. It has the sender's address only, so there are no MAC addresses from it.
    pub(super) fn linux_sll(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        // etherparse's slice type knows few hardware types and refuses the others.
        let Some(header) = octets.take::<16>() else {
            return Err(DecodeError::Truncated(Layer::Link));
        };
        let &[_, _, hardware_high, hardware_low, .., high, low] = header;
        self.cooked([hardware_high, hardware_low], [high, low])
    }

    /// Linux cooked v2: the same facts in another order, and the interface.
    pub(super) fn linux_sll2(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let Some(header) = octets.take::<20>() else {
            return Err(DecodeError::Truncated(Layer::Link));
        };
        let &[high, low, _, _, _, _, _, _, hardware_high, hardware_low, ..] = header;
        self.cooked([hardware_high, hardware_low], [high, low])
    }

    fn cooked(&mut self, hardware: [u8; 2], protocol: [u8; 2]) -> Result<Next, DecodeError> {
        let hardware = u16::from_be_bytes(hardware);
        self.loopback = hardware == ARPHRD_LOOPBACK;
        match (hardware, u16::from_be_bytes(protocol)) {
            // These hardware types put something else than an EtherType into the field.
            (ARPHRD_NETLINK, _) => Err(DecodeError::NotIp),
            (_, number @ SMALLEST_ETHERTYPE..) => Ok(Next::Ethertype(number)),
            (_, ETH_P_802_2) => Ok(Next::Llc),
            _ => Err(DecodeError::NotIp),
        }
    }

    /// BSD loopback: an address family in the byte order of whoever captured, or the network's.
    pub(super) fn bsd_loopback(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let Some(&family) = octets.take() else {
            return Err(DecodeError::Truncated(Layer::Link));
        };
        self.loopback = true;
        let family = u32::from_le_bytes(family);
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        match family {
            2 => Ok(Next::Ipv4),
            // Linux; NetBSD and OpenBSD; FreeBSD; macOS.
            10 | 24 | 28 | 30 => Ok(Next::Ipv6),
            _ => Err(DecodeError::NotIp),
        }
    }
}

const ARPHRD_LOOPBACK: u16 = 772;
const ARPHRD_NETLINK: u16 = 824;
const ETH_P_802_2: u16 = 4;
