//! Frame Relay: Q.922 address, then RFC 2427 or Cisco encapsulation.

use super::{Next, SMALLEST_ETHERTYPE, ethernet};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::octets::Octets;

/// Takes the address, of two to four octets, and what says which protocol follows.
pub(super) fn read(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let truncated = DecodeError::Truncated(Layer::Link);
    // Q.922 §3.2: the lowest bit is 1 in the last octet of the address.
    let &[first] = octets.take().ok_or(truncated)?;
    let mut last = first;
    for _ in 1..MAXIMUM_ADDRESS {
        if last & 1 != 0 {
            break;
        }
        [last] = *octets.take().ok_or(truncated)?;
    }
    if first & 1 != 0 || last & 1 == 0 {
        return Err(DecodeError::Malformed(Layer::Link));
    }
    let &[control, second] = octets.peek().ok_or(truncated)?;
    if control != UNNUMBERED_INFORMATION {
        // Cisco's own encapsulation: an EtherType at once.
        octets.pass(2);
        return match u16::from_be_bytes([control, second]) {
            number @ SMALLEST_ETHERTYPE.. => Ok(Next::Ethertype(number)),
            _ => Err(DecodeError::NotIp),
        };
    }
    octets.pass(1);
    // RFC 2427 §3: one octet of padding may align what follows.
    if second == 0 {
        octets.pass(1);
    }
    let &[protocol] = octets.take().ok_or(truncated)?;
    match protocol {
        NLPID_IPV4 => Ok(Next::Ipv4),
        NLPID_IPV6 => Ok(Next::Ipv6),
        NLPID_SNAP => ethernet::snap(octets),
        NLPID_PPP => Ok(Next::Ppp),
        _ => Err(DecodeError::NotIp),
    }
}

const MAXIMUM_ADDRESS: usize = 4;
const UNNUMBERED_INFORMATION: u8 = 0x03;
const NLPID_IPV4: u8 = 0xcc;
const NLPID_IPV6: u8 = 0x8e;
const NLPID_SNAP: u8 = 0x80;
const NLPID_PPP: u8 = 0xcf;
