use std::fs;
use std::path::Path;
use std::sync::{Barrier, Mutex};

use super::*;
use crate::export::config::TcpConfig;
use crate::export::target::JsonOutput;
use crate::export::testing::{batch, read_flows, tcp_biflow, udp_uniflow};
use crate::export::watch::SpoolState;

fn config(pace: Pace, targets: &[Target]) -> Config {
    Config { pace, targets: targets.to_vec(), ..Config::default() }
}

fn entries(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

/// Counts records; stops at a barrier before the first batch, and may then fail.
#[derive(Debug)]
struct TestSink {
    gate: Option<Arc<Barrier>>,
    fails: bool,
    panics: bool,
    seen: Arc<Mutex<usize>>,
}

impl TestSink {
    fn new(seen: &Arc<Mutex<usize>>) -> Self {
        Self { gate: None, fails: false, panics: false, seen: Arc::clone(seen) }
    }
}

impl RecordSink for TestSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if let Some(gate) = self.gate.take() {
            gate.wait();
        }
        assert!(!self.panics, "a bug in a sink");
        if self.fails {
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(ExportError::Write { target: "test".to_owned(), source });
        }
        *self.seen.lock().unwrap() += batch.records.len();
        account.sent(Totals::of(&batch.records, true));
        Ok(())
    }

    fn finish(&mut self, _: &mut Account) -> Result<(), ExportError> {
        Ok(())
    }
}

fn extra(sink: TestSink) -> Vec<(String, Box<dyn RecordSink>)> {
    vec![("test".to_owned(), Box::new(sink))]
}

#[test]
fn every_target_gets_every_record() {
    let directory = tempfile::tempdir().unwrap();
    let (file, json) = (directory.path().join("flows"), directory.path().join("flows.json"));
    let targets =
        [Target::file(&file), Target::Json(JsonOutput::File(json.clone()).into()), Target::Null];
    let seen = Arc::default();
    let exporter =
        Exporter::start(&config(Pace::Replay, &targets), extra(TestSink::new(&seen))).unwrap();
    for n in 0..100 {
        exporter.send(&batch(vec![udp_uniflow(n), tcp_biflow()]));
    }
    assert!(!file.exists() && !json.exists(), "not before they are complete");
    let reports = exporter.finish();

    let totals = Totals { records: 200, packets: 2_800, octets: 1_200_000 };
    assert_eq!(reports.len(), 4);
    for report in &reports {
        assert_eq!((report.sent, report.lost_totals()), (totals, Totals::default()));
        assert!(report.first_error.is_none());
    }
    assert_eq!(*seen.lock().unwrap(), 200);
    assert_eq!(read_flows(&fs::read(&file).unwrap()), (200, 2_800, 1_200_000));
    assert_eq!(fs::read_to_string(&json).unwrap().lines().count(), 200);
    assert_eq!(entries(directory.path()), 2);
}

#[test]
fn the_same_records_make_the_same_file() {
    // Requirement O2: however they are cut into batches, and however slow the machine.
    let directory = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, size) in [("a", 1), ("b", 7), ("c", 1_000)] {
        let path = directory.path().join(name);
        let config = config(Pace::Replay, &[Target::file(&path)]);
        let exporter = Exporter::start(&config, Vec::new()).unwrap();
        let records: Vec<_> = (0..1_000).map(udp_uniflow).collect();
        for records in records.chunks(size) {
            exporter.send(&batch(records.to_vec()));
        }
        exporter.finish();
        files.push(fs::read(path).unwrap());
    }
    assert!(files[0].len() > 16_384);
    assert_eq!(files[0], files[1]);
    assert_eq!(files[0], files[2]);
}

#[test]
fn a_run_without_a_flow_leaves_a_valid_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    let config = config(Pace::Replay, &[Target::file(&path)]);
    Exporter::start(&config, Vec::new()).unwrap().finish();
    let octets = fs::read(path).unwrap();
    assert_eq!(octets[..2], [0, 10]);
    assert_eq!(read_flows(&octets), (0, 0, 0));
}

