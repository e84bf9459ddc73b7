//! Teredo: IPv6 through IPv4 address translators (RFC 4380).

use super::{Inside, Stop};
use crate::decode::headers::TunnelKind;
use crate::decode::link::Next;
use crate::decode::octets::Octets;

/// RFC 4380 §5.1.1: an authentication header and an origin indication may stand in front.
pub(super) fn enter(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    if let Some(&[0, 1, client_length, value_length]) = octets.peek() {
        // Behind client identifier and authentication value: a nonce, and a confirmation octet.
        let length = 4 + usize::from(client_length) + usize::from(value_length) + 9;
        octets.skip(length).ok_or(Stop::NotFollowed)?;
    }
    if let Some(&[0, 0]) = octets.peek() {
        octets.skip(8).ok_or(Stop::NotFollowed)?;
    }
    match octets.peek() {
        Some(&[first]) if first >> 4 == 6 => {
            Ok(Inside { kind: TunnelKind::Teredo, id: None, next: Next::Ipv6 })
        }
        _ => Err(Stop::NotFollowed),
    }
}
