use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::writer::{
    MICROSECONDS, Order, interface, packet, pcap_header, pcap_of, record, section, simple,
};
use super::{Outcome, Seen, replay};
use crate::capture::file::{Progress, Replay};
use crate::capture::{CaptureError, FrameSource, Polled};
use crate::time::Timestamp;

#[test]
fn several_workers_share_the_frames_of_one() {
    let lengths: Vec<_> = (0..20_000).map(|index| index * 31 % 200).collect();
    let (first, _) = pcap_of(&lengths[..7_000]);
    let (second, _) = pcap_of(&lengths[7_000..]);
    let cut = &second[..second.len() - 1];
    let files = [first.as_slice(), cut, &first];
    let alone = Outcome::of(replay(&files, 10_000).unwrap().source(), 50);
    assert_eq!((alone.frames.len(), alone.errors.len()), (26_999, 1));
    for workers in [2, 5] {
        let shared = replay(&files, 10_000).unwrap();
        let all = Mutex::new((Vec::new(), Vec::new()));
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| work(shared.source(), &all));
            }
        });
        let (mut batches, errors) = all.into_inner().unwrap();
        batches.sort_by_key(|(ticket, ..)| *ticket);

        let tickets: Vec<_> = batches.iter().map(|(ticket, ..)| *ticket).collect();
        assert_eq!(tickets, (0..alone.batches.len() as u64).collect::<Vec<_>>());
        let told: Vec<_> =
            batches.iter().map(|(t, clock, seen)| (seen.len(), *t, *clock)).collect();
        assert_eq!(told, alone.batches);
        let frames: Vec<_> = batches.into_iter().flat_map(|(_, _, seen)| seen).collect();
        assert!(frames == alone.frames);
        assert_eq!(errors, alone.errors.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(shared.clock_steps(), 2);
    }
}

pub(super) type All = Mutex<(Vec<(u64, Timestamp, Vec<Seen>)>, Vec<String>)>;

pub(super) fn work(mut source: impl FrameSource, all: &All) {
    loop {
        let mut seen = Vec::new();
        match source.poll(50, Duration::ZERO, |frame| seen.push(Seen::keep(frame))) {
            Ok(Polled::Frames { ticket, clock, .. }) => {
                all.lock().unwrap().0.push((ticket, clock, seen));
            }
            Ok(Polled::End) => return,
            Err(error) => all.lock().unwrap().1.push(error.to_string()),
        }
    }
}

#[test]
fn a_chunk_stays_as_it_is_while_a_worker_looks_at_it() {
    // The first worker reads through the whole file from within the second one's batch.
    let (file, _) = pcap_of(&[40; 500]);
    let shared = replay(&[&file], 1_000).unwrap();
    let mut slow = shared.source();
    let mut checked = 0;
    slow.poll(10, Duration::ZERO, |frame| {
        if checked == 0 {
            assert_eq!(Outcome::of(shared.source(), 10).frames.len(), 499);
        }
        assert_eq!(frame.bytes, packet(40));
        checked += 1;
    })
    .unwrap();
    // They are a second apart, and a batch spans no more.
    assert_eq!(checked, 1);
}

#[test]
fn the_clock_runs_with_the_capture_and_ends_a_batch_before_it_is_set_back() {
    let mut file = pcap_header(Order::Little, MICROSECONDS);
    for at in [1_000, 1_010, 1_005, 950, 1_011, 950, 951, 5_000, 1_012] {
        file.extend(record(Order::Little, [at, 0, 0, 0], &[]));
    }
    let shared = replay(&[&file], 4_096).unwrap();
    let outcome = Outcome::of(shared.source(), 100);
    // 950 is a minute before 1,010, and a second more before 1,011; and a batch spans a second.
    let counts: Vec<_> =
        outcome.batches.iter().map(|(count, _, clock)| (*count, clock.as_secs())).collect();
    let expected = [(1, 1_000), (3, 1_010), (1, 1_011), (1, 950), (1, 951), (1, 5_000), (1, 1_012)];
    assert_eq!(counts, expected);
    assert_eq!(shared.clock_steps(), 2);

    let outcome = Outcome::of(replay(&[&file], 4_096).unwrap().source(), 2);
    let clocks: Vec<_> =
        outcome.batches.iter().map(|(count, _, clock)| (*count, clock.as_secs())).collect();
    let expected = [
        (1, 1_000),
        (2, 1_010),
        (1, 1_010),
        (1, 1_011),
        (1, 950),
        (1, 951),
        (1, 5_000),
        (1, 1_012),
    ];
    assert_eq!(clocks, expected);
}

#[test]
fn packets_without_a_time_do_not_move_the_clock() {
    let order = Order::Big;
    let mut file = section(order);
    file.extend(interface(order, 1, 0, &[]));
    file.extend(simple(order, 4, &packet(4)));
    let outcome = Outcome::of(replay(&[&file], 4_096).unwrap().source(), 100);
    assert_eq!(outcome.batches, [(1, 0, Timestamp::EPOCH)]);
}

