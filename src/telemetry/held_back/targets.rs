//! The books of targets, in steps too.

use std::mem;
use std::sync::Arc;

use crate::export::{TargetState, Watch};
use crate::telemetry::held_back::FEWEST;

/// What is shown of targets.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct HeldBackTargets {
    shown: Vec<(Arc<Watch>, Shown)>,
}

/// What was shown of a target.
#[derive(Debug, Default)]
struct Shown {
    /// Records given to it; the newest that it was given are not shown.
    given: u64,
    /// What was lost by then.
    lost: u64,
    /// Messages, and what counts their octets, when so many records had been written.
    written: u64,
    messages: u64,
    message_octets: u64,
    file_octets: u64,
    /// Octets on disk, when so many records were there.
    spooled: u64,
    spool_octets: u64,
    /// Octets in memory, when so many records were there.
    queued: u64,
    queue_octets: u64,
}

impl HeldBackTargets {
    /// The states of `targets` as they may be shown.
    pub(in crate::telemetry) fn show(
        &mut self,
        targets: &[Arc<Watch>],
        states: &[TargetState],
    ) -> Vec<TargetState> {
        let mut before = mem::take(&mut self.shown);
        let mut show = |(target, state): (&Arc<Watch>, &TargetState)| {
            let known = before.iter().position(|(known, _)| Arc::ptr_eq(known, target));
            let (target, mut shown) = known.map_or_else(
                || (Arc::clone(target), Shown::default()),
                |place| before.swap_remove(place),
            );
            let told = shown.show(state);
            self.shown.push((target, shown));
            told
        };
        targets.iter().zip(states).map(&mut show).collect()
    }
}

impl Shown {
    /// What may be shown: as many records as were shown to be given, and what became of these. The books
    /// balance in what is shown as in what was counted: given + recovered = sent + lost + those that wait.
    fn show(&mut self, counted: &TargetState) -> TargetState {
        let (given, lost) = (counted.given.records, counted.lost_totals().records);
        let hidden = given.saturating_sub(self.given);
        // A loss is told at once, and so is that the record had been given.
        self.given +=
            if hidden >= FEWEST { hidden } else { hidden.min(lost.saturating_sub(self.lost)) };
        self.lost = lost;
        let mut shown = counted.clone();
        shown.given.records = self.given;
        let there = self.given.saturating_add(counted.recovered.records).saturating_sub(lost);
        shown.sent.records = counted.sent.records.min(there);
        self.show_octets(&mut shown, counted);
        let kept = there.saturating_sub(shown.sent.records);
        show_what_waits(&mut shown, counted, kept);
        shown
    }

    /// Octets tell how large records are, and so do not go ahead of them.
    fn show_octets(&mut self, shown: &mut TargetState, counted: &TargetState) {
        let unconfirmed = counted.session.map_or(0, |session| session.unconfirmed);
        let written = counted.sent.records.saturating_add(unconfirmed);
        if written.saturating_sub(self.written) >= FEWEST {
            self.written = written;
            self.messages = counted.messages;
            self.message_octets = counted.message_octets;
            self.file_octets = counted.file_octets;
        }
        shown.messages = self.messages;
        shown.message_octets = self.message_octets;
        shown.file_octets = self.file_octets;
        if let Some(spool) = &mut shown.spool {
            if spool.records == 0 || spool.records.abs_diff(self.spooled) >= FEWEST {
                (self.spooled, self.spool_octets) = (spool.records, spool.octets);
            }
            spool.octets = self.spool_octets;
        }
        if let Some(queue) = &mut shown.queue {
            if counted.queued == 0 || counted.queued.abs_diff(self.queued) >= FEWEST {
                (self.queued, self.queue_octets) = (counted.queued, queue.octets);
            }
            queue.octets = self.queue_octets;
        }
    }
}

/// Shows `kept` of those that wait.
fn show_what_waits(shown: &mut TargetState, counted: &TargetState, kept: u64) {
    let unconfirmed = counted.session.map_or(0, |session| session.unconfirmed);
    let hidden = counted.waiting.saturating_add(unconfirmed).saturating_sub(kept);
    // The newest are in memory, if any are, and were not written yet.
    let [waiting, unconfirmed] = less(hidden, [counted.waiting, unconfirmed]);
    shown.waiting = waiting;
    if let Some(session) = &mut shown.session {
        session.unconfirmed = unconfirmed;
    }
    let on_disk = counted.spool.map_or(0, |spool| spool.records);
    let [queued, on_disk] = less(hidden, [counted.queued, on_disk]);
    shown.queued = queued;
    if let Some(spool) = &mut shown.spool {
        spool.records = on_disk;
    }
}

