//! What the spool promises. [`model`] compares it with a queue in memory, [`damage`] breaks its
//! files, [`disk`] takes the disk from under it, [`crash`] kills its process.

mod crash;
mod damage;
mod disk;
mod keys;
mod model;
mod speed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{Closed, PushError, Recovery, Spool};
use crate::export::account::{LossReason, Totals};
use crate::export::body::Body;
use crate::export::config::SpoolConfig;
use crate::time::Timestamp;

const TARGET: &str = "tcp://collector.example:4739";
const CONTEXT: &str = "standard biflow milliseconds";
const NOW: Timestamp = Timestamp::from_parts(1_790_000_000, 0);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_goes_in_comes_out_in_order_and_leaves_nothing_behind() {
    let place = Place::new();
    let (mut spool, recovery) = place.open();
    assert_eq!(recovery, Recovery::default());
    let bodies: Vec<_> = (0..500).map(body).collect();
    for body in &bodies {
        spool.push(body, NOW).expect("there is room");
    }
    assert_eq!(spool.waiting(), sum(&bodies));
    assert!(place.segments().len() > 3, "several files");
    assert!(spool.octets() >= place.octets_on_disk());

    for expected in &bodies {
        let stored = spool.next().expect("it was pushed");
        assert_eq!((&stored.body, stored.context.as_ref()), (expected, CONTEXT));
    }
    assert!(!spool.has_unread());
    assert_eq!(spool.next(), None);
    assert_eq!(spool.waiting(), sum(&bodies), "read is not delivered");

    spool.delivered(250);
    assert_eq!(spool.waiting(), sum(&bodies[250..]));
    spool.delivered(250);
    assert_eq!((spool.waiting(), spool.octets()), (Totals::default(), 0));
    assert_eq!(place.segments(), [] as [PathBuf; 0]);
    assert_eq!(spool.take_losses(), []);
    assert_eq!(spool.close(), Closed::default());
    assert!(!place.target_directory_exists());
}

#[test]
fn files_are_removed_as_they_are_delivered() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..500);
    let files = place.segments().len();
    let octets = spool.octets();
    for _ in 0..250 {
        spool.next().expect("it was pushed");
    }
    spool.delivered(250);
    let left = place.segments().len();
    assert!(left <= files / 2 + 1, "{left} of {files}");
    assert!(spool.octets() < octets * 6 / 10);
}

#[test]
fn what_came_back_goes_before_everything_that_waits() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 10..400);
    assert_eq!(spool.next().map(id), Some(10));
    let back: Vec<_> = (0..10).map(body).collect();
    assert!(matches!(spool.push_front(&back, NOW), (10, None)));
    spool.rewind();
    let order: Vec<_> = std::iter::from_fn(|| spool.next()).map(id).collect();
    assert_eq!(order, (0..400).collect::<Vec<_>>());
}

