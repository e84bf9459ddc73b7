//! What is broken is counted, and never handed out.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{NOW, Place, body, fill, id, sum};
use crate::export::account::{LossReason, Totals};
use crate::export::spool::format::{HEADER_LENGTH, RECORD_HEADER_LENGTH};
use crate::export::spool::{Recovery, Spool};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..Default::default() })]

    #[test]
    fn damage_under_a_running_process_is_counted_to_the_record(
        read in 0_usize..60,
        delivered in 0_usize..60,
        damages in vec(damage(), 1..6),
        again in any::<bool>(),
    ) {
        let place = Place::small();
        let (mut spool, _) = place.open();
        fill(&mut spool, 0..120);
        spool.flush();
        let mut books = Books::default();
        let out: Vec<_> = std::iter::from_fn(|| spool.next()).take(read).map(id).collect();
        let delivered = delivered.min(read);
        spool.delivered(delivered);
        books.deliver(&out[..delivered]);
        for damage in damages {
            damage.apply(&place);
        }
        spool.rewind();
        if again {
            // What was counted as lost once must not be counted again.
            while spool.next().is_some() {}
            spool.rewind();
        }
        books.drain(&mut spool)?;
        prop_assert_eq!(books.delivered_and_lost(), sum(&(0..120).map(body).collect::<Vec<_>>()));
        prop_assert_eq!(spool.waiting(), Totals::default());
    }

    #[test]
    fn one_damage_between_two_runs_is_counted_to_the_record(
        delivered in 0_usize..100,
        damage in damage(),
    ) {
        let place = Place::small();
        let (mut spool, _) = place.open();
        fill(&mut spool, 0..120);
        let mut books = Books::default();
        for _ in 0..delivered {
            let id = spool.next().map(id).expect("not more than were pushed");
            books.deliver(&[id]);
        }
        spool.delivered(delivered);
        spool.flush();
        drop(spool);
        let exact = damage.can_be_counted() && (delivered == 0 || !damage.hits_a_state());
        damage.apply(&place);
        let (mut spool, recovery) = place.open();
        prop_assert_eq!(spool.waiting(), recovery.readable);
        books.lost += recovery.lost;
        if damage.hits_a_state() {
            books.may_repeat();
        }
        books.drain(&mut spool)?;
        let all = sum(&(0..120).map(body).collect::<Vec<_>>());
        if exact {
            prop_assert_eq!(books.delivered_and_lost(), all);
        } else if !damage.hits_a_state() {
            prop_assert!(books.delivered_and_lost().records <= all.records);
        }
        prop_assert_eq!(spool.waiting(), Totals::default());
    }

    #[test]
    fn whatever_is_in_the_directory_nothing_wrong_comes_out(
        damages in vec(damage(), 1..12),
        garbage in vec(any::<u8>(), 0..3000),
    ) {
        let place = Place::small();
        let (mut spool, _) = place.open();
        fill(&mut spool, 0..120);
        spool.flush();
        drop(spool);
        for damage in damages {
            damage.apply(&place);
        }
        if let Some(directory) = place.target_directory() {
            fs::write(directory.join("0123456789abcdef.spool"), &garbage).expect("writable");
        }
        let (mut spool, _) = place.open();
        Books::default().drain(&mut spool)?;
        fill(&mut spool, 500..510);
        prop_assert_eq!(spool.next().map(id), Some(500), "and it goes on");
    }
}

#[test]
fn half_a_record_at_the_end_is_cut_and_counted() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..3);
    spool.flush();
    drop(spool);
    let path = place.segments().remove(0);
    let state_of_three = fs::read(&path).expect("it is there");
    let whole = state_of_three.len() as u64;

    // A fourth record, of which the state does not know, cut within its sets.
    for cut in [1, 17, body(3).sets.len() as u64, body(3).sets.len() as u64 + 15] {
        let (place, path) = with_torn_record(cut);
        let (mut spool, recovery) = place.open();
        assert_eq!(recovery.lost, body(3).totals, "its header says so");
        assert_eq!(fs::metadata(path).expect("it is there").len(), whole, "cut");
        assert_eq!(recovery.readable, sum(&[body(0), body(1), body(2)]));
        assert_eq!(super::drain(&mut spool), [0, 1, 2]);
        assert_eq!(spool.take_losses(), [], "counted once");
    }
    // Cut within its header nothing tells of it.
    let beyond = body(3).sets.len() as u64 + 16 + 1;
    let (place, _) = with_torn_record(beyond);
    let (_, recovery) = place.open();
    assert_eq!(recovery.lost, Totals::default());
}

