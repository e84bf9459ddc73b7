//! Files that are mapped, and the same octets read: nobody can tell them apart.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tempfile::TempDir;

use super::packed::gzip;
use super::replay::work;
use super::writer::{
    MICROSECONDS, Order, block, enhanced, interface, packet, pcap_header, pcap_of, record, section,
};
use super::{Outcome, read};
use crate::capture::file::{Replay, Sizes};
use crate::capture::{CaptureError, FrameSource, Polled};
use crate::sys::file_mapping::FileMapping;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Windows of a page and more, records across their seams and records larger than they are,
    /// files cut anywhere.
    #[test]
    fn a_mapped_file_gives_what_the_same_octets_give_when_they_are_read(
        lengths in vec(prop_oneof![0_usize..200, 0_usize..2_000, 3_000_usize..20_000], 0..60),
        is_pcapng: bool,
        window in prop_oneof![Just(1_usize), Just(4_096), Just(8_192), 1_usize..50_000],
        chunk in 1_usize..10_000,
        max in 1_usize..20,
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut file = if is_pcapng { pcapng_of(&lengths) } else { at_once(&lengths) };
        if is_cut {
            file.truncate(file.len().min(30 + cut.index(file.len())));
        }
        let folder = Folder::new(&[&file, &gzip(&file)]);
        let [plain, packed] = &folder.paths[..] else { unreachable!() };
        let sizes = Sizes { chunk, window };

        let mapped = folder.outcome(plain, sizes, max);
        let unpacked = folder.outcome(packed, sizes, max);
        let whole = folder.outcome(plain, Sizes::default(), max);

        prop_assert!(mapped.frames == unpacked.frames);
        prop_assert_eq!(&mapped.batches, &unpacked.batches);
        prop_assert_eq!(damages(&mapped), damages(&unpacked));
        prop_assert!(mapped.frames == whole.frames);
        prop_assert_eq!(&mapped.batches, &whole.batches);
        prop_assert_eq!(damages(&mapped), damages(&whole));
        prop_assert!(is_cut || mapped.frames.len() == lengths.len());
    }
}

#[test]
fn a_batch_ends_where_the_capture_says_so_and_not_where_a_window_does() {
    // A million octets at one time: more than a batch spans.
    let file = at_once(&vec![1_000; 1_000]);
    let folder = Folder::new(&[&file]);
    let counts = |window| {
        let outcome = folder.outcome(&folder.paths[0], Sizes { chunk: 1, window }, 10_000);
        outcome.batches.iter().map(|(count, ..)| *count).collect::<Vec<_>>()
    };
    let expected = [516, 484]; // whole records in half a MiB
    for window in [1, 4_096, 70_000, 1 << 20, 1 << 30] {
        assert_eq!(counts(window), expected, "{window}");
    }
}

#[test]
fn a_file_cut_off_before_the_walk_ends_there_with_one_error() {
    let file = at_once(&[1_000; 5_000]);
    for length in [8_192, 12_288, 10_000, 1_000_000, 100, 0] {
        let folder = Folder::new(&[&file, &file]);
        let replay = folder.replay(Sizes::default());
        let mut source = replay.source();
        let first = source.poll(3, Duration::ZERO, |frame| assert_eq!(frame.bytes, packet(1_000)));
        assert!(matches!(first, Ok(Polled::Frames { count: 3, .. })));
        folder.open(0).set_len(length).unwrap();

        let outcome = Outcome::of(source, 4_096);

        assert_eq!(shrunk(&outcome), [(folder.paths[0].clone(), length)], "{length}");
        let left = (usize::try_from(length).unwrap().saturating_sub(24) / 1_016).max(3) - 3;
        assert_eq!(outcome.frames.len(), left + 5_000, "{length}");
        assert!(outcome.frames.iter().all(|frame| frame.bytes == packet(1_000)));
        assert_eq!(replay.clock_steps(), 0, "zeros have no time");
    }
}

