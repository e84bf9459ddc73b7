//! Live runs over sources that follow a script.

use std::collections::VecDeque;

use super::*;
use crate::capture::{CaptureError, Drops};
use crate::export::Pace;
use crate::flow::{self, FlowEndReason};
use crate::frame::{Frame, LinkType};
use crate::pipeline::Ledger;
use crate::pipeline::testing::{Got, at, config, exporter, udp_frame};

#[test]
fn an_idle_flow_leaves_a_silent_link_within_a_second_of_its_deadline() {
    let idle_timeout = Duration::from_millis(300);
    let flow = flow::Config { idle_timeout, ..flow::Config::default() };
    // The second worker never has a packet: it must not hold the first one's clock.
    let script = vec![Script::of([Act::Packet(at(5_000), 1)]), Script::of([])];
    let run = Run::start(script, flow, None);
    let started = now();
    while run.got.lock().unwrap().is_empty() {
        assert!(now() < started + idle_timeout + Duration::from_secs(1), "still in the cache");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(run.got.lock().unwrap()[0].0.end_reason, FlowEndReason::IdleTimeout);
    let outcome = run.stop();
    assert_eq!((outcome.ledger.check(), outcome.ledger.metered_packets), (Ok(()), 1));
}

#[test]
fn what_the_kernel_holds_when_the_run_is_stopped_is_metered_and_losses_are_added_up() {
    let script = |port, kernel| Script {
        held_until_stop: [Act::Packet(at(1_001), port)].into(),
        drops: Drops { kernel, interface: 1 },
        ..Script::of([Act::Packet(at(1_000), port)])
    };
    let run = Run::start(vec![script(1, 3), script(2, 4)], flow::Config::default(), None);
    let counters = Arc::clone(&run.metering.counters);
    let outcome = run.stop();
    let ledger = &outcome.ledger;
    assert_eq!((ledger.check(), ledger.received_packets, ledger.exported_flows), (Ok(()), 4, 2));
    assert_eq!(ledger.expired[FlowEndReason::ForcedEnd as usize - 1], 2);
    assert_eq!(ledger.drops, Drops { kernel: 7, interface: 2 });
    // RFC 7011 §4.2: what we were too slow for was not processed either, but nobody saw its octets.
    let ignored = counters.ignored();
    assert_eq!((ignored.packets, ignored.octets, ignored.last), (7, 0, at(1_001)));
}

#[test]
fn who_watches_sees_each_worker_move_and_what_it_had_and_then_the_end() {
    #[derive(Default)]
    struct Watcher {
        books: Arc<OpenBooks>,
        last: Vec<u64>,
        moved: [u64; 2],
        received: u64,
        dropped: u64,
        endings: u32,
    }
    impl Watch for Watcher {
        fn look(&mut self, _: &Running<'_>, _: Instant) {
            let turns = self.books.turns();
            for (moved, (now, last)) in self.moved.iter_mut().zip(turns.iter().zip(&self.last)) {
                *moved += u64::from(now != last);
            }
            self.last = turns;
            let page = self.books.read();
            let Ledger { received_packets, drops, .. } = page.ledger;
            assert_eq!(page.drops.iter().map(|(_, drops)| *drops).sum::<Drops>(), drops);
            assert!(page.drops.iter().all(|(interface, _)| *interface == 1), "{:?}", page.drops);
            (self.received, self.dropped) = (received_packets, drops.kernel + drops.interface);
        }

        fn ending(&mut self) {
            self.endings += 1;
        }
    }
    let drops = Drops { kernel: 5, interface: 1 };
    let packet = Act::Packet(at(1_000), 1);
    // The second worker has nothing to do and moves all the same.
    let sources = vec![Script { drops, ..Script::of([packet, packet]) }, Script::of([])];
    let (exporter, _got) = exporter(Pace::Live);
    let duration = Some(Duration::from_millis(1_300));
    let run = live_run(sources, flow::Config::default(), duration);
    let mut watcher = Watcher { books: Arc::clone(&run.books), ..Watcher::default() };
    run.run(exporter, |_| {}, &mut watcher);
    assert!(watcher.moved.iter().all(|&moved| moved >= 4), "{:?}", watcher.moved);
    assert_eq!((watcher.received, watcher.dropped, watcher.endings), (2, 6, 1));
}

#[test]
fn collectors_named_while_the_run_goes_on_are_known_in_what_leaves_and_in_what_is_left() {
    struct Orderer;
    impl Watch for Orderer {
        fn look(&mut self, running: &Running<'_>, _: Instant) {
            running.set_collectors(vec![([192, 0, 2, 53].into(), 53)]);
        }

        fn ending(&mut self) {}
    }
    // One leaves by its timeout, and one is in the cache to the end.
    let held_until_stop = [Act::Packet(at(1_900), 2)].into();
    let script = Script { held_until_stop, ..Script::of([Act::Packet(at(1_000), 1)]) };
    let idle_timeout = Duration::from_millis(500);
    let (exporter, _got) = exporter(Pace::Live);
    let flow = flow::Config { idle_timeout, ..flow::Config::default() };
    let run = live_run(vec![script], flow, Some(Duration::from_millis(900)));
    let books = Arc::clone(&run.books);
    let outcome = run.run(exporter, |_| {}, &mut Orderer);
    let page = books.read();
    assert_eq!((page.ledger.exported_flows, page.flows), (2, 0));
    assert_eq!((page.symptoms().flows, page.symptoms().collector_packets), (2, 2));
    assert_eq!(outcome.symptoms, Some(page.symptoms()));
}

#[test]
fn timeouts_that_are_in_force_already_touch_no_flow() {
    struct Repeater;
    impl Watch for Repeater {
        fn look(&mut self, running: &Running<'_>, _: Instant) {
            // The cache has others, by which it shows that nobody looked at its Flows.
            let (active, idle) = running.metering.timeouts();
            running.set_timeouts(active, idle);
        }

        fn ending(&mut self) {}
    }
    let (exporter, got) = exporter(Pace::Live);
    let sources = vec![Script::of([Act::Packet(at(1_000), 1)])];
    let duration = Some(Duration::from_millis(200));
    let run = live_run(sources, flow::Config::default(), duration);
    assert_eq!(run.metering.timeouts(), (Duration::ZERO, Duration::ZERO));
    run.run(exporter, |_| {}, &mut Repeater);
    assert_eq!(got.lock().unwrap()[0].0.end_reason, FlowEndReason::ForcedEnd);
}

#[test]
fn drops_are_told_while_the_run_goes_on() {
    let drops = Drops { kernel: 5, interface: 0 };
    let script = Script { drops, ..Script::of([Act::Packet(at(5_000), 1)]) };
    let run = Run::start(vec![script], flow::Config::default(), None);
    let started = now();
    while run.metering.counters.ignored().packets < 5 {
        assert!(now() < started + Duration::from_secs(5), "not told");
        thread::sleep(Duration::from_millis(5));
    }
    let counters = Arc::clone(&run.metering.counters);
    run.stop();
    assert_eq!(counters.ignored().packets, 5, "told once");
}

#[test]
fn a_source_that_fails_ends_the_run_and_what_was_metered_is_exported() {
    let packet = Act::Packet(at(1_000), 1);
    let script = vec![Script::of([packet, Act::Fail]), Script::of([packet])];
    let outcome = Run::start(script, flow::Config::default(), None).join();
    assert_eq!(outcome.capture_errors.len(), 1);
    assert_eq!((outcome.ledger.check(), outcome.ledger.exported_packets), (Ok(()), 2));
}

#[test]
fn a_worker_that_dies_ends_the_run_and_the_others_bring_their_share_home() {
    let script = vec![Script::of([Act::Die]), Script::of([Act::Packet(at(1_000), 1)])];
    let outcome = Run::start(script, flow::Config::default(), None).join();
    assert_eq!(outcome.panics, ["as the script says"]);
    assert_eq!((outcome.ledger.check(), outcome.ledger.exported_packets), (Ok(()), 1));
}

#[test]
fn a_duration_may_be_nothing_or_beyond_all_clocks() {
    let script = || vec![Script::of([Act::Packet(at(1_000), 1)])];
    let outcome = Run::start(script(), flow::Config::default(), Some(Duration::ZERO)).join();
    assert_eq!((outcome.ledger.check(), outcome.panics.len()), (Ok(()), 0));
    let run = Run::start(script(), flow::Config::default(), Some(Duration::MAX));
    assert_eq!(run.stop().ledger.exported_packets, 1);
}

#[test]
fn a_cache_that_fills_up_is_told_of_before_it_is_full() {
    let flow = flow::Config { max_flows: 100, ..flow::Config::default() };
    let (tell, told) = std::sync::mpsc::channel();
    let observer = Observer::new(move |notice| {
        let _ = tell.send(notice.to_string());
    });
    let script = Script::of((1..=85).map(|port| Act::Packet(at(1_000), port)));
    let run = Run::start_watched(vec![script], flow, None, observer);
    let notice = told.recv_timeout(Duration::from_secs(5)).expect("it is told");
    assert!(notice.contains("85 of 100 flows"), "{notice}");
    let ledger = run.stop().ledger;
    assert_eq!((ledger.check(), ledger.cache_nearly_full), (Ok(()), 1));
    assert!(told.try_recv().is_err(), "told once");
}

fn live_run(
    sources: Vec<Script>,
    flow: flow::Config,
    duration: Option<Duration>,
) -> LiveRun<Script> {
    LiveRun {
        config: config(flow, sources.len()),
        metering: Metering::default(),
        books: Arc::new(OpenBooks::new(sources.len())),
        sources,
        stop: Arc::new(AtomicBool::new(false)),
        duration,
        observer: Observer::default(),
        wall_clock: at(1_000),
        suspects: Suspects::default(),
    }
}

/// A run in a thread of its own.
struct Run {
    stop: Arc<AtomicBool>,
    metering: Metering,
    got: Got,
    thread: thread::JoinHandle<Outcome>,
}

impl Run {
    fn start(sources: Vec<Script>, flow: flow::Config, duration: Option<Duration>) -> Self {
        Self::start_watched(sources, flow, duration, Observer::default())
    }

    fn start_watched(
        sources: Vec<Script>,
        flow: flow::Config,
        duration: Option<Duration>,
        observer: Observer,
    ) -> Self {
        let (exporter, got) = exporter(Pace::Live);
        let run = LiveRun { observer, ..live_run(sources, flow, duration) };
        Self {
            stop: Arc::clone(&run.stop),
            metering: run.metering.clone(),
            got,
            thread: thread::spawn(move || run.run(exporter, |_| {}, &mut ())),
        }
    }

    fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    fn join(self) -> Outcome {
        self.thread.join().expect("runs do not panic")
    }
}

/// A source that does what is written; then it is silent until it is stopped.
#[derive(Debug)]
struct Script {
    acts: VecDeque<Act>,
    held_until_stop: VecDeque<Act>,
    stopped: bool,
    drops: Drops,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A packet from this port.
    Packet(Timestamp, u16),
    Fail,
    Die,
}

impl Script {
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        Self {
            acts: acts.into_iter().collect(),
            held_until_stop: VecDeque::new(),
            stopped: false,
            drops: Drops::default(),
        }
    }
}

