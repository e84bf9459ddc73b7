//! ICMP in the Flow Key: a request and its reply are the two directions of one Flow.

use crate::decode::IpVersion;

/// What takes the place of ports in the key of an ICMP message, each type × 256 + code.
///
/// As with ports, the two change places from a request to its reply. Two hosts that ask each other
/// the same are therefore two Flows, each with requests in one direction and replies in the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Normalised {
    /// What the sender of this message says.
    pub(super) source: u16,
    /// What its receiver says in this Flow.
    pub(super) destination: u16,
    /// Whether the message is the reply, so that its receiver is the initiator.
    pub(super) is_reply: bool,
}

/// Key of ICMP fragments whose first fragment never came: type and code 255 are reserved.
pub(super) const UNKNOWN_TYPE_CODE: u16 = 0xffff;

/// Whether the protocol is the ICMP of its IP version; a stray ICMP in IPv6 is just a protocol.
#[inline]
pub(super) const fn is_icmp(version: IpVersion, protocol: u8) -> bool {
    matches!((version, protocol), (IpVersion::V4, 1) | (IpVersion::V6, 58))
}

/// Finds what the other direction of the Flow says; for what is neither request nor reply that is
/// the same type and code.
///
/// The code of a reply counts as 0: an Extended Echo Reply (RFC 8335) carries its result there.
#[inline(never)]
pub(super) fn normalise(version: IpVersion, type_code: u16) -> Normalised {
    let [kind, _code] = type_code.to_be_bytes();
    let pairs = match version {
        IpVersion::V4 => REQUEST_AND_REPLY_V4,
        IpVersion::V6 => REQUEST_AND_REPLY_V6,
    };
    let without_code = |kind| u16::from_be_bytes([kind, 0]);
    for &(request, reply) in pairs {
        if kind == reply {
            let (source, destination) = (without_code(reply), without_code(request));
            return Normalised { source, destination, is_reply: true };
        }
        if kind == request {
            let destination = without_code(reply);
            return Normalised { source: type_code, destination, is_reply: false };
        }
    }
    Normalised { source: type_code, destination: type_code, is_reply: false }
}

/// Types that ask and answer, from the ICMP parameters registry (RFC 792, 950, 1256, 1788, 8335).
const REQUEST_AND_REPLY_V4: &[(u8, u8)] =
    &[(8, 0), (10, 9), (13, 14), (15, 16), (17, 18), (37, 38), (42, 43)];

/// The same for ICMPv6 (RFC 4443, 4861, 4620, 6275, 8335).
const REQUEST_AND_REPLY_V6: &[(u8, u8)] =
    &[(128, 129), (133, 134), (135, 136), (139, 140), (144, 145), (146, 147), (160, 161)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_keyed_as_the_request_it_answers() {
        for (version, pairs) in
            [(IpVersion::V4, REQUEST_AND_REPLY_V4), (IpVersion::V6, REQUEST_AND_REPLY_V6)]
        {
            for &(request, reply) in pairs {
                let asked = normalise(version, u16::from_be_bytes([request, 0]));
                let answered = normalise(version, u16::from_be_bytes([reply, 0]));
                assert_eq!(asked.source, answered.destination);
                assert_eq!(asked.destination, answered.source);
                assert_eq!((asked.is_reply, answered.is_reply), (false, true));
            }
        }
    }

    #[test]
    fn an_error_message_keeps_its_type_and_code() {
        let port_unreachable = normalise(IpVersion::V4, 0x0303);
        let expected = Normalised { source: 0x0303, destination: 0x0303, is_reply: false };
        assert_eq!(port_unreachable, expected);
        // Type 129 is an echo reply in ICMPv6 only.
        assert!(!normalise(IpVersion::V4, 0x8100).is_reply);
    }
}
