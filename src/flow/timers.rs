//! A lazy timing wheel: packets never touch it.
//!
//! A Flow is armed once, for the deadline it has at that moment. Packets only move the deadline in
//! the Flow's own state; when the wheel comes round to the Flow it is either over or armed again
//! for its true deadline. A Flow thus costs one visit per timeout, not one per packet.

use std::time::Duration;

use crate::flow::index::Slot;
use crate::sys::memory;
use crate::time::Timestamp;

/// The wheel of one shard: a circle of ticks, each with the list of slots armed for it.
#[derive(Debug)]
pub(super) struct Wheel {
    lists: Vec<List>,
    links: Vec<Link>,
    /// The first tick that is not yet over and done with.
    current: u64,
    /// No slot is armed for a tick before this one.
    earliest: u64,
}

/// The slots of one tick, in the order in which they were armed.
#[derive(Clone, Copy, Debug)]
struct List {
    first: Slot,
    last: Slot,
}

/// Neighbours in the list of one tick; at either end it is `END_OF` + the place on the circle.
#[derive(Clone, Copy, Debug)]
struct Link {
    next: Slot,
    previous: Slot,
}

/// What each slot takes on the wheel.
pub(super) const OCTETS_PER_SLOT: usize = size_of::<Link>();

impl Wheel {
    /// Every slot comes up within this time, whatever it was armed for.
    pub(super) const TURN: Duration = Duration::from_nanos((PLACES as u64 + 1) << TICK_SHIFT);

    /// A wheel for slots below `capacity`, which must be below 2³¹.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            lists: vec![List::EMPTY; PLACES],
            links: Vec::with_capacity(capacity),
            current: 0,
            earliest: 0,
        }
    }

    /// Puts `slot` on the wheel for `deadline`. It must not be on it already.
    ///
    /// Deadlines beyond the horizon of the wheel are visited early, and armed again then.
    pub(super) fn arm(&mut self, slot: Slot, deadline: Timestamp) {
        let tick = tick_of(deadline).clamp(self.current, self.current + (PLACES as u64 - 1));
        self.earliest = self.earliest.min(tick);
        let place = place_of(tick);
        let at = slot as usize;
        #[expect(clippy::cast_possible_truncation, reason = "PLACES fits")]
        let end = END_OF + place as Slot;
        if self.links.len() <= at {
            self.links.resize(at + 1, Link { next: end, previous: end });
        }
        let Some(list) = self.lists.get_mut(place) else { return };
        let last = std::mem::replace(&mut list.last, slot);
        let previous = if let Some(before) = self.links.get_mut(last as usize) {
            before.next = slot;
            last
        } else {
            list.first = slot;
            end
        };
        if let Some(link) = self.links.get_mut(at) {
            *link = Link { next: end, previous };
        }
    }

    /// Takes `slot` off the wheel.
    pub(super) fn disarm(&mut self, slot: Slot) {
        let Some(&Link { next, previous }) = self.links.get(slot as usize) else { return };
        if let Some(before) = self.links.get_mut(previous as usize) {
            before.next = next;
        } else if let Some(list) = self.list_ending(previous) {
            list.first = next;
        }
        if let Some(after) = self.links.get_mut(next as usize) {
            after.previous = previous;
        } else if let Some(list) = self.list_ending(next) {
            list.last = previous;
        }
    }

    /// Takes off the next slot that was armed for a tick that is over at `now`.
    ///
    /// The caller looks at its true deadline, and arms it again if that is still ahead. A `now`
    /// before that of an earlier call moves the wheel back: what it holds is met again in time.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Slot> {
        let now = tick_of(now);
        if now < self.current {
            self.current = now;
            self.earliest = now;
            return None;
        }
        // After a leap one turn in order is enough, not one for each that was leapt over.
        let turns = (now - self.current) / PLACES as u64;
        self.current += turns.saturating_sub(1) * PLACES as u64;
        while self.current < now {
            if let Some(first) = self.first(self.current) {
                self.disarm(first);
                return Some(first);
            }
            self.current += 1;
        }
        None
    }

    /// Takes off a slot of the earliest tick that any is armed for, over or not; tells when that tick
    /// is over.
    pub(super) fn pop_earliest(&mut self) -> Option<(Slot, Timestamp)> {
        let begin = self.earliest.max(self.current);
        for tick in begin..self.current + PLACES as u64 {
            if let Some(first) = self.first(tick) {
                self.earliest = tick;
                self.disarm(first);
                return Some((first, Timestamp::from_nanos((tick + 1) << TICK_SHIFT)));
            }
        }
        self.earliest = self.current + PLACES as u64;
        None
    }

    /// The slots that will most likely be taken off next, by either way, in this order.
    #[inline]
    pub(super) fn upcoming(&self) -> [Option<Slot>; 2] {
        let Some(first) = self.first(self.earliest.max(self.current)) else { return [None; 2] };
        let second = self.links.get(first as usize).map(|link| link.next);
        let second = second.filter(|slot| *slot < END_OF);
        if let Some(second) = second {
            memory::prefetch(&self.links, second as usize);
        }
        [Some(first), second]
    }

    /// Takes everything off.
    pub(super) fn clear(&mut self) {
        self.lists.fill(List::EMPTY);
    }

    /// The slot that was armed first for `tick`.
    fn first(&self, tick: u64) -> Option<Slot> {
        let first = self.lists.get(place_of(tick))?.first;
        (first < END_OF).then_some(first)
    }

    /// The list whose end a link names.
    fn list_ending(&mut self, end: Slot) -> Option<&mut List> {
        self.lists.get_mut((end - END_OF) as usize)
    }
}

