//! Disks that are full, read-only, gone or damaged: never a crash, never a wrong record at a
//! Collector, and what is not delivered is counted.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use flowtap::export::{ExportError, Exporter, LossReason, TargetReport, Transport};

use crate::collectors::{Peer, Reading};
use crate::load::{
    Probe, config, count_in_order, duplicates, spool, spooled_files, wait_for_flow, wait_until,
};
use crate::netns::{inside, ip};

#[test]
#[ignore = "needs root"]
fn a_full_file_system_loses_what_does_not_fit_and_nothing_else() {
    in_a_place_of_our_own(
        "spools::a_full_file_system_loses_what_does_not_fit_and_nothing_else",
        || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"], folder.path());
            let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
            let mut config = config(vec![peer.target()]);
            config.spool = Some(spool(folder.path(), false));
            let probe = Probe::start(config);
            probe.give_steadily(100_000);
            wait_until("the notice", || says(&probe, "No space left"));
            peer.run();
            // Later there is room again, for another outage.
            wait_until("an empty disk", || segments(&folder).is_empty());
            let first = probe.next();
            probe.give_steadily(1_000);
            wait_for_flow(&peer, first + 999);
            peer.kill();
            probe.give_steadily(5_000);
            peer.run();
            wait_for_flow(&peer, first + 5_999);
            let report = probe.finish();
            let stored = check_what_came(&peer, &report);
            assert!(stored > 10_000, "2 MB hold more than {stored}");
            assert!(report.lost(LossReason::SpoolFull).records > 10_000, "{report:?}");
            unmount(folder.path());
        },
    );
}

#[test]
#[ignore = "needs root"]
fn a_directory_that_becomes_read_only_is_counted_and_used_again_later() {
    in_a_place_of_our_own(
        "spools::a_directory_that_becomes_read_only_is_counted_and_used_again_later",
        || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
            let mut config = config(vec![peer.target()]);
            // Small segments, so that new ones are wanted soon.
            config.spool = Some(spool(folder.path(), false));
            if let Some(spool) = &mut config.spool {
                spool.maximum_octets = 8 << 20;
            }
            let probe = Probe::start(config);
            probe.give_steadily(5_000);
            // Read-only for whoever opens a file from now on; root too.
            mount(&["--bind", &folder.path().display().to_string()], folder.path());
            mount(&["-o", "remount,ro,bind"], folder.path());
            probe.give_steadily(30_000);
            wait_until("the notice", || says(&probe, "Read-only"));
            let before = probe.next();
            unmount(folder.path());
            probe.give_steadily(5_000);
            peer.run();
            wait_for_flow(&peer, before + 4_999);
            let report = probe.finish();
            let stored = check_what_came(&peer, &report);
            assert!(stored >= 10_000, "{stored}");
            assert!(report.lost(LossReason::SpoolFull).records > 0, "{report:?}");
        },
    );
}

#[test]
#[ignore = "needs root"]
fn a_directory_that_is_read_only_from_the_start_is_an_error_then() {
    in_a_place_of_our_own(
        "spools::a_directory_that_is_read_only_from_the_start_is_an_error_then",
        || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            mount(&["-t", "tmpfs", "-o", "ro", "tmpfs"], folder.path());
            let peer = Peer::new(Transport::Tcp, Reading::Everything);
            let mut config = config(vec![peer.target()]);
            config.spool = Some(spool(folder.path(), true));
            let error = Exporter::start(&config, Vec::new()).expect_err("it must be said at once");
            assert!(matches!(error, ExportError::Spool { .. }), "{error}");
            assert!(error.to_string().contains("Read-only"), "{error}");
            unmount(folder.path());
        },
    );
}

#[test]
#[ignore = "takes a while"]
fn a_directory_that_is_removed_takes_what_was_in_it_and_no_more() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
    let mut config = config(vec![peer.target()]);
    config.spool = Some(spool(folder.path(), false));
    let probe = Probe::start(config);
    probe.give_steadily(20_000);
    fs::remove_dir_all(folder.path().join("spool")).expect("it is there");
    probe.give_steadily(20_000);
    // And in the way of a new one stands something else for a while.
    fs::remove_dir_all(folder.path().join("spool")).expect("it came back");
    fs::write(folder.path().join("spool"), b"not a directory").expect("there is room");
    probe.give_steadily(20_000);
    fs::remove_file(folder.path().join("spool")).expect("it is a file");
    probe.give_steadily(20_000);
    peer.run();
    wait_for_flow(&peer, 79_999);
    let report = probe.finish();
    let stored = check_what_came(&peer, &report);
    println!("{stored} of 80,000 flows came, whose directory was removed twice");
    assert!(stored >= 19_000, "what was given last was in nobody's way: {report:?}");
}

