//! MPLS label stacks (RFC 3032) and what stands below them.

use super::{Link, Next, by_ethertype};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::headers::MplsLabels;
use crate::decode::octets::Octets;
use crate::frame::nesting;

impl Link {
    /// Takes a label stack; nothing in it says what it carries, so the next octets have to.
    pub(super) fn mpls(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let mut stack = MplsLabels::default();
        loop {
            let Some(&[a, b, c, _time_to_live]) = octets.take() else {
                return Err(DecodeError::Truncated(Layer::Mpls));
            };
            if let Some(section) = stack.sections.get_mut(usize::from(stack.count)) {
                *section = [a, b, c];
            }
            stack.count += 1;
            if c & BOTTOM_OF_STACK != 0 {
                break;
            }
            if usize::from(stack.count) == nesting::LABELS {
                return Err(DecodeError::NestingTooDeep);
            }
        }
        if self.mpls.count == 0 {
            self.mpls = stack;
        }
        below_stack(octets)
    }
}

/// RFC 4385 §2, RFC 4928 §3: 4 and 6 are IP, 0 is a pseudowire with a control word, 1 is its
/// associated channel; anything else can only be a pseudowire without one.
fn below_stack(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let Some(&[first]) = octets.peek() else {
        return Err(DecodeError::Truncated(Layer::Mpls));
    };
    match first >> 4 {
        0 => below_zero(octets),
        1 => Err(DecodeError::NotIp),
        4 if is_ethernet(*octets, 0) && !is_ipv4(*octets) => Ok(Next::Ethernet),
        4 => Ok(Next::Ipv4),
        6 if is_ethernet(*octets, 0) && !is_ipv6(*octets) => Ok(Next::Ethernet),
        6 => Ok(Next::Ipv6),
        _ => Ok(Next::Ethernet),
    }
}

/// A control word, or a MAC address that begins with four zero bits, as most do.
///
/// Told apart by where an EtherType stands. Only octets that are headers in either reading decide.
fn below_zero(octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
    let Some(&[first, second, ..]) = octets.peek::<CONTROL_WORD>() else {
        return Err(DecodeError::Truncated(Layer::Mpls));
    };
    // RFC 4448 §4.6: no flags, no fragments, and a length below 64 or none.
    let may_be_control_word = first == 0 && second < 64;
    if !may_be_control_word || (is_ethernet(*octets, 0) && !is_ethernet(*octets, CONTROL_WORD)) {
        return Ok(Next::Ethernet);
    }
    octets.pass(CONTROL_WORD);
    Ok(Next::Ethernet)
}

/// Whether an Ethernet header at `offset` would have an EtherType that leads on, or that of ARP.
///
/// Not LLC or PPP by EtherType: nobody bridges those.
fn is_ethernet(octets: Octets<'_>, offset: usize) -> bool {
    octets.u16_at(offset + 12).is_some_and(|number| {
        number == ARP
            || by_ethertype(number).is_ok_and(|next| !matches!(next, Next::Llc | Next::Ppp))
    })
}

/// Whether an IPv4 header is in front that is not evidently something else (RFC 8469 §2).
fn is_ipv4(octets: Octets<'_>) -> bool {
    match octets.peek() {
        Some(&[version_and_length, _, high, low]) => {
            let header_length = usize::from(version_and_length & 0x0f) * 4;
            let total_length = usize::from(u16::from_be_bytes([high, low]));
            header_length >= 20 && (header_length..=octets.length()).contains(&total_length)
        }
        None => true,
    }
}

/// Whether an IPv6 header is in front that is not evidently something else (RFC 8469 §2).
fn is_ipv6(octets: Octets<'_>) -> bool {
    octets
        .u16_at(4)
        .is_none_or(|payload_length| 40 + usize::from(payload_length) <= octets.length())
}

const ARP: u16 = 0x0806;
const BOTTOM_OF_STACK: u8 = 0x01;
const CONTROL_WORD: usize = 4;
