//! What a live run counts of frames beyond the books: by interface, and by size.

/// Frames of one worker by Observation Point and by size.
///
/// On the way of a frame stand one comparison and one addition to a counter, eight instructions together: what an interface has
/// received is reckoned when the next frame is of another one, from what the worker has received.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// The interface of the last frame.
    current: u32,
    /// What the worker had received before the first frame in a row of that interface.
    since: Received,
    points: Vec<(u32, Received)>,
    /// Frames by the power of two that their octets on the wire reach.
    by_power: [u64; u32::BITS as usize],
}

/// Frames and their octets on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Received {
    /// Frames.
    pub packets: u64,
    /// Octets on the wire.
    pub octets: u64,
}

/// Frames by octets on the wire, in classes of powers of two ([`size_limit`]).
pub type SizeCounts = [u64; SIZE_CLASSES];

/// The largest frame of a class, in octets on the wire; the last class has no limit.
pub const fn size_limit(class: usize) -> Option<u32> {
    if class + 1 < SIZE_CLASSES { Some((SMALLEST << class) - 1) } else { None }
}

impl Arrivals {
    /// Counts a frame; `before` is what the worker received before it.
    #[inline]
    pub(super) fn count(&mut self, interface: u32, octets: u32, before: Received) {
        if interface != self.current {
            self.turn_to(interface, before);
        }
        // Never of zero, for which the processor would have to be asked twice.
        if let Some(count) = self.by_power.get_mut((octets | 1).ilog2() as usize) {
            *count += 1;
        }
    }

    /// What each interface received, now that the worker has received `received`.
    pub(super) fn points(&mut self, received: Received) -> &[(u32, Received)] {
        self.turn_to(self.current, received);
        &self.points
    }

    /// Frames by size.
    pub(super) fn sizes(&self) -> SizeCounts {
        let mut sizes = SizeCounts::default();
        for (power, count) in (0..).zip(self.by_power) {
            let class = (power + 1_u32).saturating_sub(SMALLEST.ilog2()) as usize;
            if let Some(sum) = sizes.get_mut(class.min(SIZE_CLASSES - 1)) {
                *sum += count;
            }
        }
        sizes
    }

    #[cold]
    fn turn_to(&mut self, interface: u32, received: Received) {
        let packets = received.packets - self.since.packets;
        let octets = received.octets - self.since.octets;
        if packets > 0 {
            add(&mut self.points, self.current, Received { packets, octets });
        }
        self.current = interface;
        self.since = received;
    }
}

/// Adds what an interface received to what is known of it.
pub(super) fn add(points: &mut Vec<(u32, Received)>, interface: u32, more: Received) {
    match points.iter_mut().find(|(known, _)| *known == interface) {
        Some((_, sum)) => {
            sum.packets += more.packets;
            sum.octets += more.octets;
        }
        None => points.push((interface, more)),
    }
}

/// Up to 63, 127, 255, … 16,383 octets, and more.
const SIZE_CLASSES: usize = 10;
const SMALLEST: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_take_turns_are_each_counted_whole() {
        let mut arrivals = Arrivals::default();
        let mut received = Received::default();
        for (interface, octets) in [(3, 60), (3, 61), (4, 1500), (3, 64), (4, 127), (4, 20_000)] {
            arrivals.count(interface, octets, received);
            received.packets += 1;
            received.octets += u64::from(octets);
        }
        let points = arrivals.points(received).to_vec();
        let counts = |packets, octets| Received { packets, octets };
        assert_eq!(points, [(3, counts(3, 185)), (4, counts(3, 21_627))]);
        assert_eq!(arrivals.points(received), points, "asked twice, told twice the same");
        assert_eq!(arrivals.sizes(), [2, 2, 0, 0, 0, 1, 0, 0, 0, 1]);
    }

    #[test]
    fn a_class_ends_where_the_next_begins() {
        for class in 0..SIZE_CLASSES - 1 {
            let limit = size_limit(class).unwrap();
            let mut arrivals = Arrivals::default();
            arrivals.count(1, limit, Received::default());
            arrivals.count(1, limit + 1, Received::default());
            assert_eq!((arrivals.sizes()[class], arrivals.sizes()[class + 1]), (1, 1), "{limit}");
        }
        assert_eq!((size_limit(0), size_limit(4)), (Some(63), Some(1023)));
        assert_eq!(size_limit(SIZE_CLASSES - 1), None);
    }
}