#[test]
fn a_target_that_cannot_be_opened_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let good = Target::file(directory.path().join("good"));
    let bad = Target::file(directory.path().join("missing/bad"));
    let error =
        Exporter::start(&config(Pace::Replay, &[good.clone(), bad]), Vec::new()).unwrap_err();
    assert!(matches!(error, ExportError::Create { .. }));
    assert!(error.to_string().contains("missing/bad"), "{error}");
    assert_eq!(entries(directory.path()), 0);

    let tcp = "tcp://127.0.0.1:1".parse().unwrap();
    assert!(Exporter::start(&config(Pace::Replay, &[good, tcp]), Vec::new()).is_err());
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn targets_are_replaced_and_every_record_is_in_the_books_of_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (old, kept, new) =
        (Target::file(path("old")), Target::file(path("kept")), Target::file(path("new")));
    let seen = Arc::default();
    let config = config(Pace::Replay, &[old.clone(), kept.clone()]);
    let exporter = Exporter::start(&config, extra(TestSink::new(&seen))).unwrap();
    (0..10).for_each(|n| exporter.send(&batch(vec![udp_uniflow(n)])));

    // What cannot be opened changes nothing.
    let bad = Target::file(path("missing/bad"));
    assert!(exporter.replace(&[new.clone(), bad]).is_err());
    (0..10).for_each(|n| exporter.send(&batch(vec![udp_uniflow(n)])));

    let replaced = exporter.replace(&[kept.clone(), new.clone()]).unwrap();
    assert_eq!(
        (&replaced.added[..], &replaced.removed[..]),
        (&[new.name()][..], &[old.name()][..])
    );
    (0..5).for_each(|n| exporter.send(&batch(vec![udp_uniflow(n)])));
    // Another one with the same file waits until that is closed; one that is open stays as it is.
    let private = format!("file:{}?privacy=obfuscated", path("new").display()).parse().unwrap();
    let replaced = exporter.replace(&[kept.clone(), private]).unwrap();
    assert_eq!(replaced, Replaced { unchanged: vec![new.name()], ..Replaced::default() });
    let reports = exporter.finish();

    let given: Vec<_> = reports.iter().map(|it| (it.target.clone(), it.given.records)).collect();
    let expected = [("test".to_owned(), 25), (kept.name(), 25), (new.name(), 5), (old.name(), 20)];
    assert_eq!(given, expected);
    for report in &reports {
        assert!(report.balances() && report.lost_totals().is_zero(), "{report:?}");
    }
    let read = |name| read_flows(&fs::read(path(name)).unwrap()).0;
    assert_eq!([read("old"), read("kept"), read("new")], [20, 25, 5]);
    assert_eq!(*seen.lock().unwrap(), 25);
    assert_eq!(entries(directory.path()), 3);
}

#[test]
fn targets_that_were_opened_and_are_not_wanted_any_more_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let (kept, new) = (Target::file(path("kept")), Target::file(path("new")));
    let config = config(Pace::Replay, std::slice::from_ref(&kept));
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    let both = [kept.clone(), new.clone()];
    let opener = exporter.opener();
    assert_eq!(opener.leaving(&both).count(), 0);
    assert_eq!(opener.leaving(&[]).collect::<Vec<_>>(), [&kept]);
    // By another thread.
    let opened = thread::scope(|scope| scope.spawn(|| opener.open(&both).unwrap()).join().unwrap());
    assert_eq!(entries(directory.path()), 2);
    exporter.send(&batch(vec![udp_uniflow(1)]));
    drop(opened);
    assert_eq!(entries(directory.path()), 1);
    let replaced = exporter.exchange(exporter.opener().open(&both).unwrap());
    assert_eq!((replaced.added, replaced.removed), (vec![new.name()], Vec::new()));
    exporter.send(&batch(vec![udp_uniflow(2)]));
    let given: Vec<_> = exporter.finish().iter().map(|report| report.given.records).collect();
    assert_eq!(given, [2, 1]);
    assert_eq!(entries(directory.path()), 2);
}

#[test]
fn a_fifo_that_nobody_reads_yet_holds_up_neither_the_start_nor_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["json", "file"].map(|kind| (kind, directory.path().join(kind)));
    let mut targets = Vec::new();
    for (kind, path) in &paths {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
        targets.push(format!("{kind}:{}", path.display()).parse().unwrap());
    }
    let config = config(Pace::Live, &targets);
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    exporter.send(&batch(vec![udp_uniflow(1)]));
    for report in exporter.finish() {
        assert!(report.balances() && report.sent.is_zero(), "{report:?}");
        assert_eq!(report.lost_totals().records, 1);
        assert!(report.first_error.unwrap().to_string().contains("nobody reads it"));
    }

    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    exporter.send(&batch(vec![udp_uniflow(1)]));
    let readers = paths.map(|(_, path)| thread::spawn(move || fs::read(path).unwrap()));
    exporter.send(&batch(vec![udp_uniflow(2)]));
    // Somebody reads, or what waits for it at the end would be lost.
    thread::sleep(Duration::from_millis(300));
    let reports = exporter.finish();
    assert!(reports.iter().all(|report| report.balances() && report.sent.records == 2));
    let [json, file] = readers.map(|reader| reader.join().unwrap());
    assert_eq!(json.split(|octet| *octet == b'\n').count(), 3);
    assert_eq!(read_flows(&file).0, 2);
}