impl List {
    /// Both ends are above every slot.
    const EMPTY: Self = Self { first: END_OF, last: END_OF };
}

/// 2²⁴ ns = 16.8 ms: how much later than its deadline a Flow may be found.
const TICK_SHIFT: u32 = 24;
/// 4,096 ticks are 68.7 s: the default active timeout needs no second visit.
const PLACES: usize = 4096;
/// Above every slot.
const END_OF: Slot = 1 << 31;

const fn tick_of(time: Timestamp) -> u64 {
    time.as_nanos() >> TICK_SHIFT
}

#[expect(clippy::cast_possible_truncation, reason = "less than PLACES")]
const fn place_of(tick: u64) -> usize {
    (tick % PLACES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_nanos(1 << TICK_SHIFT);

    fn popped(wheel: &mut Wheel, now: Timestamp) -> Vec<Slot> {
        std::iter::from_fn(|| wheel.pop(now)).collect()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn a_slot_comes_up_within_a_tick_after_its_deadline_and_never_before() {
        let mut wheel = Wheel::with_capacity(4);
        assert_eq!(wheel.pop(at(1000)), None);
        wheel.arm(3, at(1010));
        assert_eq!(wheel.pop(at(1010)), None);
        assert_eq!(popped(&mut wheel, at(1010).saturating_add(TICK)), [3]);
        assert!(popped(&mut wheel, at(2000)).is_empty());
    }

    #[test]
    fn slots_come_up_in_the_order_of_their_ticks() {
        let mut wheel = Wheel::with_capacity(4);
        wheel.pop(at(100));
        for (slot, deadline) in [(0, 130), (1, 110), (2, 120)] {
            wheel.arm(slot, at(deadline));
        }
        wheel.disarm(2);
        wheel.arm(2, at(105));
        assert_eq!(popped(&mut wheel, at(140)), [2, 1, 0]);
    }

    #[test]
    fn any_place_in_a_list_can_be_taken_out() {
        for out in 0..3 {
            let mut wheel = Wheel::with_capacity(3);
            wheel.pop(at(100));
            (0..3).for_each(|slot| wheel.arm(slot, at(110)));
            assert_eq!(wheel.pop_earliest().map(|(slot, _)| slot), Some(0));
            assert_eq!(wheel.upcoming(), [Some(1), Some(2)]);
            wheel.arm(0, at(110));
            wheel.disarm(out);
            let mut left = popped(&mut wheel, at(111));
            left.sort_unstable();
            assert_eq!(left, (0..3).filter(|&slot| slot != out).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_deadline_beyond_the_horizon_is_visited_early_and_can_be_armed_again() {
        let mut wheel = Wheel::with_capacity(1);
        wheel.pop(at(100));
        wheel.arm(0, at(1000));
        assert_eq!(popped(&mut wheel, at(170)), [0]);
    }

    #[test]
    fn a_leap_of_the_clock_visits_everything_once() {
        let mut wheel = Wheel::with_capacity(2);
        wheel.pop(at(100));
        wheel.arm(0, at(120));
        wheel.arm(1, at(160));
        assert_eq!(popped(&mut wheel, at(1_000_000)), [0, 1]);
    }

    #[test]
    fn the_earliest_slot_is_found_however_far_ahead_it_is_armed() {
        let mut wheel = Wheel::with_capacity(4);
        let earliest = |wheel: &mut Wheel| wheel.pop_earliest().map(|(slot, _)| slot);
        assert_eq!(earliest(&mut wheel), None);
        wheel.pop(at(100));
        for (slot, deadline) in [(0, 130), (1, 110), (2, 120)] {
            wheel.arm(slot, at(deadline));
        }
        let (slot, due) = wheel.pop_earliest().unwrap();
        assert_eq!((slot, wheel.upcoming()), (1, [None; 2]));
        assert!(at(110) < due && due <= at(110).saturating_add(TICK), "{due:?}");
        wheel.arm(1, at(101));
        assert_eq!([earliest(&mut wheel), earliest(&mut wheel)], [Some(1), Some(2)]);
        wheel.pop(at(50)); // set back
        wheel.arm(3, at(60));
        assert_eq!(earliest(&mut wheel), Some(3));
        assert_eq!([earliest(&mut wheel), earliest(&mut wheel)], [Some(0), None]);
    }

    #[test]
    fn a_clock_set_back_loses_nothing() {
        let mut wheel = Wheel::with_capacity(2);
        wheel.pop(at(1_000_000));
        wheel.arm(0, at(1_000_010));
        assert_eq!(wheel.pop(at(100)), None);
        wheel.arm(1, at(110));
        let met = popped(&mut wheel, at(200));
        assert_eq!(met.len(), 2, "both are met again within one turn: {met:?}");
    }
}