#[test]
fn a_bad_file_does_not_keep_the_others_from_being_read() {
    let (good, _) = pcap_of(&[60; 3]);
    let (mut bad, offsets) = pcap_of(&[60; 3]);
    bad[offsets[1] + 8..offsets[1] + 12].fill(0xff);
    let outcome = Outcome::of(replay(&[&good, &bad, &good], 4_096).unwrap().source(), 100);
    assert_eq!(outcome.frames.len(), 3 + 1 + 3);
    let [CaptureError::Damaged { path, offset, .. }] = outcome.errors.as_slice() else {
        panic!("{:?}", outcome.errors);
    };
    assert_eq!((path.to_str(), *offset), (Some("1.pcap"), offsets[1] as u64));
}

#[test]
fn files_are_opened_by_path_and_their_progress_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = pcap_of(&[60; 30]);
    let (second, _) = pcap_of(&[70; 10]);
    let paths = [folder.path().join("a.pcap"), folder.path().join("b.pcap")];
    fs::write(&paths[0], &first[..first.len() - 5]).unwrap();
    fs::write(&paths[1], &second).unwrap();
    let octets = (first.len() - 5 + second.len()) as u64;

    let replay = Replay::open(&paths).unwrap();
    assert_eq!(replay.progress(), Progress { octets: 0, total: Some(octets) });
    let outcome = Outcome::of(replay.source(), 256);

    assert_eq!((outcome.frames.len(), outcome.errors.len()), (39, 1));
    assert!(outcome.errors[0].to_string().starts_with(paths[0].to_str().unwrap()));
    assert_eq!(replay.progress(), Progress { octets, total: Some(octets) });
}

#[test]
fn a_file_that_shrinks_or_goes_away_is_an_error_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3).map(|index| folder.path().join(format!("{index}.pcap"))).collect();
    let (file, _) = pcap_of(&[1_000; 2_000]);
    for path in &paths {
        fs::write(path, &file).unwrap();
    }
    let replay = Replay::open(&paths).unwrap();
    let mut source = replay.source();
    source.poll(1, Duration::ZERO, |_| ()).unwrap();
    fs::File::options().write(true).open(&paths[0]).unwrap().set_len(700_000).unwrap();
    fs::remove_file(&paths[1]).unwrap();

    let outcome = Outcome::of(source, 256);

    let progress = replay.progress();
    assert_eq!(Some(progress.octets), progress.total);
    let [CaptureError::File { path, source }, CaptureError::File { path: gone, .. }] =
        outcome.errors.as_slice()
    else {
        panic!("{:?}", outcome.errors);
    };
    assert_eq!((path, gone), (&paths[0], &paths[1]));
    assert_eq!(source.to_string(), "it shrank to 700000 octets while it was read");
    // All that the first file still has, but for the frame above.
    assert_eq!(outcome.frames.len(), (700_000 - 24) / 1_016 - 1 + 2_000);
}

#[test]
fn a_pipe_is_read_as_it_comes() {
    let (file, _) = pcap_of(&[500; 5_000]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = std::path::PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    thread::scope(|scope| {
        let octets = &file;
        scope.spawn(move || {
            for piece in octets.chunks(1_001) {
                writer.write_all(piece).unwrap();
            }
        });
        let replay = Replay::open(&[path]).unwrap();
        let outcome = Outcome::of(replay.source(), 256);
        assert_eq!((outcome.frames.len(), outcome.errors.len()), (5_000, 0));
        let progress = Progress { octets: file.len() as u64, total: None };
        assert_eq!(replay.progress(), progress);
    });
}

#[test]
fn what_cannot_be_opened_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pcap");
    fs::write(&good, pcap_of(&[60]).0).unwrap();
    let missing = folder.path().join("missing.pcap");
    let error = Replay::open(&[&good, &missing]).unwrap_err();
    assert!(matches!(error, CaptureError::File { path, .. } if path == missing));
    let error = Replay::open(&[good.as_path(), folder.path()]).unwrap_err();
    assert!(matches!(error, CaptureError::File { path, .. } if path == folder.path()));
    let text = folder.path().join("text");
    fs::write(&text, "not a capture, but long enough to be one").unwrap();
    let error = Replay::open(&[good, text.clone()]).unwrap_err();
    assert!(matches!(error, CaptureError::NotACapture { path, .. } if path == text));
}

#[test]
fn standard_input_is_read_once() {
    let error = Replay::open(&["-", "-"]).unwrap_err();
    assert_eq!(error.to_string(), "-: standard input can be read only once");
}

#[test]
fn no_files_are_a_capture_of_nothing() {
    let replay = Replay::open(&[] as &[&str]).unwrap();
    assert_eq!(replay.source().poll(1, Duration::ZERO, |_| ()).unwrap(), Polled::End);
    assert_eq!(replay.progress(), Progress { octets: 0, total: Some(0) });
}
