use std::path::Path;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::export::config::SpoolConfig;

/// A Body that tells its number.
fn body(number: u64) -> Body {
    let mut sets = vec![0; 100];
    sets[..8].copy_from_slice(&number.to_be_bytes());
    Body { sets, totals: Totals { records: 1, packets: number, octets: 10 } }
}

fn number(waiting: &Waiting) -> u64 {
    waiting.body.totals.packets
}

fn store(limit: usize, pace: Pace) -> Store {
    Store::new(limit, 1_000, pace, "context", None)
}

fn spool(directory: &Path, octets: u64, key: bool) -> (Spool, Totals) {
    let config = SpoolConfig {
        directory: directory.join("spool"),
        maximum_octets: octets,
        maximum_age: Duration::from_secs(3_600),
        key_file: key.then(|| directory.join("key")),
    };
    let (spool, recovery) = Spool::open(&config, "tcp://c", "context", now()).unwrap();
    (spool, recovery.readable)
}

fn spooled(directory: &Path, limit: usize) -> Store {
    let (spool, _) = spool(directory, 1 << 30, false);
    Store::new(limit, 1_000, Pace::Live, "context", Some(spool))
}

fn now() -> Timestamp {
    Timestamp::from_parts(1_700_000_000, 0)
}

/// Takes everything there is.
fn take(store: &Store) -> Vec<u64> {
    let next = || match store.next(Duration::ZERO) {
        Next::Body(waiting) => Some(number(&waiting)),
        Next::Nothing | Next::End => None,
    };
    std::iter::from_fn(next).collect()
}

fn lost(store: &Store) -> Vec<(LossReason, u64)> {
    store.tick(now()).0.into_iter().map(|(reason, totals)| (reason, totals.records)).collect()
}

#[test]
fn without_spool_what_does_not_fit_is_lost_and_counted() {
    let store = store(250, Pace::Live);
    for number in 0..10 {
        store.push(body(number), 0, now());
    }
    assert_eq!(take(&store), [0, 1, 2]);
    assert_eq!(lost(&store), [(LossReason::QueueFull, 7)]);
    assert_eq!(store.not_sent().totals.records, 7);
    assert_eq!(store.not_sent().first, Some(now()));
    assert_eq!(lost(&store), [], "told once");
}

#[test]
fn a_replay_waits_for_room_until_nobody_sends_any_more() {
    let store = Arc::new(store(250, Pace::Replay));
    let pushing = {
        let store = Arc::clone(&store);
        thread::spawn(move || (0..100).for_each(|number| store.push(body(number), 0, now())))
    };
    let mut taken = Vec::new();
    while taken.len() < 50 {
        if let Next::Body(waiting) = store.next(Duration::from_secs(5)) {
            taken.push(number(&waiting));
            store.delivered(1);
        }
    }
    assert_eq!(taken, (0..50).collect::<Vec<_>>());
    store.abandon();
    pushing.join().unwrap();
    assert!(lost(&store).iter().all(|(reason, _)| *reason == LossReason::Undelivered));
}

#[test]
fn what_was_not_delivered_comes_again_in_its_place() {
    let store = store(1 << 20, Pace::Live);
    (0..6).for_each(|number| store.push(body(number), 0, now()));
    assert_eq!(take(&store).len(), 6);
    assert_eq!(store.delivered(2).records, 2);
    (6..8).for_each(|number| store.push(body(number), 0, now()));
    store.take_back(now());
    assert_eq!(take(&store), [2, 3, 4, 5, 6, 7]);
}

#[test]
fn what_was_taken_is_unconfirmed_if_it_was_written_and_until_it_is_delivered() {
    let store = store(1 << 20, Pace::Live);
    (0..5).for_each(|number| store.push(body(number), 0, now()));
    assert_eq!(take(&store).len(), 5);
    // The second was given up, and the last two are not written yet.
    let written = [true, false, true];
    assert_eq!(store.unconfirmed(written.into_iter()), 2);
    store.delivered(1);
    assert_eq!(store.unconfirmed(written[1..].iter().copied()), 1);
    store.take_back(now());
    assert_eq!(store.unconfirmed(written.into_iter()), 0);
}

#[test]
fn while_there_is_no_session_everything_waits_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = spooled(directory.path(), 1 << 20);
    store.set_away(false, now());
    (0..4).for_each(|number| store.push(body(number), 0, now()));
    assert_eq!(take(&store), [0, 1, 2, 3]);
    (4..6).for_each(|number| store.push(body(number), 0, now()));
    // The session breaks: one had arrived, three were on their way, two waited.
    store.delivered(1);
    store.take_back(now());
    store.set_away(true, now());
    (6..8).for_each(|number| store.push(body(number), 0, now()));
    {
        let inner = store.lock();
        assert!(inner.waiting.is_empty());
        assert_eq!(inner.spool.as_ref().unwrap().waiting().records, 7);
    }
    store.set_away(false, now());
    (8..10).for_each(|number| store.push(body(number), 0, now()));
    assert_eq!(take(&store), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // It was the last of them: from here on memory is the place again.
    store.push(body(10), 0, now());
    assert_eq!(store.lock().spool.as_ref().unwrap().waiting().records, 0);
    assert_eq!(take(&store), [10]);
    assert_eq!(store.delivered(10).records, 10);
    assert_eq!(lost(&store), []);
}

