//! IPv6 extension headers (RFC 8200 §4), up to the first header that is none.

use etherparse::Ipv6FragmentHeaderSlice;

use crate::decode::anomaly::PacketAnomaly;
use crate::decode::headers::{Fragment, Headers};
use crate::decode::ip;
use crate::decode::octets::Octets;

/// Whether this Next Header value is an extension header that is followed.
///
/// From the IANA registry of IPv6 Extension Header Types: not ESP, behind which nothing can be
/// read, and not the two values for experiments. Segment routing (RFC 8754) is a Routing header.
#[inline]
pub(super) const fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        HOP_BY_HOP
            | ROUTING
            | FRAGMENT
            | AUTHENTICATION
            | DESTINATION_OPTIONS
            | MOBILITY
            | HIP
            | SHIM6
    )
}

/// Follows a chain of at most so many headers and says whether a transport header begins behind it; `headers.protocol` is
/// then what follows the last header that was reached.
pub(super) fn follow(octets: &mut Octets<'_>, most: usize, headers: &mut Headers) -> bool {
    for _ in 0..most {
        if !is_extension(headers.protocol) {
            return headers.protocol != NO_NEXT_HEADER;
        }
        let Some(header_length) = header_length(headers.protocol, *octets) else {
            // The first octet alone still says what follows.
            if let Some(&[next_header]) = octets.peek() {
                headers.protocol = next_header;
            }
            note_end(*octets, 2, headers);
            return false;
        };
        let Some(&[next_header]) = octets.peek() else { return false };
        if headers.protocol == AUTHENTICATION && header_length < SMALLEST_AUTHENTICATION {
            headers.anomalies.insert(PacketAnomaly::TransportLengthImpossible);
            return false;
        }
        if headers.protocol == FRAGMENT
            && let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(octets.captured())
        {
            note_fragment(&header, *octets, headers);
        }
        if matches!(headers.protocol, HOP_BY_HOP | DESTINATION_OPTIONS) {
            headers.anomalies.note_options();
        }
        headers.protocol = next_header;
        if octets.skip(header_length).is_none() {
            note_end(*octets, header_length, headers);
            return false;
        }
        if headers.fragment.is_some_and(|fragment| fragment.offset != 0) {
            return false;
        }
    }
    if is_extension(headers.protocol) {
        headers.anomalies.insert(PacketAnomaly::NestingTooDeep);
        return false;
    }
    true
}

/// The Jumbo Payload Length of a Hop-by-Hop Options header, if that is its first option (RFC 2675 §2),
/// where its alignment lets it be and where stacks put it.
///
/// A length that the Payload Length could have said is an error (RFC 2675 §3) and is not believed.
pub(super) fn jumbo_payload_length(header: Octets<'_>) -> Option<u32> {
    match header.peek() {
        Some(&[_next_header, _units, OPTION_JUMBO_PAYLOAD, 4, a, b, c, d]) => {
            Some(u32::from_be_bytes([a, b, c, d])).filter(|&length| length > u32::from(u16::MAX))
        }
        _ => None,
    }
}

/// The length of the extension header in front, if the octet that says so was captured.
fn header_length(kind: u8, octets: Octets<'_>) -> Option<usize> {
    let &[_next_header, length] = octets.peek()?;
    Some(match kind {
        FRAGMENT => FRAGMENT_LENGTH,
        // RFC 4302 §2.2: in 4-octet units, minus 2.
        AUTHENTICATION => (usize::from(length) + 2) * 4,
        _ => (usize::from(length) + 1) * 8,
    })
}

/// The chain ends at a header that is not there in full, `needed` octets long.
fn note_end(octets: Octets<'_>, needed: usize, headers: &mut Headers) {
    if octets.length() < needed {
        // RFC 7112 §5: the first fragment holds the whole chain.
        headers.anomalies.insert(match headers.fragment {
            Some(_) => PacketAnomaly::TinyFragment,
            None => PacketAnomaly::TransportHeaderCut,
        });
    }
}

fn note_fragment(header: &Ipv6FragmentHeaderSlice<'_>, octets: Octets<'_>, headers: &mut Headers) {
    // RFC 6946 §4: an atomic fragment is processed as if it were none.
    if headers.fragment.is_some() || !header.is_fragmenting_payload() {
        return;
    }
    let length = octets.length().saturating_sub(FRAGMENT_LENGTH);
    let fragment = Fragment {
        identification: header.identification(),
        offset: u32::from(header.fragment_offset().byte_offset()),
        length: u32::try_from(length).unwrap_or(u32::MAX),
        more: header.more_fragments(),
    };
    headers.fragment = Some(fragment);
    ip::check_fragment(fragment, header.next_header().0, headers);
}

pub(super) const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
pub(super) const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

const OPTION_JUMBO_PAYLOAD: u8 = 0xc2;

const FRAGMENT_LENGTH: usize = 8;
const SMALLEST_AUTHENTICATION: usize = 12;