#[test]
fn what_the_state_does_not_know_is_found_by_its_headers() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..20);
    spool.flush();
    drop(spool);
    let path = place.segments().remove(0);
    let file = OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&[0; 176], 1104).expect("writable");
    let (mut spool, recovery) = place.open();
    assert_eq!(recovery.readable, sum(&(0..20).map(body).collect::<Vec<_>>()));
    assert_eq!(super::drain(&mut spool), (0..20).collect::<Vec<_>>());
}

#[test]
fn records_that_change_places_are_not_taken_for_each_other() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    // The same length: only the key can tell them apart.
    let ids = [7, 14, 21, 28];
    for id in ids {
        spool.push(&body(id), NOW).expect("there is room");
    }
    spool.flush();
    let path = place.segments().remove(0);
    let mut octets = fs::read(&path).expect("it is there");
    let length = RECORD_HEADER_LENGTH + body(7).sets.len() + 16;
    let (first, second) = octets[HEADER_LENGTH..].split_at_mut(length);
    first.swap_with_slice(&mut second[..length]);
    fs::write(&path, octets).expect("writable");

    let mut books = Books::default();
    books.drain(&mut spool).expect("no more than was pushed, in order");
    assert_eq!(books.delivered, [14, 21, 28]);
    assert_eq!(books.lost, body(7).totals);
}

#[test]
fn files_that_change_names_change_nothing() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..120);
    spool.flush();
    drop(spool);
    let paths = place.segments();
    let aside = paths[0].with_extension("aside");
    fs::rename(&paths[0], &aside).expect("writable");
    fs::rename(&paths[2], &paths[0]).expect("writable");
    fs::rename(&aside, &paths[2]).expect("writable");
    fs::copy(&paths[1], paths[1].with_file_name("ffffffffffffffff.spool")).expect("writable");
    let (mut spool, recovery) = place.open();
    let readable = sum(&(0..120).map(body).collect::<Vec<_>>());
    assert_eq!(recovery, Recovery { readable, removed_files: 1, ..Recovery::default() });
    assert_eq!(place.segments(), paths);
    assert_eq!(super::drain(&mut spool), (0..120).collect::<Vec<_>>());
}

#[test]
fn a_foreign_file_is_left_alone() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..3);
    spool.flush();
    drop(spool);
    let foreign = place.target_directory().expect("it is there").join("notes.txt");
    fs::write(&foreign, "mine").expect("writable");
    let (mut spool, recovery) = place.open();
    assert_eq!((recovery.foreign_files, recovery.removed_files), (1, 0));
    super::drain(&mut spool);
    spool.close();
    assert!(foreign.exists());
}

#[test]
fn a_later_version_is_counted_and_removed() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..3);
    spool.flush();
    drop(spool);
    let path = place.segments().remove(0);
    let file = OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&[2], 7).expect("writable");
    let (_, recovery) = place.open();
    let lost = sum(&[body(0), body(1), body(2)]);
    assert_eq!(recovery, Recovery { lost, removed_files: 1, ..Recovery::default() });
    assert!(!path.exists());
}

/// Three records the state knows, and one it does not, `cut` octets short.
fn with_torn_record(cut: u64) -> (Place, PathBuf) {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..3);
    spool.flush();
    let path = place.segments().remove(0);
    let before = fs::read(&path).expect("it is there");
    fill(&mut spool, 3..4);
    spool.flush();
    drop(spool);
    let file = OpenOptions::new().write(true).open(&path).expect("it is there");
    file.write_all_at(&before[1104..HEADER_LENGTH], 1104).expect("writable");
    let length = file.metadata().expect("open").len();
    file.set_len(length - cut).expect("writable");
    (place, path)
}

#[derive(Debug, Default)]
struct Books {
    delivered: Vec<u32>,
    lost: Totals,
}

impl Books {
    fn deliver(&mut self, ids: &[u32]) {
        self.delivered.extend_from_slice(ids);
    }

    /// What was delivered before may come once more.
    fn may_repeat(&mut self) {
        self.delivered.clear();
    }

    /// Reads and delivers everything, which must be in order.
    fn drain(&mut self, spool: &mut Spool) -> Result<(), TestCaseError> {
        while let Some(stored) = spool.next() {
            let id = id(stored);
            prop_assert!(self.delivered.last().is_none_or(|&last| last < id), "order");
            self.delivered.push(id);
            spool.delivered(1);
        }
        for (reason, totals) in spool.take_losses() {
            prop_assert_eq!(reason, LossReason::SpoolDamaged);
            self.lost += totals;
        }
        Ok(())
    }

    fn delivered_and_lost(&self) -> Totals {
        let mut totals = self.lost;
        for &id in &self.delivered {
            totals += body(id).totals;
        }
        totals
    }
}

