//! PPP (RFC 1661) in its framings: HDLC-like (RFC 1662), PPPoE (RFC 2516); and Cisco HDLC.

use super::{Link, Next, SMALLEST_ETHERTYPE};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::octets::Octets;

/// PPP with or without address and control, its protocol field in one octet or two.
pub(super) fn ppp(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let truncated = DecodeError::Truncated(Layer::Ppp);
    let &[mut first] = octets.take().ok_or(truncated)?;
    if first == ALL_STATIONS {
        let &[control] = octets.take().ok_or(truncated)?;
        if control != UNNUMBERED_INFORMATION {
            return Err(DecodeError::NotIp);
        }
        [first] = *octets.take().ok_or(truncated)?;
    }
    // RFC 1661 §2: the last octet of the protocol field, and no other, is odd.
    let number = if first & 1 != 0 {
        u16::from(first)
    } else {
        let &[second] = octets.take().ok_or(truncated)?;
        u16::from_be_bytes([first, second])
    };
    match number {
        0x0021 => Ok(Next::Ipv4),
        0x0057 => Ok(Next::Ipv6),
        0x0281 | 0x0283 => Ok(Next::Mpls),
        // LCP, IPCP and the like; compressed and multilink packets.
        _ => Err(DecodeError::NotIp),
    }
}

/// HDLC-like framing: PPP, or Cisco's by the address octet.
pub(super) fn hdlc(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    match octets.peek() {
        Some([CISCO_UNICAST | CISCO_MULTICAST, _]) => cisco_hdlc(octets),
        _ => Ok(Next::Ppp),
    }
}

/// Cisco HDLC: address, control, EtherType.
pub(super) fn cisco_hdlc(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let Some(&[_address, _control, high, low]) = octets.take() else {
        return Err(DecodeError::Truncated(Layer::Link));
    };
    match u16::from_be_bytes([high, low]) {
        number @ SMALLEST_ETHERTYPE.. => Ok(Next::Ethertype(number)),
        _ => Err(DecodeError::NotIp),
    }
}

impl Link {
    /// The session stage of PPPoE (RFC 2516 §6).
    pub(super) fn pppoe(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let Some(&[version_and_type, code, _, _, high, low]) = octets.take() else {
            return Err(DecodeError::Truncated(Layer::Pppoe));
        };
        if version_and_type != 0x11 {
            return Err(DecodeError::Malformed(Layer::Pppoe));
        }
        if code != 0 {
            return Err(DecodeError::NotIp);
        }
        octets.limit_u16(u16::from_be_bytes([high, low]));
        Ok(Next::Ppp)
    }
}

const ALL_STATIONS: u8 = 0xff;
const UNNUMBERED_INFORMATION: u8 = 0x03;
const CISCO_UNICAST: u8 = 0x0f;
const CISCO_MULTICAST: u8 = 0x8f;
