//! GTP-U, the user plane of mobile networks (3GPP TS 29.281).

use super::{Inside, Stop, missing};
use crate::decode::headers::TunnelKind;
use crate::decode::link::Next;
use crate::decode::octets::Octets;
use crate::frame::nesting;

pub(super) fn enter(octets: &mut Octets<'_>) -> Result<Inside, Stop> {
    let &[flags, message_type, high, low, a, b, c, d] = octets.take().ok_or(Stop::NotFollowed)?;
    // TS 29.281 §5.1: version 1, and GTP rather than GTP'. Other messages carry no packet.
    if flags & (VERSION | IS_GTP) != (VERSION_1 | IS_GTP) || message_type != G_PDU {
        return Err(Stop::NotFollowed);
    }
    octets.limit_u16(u16::from_be_bytes([high, low]));
    // One flag of the three is enough for all three fields to be there.
    if flags & (HAS_EXTENSION | HAS_SEQUENCE | HAS_N_PDU) != 0 {
        let &[_, _, _, mut next_extension] = octets.take().ok_or_else(|| missing(4, *octets))?;
        if flags & HAS_EXTENSION == 0 {
            next_extension = 0;
        }
        let mut seen = 0;
        while next_extension != 0 {
            if seen == nesting::GTP_EXTENSION_HEADERS {
                return Err(Stop::TooDeep);
            }
            seen += 1;
            next_extension = take_extension(octets)?;
        }
    }
    // What the tunnel carries was agreed elsewhere; only IP can be told from its first bits.
    let id = Some(u32::from_be_bytes([a, b, c, d]));
    Ok(Inside { kind: TunnelKind::GtpU, id, next: Next::Ip })
}

/// TS 29.281 §5.2.1: length in units of four octets first, the next header's type last.
fn take_extension(octets: &mut Octets<'_>) -> Result<u8, Stop> {
    let &[units] = octets.peek().ok_or_else(|| missing(1, *octets))?;
    let length = usize::from(units) * 4;
    let Some(offset_of_next) = length.checked_sub(1) else {
        return Err(Stop::Undecodable);
    };
    let next_extension = octets.captured().get(offset_of_next).copied();
    octets.skip(length).and(next_extension).ok_or_else(|| missing(length, *octets))
}

const VERSION: u8 = 0xe0;
const VERSION_1: u8 = 0x20;
const IS_GTP: u8 = 0x10;
const HAS_EXTENSION: u8 = 0x04;
const HAS_SEQUENCE: u8 = 0x02;
const HAS_N_PDU: u8 = 0x01;
const G_PDU: u8 = 255;