#[test]
fn a_file_cut_off_between_walk_and_decoding_is_told_once_and_the_next_goes_on() {
    let file = at_once(&[1_000; 2_500]);
    for window in [4_096, 200_000, 2 << 20] {
        let folder = Folder::new(&[&file, &file]);
        let replay = folder.replay(Sizes { window, ..Sizes::default() });
        let mut source = replay.source();
        let mut zeros = 0;
        let polled = source.poll(500, Duration::ZERO, |frame| {
            folder.open(0).set_len(20_000).unwrap();
            zeros += usize::from(frame.bytes.iter().all(|octet| *octet == 0));
        });
        // They were found, so they count; what can be seen of them are zeros.
        assert!(matches!(polled, Ok(Polled::Frames { count: 500, .. })), "{polled:?}");
        assert_eq!(zeros, 500 - (20_000_usize - 40).div_ceil(1_016), "{window}");

        let outcome = Outcome::of(source, 4_096);
        assert_eq!(shrunk(&outcome), [(folder.paths[0].clone(), 20_000)]);
        assert_eq!(outcome.frames.len(), 2_500, "no zeros, and all of the other file");
        assert!(outcome.frames.iter().all(|frame| frame.bytes == packet(1_000)));
    }
}

#[test]
fn a_file_cut_off_in_its_last_batch_is_told_too() {
    let file = at_once(&[1_000; 100]);
    let folder = Folder::new(&[&file]);
    let mut source = folder.replay(Sizes::default()).source();
    let mut frames = 0;
    let polled = source.poll(4_096, Duration::ZERO, |_| {
        folder.open(0).set_len(0).unwrap();
        frames += 1;
    });
    assert!(matches!(polled, Ok(Polled::Frames { count: 100, .. })));
    let outcome = Outcome::of(source, 4_096);
    assert_eq!((frames, outcome.frames.len()), (100, 0));
    assert_eq!(shrunk(&outcome), [(folder.paths[0].clone(), 0)]);
}

#[test]
fn a_file_that_grows_is_read_to_the_end_it_has_when_we_get_there() {
    let (file, offsets) = pcap_of(&vec![900; 3_000]);
    for (window, first) in [(4_096, 10), (4_096, 2_000), (2 << 20, 10), (2 << 20, 2_999)] {
        // Even in the middle of a record, if its rest comes in time.
        let folder = Folder::new(&[&file[..offsets[first] + 500]]);
        let replay = folder.replay(Sizes { window, ..Sizes::default() });
        let mut source = replay.source();
        source.poll(1, Duration::ZERO, |_| ()).unwrap();
        let mut writer = File::options().append(true).open(&folder.paths[0]).unwrap();
        writer.write_all(&file[offsets[first] + 500..]).unwrap();
        let outcome = Outcome::of(source, 256);
        assert_eq!((outcome.frames.len(), outcome.errors.len()), (2_999, 0));
        assert!(outcome.frames == read(&file).frames[1..]);
        assert_eq!(replay.progress().octets, replay.progress().total.unwrap());
    }
}

#[test]
fn an_empty_file_is_no_capture() {
    let folder = Folder::new(&[b""]);
    let error = Replay::open(&folder.paths).unwrap_err();
    assert!(matches!(error, CaptureError::NotACapture { what, .. } if what == "it is empty"));
}

#[test]
fn several_workers_share_the_windows_of_one_file() {
    let lengths: Vec<_> = (0..20_000).map(|index| index * 31 % 200).collect();
    let file = at_once(&lengths);
    let folder = Folder::new(&[&file, &file[..file.len() - 1]]);
    for window in [4_096, 100_000] {
        let sizes = Sizes { window, ..Sizes::default() };
        let alone = Outcome::of(folder.replay(sizes).source(), 50);
        assert_eq!((alone.frames.len(), alone.errors.len()), (39_999, 1));
        let shared = folder.replay(sizes);
        let all = Mutex::new((Vec::new(), Vec::new()));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| work(shared.source(), &all));
            }
        });
        let (mut batches, errors) = all.into_inner().unwrap();
        batches.sort_by_key(|(ticket, ..)| *ticket);
        let frames: Vec<_> = batches.into_iter().flat_map(|(_, _, seen)| seen).collect();
        assert!(frames == alone.frames);
        assert_eq!(errors.len(), 1);
    }
}

