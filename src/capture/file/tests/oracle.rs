//! The same file read by us and by libpcap: an independent tool's opinion of every record.

use std::path::{Path, PathBuf};
use std::{env, fs};

use pcap::{Capture, Error, Precision};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::writer::{
    MICROSECONDS, MODIFIED, NANOSECONDS, ORDERS, block, enhanced, interface, modified_record,
    option, packet, pcap_header_of, record, section,
};
use super::{Outcome, Replay};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pcap_is_read_as_libpcap_reads_it(
        order in prop::sample::select(ORDERS.to_vec()),
        magic in prop::sample::select(vec![MICROSECONDS, NANOSECONDS, MODIFIED]),
        minor in 0_u16..6,
        lengths in vec(0_usize..100, 1..12),
        changes in vec((any::<usize>(), any::<u8>()), 0..3),
        cut in 0_usize..60,
    ) {
        let write = if magic == MODIFIED { modified_record } else { record };
        let mut file = pcap_header_of(order, magic, (2, minor), 1);
        for (index, length) in (0_u32..).zip(lengths) {
            let captured = u32::try_from(length).unwrap();
            let header = if minor < 3 { [captured + 9, captured] } else { [captured, captured + 9] };
            file.extend(write(order, [index, index, header[0], header[1]], &packet(length)));
        }
        damage(&mut file, 24, &changes, cut);
        agree(&file)?;
    }

    #[test]
    fn a_pcapng_is_read_as_libpcap_reads_it(
        order in prop::sample::select(ORDERS.to_vec()),
        resolution in prop::sample::select(vec![6_u8, 9, 3, 12, 0x80 | 20, 0x80 | 33]),
        lengths in vec(0_usize..100, 1..12),
        changes in vec((any::<usize>(), any::<u8>()), 0..3),
        cut in 0_usize..60,
    ) {
        let mut file = section(order);
        file.extend(interface(order, 1, 262_144, &option(order, 9, &[resolution])));
        let whole = file.len();
        for (index, length) in (0_u64..).zip(lengths) {
            file.extend(enhanced(order, 0, index << 33, &packet(length)));
            file.extend(block(order, 10, &packet(length / 3)));
        }
        damage(&mut file, whole, &changes, cut);
        agree(&file)?;
    }
}

/// Overwrites octets behind `start` and cuts the end off.
fn damage(file: &mut Vec<u8>, start: usize, changes: &[(usize, u8)], cut: usize) {
    for (position, value) in changes {
        let range = start..file.len();
        file[start + position % range.len()] = *value;
    }
    // A third of the files stay whole.
    file.truncate(file.len().saturating_sub(cut.saturating_sub(20)).max(start));
}

fn agree(file: &[u8]) -> Result<(), proptest::test_runner::TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, file).unwrap();
    let (ours, theirs) = (by_us(&path), by_libpcap(&path));
    prop_assert_eq!(ours.is_some(), theirs.is_some());
    if let (Some(mut ours), Some(theirs)) = (ours, theirs) {
        if theirs.gave_up {
            prop_assert!(ours.records.len() >= theirs.records.len());
            ours.records.truncate(theirs.records.len());
            ours.damaged = theirs.damaged;
        }
        ours.leave_out_times_unknown_to(&theirs);
        prop_assert_eq!(&ours.records, &theirs.records);
        prop_assert_eq!(ours.damaged, theirs.damaged);
        prop_assert!(ours.records.len() < 12);
    }
    Ok(())
}

/// Real captures, where they are at hand: `FLOWTAP_CAPTURES`, or `../shared/captures`.
#[test]
fn real_captures_are_read_as_libpcap_reads_them() {
    let folder = env::var_os("FLOWTAP_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"),
        PathBuf::from,
    );
    for path in files_under(&folder) {
        let Some(theirs) = by_libpcap(&path) else { continue };
        let Some(mut ours) = by_us(&path) else { panic!("{}: refused", path.display()) };
        ours.leave_out_times_unknown_to(&theirs);
        // libpcap gives up on a pcapng whose interfaces or sections differ; we go on.
        let gave_up = theirs.damaged && !ours.damaged && is_pcapng(&path);
        if !gave_up {
            assert_eq!(ours.damaged, theirs.damaged, "{}", path.display());
            assert_eq!(ours.records.len(), theirs.records.len(), "{}", path.display());
        }
        for (ours, theirs) in ours.records.iter().zip(&theirs.records) {
            // libpcap cuts a packet to the snap length of the file header, which may be wrong.
            assert!(ours.0 >= theirs.0, "{}", path.display());
            assert_eq!((ours.1, ours.2), (theirs.1, theirs.2), "{}", path.display());
        }
    }
}

fn is_pcapng(path: &Path) -> bool {
    fs::read(path).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_under(&path) } else { vec![path] }).collect()
}

/// What a reader makes of a file.
#[derive(Debug)]
struct Opinion {
    /// Captured length, original length, and the time where libpcap can express it.
    records: Vec<(usize, u32, Option<u64>)>,
    damaged: bool,
    /// Where a whole file has interfaces that differ, which libpcap does not read.
    gave_up: bool,
}

impl Opinion {
    /// libpcap holds both halves of a time in signed numbers, so some it cannot say.
    fn leave_out_times_unknown_to(&mut self, other: &Self) {
        for (ours, theirs) in self.records.iter_mut().zip(&other.records) {
            if theirs.2.is_none() {
                ours.2 = None;
            }
        }
    }
}

fn by_us(path: &Path) -> Option<Opinion> {
    let replay = Replay::open(&[path]).ok()?;
    let outcome = Outcome::of(replay.source(), 256);
    let records = outcome
        .frames
        .iter()
        .map(|frame| (frame.bytes.len(), frame.wire_length, Some(frame.at.as_nanos())));
    Some(Opinion {
        records: records.collect(),
        damaged: !outcome.errors.is_empty(),
        gave_up: false,
    })
}

fn by_libpcap(path: &Path) -> Option<Opinion> {
    let mut capture = Capture::from_file_with_precision(path, Precision::Nano).ok()?;
    let mut opinion = Opinion { records: Vec::new(), damaged: false, gave_up: false };
    loop {
        match capture.next_packet() {
            Ok(packet) => {
                let time = packet.header.ts;
                let halves = u64::try_from(time.tv_sec).ok().zip(u64::try_from(time.tv_usec).ok());
                let at = halves.map(|(seconds, nanoseconds)| {
                    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
                });
                opinion.records.push((packet.data.len(), packet.header.len, at));
            }
            Err(Error::NoMorePackets) => return Some(opinion),
            Err(error) => {
                opinion.gave_up = error.to_string().contains("an interface has a");
                opinion.damaged = true;
                return Some(opinion);
            }
        }
    }
}
