//! Ethernet II, IEEE 802.3, VLAN tags (IEEE 802.1Q), LLC and SNAP (IEEE 802.2, RFC 1042).

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::{Link, Next, SMALLEST_ETHERTYPE};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::headers::MacAddresses;
use crate::decode::octets::Octets;

impl Link {
    pub(super) fn ethernet(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        octets.note_read(ETHERNET_LENGTH);
        let Ok(header) = Ethernet2HeaderSlice::from_slice(octets.captured()) else {
            return Err(DecodeError::Truncated(Layer::Link));
        };
        octets.pass(ETHERNET_LENGTH);
        if self.mac.is_none() && !self.in_tunnel {
            let (source, destination) = (header.source(), header.destination());
            self.mac = Some(MacAddresses { source, destination });
            // The Linux loopback interface: Ethernet headers full of zeros.
            self.loopback |= source == [0; 6] && destination == [0; 6];
        } else if self.vlan.count != 0 {
            // A frame inside the frame: its tags are another network's.
            self.keeps_vlan = false;
        }
        Ok(Next::TypeOrLength(header.ether_type().0))
    }

    pub(super) fn vlan_tag(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        octets.note_read(VLAN_TAG_LENGTH);
        let Ok(tag) = SingleVlanHeaderSlice::from_slice(octets.captured()) else {
            return Err(DecodeError::Truncated(Layer::Vlan));
        };
        if self.keeps_vlan {
            let control = octets.u16_at(0).unwrap_or_default();
            match self.vlan.count {
                0 => self.vlan.outer = control,
                1 => self.vlan.inner = control,
                _ => {}
            }
            self.vlan.count = self.vlan.count.saturating_add(1);
        }
        octets.pass(VLAN_TAG_LENGTH);
        Ok(Next::TypeOrLength(tag.ether_type().0))
    }

    pub(super) fn llc(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let Some(&header) = octets.take::<3>() else {
            return Err(DecodeError::Truncated(Layer::Llc));
        };
        match header {
            [SAP_SNAP, SAP_SNAP, UNNUMBERED_INFORMATION] => snap(octets),
            [SAP_IP, SAP_IP, UNNUMBERED_INFORMATION] => Ok(Next::Ipv4),
            // Spanning tree, IS-IS, NetWare, NetBIOS.
            _ => Err(DecodeError::NotIp),
        }
    }
}

/// The Subnetwork Access Protocol: an organisation and what it calls a protocol.
pub(super) fn snap(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let Some(&[a, b, c, high, low]) = octets.take() else {
        return Err(DecodeError::Truncated(Layer::Llc));
    };
    let number = u16::from_be_bytes([high, low]);
    match [a, b, c] {
        ENCAPSULATED_ETHERNET | BRIDGE_TUNNEL if number >= SMALLEST_ETHERTYPE => {
            Ok(Next::Ethertype(number))
        }
        // RFC 2427 §4.2: a bridged Ethernet frame, with and without its checksum.
        IEEE_802_1 if matches!(number, 0x0001 | 0x0007) => Ok(Next::Ethernet),
        _ => Err(DecodeError::NotIp),
    }
}

const ETHERNET_LENGTH: usize = 14;
const VLAN_TAG_LENGTH: usize = 4;
const SAP_SNAP: u8 = 0xaa;
const SAP_IP: u8 = 0x06;
const UNNUMBERED_INFORMATION: u8 = 0x03;
const ENCAPSULATED_ETHERNET: [u8; 3] = [0, 0, 0];
/// IEEE 802.1H.
const BRIDGE_TUNNEL: [u8; 3] = [0x00, 0x00, 0xf8];
const IEEE_802_1: [u8; 3] = [0x00, 0x80, 0xc2];
