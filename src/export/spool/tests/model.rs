//! The spool against a queue in memory.

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{NOW, Place, body, id};
use crate::export::account::Totals;
use crate::export::body::Body;
use crate::export::spool::{Recovery, Spool};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..Default::default() })]

    #[test]
    fn the_spool_is_a_queue_that_survives(steps in vec(step(), 1..120)) {
        let place = Place::small();
        let (mut spool, _) = place.open();
        let mut model = Model::default();
        for step in steps {
            spool = apply(&step, spool, &place, &mut model)?;
            prop_assert_eq!(spool.waiting(), model.waiting());
            prop_assert_eq!(spool.has_unread(), model.queue.iter().any(|entry| !entry.read));
            prop_assert_eq!(spool.take_losses(), []);
            prop_assert!(spool.octets() <= place.config.maximum_octets);
        }
        spool.rewind();
        model.rewind();
        while let Some(expected) = model.next() {
            prop_assert_eq!(spool.next().map(id), Some(expected));
        }
        prop_assert_eq!(spool.next(), None);
    }
}

fn apply(
    step: &Step,
    mut spool: Spool,
    place: &Place,
    model: &mut Model,
) -> Result<Spool, TestCaseError> {
    match *step {
        Step::Push(count) => {
            for _ in 0..count {
                let id = model.made;
                if spool.push(&body(id), NOW).is_ok() {
                    model.queue.push_back(Entry { id, read: false });
                }
                model.made += 1;
            }
        }
        Step::PushFront(count) => {
            let bodies: Vec<Body> = (model.made..model.made + count).map(body).collect();
            let (taken, _) = spool.push_front(&bodies, NOW);
            let taken = u32::try_from(taken).expect("not more than there were");
            for id in (model.made..model.made + taken).rev() {
                model.queue.push_front(Entry { id, read: false });
            }
            model.made += count;
        }
        Step::Next(count) => {
            for _ in 0..count {
                prop_assert_eq!(spool.next().map(id), model.next());
            }
        }
        Step::Delivered(count) => {
            spool.delivered(count);
            for _ in 0..count {
                model.deliver();
            }
        }
        Step::Rewind => {
            spool.rewind();
            model.rewind();
        }
        Step::Flush => spool.flush(),
        Step::Crash => {
            spool.flush();
            drop(spool);
            model.rewind();
            let (reopened, recovery) = place.open();
            let readable = model.waiting();
            prop_assert_eq!(recovery, Recovery { readable, ..Recovery::default() });
            return Ok(reopened);
        }
        Step::Close => {
            let closed = spool.close();
            model.rewind();
            prop_assert_eq!((closed.kept, closed.dropped), (model.waiting(), Totals::default()));
            let (reopened, recovery) = place.open();
            prop_assert_eq!((recovery.readable, recovery.lost), (closed.kept, Totals::default()));
            return Ok(reopened);
        }
    }
    Ok(spool)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u32..60).prop_map(Step::Push),
        2 => (1_u32..40).prop_map(Step::PushFront),
        6 => (1_usize..60).prop_map(Step::Next),
        6 => (1_usize..60).prop_map(Step::Delivered),
        2 => Just(Step::Rewind),
        1 => Just(Step::Flush),
        1 => Just(Step::Crash),
        1 => Just(Step::Close),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Push(u32),
    PushFront(u32),
    Next(usize),
    Delivered(usize),
    Rewind,
    Flush,
    Crash,
    Close,
}

#[derive(Debug, Default)]
struct Model {
    queue: VecDeque<Entry>,
    in_flight: VecDeque<u32>,
    made: u32,
}

#[derive(Debug)]
struct Entry {
    id: u32,
    read: bool,
}

impl Model {
    fn next(&mut self) -> Option<u32> {
        let entry = self.queue.iter_mut().find(|entry| !entry.read)?;
        entry.read = true;
        self.in_flight.push_back(entry.id);
        Some(entry.id)
    }

    fn deliver(&mut self) {
        if let Some(delivered) = self.in_flight.pop_front() {
            self.queue.retain(|entry| entry.id != delivered);
        }
    }

    fn rewind(&mut self) {
        self.in_flight.clear();
        self.queue.iter_mut().for_each(|entry| entry.read = false);
    }

    fn waiting(&self) -> Totals {
        let mut totals = Totals::default();
        for entry in &self.queue {
            totals += body(entry.id).totals;
        }
        totals
    }
}