#[test]
#[ignore = "takes a while"]
fn a_half_written_segment_costs_its_last_records_only() {
    for cut in [1, 100, 5_000] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
        leave_in_spool(&peer, &folder, 0, 20_000);
        let last = segments(&folder).pop().expect("there are segments");
        let file = File::options().write(true).open(last).expect("it is ours");
        let length = file.metadata().expect("it is there").len();
        file.set_len(length - cut).expect("it is shortened");

        peer.run();
        let mut config = config(vec![peer.target()]);
        config.spool = Some(spool(folder.path(), true));
        let probe = Probe::start_at(20_000, config);
        probe.give_steadily(1_000);
        wait_for_flow(&peer, 20_999);
        let report = probe.finish();
        let stored = check_what_came(&peer, &report);
        assert_eq!(report.carried_over.records, 20_000, "{report:?}");
        let damaged = report.lost(LossReason::SpoolDamaged).records;
        // A Message has 16 KiB, and a Flow more than 50 octets.
        let most = (cut / 16_384 + 1) * 16_384 / 50;
        assert!((1..=most).contains(&damaged), "{damaged} for {cut} octets: {report:?}");
        assert_eq!(stored, 21_000 - damaged);
        assert!(spooled_files(folder.path()).is_empty());
    }
}

#[test]
#[ignore = "takes a while"]
fn damage_within_a_segment_is_never_delivered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
    leave_in_spool(&peer, &folder, 0, 20_000);
    let path = segments(&folder).remove(0);
    let mut octets = fs::read(&path).expect("it is ours");
    let middle = octets.len() / 2;
    octets[middle] ^= 0x10;
    fs::write(&path, octets).expect("it is ours");

    peer.run();
    let mut config = config(vec![peer.target()]);
    config.spool = Some(spool(folder.path(), true));
    let probe = Probe::start_at(20_000, config);
    probe.give_steadily(1_000);
    wait_for_flow(&peer, 20_999);
    let report = probe.finish();
    let stored = check_what_came(&peer, &report);
    let damaged = report.lost(LossReason::SpoolDamaged).records;
    assert!((1..=700).contains(&damaged), "one Message, or two: {report:?}");
    assert_eq!(stored, 21_000 - damaged);
}

#[test]
#[ignore = "takes a while"]
fn garbage_in_the_directory_harms_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut peer = Peer::new(Transport::Tcp, Reading::Everything);
    leave_in_spool(&peer, &folder, 0, 20_000);
    let ours = segments(&folder);
    let directory = ours[0].parent().expect("it is in a directory").to_owned();
    let suffix = ours[0].extension().expect("segments have one").to_string_lossy().into_owned();
    let noise: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    // With names of ours: before, between and after the good ones; and one that is a copy.
    for (number, garbage) in [(0_u64, &noise[..]), (1 << 40, &noise[..7]), (u64::MAX, &[][..])] {
        fs::write(directory.join(format!("{number:016x}.{suffix}")), garbage).expect("room");
    }
    fs::copy(&ours[0], directory.join(format!("{:016x}.{suffix}", 77))).expect("room");
    fs::write(directory.join("README"), b"not ours").expect("room");
    fs::create_dir(directory.join("folder")).expect("room");

    peer.run();
    let mut config = config(vec![peer.target()]);
    config.spool = Some(spool(folder.path(), true));
    let probe = Probe::start_at(20_000, config);
    probe.give_steadily(1_000);
    wait_for_flow(&peer, 20_999);
    let report = probe.finish();
    assert_eq!(report.sent.records, 21_000, "{report:?}");
    assert_eq!(duplicates(&peer.sessions(), 0, 21_000), 0);
    let left: Vec<_> = spooled_files(folder.path())
        .iter()
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    assert_eq!(left, ["README", "folder"], "what is not ours stays");
}

/// Lets a probe end in order while its Collector is away: everything is kept.
#[track_caller]
fn leave_in_spool(peer: &Peer, folder: &tempfile::TempDir, first: u64, count: u64) {
    let mut config = config(vec![peer.target()]);
    config.spool = Some(spool(folder.path(), true));
    let probe = Probe::start_at(first, config);
    probe.give_steadily(count);
    let report = probe.finish();
    assert_eq!(report.kept, report.given, "{report:?}");
}

/// What the Collector has is what the report says was sent: in order, each once; how many.
#[track_caller]
fn check_what_came(peer: &Peer, report: &TargetReport) -> u64 {
    let sessions = peer.sessions();
    let stored = count_in_order(&sessions);
    assert_eq!(stored, report.sent.records, "{report:?}");
    stored
}

fn says(probe: &Probe, text: &str) -> bool {
    probe.notices().iter().any(|notice| notice.contains(text))
}

fn segments(folder: &tempfile::TempDir) -> Vec<PathBuf> {
    let mut files = spooled_files(folder.path());
    files.retain(|path| {
        let number = path.file_stem().unwrap_or_default().to_string_lossy();
        number.len() == 16 && u64::from_str_radix(&number, 16).is_ok()
    });
    files
}

/// In namespaces of our own, with a loopback.
fn in_a_place_of_our_own(test: &str, body: impl FnOnce()) {
    inside(test, || {
        ip("link set dev lo up");
        body();
    });
}

/// In the mount namespace that `ip netns exec` makes: nobody else sees it.
fn mount(arguments: &[&str], place: &std::path::Path) {
    let output = Command::new("mount").args(arguments).arg(place).output().expect("mount(8)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn unmount(place: &std::path::Path) {
    // A file may be open for another moment.
    for _ in 0..50 {
        if Command::new("umount").arg(place).output().expect("umount(8)").status.success() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{} stays busy", place.display());
}
