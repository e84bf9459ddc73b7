use std::io::Read;

use super::*;

#[test]
fn a_new_file_begins_at_every_multiple_of_the_period() {
    let mut bench = Bench::replay("flows.ipfix", |file| file.rotate = minutes(5));
    bench.write_at(0, vec![udp_uniflow(1)]);
    bench.write_at(299, vec![udp_uniflow(2)]);
    bench.write_at(300, vec![udp_uniflow(3)]);
    // A quarter of an hour without a Flow; then a worker whose clock is behind.
    bench.write_at(1_200, vec![udp_uniflow(4)]);
    bench.write_at(1_199, vec![udp_uniflow(5)]);
    bench.finish();
    assert_eq!(
        bench.names(),
        [
            "flows-20261122T000500Z.ipfix",
            "flows-20261122T001000Z.ipfix",
            "flows-20261122T002500Z.ipfix",
        ]
    );
    let records =
        bench.names().iter().map(|name| bench.read(name).totals.records).collect::<Vec<_>>();
    assert_eq!(records, [2, 1, 2]);
    let (report, notices) = bench.report();
    assert_eq!((report.sent.records, report.lost_totals()), (5, Totals::default()));
    assert_eq!(notices, [""; 0]);
}

#[test]
fn names_are_patterns_and_directories_are_made() {
    let mut bench = Bench::replay("%Y/%m/%d/a-%H%M.ipfix", |file| file.rotate = minutes(1_440));
    bench.write_at(0, vec![udp_uniflow(1)]);
    bench.write_at(86_400, vec![udp_uniflow(2)]);
    bench.finish();
    assert_eq!(bench.names(), ["2026/11/22/a-0000.ipfix", "2026/11/23/a-0000.ipfix"]);
}

#[test]
fn without_rotation_a_percent_sign_is_itself() {
    let mut bench = Bench::replay("a%Y.ipfix", |_| {});
    bench.write_at(0, vec![udp_uniflow(1)]);
    bench.finish();
    assert_eq!(bench.names(), ["a%Y.ipfix"]);
}

#[test]
fn nothing_is_ever_overwritten() {
    let mut bench = Bench::replay("flows.ipfix", |file| {
        file.rotate = minutes(5);
        file.size = Some(SMALLEST_FILE);
    });
    let taken = ["flows-20261122T000500Z.ipfix", "flows-20261122T000500Z-2.ipfix"];
    for name in taken {
        fs::write(bench.path(name), "somebody's").unwrap();
    }
    for n in 0..1_000 {
        bench.write_at(0, vec![udp_uniflow(n)]);
    }
    bench.finish();
    let ours = ["flows-20261122T000500Z-1.ipfix", "flows-20261122T000500Z-3.ipfix"];
    assert_eq!(bench.names().len(), 4, "{:?}", bench.names());
    assert_eq!(totals(&ours.map(|name| bench.read(name))).records, 1_000);
    for name in taken {
        assert_eq!(fs::read(bench.path(name)).unwrap(), b"somebody's");
    }
}

#[test]
fn a_new_file_begins_before_one_would_be_too_large() {
    for compress in [false, true] {
        let size = 100_000;
        let mut bench = Bench::replay("flows.ipfix", |file| {
            file.size = Some(size);
            file.compress = compress;
        });
        for n in 0..20 {
            bench.write_at(n, (0..1_000).map(|m| any_udp(n * 1_000 + m)).collect());
        }
        bench.finish();
        let names = bench.names();
        let sizes: Vec<_> =
            names.iter().map(|name| fs::metadata(bench.path(name)).unwrap().len()).collect();
        assert!(sizes.len() > 2, "{sizes:?}");
        assert!(sizes.iter().all(|&found| found <= size), "{sizes:?}");
        let (_, full) = sizes.split_last().unwrap();
        // No more room than for one Message more.
        let least = size - MESSAGE_SIZE as u64 - 2_048;
        assert!(full.iter().all(|&found| found > least), "{sizes:?}");
        let found: Vec<_> = names.iter().map(|name| bench.read(name)).collect();
        let expected = Totals { records: 20_000, packets: 200_000, octets: 30_000_000 };
        assert_eq!(totals(&found), expected);
        assert_eq!(bench.report().0.sent, expected);
    }
}

/// A record that compresses badly.
fn any_udp(n: u64) -> FlowRecord {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    FlowRecord { flow_id: mixed ^ mixed >> 31, ..udp_uniflow((mixed >> 40) as u32) }
}