#[test]
fn a_target_that_comes_back_has_one_report_however_often_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let target = Target::file(directory.path().join("flows"));
    let config = config(Pace::Replay, std::slice::from_ref(&target));
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    for _ in 0..5 {
        exporter.send(&batch(vec![udp_uniflow(1)]));
        exporter.replace(&[Target::Null]).unwrap();
        exporter.send(&batch(vec![udp_uniflow(2)]));
        // It closes beside us.
        let mut tries = 0;
        while let Err(error) = exporter.replace(std::slice::from_ref(&target)) {
            assert!(matches!(error, ExportError::Closing { .. }), "{error}");
            thread::sleep(Duration::from_millis(1));
            tries += 1;
            assert!(tries < 5_000, "it closes in time");
        }
    }
    let reports = exporter.finish();
    let given: Vec<_> = reports.iter().map(|it| (&it.target[..], it.given.records)).collect();
    assert_eq!(given, [(&target.name()[..], 5), ("null:", 5)]);
    assert!(reports.iter().all(TargetReport::balances));
}

#[test]
fn what_waited_in_the_spool_in_between_is_counted_once() {
    let records = |records| Totals { records, ..Totals::default() };
    let mut earlier = Account::default();
    earlier.sent(records(3));
    earlier.keep(records(7));
    let mut earlier = earlier.into_report("x".to_owned(), records(10));
    let mut later = Account::default();
    let (octets, maximum_octets, limit_octets) = (80, 100, 100);
    let spool = SpoolState { records: 1, octets, maximum_octets, limit_octets };
    later.spool_nearly_full("x", &spool);
    later.carry_over(records(7));
    later.sent(records(11));
    earlier.go_on(later.into_report("x".to_owned(), records(4)));
    assert!(earlier.balances(), "{earlier:?}");
    assert_eq!((earlier.given, earlier.sent), (records(14), records(14)));
    assert_eq!((earlier.kept, earlier.carried_over), (records(0), records(0)));
    assert_eq!(earlier.spool_nearly_full, 1);
}

#[test]
fn an_abandoned_run_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let targets = [Target::file(directory.path().join("flows"))];
    let exporter = Exporter::start(&config(Pace::Replay, &targets), Vec::new()).unwrap();
    exporter.send(&batch(vec![tcp_biflow()]));
    drop(exporter);
    assert_eq!(entries(directory.path()), 0);
}

#[test]
fn a_full_queue_loses_records_live_and_only_for_its_target() {
    let gate = Arc::new(Barrier::new(2));
    let seen = Arc::default();
    let sink = TestSink { gate: Some(Arc::clone(&gate)), ..TestSink::new(&seen) };
    let config = Config { queue_batches: 2, ..config(Pace::Live, &[]) };
    let fast = Arc::default();
    let mut sinks = extra(sink);
    sinks.extend(extra(TestSink::new(&fast)));
    let exporter = Exporter::start(&config, sinks).unwrap();
    for n in 0..50 {
        exporter.send(&batch(vec![udp_uniflow(n)]));
        while *fast.lock().unwrap() <= n as usize {
            thread::yield_now();
        }
    }
    gate.wait();
    let reports = exporter.finish();
    let lost = reports[0].lost(LossReason::QueueFull);
    // Two in the queue, and one in the sink if it was quick.
    assert!((47..=48).contains(&lost.records), "{lost:?}");
    assert_eq!((lost.packets, lost.octets), (lost.records * 10, lost.records * 1_500));
    assert_eq!(reports[0].sent.records + lost.records, 50);
    assert_eq!(*seen.lock().unwrap() as u64, reports[0].sent.records);
    assert_eq!((reports[1].sent.records, reports[1].lost_totals().records), (50, 0));
}

