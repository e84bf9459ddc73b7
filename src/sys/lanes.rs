//! Eight numbers at once.

/// Which of `lanes` equal `number`, as bits, the first one lowest.
///
/// The index compares a bucket with this, once for each packet. Left to the compiler it takes 35
/// instructions, and with SSE2, which every x86_64 has, 9 (`scripts/bench instructions`).
#[inline]
pub fn equal(lanes: &[u32; 8], number: u32) -> u32 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86_64 has SSE2.
    unsafe {
        equal_by_sse2(lanes, number)
    }
    #[cfg(not(target_arch = "x86_64"))]
    (0..).zip(lanes).fold(0, |bits, (lane, held)| bits | u32::from(*held == number) << lane)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn equal_by_sse2(lanes: &[u32; 8], number: u32) -> u32 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16,
        _mm_packs_epi32, _mm_set1_epi32, _mm_setzero_si128,
    };
    let ([low, high], _) = lanes.as_chunks::<4>() else { return 0 };
    // SAFETY: sixteen octets; no alignment is asked for.
    let low = unsafe { _mm_loadu_si128(low.as_ptr().cast::<__m128i>()) };
    // SAFETY: as above.
    let high = unsafe { _mm_loadu_si128(high.as_ptr().cast::<__m128i>()) };
    let number = _mm_set1_epi32(number.cast_signed());
    let (low, high) = (_mm_cmpeq_epi32(low, number), _mm_cmpeq_epi32(high, number));
    // All ones stay so when they are narrowed: an octet for each lane.
    let octets = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
    _mm_movemask_epi8(octets).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_its_bit() {
        for lane in 0..8 {
            let mut lanes = [u32::MAX - 1; 8];
            lanes[lane] = 1 << 31;
            assert_eq!(equal(&lanes, 1 << 31), 1 << lane);
        }
        assert_eq!(equal(&[7, 0, 7, 0, 0, 0, 0, 7], 7), 0b1000_0101);
        assert_eq!(equal(&[0; 8], 0), 0xff);
        assert_eq!(equal(&[0xffff_0000; 8], 0x0000_ffff), 0);
    }
}
