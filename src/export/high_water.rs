//! Says that something is nearly full while there is still time to do something about it.

/// Tells once that something bounded is four fifths full, and again only after it was three fifths
/// full or less: what goes up and down around the mark does not fill a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HighWater {
    is_high: bool,
    times: u64,
}

impl HighWater {
    /// Looks at how full it is; `true` when that is to be said.
    pub const fn look(&mut self, filled: u64, bound: u64) -> bool {
        // In fifths: nothing here is so large that it could not be multiplied.
        let fifths = filled.saturating_mul(5);
        let is_high = fifths >= bound.saturating_mul(if self.is_high { LOW } else { HIGH });
        let begins = is_high && !self.is_high;
        // At the lower mark itself it is over.
        self.is_high = is_high && (begins || fifths > bound.saturating_mul(LOW));
        self.times += begins as u64;
        begins
    }

    /// How often it was told.
    pub const fn times(self) -> u64 {
        self.times
    }
}

/// Fifths of the bound.
const HIGH: u64 = 4;
const LOW: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_until_it_was_low_again() {
        let mut mark = HighWater::default();
        let told = [0, 79, 80, 81, 100, 79, 61, 80, 60, 79, 80, 90].map(|it| mark.look(it, 100));
        let expected = [2, 10].map(|place| (place, true));
        let found: Vec<_> = told.into_iter().enumerate().filter(|(_, told)| *told).collect();
        assert_eq!(found, expected);
        assert_eq!(mark.times(), 2);
    }
}
