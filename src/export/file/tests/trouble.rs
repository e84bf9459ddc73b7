use super::*;

#[test]
fn mistakes_are_found_at_the_start_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("directory")).unwrap();
    let clock = Arc::new(TestClock::default());
    for (name, rotate, size, hint) in [
        ("a%!", minutes(5), None, "is no name pattern"),
        ("none/%Y", minutes(5), None, "No such file"),
        ("none/flows", None, Some(1 << 20), "No such file"),
        ("directory", minutes(5), None, "directory"),
        ("/dev/null", minutes(5), None, "only regular files"),
        ("/dev/stdout", None, Some(1 << 20), "only regular files"),
        ("flows", None, Some(1_000), "use 65536 at least"),
        ("flows", Some(Duration::ZERO), None, "of no time"),
    ] {
        for pace in [Pace::Live, Pace::Replay] {
            let file = target(directory.path(), name, |file| {
                file.rotate = rotate;
                file.size = size;
            });
            let refused = FileSink::create(&file, "file:x", &config(pace, &clock));
            let error = refused.map(drop).unwrap_err().to_string();
            assert!(error.starts_with("file:x: cannot create: "), "{error}");
            assert!(error.contains(hint), "{name}: {error}");
        }
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn an_abandoned_run_leaves_complete_files_only() {
    for pace in [Pace::Live, Pace::Replay] {
        let mut bench = Bench::new(pace, "%s", |file| file.size = Some(SMALLEST_FILE));
        for n in 0..10 {
            bench.write_at(n, (0..100).map(udp_uniflow).collect());
        }
        let Bench { directory, sink, account, .. } = bench;
        drop(sink);
        let names = names(directory.path());
        assert_eq!(names.len(), 1);
        let found = inspect(&fs::read(directory.path().join(&names[0])).unwrap());
        assert_eq!(found.totals, account.settled());
    }
}

#[test]
fn a_replay_without_a_flow_has_no_rotated_file() {
    let mut bench = Bench::replay("%s", |file| file.rotate = minutes(1));
    bench.finish();
    assert!(bench.names().is_empty());
}

#[test]
fn files_of_a_killed_run_are_told_of_and_stay() {
    for (name, left) in
        [("flows.ipfix", ".flows.ipfix.1-0.partial"), ("%Y/a%H", "2023/.a21.1-0.partial")]
    {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join(left);
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "whole messages").unwrap();
        let clock = Arc::new(TestClock::default());
        let rotate = name.contains('%').then_some(Duration::from_secs(3_600));
        let file = target(directory.path(), name, |file| file.rotate = rotate);
        let (mut account, notices) = account();
        let mut sink = FileSink::create(&file, "file:x", &config(Pace::Live, &clock)).unwrap();
        sink.tick(&mut account).unwrap();
        sink.tick(&mut account).unwrap();
        sink.finish(&mut account).unwrap();
        let notices = notices.lock().unwrap();
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains(left.to_str().unwrap()), "{notices:?}");
        assert_eq!(fs::read(&left).unwrap(), b"whole messages");
        assert!(account.into_report(String::new(), Totals::default()).first_error.is_none());
    }
}

#[test]
fn a_live_target_whose_directory_is_gone_tries_again() {
    let mut bench = Bench::live("sub-%Y/%s", |file| file.rotate = minutes(1));
    let root = bench.directory.path().to_owned();
    let away = root.with_extension("away");
    bench.write_at(0, vec![udp_uniflow(1)]);
    // The next file cannot be created: three records are lost, and that is said once.
    fs::rename(&root, &away).unwrap();
    bench.pass(40);
    bench.write_at(0, vec![udp_uniflow(2)]);
    bench.pass(4);
    bench.write_at(0, vec![udp_uniflow(3)]);
    bench.pass(1);
    bench.write_at(0, vec![udp_uniflow(4)]);
    fs::rename(&away, &root).unwrap();
    bench.pass(5);
    bench.write_at(0, vec![udp_uniflow(5)]);
    bench.pass(1);
    bench.pass(1);
    bench.finish();
    let names = bench.names();
    let found: Vec<_> = names
        .iter()
        .filter(|name| !name.contains("partial"))
        .map(|name| bench.read(name))
        .collect();
    let (report, notices) = bench.report();
    assert_eq!(report.lost(LossReason::TargetFailed).records, 3);
    assert_eq!(report.sent.records, 2);
    assert!(notices[0].contains("No such file"), "{notices:?}");
    assert!(notices.last().unwrap().ends_with("written again"), "{notices:?}");
    // Reliability of the Exporting Process, RFC 7011 §4.3.
    assert!(found.last().unwrap().options.contains(&65_002), "{found:?}");
}

