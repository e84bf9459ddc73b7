//! L2TP version 2 (RFC 2661) and version 3 (RFC 3931).

use super::{Inside, Stop, missing};
use crate::decode::headers::TunnelKind;
use crate::decode::link::Next;
use crate::decode::octets::Octets;

/// Either version behind UDP port 1701; the version field tells.
pub(super) fn enter_over_udp(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &flags = octets.take().ok_or(Stop::NotFollowed)?;
    let flags = u16::from_be_bytes(flags);
    if flags & CONTROL != 0 {
        return Err(Stop::NotFollowed);
    }
    match flags & VERSION {
        2 => enter_version_2(flags, octets),
        3 => {
            // RFC 3931 §4.1.2.1: two reserved octets, then as over IP.
            octets.skip(2).ok_or(Stop::NotFollowed)?;
            enter_over_ip(octets)
        }
        _ => Err(Stop::NotFollowed),
    }
}

/// RFC 2661 §3.1: of the header's fields only the two ids are always there.
fn enter_version_2(flags: u16, octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    if flags & HAS_LENGTH != 0 {
        let &length = octets.take().ok_or_else(|| missing(2, *octets))?;
        // The length counts from the flags on.
        let length = usize::from(u16::from_be_bytes(length));
        octets.limit(length.checked_sub(4).ok_or(Stop::Undecodable)?);
    }
    let &[_, _, session_high, session_low] = octets.take().ok_or_else(|| missing(4, *octets))?;
    if flags & HAS_SEQUENCE != 0 {
        octets.skip(4).ok_or_else(|| missing(4, *octets))?;
    }
    if flags & HAS_OFFSET != 0 {
        let &padding = octets.take().ok_or_else(|| missing(2, *octets))?;
        let padding = usize::from(u16::from_be_bytes(padding));
        octets.skip(padding).ok_or_else(|| missing(padding, *octets))?;
    }
    let id = Some(u32::from(u16::from_be_bytes([session_high, session_low])));
    Ok(Inside { kind: TunnelKind::L2tpV2, id, next: Next::Ppp })
}

/// A session of version 3, taken for an Ethernet pseudowire (RFC 4719).
///
/// Cookie and sublayer were agreed when the session was set up and nothing in the packet says how
/// long they are. A default sublayer without sequence numbers (RFC 3931 §4.6) is four zero octets,
/// which no MAC address begins with; other sessions decode if they have neither.
pub(super) fn enter_over_ip(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &session = octets.take().ok_or_else(|| missing(4, *octets))?;
    let session = u32::from_be_bytes(session);
    if session == 0 {
        // RFC 3931 §4.1.1.2: a control message.
        return Err(Stop::NotFollowed);
    }
    if octets.peek() == Some(&[0; DEFAULT_SUBLAYER]) {
        octets.pass(DEFAULT_SUBLAYER);
    }
    Ok(Inside { kind: TunnelKind::L2tpV3, id: Some(session), next: Next::Ethernet })
}

const CONTROL: u16 = 0x8000;
const HAS_LENGTH: u16 = 0x4000;
const HAS_SEQUENCE: u16 = 0x0800;
const HAS_OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;
const DEFAULT_SUBLAYER: usize = 4;