/// Takes `hidden` from these, the first of them first.
fn less(mut hidden: u64, counts: [u64; 2]) -> [u64; 2] {
    counts.map(|count| {
        let taken = hidden.min(count);
        hidden -= taken;
        count - taken
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::{QueueState, SessionState, SpoolState};

    #[derive(Clone, Copy, Debug)]
    struct Books {
        given: u64,
        waiting: u64,
        unconfirmed: u64,
        sent: u64,
        lost: u64,
    }

    impl Books {
        fn state(self, recovered: u64) -> TargetState {
            let Self { given, waiting, unconfirmed, sent, lost } = self;
            assert_eq!(given + recovered, waiting + unconfirmed + sent + lost);
            let mut state = TargetState { waiting, ..TargetState::default() };
            state.given.records = given;
            state.recovered.records = recovered;
            state.sent.records = sent;
            state.lost[2].records = lost;
            let on_disk = (waiting + unconfirmed) / 3;
            state.queued = waiting + unconfirmed - on_disk;
            state.spool = Some(SpoolState {
                records: on_disk,
                octets: 100 * on_disk,
                maximum_octets: 1 << 30,
                limit_octets: 1 << 30,
            });
            let octets = 100 * state.queued;
            state.queue = Some(QueueState { octets, maximum_octets: 1 << 26 });
            state.session = Some(SessionState {
                is_open: true,
                is_refused: false,
                member: 1,
                unconfirmed,
                last_written: None,
            });
            state.messages = sent + unconfirmed;
            state.message_octets = 100 * state.messages;
            state
        }
    }

    fn of(state: &TargetState) -> Books {
        Books {
            given: state.given.records,
            waiting: state.waiting,
            unconfirmed: state.session.unwrap().unconfirmed,
            sent: state.sent.records,
            lost: state.lost_totals().records,
        }
    }

    #[test]
    fn no_step_is_smaller_than_ten_records_and_what_waits_is_shown_to_leave() {
        let mut shown = Shown::default();
        let mut steps = Vec::new();
        for given in 0..=25 {
            let books = Books { given, waiting: 0, unconfirmed: 0, sent: given, lost: 0 };
            let told = shown.show(&books.state(0));
            assert_eq!(told.message_octets, 100 * of(&told).sent);
            steps.push(of(&told).given);
            assert_eq!((of(&told).sent, told.queued), (of(&told).given, 0));
        }
        steps.dedup();
        assert_eq!(steps, [0, 10, 20]);
        // Those that nobody has taken yet are shown to wait, but for the newest.
        let books = Books { given: 33, waiting: 8, unconfirmed: 0, sent: 25, lost: 0 };
        let told = shown.show(&books.state(0));
        assert_eq!((of(&told).given, of(&told).waiting, of(&told).sent), (33, 8, 25));
        let books = Books { given: 37, waiting: 5, unconfirmed: 0, sent: 32, lost: 0 };
        let told = shown.show(&books.state(0));
        assert_eq!((of(&told).given, of(&told).waiting, of(&told).sent), (33, 1, 32));
    }

    #[test]
    fn a_lost_record_is_shown_at_once_and_the_books_balance() {
        let mut shown = Shown::default();
        let books = Books { given: 3, waiting: 2, unconfirmed: 0, sent: 0, lost: 1 };
        let told = of(&shown.show(&books.state(0)));
        assert_eq!((told.given, told.lost, told.waiting, told.sent), (1, 1, 0, 0));
    }

    proptest::proptest! {
        /// Whatever becomes of records, one after the other or many at once.
        #[test]
        fn shown_books_balance_and_never_go_back(
            recovered in 0..30_u64,
            moves in proptest::collection::vec((0..5_u8, 0..25_u64), 1..200),
        ) {
            let mut books = Books { given: 0, waiting: recovered, unconfirmed: 0, sent: 0, lost: 0 };
            let mut shown = Shown::default();
            let mut before = of(&shown.show(&books.state(recovered)));
            let mut queued = shown.queue_octets;
            for (what, count) in moves {
                match what {
                    0 => (books.given, books.waiting) = (books.given + count, books.waiting + count),
                    1 => shift(count, &mut books.waiting, &mut books.unconfirmed),
                    2 => shift(count, &mut books.unconfirmed, &mut books.sent),
                    3 => shift(count, &mut books.unconfirmed, &mut books.waiting),
                    _ => shift(count, &mut books.waiting, &mut books.lost),
                }
                let state = shown.show(&books.state(recovered));
                let told = of(&state);
                proptest::prop_assert_eq!(
                    told.given + recovered,
                    told.sent + told.lost + told.waiting + told.unconfirmed
                );
                let on_disk = state.spool.unwrap().records;
                proptest::prop_assert_eq!(state.queued + on_disk, told.waiting + told.unconfirmed);
                let (queue, step) = (state.queue.unwrap().octets, 100 * FEWEST);
                let waits = 100 * books_queued(&books);
                proptest::prop_assert!(queue.abs_diff(waits) < step, "{} for {}", queue, waits);
                proptest::prop_assert!(queue == queued || queue == 0 || queue.abs_diff(queued) >= step);
                queued = queue;
                proptest::prop_assert_eq!(told.lost, books.lost);
                proptest::prop_assert!(told.given >= before.given && told.sent >= before.sent);
                proptest::prop_assert!(books.given - told.given < FEWEST);
                let (given, lost) = (told.given - before.given, told.lost - before.lost);
                proptest::prop_assert!(given == 0 || given >= FEWEST || lost > 0, "{:?}", told);
                before = told;
            }
        }
    }

    fn books_queued(books: &Books) -> u64 {
        let waits = books.waiting + books.unconfirmed;
        waits - waits / 3
    }

    fn shift(count: u64, from: &mut u64, to: &mut u64) {
        let count = count.min(*from);
        (*from, *to) = (*from - count, *to + count);
    }
}