#[test]
fn a_file_can_be_read_by_itself() {
    // RFC 5655 §4.2: Templates of the file before and options at the top; a session of its own.
    let mut bench = Bench::replay("%s", |file| file.rotate = minutes(5));
    bench.write_at(10, vec![udp_uniflow(1), tcp_biflow()]);
    bench.write_at(20, vec![udp_uniflow(2)]);
    bench.write_at(310, vec![udp_uniflow(3)]);
    bench.write_at(610, vec![udp_uniflow(4)]);
    bench.finish();
    let names = bench.names();
    let [first, second, third] = [0, 1, 2].map(|n| bench.read(&names[n]));
    assert_eq!([first.templates, second.templates, third.templates], [2, 2, 1]);
    for found in [&first, &second, &third] {
        // Types of our elements, Flow Keys, sampling, timeouts; File Time Window and details.
        for id in [65_003, 65_005, 65_007, 65_008, 65_010, 65_280, 65_281] {
            assert!(found.options.contains(&id), "{id}: {:?}", found.options);
        }
        let keys = found.options.iter().filter(|id| **id == 65_003).count() as u64;
        assert_eq!(keys, found.templates);
    }
    assert_eq!(first.exported, Some((TIME as i64 + 10, TIME as i64 + 20)));
    assert_eq!(second.exported, Some((TIME as i64 + 310, TIME as i64 + 310)));
    // What was counted is known when all is over.
    assert_eq!(
        [&first, &second, &third].map(|found| found.options.contains(&65_000)),
        [false, false, true]
    );
}

#[test]
fn a_file_tells_the_time_of_its_flows() {
    // RFC 5655 §8.1.2: the begin is rounded down and the end up.
    let at = Timestamp::from_nanos;
    let mut early = udp_uniflow(1);
    (early.forward.first, early.forward.last) = (at(5_000_000_001), at(6_000_000_001));
    let mut late = tcp_biflow();
    (late.forward.first, late.forward.last) = (at(7_000_000_000), at(8_000_000_000));
    (late.reverse.first, late.reverse.last) = (at(7_000_000_000), at(8_123_456_789));
    for (unit, end) in [
        (TimeUnit::Milliseconds, 124_000_000),
        (TimeUnit::Microseconds, 123_457_000),
        (TimeUnit::Nanoseconds, 123_456_789),
    ] {
        let begin = u32::from(unit == TimeUnit::Nanoseconds);
        let options = CollectorOptions { time: Some(unit), ..CollectorOptions::default() };
        let mut bench = Bench::replay("flows", |file| file.options = options);
        bench.write_at(0, vec![late, early]);
        bench.finish();
        assert_eq!(bench.read("flows").window, Some(((5, begin), (8, end))), "{unit}");
    }
}

#[test]
fn a_live_file_ends_when_its_time_is_over_with_or_without_flows() {
    let mut bench = Bench::live("%H%M%S.ipfix", |file| file.rotate = minutes(1));
    bench.write_at(0, vec![udp_uniflow(1)]);
    bench.pass(39);
    assert_eq!(bench.names().len(), 1, "the file is not complete at 22:13:59");
    bench.pass(1);
    bench.pass(60);
    bench.write_at(0, vec![udp_uniflow(2)]);
    // The clock is set back by an hour.
    bench.clock.wall_step.store(-3_600, std::sync::atomic::Ordering::Relaxed);
    bench.write_at(0, vec![udp_uniflow(3)]);
    bench.finish();
    assert_eq!(bench.names(), ["211500.ipfix", "221300.ipfix", "221400.ipfix", "221500.ipfix"]);
    let names = bench.names();
    let found: Vec<_> = names.iter().map(|name| bench.read(name)).collect();
    assert_eq!(found.iter().map(|found| found.totals.records).collect::<Vec<_>>(), [1, 1, 0, 1]);
    assert!(found[2].options.contains(&65_010) && found[2].window.is_none(), "{:?}", found[2]);
    assert_eq!(found[1].export_times, [1_700_000_000 + 39]);
}

#[test]
fn a_live_run_goes_on_beside_the_file_of_the_run_before() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let file = target(directory.path(), "%Y%m%d.ipfix", |file| file.rotate = minutes(1_440));
    for n in 0..3 {
        let mut sink = FileSink::create(&file, "file", &config(Pace::Live, &clock)).unwrap();
        let (mut account, _) = account();
        let records = (0..=n).map(udp_uniflow).collect();
        let batch = RecordBatch { records, ..RecordBatch::default() };
        sink.write(&batch, &mut account).unwrap();
        sink.finish(&mut account).unwrap();
    }
    assert_eq!(names(directory.path()), ["20231114-1.ipfix", "20231114-2.ipfix", "20231114.ipfix"]);
}