/// Which file and where in it are fractions of 65536.
#[derive(Clone, Debug)]
enum Damage {
    Flip { file: u16, at: u16, bit: u8 },
    FlipHeader { file: u16, at: u16, bit: u8 },
    Zero { file: u16, at: u16, length: u16 },
    Truncate { file: u16, at: u16 },
    Delete { file: u16 },
    Duplicate { file: u16, name: u64 },
    Rename { file: u16, name: u64 },
    Swap { file: u16, other: u16 },
}

fn damage() -> impl Strategy<Value = Damage> {
    let any = || proptest::num::u16::ANY;
    let name = prop_oneof![proptest::num::u64::ANY, (1_u64 << 63) - 5..(1 << 63) + 20];
    prop_oneof![
        4 => (any(), any(), 0_u8..8).prop_map(|(file, at, bit)| Damage::Flip { file, at, bit }),
        2 => (any(), any(), 0_u8..8)
            .prop_map(|(file, at, bit)| Damage::FlipHeader { file, at, bit }),
        1 => (any(), any(), any())
            .prop_map(|(file, at, length)| Damage::Zero { file, at, length }),
        1 => (any(), any()).prop_map(|(file, at)| Damage::Truncate { file, at }),
        1 => any().prop_map(|file| Damage::Delete { file }),
        1 => (any(), name.clone()).prop_map(|(file, name)| Damage::Duplicate { file, name }),
        1 => (any(), name).prop_map(|(file, name)| Damage::Rename { file, name }),
        1 => (any(), any()).prop_map(|(file, other)| Damage::Swap { file, other }),
    ]
}

impl Damage {
    fn apply(&self, place: &Place) {
        let paths = place.segments();
        if paths.is_empty() {
            return;
        }
        let pick = |fraction: u16| paths[scale(fraction, paths.len())].clone();
        match *self {
            Self::Flip { file, at, bit } => {
                change(&pick(file), |octets| flip(octets, at, bit));
            }
            Self::FlipHeader { file, at, bit } => {
                change(&pick(file), |octets| {
                    let end = octets.len().min(HEADER_LENGTH);
                    flip(&mut octets[..end], at, bit);
                });
            }
            Self::Zero { file, at, length } => change(&pick(file), |octets| {
                // Behind the header, where its place in the file makes no difference to `exact`.
                let start = HEADER_LENGTH.min(octets.len());
                let records = &mut octets[start..];
                let at = scale(at, records.len());
                let end = (at + usize::from(length) / 8).min(records.len());
                records[at..end].fill(0);
            }),
            Self::Truncate { file, at } => change(&pick(file), |octets| {
                let start = HEADER_LENGTH.min(octets.len());
                let length = start + scale(at, octets.len() - start + 1);
                octets.truncate(length);
            }),
            Self::Delete { file } => fs::remove_file(pick(file)).expect("just listed"),
            Self::Duplicate { file, name } => {
                let to = pick(file).with_file_name(format!("{name:016x}.spool"));
                if !to.exists() {
                    fs::copy(pick(file), to).expect("writable");
                }
            }
            Self::Rename { file, name } => {
                let to = pick(file).with_file_name(format!("{name:016x}.spool"));
                if !to.exists() {
                    fs::rename(pick(file), to).expect("writable");
                }
            }
            Self::Swap { file, other } => {
                let (one, other) = (pick(file), pick(other));
                let aside = one.with_extension("aside");
                fs::rename(&one, &aside).expect("writable");
                if one != other {
                    fs::rename(&other, &one).expect("writable");
                }
                fs::rename(&aside, &other).expect("writable");
            }
        }
    }

    /// Whether what is left still tells how much is missing.
    fn can_be_counted(&self) -> bool {
        !matches!(self, Self::Delete { .. })
    }

    /// Whether it may be forgotten what was delivered.
    fn hits_a_state(&self) -> bool {
        matches!(self, Self::Flip { .. } | Self::FlipHeader { .. })
    }
}

fn scale(fraction: u16, length: usize) -> usize {
    usize::from(fraction) * length / 65536
}

fn flip(octets: &mut [u8], at: u16, bit: u8) {
    let at = scale(at, octets.len());
    if let Some(octet) = octets.get_mut(at) {
        *octet ^= 1 << bit;
    }
}

fn change(path: &PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut octets = fs::read(path).expect("just listed");
    change(&mut octets);
    // In place: who has the file open sees it.
    let file = OpenOptions::new().write(true).open(path).expect("just listed");
    file.set_len(octets.len() as u64).expect("writable");
    file.write_all_at(&octets, 0).expect("writable");
}