#[test]
fn more_than_a_segment_can_come_back() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 300..310);
    let back: Vec<_> = (0..300).map(body).collect();
    assert!(matches!(spool.push_front(&back, NOW), (300, None)));
    spool.flush();
    drop(spool);
    let (mut spool, recovery) = place.open();
    assert_eq!(recovery.readable, sum(&(0..310).map(body).collect::<Vec<_>>()));
    assert_eq!(drain(&mut spool), (0..310).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_takes_nothing_and_keeps_what_it_has() {
    let mut place = Place::new();
    place.config.maximum_octets = 100_000;
    let (mut spool, _) = place.open();
    let mut taken = 0;
    let refused = loop {
        match spool.push(&body(taken), NOW) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(spool.octets() <= 100_000);
    };
    assert!(matches!(refused, PushError::Full));
    spool.flush();
    assert!(place.octets_on_disk() <= 100_000);
    assert!(matches!(spool.push_front(&[body(0)], NOW), (0, Some(PushError::Full))));

    let half = taken / 2;
    for expected in 0..half {
        assert_eq!(spool.next().map(id), Some(expected));
    }
    spool.delivered(usize::try_from(half).expect("small"));
    spool.push(&body(taken), NOW).expect("half was delivered");
    assert_eq!(drain(&mut spool), (half..=taken).collect::<Vec<_>>());
}

#[test]
fn as_much_comes_back_as_there_is_room_for() {
    let mut place = Place::new();
    place.config.maximum_octets = 50_000;
    let (mut spool, _) = place.open();
    let back: Vec<_> = (0..1000).map(body).collect();
    let (taken, refused) = spool.push_front(&back, NOW);
    assert!(matches!(refused, Some(PushError::Full)));
    assert!((10..1000).contains(&taken));
    assert_eq!(spool.waiting(), sum(&back[..taken]));
    assert_eq!(drain(&mut spool).len(), taken);
}

#[test]
fn a_context_stays_with_its_bodies() {
    let place = Place::new();
    let (mut spool, _) = place.open_with("old");
    fill(&mut spool, 0..3);
    spool.close();
    let (mut spool, _) = place.open_with("new");
    fill(&mut spool, 3..5);
    let contexts: Vec<_> =
        std::iter::from_fn(|| spool.next()).map(|stored| stored.context.to_string()).collect();
    assert_eq!(contexts, ["old", "old", "old", "new", "new"]);
    let long = "x".repeat(1025);
    assert!(Spool::open(&place.config, "another", &long, NOW).is_err());
}

#[test]
fn no_plain_text_is_on_disk() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    let secret = b"198.51.100.7 spoke to 203.0.113.9";
    for id in 0..100 {
        let sets = secret.repeat(10);
        spool.push(&Body { sets, totals: body(id).totals }, NOW).expect("there is room");
    }
    spool.flush();
    let files = place.segments();
    assert!(!files.is_empty());
    for path in files {
        let octets = fs::read(path).expect("just listed");
        assert!(octets.len() > 4096);
        for piece in secret.windows(8) {
            assert!(!octets.windows(8).any(|window| window == piece));
        }
    }
}

#[test]
fn what_waited_too_long_expires_by_segments_and_is_counted() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..200);
    for id in 200..400 {
        spool.push(&body(id), NOW.saturating_add(HOUR * 2)).expect("there is room");
    }
    let age = place.config.maximum_age;
    spool.expire(NOW.saturating_add(age));
    assert_eq!(spool.take_losses(), [], "not older than it may be");

    spool.expire(NOW.saturating_add(age).saturating_add(Duration::from_secs(1)));
    let old: Vec<_> = (0..200).map(body).collect();
    assert_eq!(spool.take_losses(), [(LossReason::Expired, sum(&old))]);
    assert_eq!(spool.take_losses(), [], "once");
    assert_eq!(drain(&mut spool), (200..400).collect::<Vec<_>>());
}

#[test]
fn what_is_on_its_way_does_not_expire_until_it_comes_back() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..5);
    assert_eq!(spool.next().map(id), Some(0));
    let late = NOW.saturating_add(place.config.maximum_age * 2);
    spool.expire(late);
    assert_eq!(spool.take_losses(), []);
    spool.delivered(1);
    spool.expire(late);
    let rest: Vec<_> = (1..5).map(body).collect();
    assert_eq!(spool.take_losses(), [(LossReason::Expired, sum(&rest))]);
    assert_eq!((spool.waiting(), spool.octets(), spool.next()), (Totals::default(), 0, None));
}

#[test]
fn a_clock_set_back_expires_nothing_at_once_and_everything_in_time() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..5);
    let age = place.config.maximum_age;
    let back = NOW.saturating_sub(age * 1000);
    spool.expire(back);
    assert_eq!(spool.take_losses(), []);
    spool.expire(back.saturating_add(age));
    assert_eq!(spool.take_losses(), []);
    spool.expire(back.saturating_add(age + Duration::from_secs(1)));
    assert_eq!(spool.take_losses().len(), 1);
}