#[test]
fn the_same_replay_makes_the_same_files_whatever_the_batches() {
    let mut runs = Vec::new();
    for batch in [1, 7, 500] {
        let mut bench = Bench::replay("flows.ipfix", |file| {
            file.rotate = minutes(5);
            file.size = Some(SMALLEST_FILE);
            file.compress = true;
        });
        for minute in 0..20_u64 {
            let records: Vec<_> = (0..2_000).map(|n| any_udp(minute * 2_000 + n)).collect();
            records.chunks(batch).for_each(|part| bench.write_at(60 * minute, part.to_vec()));
        }
        bench.finish();
        let octets = bench.names().into_iter().map(|name| {
            let octets = fs::read(bench.path(&name)).unwrap();
            (name, octets)
        });
        runs.push(octets.collect::<Vec<_>>());
    }
    assert!(runs[0].len() > 4, "{}", runs[0].len());
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
}

#[test]
fn a_compressed_file_is_named_so_and_holds_the_same() {
    let mut found = Vec::new();
    for (name, expected, compress) in [
        ("flows.ipfix", "flows.ipfix", false),
        ("flows.ipfix", "flows.ipfix.zst", true),
        ("flows.zst", "flows.zst", true),
    ] {
        let mut bench = Bench::replay(name, |file| file.compress = compress);
        for n in 0..20 {
            bench.write_at(n, (0..1_000).map(udp_uniflow).collect());
        }
        bench.finish();
        assert_eq!(bench.names(), [expected]);
        let octets = fs::read(bench.path(expected)).unwrap();
        let plain = decompressed(octets.clone());
        assert_eq!(octets.len() < plain.len() / 5, compress);
        found.push(plain);
    }
    assert!(found[0] == found[1] && found[0] == found[2]);
}

#[test]
fn damage_to_a_compressed_file_costs_what_was_compressed_together() {
    let mut bench = Bench::replay("flows", |file| file.compress = true);
    for n in 0..40 {
        bench.write_at(n, (0..1_000).map(|m| any_udp(n * 1_000 + m)).collect());
    }
    bench.finish();
    let mut octets = fs::read(bench.path("flows.zst")).unwrap();
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let frames: Vec<_> = octets
        .windows(4)
        .enumerate()
        .filter(|(_, found)| *found == magic)
        .map(|(at, _)| at)
        .collect();
    assert!(frames.len() > 2, "{frames:?}");
    // One octet of the last frame but one: those before read as ever.
    let last = frames[frames.len() - 2];
    octets[last + 1_000] ^= 1;
    let mut good = Vec::new();
    let mut decoder = zstd::Decoder::new(octets.as_slice()).unwrap();
    assert!(decoder.read_to_end(&mut good).is_err(), "it has a checksum");
    assert!(good.len() >= (frames.len() - 2) << 20);
    // The last one is whole: a reader that looks for frames finds whole Messages in it.
    let rest = decompressed(octets[frames[frames.len() - 1]..].to_vec());
    assert_eq!(rest[..2], [0, 10]);
}

#[test]
fn new_observation_points_are_told_before_the_records_that_name_them() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let metering = Metering { facts: Arc::new(Facts::default()), ..Metering::default() };
    metering.points.learn(3, |_, _| {
        (1..=3).map(|n| Interface::new(n, format!("eth{n}").as_bytes(), b"")).collect()
    });
    let file = target(directory.path(), "%s", |file| file.rotate = minutes(1));
    let config = Config { metering, ..config(Pace::Replay, &clock) };
    let mut sink = FileSink::create(&file, "file", &config).unwrap();
    let (mut account, _) = account();
    for (seconds, interfaces) in [(0, 1), (1, 2), (60, 2), (120, 3)] {
        let clock = Timestamp::from_parts(TIME + seconds, 0);
        let batch = RecordBatch { records: vec![udp_uniflow(1)], clock, interfaces };
        sink.write(&batch, &mut account).unwrap();
    }
    sink.finish(&mut account).unwrap();
    let files = names(directory.path());
    let told: Vec<_> = files
        .iter()
        .map(|name| inspect(&fs::read(directory.path().join(name)).unwrap()).interfaces)
        .collect();
    assert_eq!(told, [&["eth1", "eth2"][..], &["eth1", "eth2"], &["eth1", "eth2", "eth3"]]);
}