#[test]
fn a_file_is_read_when_no_more_can_be_mapped() {
    // In a process of its own, for the guarded mappings are the whole process's.
    let status = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "capture::file::tests::mapped::child_of_the_full_table_test"])
        .arg("--ignored")
        .status()
        .expect("this test can be started again");
    assert!(status.success());
}

#[test]
#[ignore = "the process that another test starts"]
fn child_of_the_full_table_test() {
    let (file, _) = pcap_of(&[700; 1_000]);
    let folder = Folder::new(&[&file]);
    let open = folder.open(0);
    let map = || FileMapping::new(open.as_fd(), 0, 4_096, false);
    let mut mappings: Vec<_> = std::iter::from_fn(|| map().ok()).take(10_000).collect();
    assert!((100..10_000).contains(&mappings.len()), "{} mappings", mappings.len());
    let sizes = Sizes { window: 8_192, ..Sizes::default() };
    let outcome = folder.outcome(&folder.paths[0], sizes, 256);
    assert_eq!((outcome.frames.len(), outcome.errors.len()), (1_000, 0));
    assert!(outcome.frames == read(&file).frames);

    // And from the middle on, when they run out there: a window needs the next before it goes.
    mappings.pop();
    let outcome = folder.outcome(&folder.paths[0], sizes, 256);
    assert_eq!((outcome.frames.len(), outcome.errors.len()), (1_000, 0));
    assert!(outcome.frames == read(&file).frames);
    assert!(map().is_ok(), "what was given up can be had again");
}

/// Files to be opened by path.
struct Folder {
    paths: Vec<PathBuf>,
    _folder: TempDir,
}

impl Folder {
    fn new(files: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |(index, octets): (usize, &&[u8])| {
            let path = folder.path().join(format!("{index}.pcap"));
            fs::write(&path, octets).unwrap();
            path
        };
        Self { paths: files.iter().enumerate().map(write).collect(), _folder: folder }
    }

    fn replay(&self, sizes: Sizes) -> Replay {
        Replay::open_through(&self.paths, sizes).unwrap()
    }

    fn outcome(&self, path: &Path, sizes: Sizes, max: usize) -> Outcome {
        Outcome::of(Replay::open_through(&[path], sizes).unwrap().source(), max)
    }

    fn open(&self, index: usize) -> File {
        File::options().read(true).write(true).open(&self.paths[index]).unwrap()
    }
}

/// A pcap of which all packets have the same time, so that batches end by nothing else.
fn at_once(lengths: &[usize]) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, MICROSECONDS);
    for length in lengths {
        let captured = u32::try_from(*length).unwrap();
        file.extend(record(Order::Little, [1_000, 7, captured, captured], &packet(*length)));
    }
    file
}

/// A pcapng of packets and, between them, blocks without any.
fn pcapng_of(lengths: &[usize]) -> Vec<u8> {
    let order = Order::Big;
    let mut file = [section(order), interface(order, 1, 0, &[])].concat();
    for length in lengths {
        if length % 5 == 0 {
            file.extend(block(order, 4, &packet(length / 4 * 4)));
        }
        if length % 7 == 0 {
            file.extend([section(order), interface(order, 1, 0, &[])].concat());
        }
        file.extend(enhanced(order, 0, 1_000, &packet(*length)));
    }
    file
}

fn damages(outcome: &Outcome) -> Vec<(u64, String)> {
    let of = |error: &CaptureError| match error {
        CaptureError::Damaged { offset, what, .. } => (*offset, what.clone()),
        other => panic!("{other:?}"),
    };
    outcome.errors.iter().map(of).collect()
}

/// The files that were told to have shrunk, and to which length.
fn shrunk(outcome: &Outcome) -> Vec<(PathBuf, u64)> {
    let of = |error: &CaptureError| match error {
        CaptureError::File { path, source } => {
            let what = source.to_string();
            let length = what.strip_prefix("it shrank to ").expect(&what);
            let length = length.strip_suffix(" octets while it was read").expect(&what);
            (path.clone(), length.parse().unwrap())
        }
        other => panic!("{other:?}"),
    };
    outcome.errors.iter().map(of).collect()
}
