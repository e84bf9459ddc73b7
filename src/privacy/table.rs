//! Memory for what was reckoned, of fixed size.

/// A table in which each key has one place: what comes later takes the place of what was there.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    places: Box<[Option<(K, V)>]>,
    shift: u32,
}

impl<K: Copy + Eq, V: Copy> Table<K, V> {
    /// A table with 2 to the power of `bits` places, of 1 at least.
    pub(super) fn new(bits: u32) -> Self {
        Self { places: vec![None; 1 << bits].into_boxed_slice(), shift: u64::BITS - bits }
    }

    /// The value of `key`, reckoned if it is not there. Keys with the same `number` share a place.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "as many bits as there are places")]
    pub(super) fn get(&mut self, number: u64, key: K, reckon: impl FnOnce() -> V) -> V {
        // Fibonacci hashing: neighbours are far from each other.
        let place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift;
        let Some(place) = self.places.get_mut(place as usize) else { return reckon() };
        match place {
            Some((known, value)) if *known == key => *value,
            _ => place.insert((key, reckon())).1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_own_value_whoever_had_the_place_before() {
        let mut table = Table::new(2);
        for round in 0..3 {
            for key in 0..50_u64 {
                assert_eq!(table.get(key, key, || 3 * key), 3 * key, "{round}");
            }
        }
        assert_eq!(table.get(49, 49, || panic!("it was there a moment ago")), 147);
    }
}
