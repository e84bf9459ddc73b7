//! What a pcapng file says of an interface: link type, limits and how its times are counted.

use crate::capture::Drops;
use crate::frame::LinkType;
use crate::time::Timestamp;

/// What an interface description block says.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) link_type: LinkType,
    /// The Observation Point: 1 + the interface id, counted over the sections of the file.
    pub(super) number: u32,
    pub(super) snap_length: u32,
    pub(super) longest: u32,
    pub(super) resolution: Resolution,
    /// Nanoseconds to add to every time.
    pub(super) offset: i128,
    pub(super) drops: Drops,
}

impl Interface {
    /// The time of a packet, from its ticks.
    #[inline]
    pub(super) fn time(&self, ticks: u64) -> Timestamp {
        if let (Resolution::Multiply(unit), 0) = (self.resolution, self.offset) {
            return Timestamp::from_nanos(ticks.saturating_mul(unit));
        }
        let nanoseconds = i128::try_from(self.resolution.nanoseconds(ticks)).unwrap_or(i128::MAX);
        let shifted = nanoseconds.saturating_add(self.offset).max(0);
        Timestamp::from_nanos(u64::try_from(shifted).unwrap_or(u64::MAX))
    }
}

/// How long a tick is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resolution {
    /// So many nanoseconds.
    Multiply(u64),
    /// So many ticks make a nanosecond.
    Divide(u64),
    /// 2⁻ⁿ seconds.
    Shift(u8),
}

impl Resolution {
    /// From the octet of if_tsresol: the negative exponent, of 2 with the highest bit set, else of 10.
    pub(super) const fn of(octet: u8) -> Self {
        let exponent = octet & 0x7f;
        if octet & 0x80 != 0 {
            return Self::Shift(exponent);
        }
        match exponent {
            0..=9 => Self::Multiply(10_u64.pow(9 - exponent as u32)),
            10..=28 => Self::Divide(10_u64.pow(exponent as u32 - 9)),
            // No 64-bit number of such ticks makes a nanosecond.
            _ => Self::Divide(u64::MAX),
        }
    }

    fn nanoseconds(self, ticks: u64) -> u128 {
        let ticks = u128::from(ticks);
        match self {
            Self::Multiply(unit) => ticks * u128::from(unit),
            Self::Divide(divisor) => ticks / u128::from(divisor),
            Self::Shift(exponent) => (ticks * 1_000_000_000) >> exponent,
        }
    }
}