#[test]
fn a_slow_session_overflows_to_disk_and_catches_up_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let store = spooled(directory.path(), 250);
    store.set_away(false, now());
    (0..50).for_each(|number| store.push(body(number), 0, now()));
    assert!(store.lock().octets <= 300);
    assert_eq!(take(&store), (0..50).collect::<Vec<_>>());
    assert_eq!(store.delivered(50).records, 50);
}

#[test]
fn what_the_spool_has_no_room_for_is_lost_and_the_rest_keeps_its_order() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = spool(directory.path(), 2_000, false);
    let store = Store::new(250, 1_000, Pace::Live, "context", Some(spool));
    (0..100).for_each(|number| store.push(body(number), 0, now()));
    let (losses, trouble) = store.tick(now());
    let lost: u64 = losses.iter().map(|(_, totals)| totals.records).sum();
    assert!(matches!(trouble, Some(PushError::Full)), "{trouble:?}");
    let taken = take(&store);
    assert_eq!(taken.len() as u64 + lost, 100);
    assert!(taken.is_sorted());
    assert!(store.tick(now()).1.is_none(), "said once");
}

#[test]
fn a_spool_that_is_full_again_and_again_is_said_once_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = spool(directory.path(), 40_000, false);
    let store = Store::new(250, 1_000, Pace::Live, "context", Some(spool));
    let mut said = 0;
    for _ in 0..5 {
        (0..400).for_each(|number| store.push(body(number), 0, now()));
        said += usize::from(store.tick(now()).1.is_some());
        // A slow session makes room for some.
        for _ in 0..60 {
            assert!(matches!(store.next(Duration::ZERO), Next::Body(_)));
            store.delivered(1);
        }
    }
    assert_eq!(said, 1);
    store.delivered(take(&store).len());
    (0..400).for_each(|number| store.push(body(number), 0, now()));
    assert!(store.tick(now()).1.is_some(), "another one");
}

#[test]
fn what_comes_when_nobody_sends_any_more_waits_for_the_next_run_if_it_can() {
    for key in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = spool(folder.path(), 1 << 30, key);
        let store = Store::new(1_000, 1_000, Pace::Live, "context", Some(spool));
        store.push(body(0), 0, now());
        // The link ends first where the Collector is away at the end of the run.
        store.abandon();
        store.push(body(1), 0, now());
        let lost = lost(&store);
        let closed = store.end(now());
        if key {
            assert_eq!((lost, closed.kept.records, closed.dropped.records), (vec![], 2, 0));
        } else {
            assert_eq!(lost, [(LossReason::Undelivered, 1)]);
            assert_eq!((closed.kept.records, closed.dropped.records), (0, 1));
        }
    }
}

#[test]
fn what_is_left_survives_with_a_key_file_and_only_with_one() {
    for key in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let (before, _) = spool(directory.path(), 1 << 30, key);
        let store = Store::new(1 << 20, 1_000, Pace::Live, "context", Some(before));
        store.set_away(false, now());
        (0..5).for_each(|number| store.push(body(number), 0, now()));
        assert!(matches!(store.next(Duration::ZERO), Next::Body(_)));
        store.close();
        let closed = store.end(now());
        let (kept, dropped) = if key { (5, 0) } else { (0, 5) };
        assert_eq!((closed.kept.records, closed.dropped.records), (kept, dropped));

        let (after, readable) = spool(directory.path(), 1 << 30, key);
        assert_eq!(readable.records, kept);
        let store = Store::new(1 << 20, 1_000, Pace::Live, "context", Some(after));
        assert_eq!(take(&store), (0..kept).collect::<Vec<_>>());
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Take,
    Deliver,
    Break,
    Back,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..Default::default() })]

    /// Whatever sessions do, what leaves for good is what came in, once and in order.
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(
        steps in prop::collection::vec(
            prop_oneof![
                4 => Just(Step::Push),
                4 => Just(Step::Take),
                2 => Just(Step::Deliver),
                1 => Just(Step::Break),
                1 => Just(Step::Back),
            ],
            1..300,
        ),
        limit in prop_oneof![Just(150_usize), Just(1_000), Just(1 << 20)],
    ) {
        let directory = tempfile::tempdir().unwrap();
        let store = spooled(directory.path(), limit);
        let (mut pushed, mut out, mut done) = (0, Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Push => {
                    store.push(body(pushed), 0, now());
                    pushed += 1;
                }
                Step::Take => {
                    if let Next::Body(waiting) = store.next(Duration::ZERO) {
                        out.push(number(&waiting));
                    }
                }
                Step::Deliver if !out.is_empty() => {
                    prop_assert_eq!(store.delivered(1).packets, out[0]);
                    done.push(out.remove(0));
                }
                Step::Break => {
                    out.clear();
                    store.take_back(now());
                    store.set_away(true, now());
                }
                Step::Back => store.set_away(false, now()),
                Step::Deliver => {}
            }
        }
        store.take_back(now());
        done.extend(take(&store));
        prop_assert_eq!(done, (0..pushed).collect::<Vec<_>>());
        prop_assert!(lost(&store).is_empty());
    }
}
