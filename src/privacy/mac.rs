//! MAC addresses of which the vendor is left.

/// What may be told of `address`: whose hardware it is, and nothing of which.
///
/// The first three octets are those of a vendor (IEEE 802 OUI), the rest becomes zero. In an address
/// that was given locally, as to a telephone that hides its own, they are drawn like the rest: only
/// the two bits that say so are left. Broadcast stays, of a group address its first three octets.
pub(super) fn vendor(address: [u8; 6]) -> [u8; 6] {
    let [first, second, third, ..] = address;
    if address == [0xff; 6] {
        address
    } else if first & (GROUP | LOCAL) == LOCAL {
        [LOCAL, 0, 0, 0, 0, 0]
    } else {
        [first, second, third, 0, 0, 0]
    }
}

/// IEEE 802 §8.2.2: not of one station.
const GROUP: u8 = 0x01;
/// IEEE 802 §8.2.2: not given by a vendor.
const LOCAL: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vendor_is_left() {
        for (address, left) in [
            ([0x00, 0x1b, 0x21, 1, 2, 3], [0x00, 0x1b, 0x21, 0, 0, 0]),
            ([0xda, 0xa1, 0x19, 1, 2, 3], [0x02, 0, 0, 0, 0, 0]),
            ([0x02, 0x42, 0xac, 1, 2, 3], [0x02, 0, 0, 0, 0, 0]),
            ([0x01, 0x00, 0x5e, 1, 2, 3], [0x01, 0x00, 0x5e, 0, 0, 0]),
            ([0x33, 0x33, 0xff, 1, 2, 3], [0x33, 0x33, 0xff, 0, 0, 0]),
            ([0xff; 6], [0xff; 6]),
            ([0; 6], [0; 6]),
        ] {
            assert_eq!(vendor(address), left, "{address:02x?}");
        }
    }
}