#[test]
fn a_replay_ends_with_the_first_file_that_cannot_be_written() {
    let mut bench = Bench::replay("%s", |file| file.rotate = minutes(1));
    bench.write_at(0, vec![udp_uniflow(1)]);
    fs::remove_dir_all(bench.directory.path()).unwrap();
    let clock = Timestamp::from_parts(TIME + 60, 0);
    let batch = RecordBatch { records: vec![udp_uniflow(2)], clock, interfaces: 0 };
    let error = bench.sink.write(&batch, &mut bench.account).unwrap_err();
    assert!(matches!(error, ExportError::Create { .. } | ExportError::Write { .. }), "{error}");
    fs::create_dir(bench.directory.path()).unwrap();
}

/// Whatever fails on a disk that fills up, the books balance and every file is good.
#[test]
#[ignore = "needs root"]
fn a_full_disk_costs_what_comes_until_there_is_room() {
    for compress in [false, true] {
        let mount = Mount::new("1m");
        let clock = Arc::new(TestClock::default());
        let file = target(mount.0.path(), "%s", |file| {
            file.size = Some(200_000);
            file.compress = compress;
        });
        let ballast = mount.0.path().join("ballast");
        fs::write(&ballast, vec![0; 500_000]).unwrap();
        let (mut account, notices) = account();
        let mut sink = FileSink::create(&file, "file:x", &config(Pace::Live, &clock)).unwrap();
        let mut given = Totals::default();
        let mut trouble_since = None;
        for n in 0..2_000_u64 {
            let mixed = |m: u64| (n * 1_000 + m).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let records: Vec<_> = (0..100)
                .map(|m| FlowRecord { flow_id: mixed(m) ^ mixed(m) >> 29, ..udp_uniflow(1) })
                .collect();
            given += Totals::of(&records, true);
            let batch = RecordBatch { records, ..RecordBatch::default() };
            sink.write(&batch, &mut account).unwrap();
            clock.advance(Duration::from_secs(1));
            sink.tick(&mut account).unwrap();
            if !notices.lock().unwrap().is_empty() && *trouble_since.get_or_insert(n) + 20 == n {
                // Somebody makes room.
                fs::remove_file(&ballast).unwrap();
            }
            if notices.lock().unwrap().len() >= 2 {
                break;
            }
        }
        sink.finish(&mut account).unwrap();
        drop(sink);
        let notices = notices.lock().unwrap().clone();
        assert!(notices[0].contains("No space left"), "{notices:?}");
        assert!(notices[1].ends_with("written again"), "{notices:?}");
        let names = names(mount.0.path());
        assert!(!names.iter().any(|name| name.contains("partial")), "{names:?}");
        let read =
            |name: &String| inspect(&decompressed(fs::read(mount.0.path().join(name)).unwrap()));
        let found: Vec<_> = names.iter().map(read).collect();
        let settled = account.settled();
        assert_eq!(settled, given);
        let report = account.into_report(String::new(), Totals::default());
        assert_eq!(totals(&found), report.sent, "what is in the files was sent, and nothing else");
        assert!(report.lost(LossReason::NotSent).records > 0);
        assert!(report.lost(LossReason::TargetFailed).records > 0);
    }
}

/// A small file system of its own.
#[derive(Debug)]
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "flowtap"])
            .arg(directory.path())
            .status()
            .unwrap();
        assert!(status.success());
        Self(directory)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
