//! Time between Messages: not too many at once, not too late.

use std::time::Duration;

use crate::export::clock::Clock;

/// Limits the rate of datagrams, with bursts.
///
/// Works by the time at which the next datagram would be due at the steady rate; a sender may run
/// ahead of it by one burst.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// Between two datagrams at the steady rate; zero for no limit.
    interval: Duration,
    /// How far a sender may run ahead.
    ahead: Duration,
    due: Duration,
}

impl Pacer {
    /// At most `rate` a second (0: no limit) and `burst` in a row.
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or(Duration::ZERO);
        Self { interval, ahead: interval * burst.saturating_sub(1), due: Duration::ZERO }
    }

    /// Returns when the next datagram may leave.
    ///
    /// Sleeps rarely and for half a burst, because short sleeps are never as short as asked for.
    pub(crate) fn wait(&mut self, clock: &dyn Clock) {
        if self.interval.is_zero() {
            return;
        }
        let now = clock.monotonic();
        self.due = self.due.max(now);
        let early = self.due - now;
        if early > self.ahead {
            clock.sleep(early - self.ahead / 2);
        }
        self.due += self.interval;
    }
}

/// Ends Messages that wait too long for more records; only live, where time passes.
#[derive(Debug)]
pub(crate) struct FlushTimer {
    timeout: Option<Duration>,
    waiting_since: Option<Duration>,
}

impl FlushTimer {
    /// A timer that never fires without a timeout.
    pub(crate) const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, waiting_since: None }
    }

    /// Whether a Message that is `waiting` has waited long enough.
    pub(crate) fn is_due(&mut self, waiting: bool, now: Duration) -> bool {
        let Some(timeout) = self.timeout else { return false };
        if !waiting {
            self.waiting_since = None;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        now.saturating_sub(since) >= timeout
    }

    /// A Message was ended.
    pub(crate) fn restart(&mut self) {
        self.waiting_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::clock::TestClock;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let clock = TestClock::default();
        let mut pacer = Pacer::new(1_000, 10);
        for _ in 0..10 {
            pacer.wait(&clock);
        }
        assert_eq!(clock.monotonic(), Duration::ZERO);
        for _ in 0..1_000 {
            pacer.wait(&clock);
        }
        let elapsed = clock.monotonic();
        assert!((990..=1_000).contains(&elapsed.as_millis()), "{elapsed:?}");
    }

    #[test]
    fn time_without_datagrams_does_not_add_up() {
        let clock = TestClock::default();
        let mut pacer = Pacer::new(1_000, 10);
        pacer.wait(&clock);
        clock.advance(Duration::from_secs(60));
        let before = clock.monotonic();
        for _ in 0..110 {
            pacer.wait(&clock);
        }
        assert!(clock.monotonic() - before >= Duration::from_millis(90));
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let clock = TestClock::default();
        let mut pacer = Pacer::new(0, 1);
        for _ in 0..1_000 {
            pacer.wait(&clock);
        }
        assert_eq!(clock.monotonic(), Duration::ZERO);
    }

    #[test]
    fn a_message_waits_for_the_timeout_from_its_first_record() {
        let second = Duration::from_secs;
        let mut timer = FlushTimer::new(Some(second(1)));
        assert!(!timer.is_due(false, second(10)));
        assert!(!timer.is_due(true, second(20)));
        assert!(timer.is_due(true, second(21)));
        timer.restart();
        assert!(!timer.is_due(true, second(22)));
        assert!(!FlushTimer::new(None).is_due(true, second(100)));
    }
}