#[test]
fn a_full_queue_is_waited_for_in_a_replay() {
    let seen = Arc::default();
    let config = Config { queue_batches: 1, ..config(Pace::Replay, &[]) };
    let exporter = Exporter::start(&config, extra(TestSink::new(&seen))).unwrap();
    for n in 0..1_000 {
        exporter.send(&batch(vec![udp_uniflow(n)]));
    }
    assert_eq!(exporter.finish()[0].sent.records, 1_000);
}

#[test]
fn a_target_that_fails_or_panics_stops_nobody() {
    for (fails, panics) in [(true, false), (false, true)] {
        let seen = Arc::default();
        let bad = TestSink { fails, panics, ..TestSink::new(&Arc::default()) };
        let mut sinks = extra(bad);
        sinks.extend(extra(TestSink::new(&seen)));
        let config = Config { queue_batches: 1, ..config(Pace::Replay, &[]) };
        let exporter = Exporter::start(&config, sinks).unwrap();
        for n in 0..10 {
            exporter.send(&batch(vec![udp_uniflow(n)]));
        }
        let reports = exporter.finish();
        assert_eq!(reports[0].lost(LossReason::TargetFailed).records, {
            // Behind a thread that is gone the queue counts.
            10 - reports[0].lost(LossReason::QueueFull).records
        });
        assert_eq!(reports[0].sent.records, 0);
        let error = reports[0].first_error.as_ref().unwrap();
        assert_eq!(matches!(error, ExportError::Panicked { .. }), panics);
        assert_eq!(*seen.lock().unwrap(), 10);
    }
}

#[test]
fn a_full_disk_is_reported_and_the_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    let targets = [Target::file("/dev/full"), Target::file(&path)];
    let exporter = Exporter::start(&config(Pace::Replay, &targets), Vec::new()).unwrap();
    for n in 0..10 {
        exporter.send(&batch((n * 1_000..(n + 1) * 1_000).map(udp_uniflow).collect()));
    }
    let reports = exporter.finish();
    assert_eq!(reports[0].lost_totals().records, 10_000);
    let error = reports[0].first_error.as_ref().unwrap().to_string();
    assert!(error.starts_with("file:/dev/full: cannot write"), "{error}");
    assert_eq!(reports[1].sent.records, 10_000);
    assert_eq!(read_flows(&fs::read(path).unwrap()).0, 10_000);
}

#[test]
fn finishing_does_not_wait_for_the_next_attempt_to_connect() {
    let target = "tcp://127.0.0.1:1".parse().unwrap();
    let tcp = TcpConfig { reconnect_interval: Duration::from_secs(600), ..TcpConfig::default() };
    let config = Config { tcp, ..config(Pace::Live, &[target]) };
    let exporter = Exporter::start(&config, Vec::new()).unwrap();
    exporter.send(&batch(vec![tcp_biflow()]));
    let clock = Arc::clone(&config.clock);
    let begin = clock.monotonic();
    let reports = exporter.finish();
    assert!(clock.monotonic() - begin < Duration::from_secs(30));
    // Before or after the link gave up.
    assert_eq!(reports[0].lost_totals().records, 1);
    assert!(matches!(reports[0].first_error, Some(ExportError::Connect { .. })));
}

#[test]
fn the_last_records_of_a_live_run_wait_for_room_but_not_for_ever() {
    let gate = Arc::new(Barrier::new(2));
    let seen = Arc::default();
    let sink = TestSink { gate: Some(Arc::clone(&gate)), ..TestSink::new(&seen) };
    let config = Config {
        queue_batches: 1,
        drain_timeout: Duration::from_millis(1),
        ..config(Pace::Live, &[])
    };
    let exporter = Exporter::start(&config, extra(sink)).unwrap();
    for _ in 0..5 {
        exporter.send_patiently(&batch(vec![tcp_biflow()])); // one at the gate, one in the queue
    }
    gate.wait();
    let reports = exporter.finish();
    let lost = reports[0].lost(LossReason::QueueFull).records;
    assert!((3..=4).contains(&lost), "{lost}");
    assert_eq!(*seen.lock().unwrap() as u64, 5 - lost);

    let seen = Arc::default();
    let config = Config { drain_timeout: Duration::from_secs(30), ..config };
    let exporter = Exporter::start(&config, extra(TestSink::new(&seen))).unwrap();
    for _ in 0..1_000 {
        exporter.send_patiently(&batch(vec![tcp_biflow()]));
    }
    assert_eq!(exporter.finish()[0].lost_totals(), Totals::default());
    assert_eq!(*seen.lock().unwrap(), 1_000);
}