#[test]
fn a_clock_that_was_not_set_at_boot_expires_nothing_when_it_is() {
    let place = Place::new();
    let (mut spool, _) = place.open();
    spool.push(&body(0), Timestamp::from_parts(17, 0)).expect("there is room");
    spool.expire(NOW);
    assert_eq!(spool.take_losses(), []);
    spool.expire(NOW.saturating_add(place.config.maximum_age + HOUR));
    assert_eq!(spool.take_losses().len(), 1);
}

#[test]
fn a_spool_is_of_one_process_only() {
    let place = Place::new();
    let (spool, _) = place.open();
    let second = Spool::open(&place.config, TARGET, CONTEXT, NOW).expect_err("it is in use");
    assert!(second.to_string().contains("in use by another process"), "{second}");
    let (_other, _) =
        Spool::open(&place.config, "tcp://other:1", CONTEXT, NOW).expect("another directory");
    spool.close();
    place.open();
}

#[test]
fn directories_and_files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..5);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    let segment = place.segments().remove(0);
    assert_eq!(mode(&segment), 0o600);
    assert_eq!(mode(segment.parent().expect("a file is in a directory")), 0o700);
    assert_eq!(mode(&place.config.directory), 0o700);
}

/// A spool with a key file in a directory of its own.
struct Place {
    directory: TempDir,
    config: SpoolConfig,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let config = SpoolConfig {
            directory: directory.path().join("spool"),
            maximum_octets: 1 << 20,
            maximum_age: HOUR * 24,
            key_file: Some(directory.path().join("key")),
        };
        Self { directory, config }
    }

    /// Segments of 16 KiB, and 260 kB of them.
    fn small() -> Self {
        let mut place = Self::new();
        place.config.maximum_octets = 260_000;
        place
    }

    fn open(&self) -> (Spool, Recovery) {
        self.open_with(CONTEXT)
    }

    fn open_with(&self, context: &str) -> (Spool, Recovery) {
        Spool::open(&self.config, TARGET, context, NOW).expect("the directory is fine")
    }

    fn target_directory(&self) -> Option<PathBuf> {
        let mut entries = fs::read_dir(&self.config.directory).ok()?;
        entries.next().map(|entry| entry.expect("it can be listed").path())
    }

    fn target_directory_exists(&self) -> bool {
        self.target_directory().is_some()
    }

    fn segments(&self) -> Vec<PathBuf> {
        let Some(directory) = self.target_directory() else { return Vec::new() };
        let mut paths: Vec<_> = fs::read_dir(directory)
            .expect("it is there")
            .map(|entry| entry.expect("it can be listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "spool"))
            .collect();
        paths.sort();
        paths
    }

    fn octets_on_disk(&self) -> u64 {
        let length = |path: &PathBuf| fs::metadata(path).expect("just listed").len();
        self.segments().iter().map(length).sum()
    }
}

/// A body that is unlike any other; its number is the first four octets.
fn body(id: u32) -> Body {
    let mut sets = id.to_be_bytes().to_vec();
    let mut state = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while sets.len() < 300 + (id as usize % 7) * 250 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        sets.extend_from_slice(&state.to_be_bytes());
    }
    let id = u64::from(id);
    Body { sets, totals: Totals { records: id % 11 + 1, packets: id + 5, octets: 1000 + id * 7 } }
}

/// The number of a body, which must be as it was made.
fn id(stored: super::Stored) -> u32 {
    let id = stored.body.sets.first_chunk().copied().map(u32::from_be_bytes).expect("its number");
    assert_eq!(stored.body, body(id));
    id
}

fn sum(bodies: &[Body]) -> Totals {
    let mut totals = Totals::default();
    for body in bodies {
        totals += body.totals;
    }
    totals
}

fn fill(spool: &mut Spool, ids: std::ops::Range<u32>) {
    for id in ids {
        spool.push(&body(id), NOW).expect("there is room");
    }
}

/// Reads and delivers everything.
fn drain(spool: &mut Spool) -> Vec<u32> {
    let mut ids = Vec::new();
    while let Some(stored) = spool.next() {
        ids.push(id(stored));
        spool.delivered(1);
    }
    ids
}