impl LiveFrames for Script {
    fn stop(&mut self) {
        self.stopped = true;
        self.acts.append(&mut self.held_until_stop);
    }

    fn notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }

    fn refilter(&mut self, _: &NewFilter) {}

    fn point_drops(&mut self) -> Vec<(u32, Drops)> {
        vec![(1, self.drops)]
    }
}

impl FrameSource for Script {
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        _: usize,
        patience: Duration,
        mut each: F,
    ) -> Result<Polled, CaptureError> {
        match self.acts.pop_front() {
            Some(Act::Packet(at, port)) => {
                let bytes = &udp_frame(port);
                let link_type = LinkType::Ethernet;
                let (wire_length, interface) = (46, 1);
                each(Frame { bytes, wire_length, at, link_type, interface, stripped_vlan: None });
                Ok(Polled::Frames { count: 1, ticket: 0, clock: at })
            }
            Some(Act::Fail) => Err(CaptureError::Interface {
                interface: "test0".to_owned(),
                what: "as the script says".to_owned(),
            }),
            Some(Act::Die) => panic!("as the script says"),
            None if self.stopped => Ok(Polled::End),
            None => {
                thread::sleep(patience);
                Ok(Polled::Frames { count: 0, ticket: 0, clock: Timestamp::EPOCH })
            }
        }
    }

    fn drops(&mut self) -> Drops {
        self.drops
    }
}
