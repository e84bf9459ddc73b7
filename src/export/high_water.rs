//! Says that something is nearly full while there is still time to do something about it.

/// Percent of its bound from which flow cache or spool is nearly full: for warnings, for `/health`, and
/// in the alert rules of `probe-config/`.
pub const NEARLY_FULL: u64 = 80;

/// Whether something bounded is nearly full.
pub const fn is_nearly_full(filled: u64, bound: u64) -> bool {
    // Nothing here is so large that it could not be multiplied.
    bound > 0 && filled.saturating_mul(100) >= bound.saturating_mul(NEARLY_FULL)
}

/// Tells once that something bounded [is nearly full](is_nearly_full), and again only after it was at
/// 60 % or less: what goes up and down around the mark does not fill a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HighWater {
    is_high: bool,
    times: u64,
}

impl HighWater {
    /// Looks at how full it is; `true` when that is to be said.
    pub const fn look(&mut self, filled: u64, bound: u64) -> bool {
        let was_high = self.is_high;
        self.is_high = is_nearly_full(filled, bound)
            || was_high && filled.saturating_mul(100) > bound.saturating_mul(CALM);
        let begins = self.is_high && !was_high;
        self.times += begins as u64;
        begins
    }

    /// How often it was told.
    pub const fn times(self) -> u64 {
        self.times
    }
}

/// Percent of its bound at which that is over.
const CALM: u64 = 60;

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
        assert!(!mark.look(0, 0), "there is nothing to fill");
    }
}
