//! Disks that are full, read-only or gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{NOW, Place, TARGET, body, drain, fill, id, sum};
use crate::export::account::{LossReason, Totals};
use crate::export::high_water::is_nearly_full;
use crate::export::spool::{PushError, Spool};

#[test]
fn a_directory_removed_while_running_is_counted_and_made_again() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..120);
    assert_eq!(spool.next().map(id), Some(0));
    assert_eq!(spool.next().map(id), Some(1));
    fs::remove_dir_all(&place.config.directory).expect("ours");

    spool.flush();
    let lost = sum(&(2..120).map(body).collect::<Vec<_>>());
    assert_eq!(spool.take_losses(), [(LossReason::SpoolDamaged, lost)]);
    assert_eq!(spool.waiting(), sum(&[body(0), body(1)]), "they may arrive");
    assert_eq!(spool.next(), None);

    fill(&mut spool, 200..220);
    spool.delivered(1);
    spool.rewind();
    assert_eq!(drain(&mut spool), (200..220).collect::<Vec<_>>());
    assert_eq!(spool.take_losses(), [(LossReason::SpoolDamaged, body(1).totals)]);
    assert_eq!(spool.waiting(), Totals::default());
    let second = Spool::open(&place.config, TARGET, "", NOW);
    assert!(second.is_err(), "the new directory is locked as well");
}

#[test]
fn a_directory_moved_away_is_gone() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..10);
    fs::rename(&place.config.directory, place.directory.path().join("old")).expect("ours");
    spool.flush();
    assert_eq!(spool.take_losses().len(), 1);
    fill(&mut spool, 10..20);
    assert_eq!(drain(&mut spool), (10..20).collect::<Vec<_>>());
}

#[test]
fn a_directory_that_cannot_be_made_again_is_an_error_until_it_can() {
    let place = Place::small();
    let (mut spool, _) = place.open();
    fs::remove_dir_all(&place.config.directory).expect("ours");
    fs::write(&place.config.directory, "in the way").expect("ours");
    for _ in 0..3 {
        assert!(matches!(spool.push(&body(0), NOW), Err(PushError::Io(_))));
        assert!(matches!(spool.push_front(&[body(0)], NOW), (0, Some(PushError::Io(_)))));
    }
    assert_eq!((spool.waiting(), spool.take_losses()), (Totals::default(), vec![]));
    fs::remove_file(&place.config.directory).expect("ours");
    fill(&mut spool, 0..10);
    assert_eq!(drain(&mut spool), (0..10).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_costs_nothing_that_waited() {
    let mut place = Place::new();
    let disk = Disk::mount(place.directory.path(), "size=256k");
    place.config.directory = disk.0.join("spool");
    let (mut spool, _) = place.open();
    let mut taken = Vec::new();
    let mut refused = 0;
    for id in 0..1000 {
        match spool.push(&body(id), NOW) {
            Ok(()) => taken.push(id),
            Err(PushError::Io(_)) => refused += 1,
            Err(PushError::Full) => panic!("the bound is far away"),
        }
    }
    assert_eq!(spool.maximum_octets(), place.config.maximum_octets);
    assert!(spool.limit_octets() <= 256 << 10, "as of the beginning: {}", spool.limit_octets());
    spool.measure(NOW.saturating_add(super::super::MEASURE_INTERVAL));
    let (octets, limit) = (spool.octets(), spool.limit_octets());
    assert!(is_nearly_full(octets, limit), "{octets} of {limit}");
    assert!(refused > 500 && taken.len() > 100, "{refused} refused, {} taken", taken.len());
    assert!(matches!(spool.push_front(&[body(5000)], NOW), (0, Some(PushError::Io(_)))));
    spool.flush();
    assert_eq!(spool.waiting(), sum(&taken.iter().copied().map(body).collect::<Vec<_>>()));
    assert_eq!(spool.take_losses(), []);

    let ballast = taken.len() / 2;
    let out: Vec<_> = (0..ballast).map(|_| spool.next().map(id).expect("it was taken")).collect();
    assert_eq!(out, taken[..ballast]);
    spool.delivered(ballast);
    for id in 1000..1010 {
        spool.push(&body(id), NOW).expect("there is room again");
    }
    taken.extend(1000..1010);
    assert_eq!(drain(&mut spool), taken[ballast..]);
    assert_eq!((spool.take_losses(), spool.waiting()), (vec![], Totals::default()));
}

#[test]
#[ignore = "needs root"]
fn what_a_full_disk_took_survives_the_process() {
    let mut place = Place::new();
    let disk = Disk::mount(place.directory.path(), "size=200k");
    place.config.directory = disk.0.join("spool");
    let (mut spool, _) = place.open();
    let taken: Vec<_> =
        (0..1000).filter(|&id| spool.push(&body(id), NOW).is_ok()).map(body).collect();
    let closed = spool.close();
    let mut all = closed.kept;
    all += closed.dropped;
    assert_eq!(all, sum(&taken), "kept or dropped");
    assert!(!closed.dropped.is_zero(), "the last of it did not fit");

    let (mut spool, recovery) = place.open();
    assert_eq!((recovery.readable, recovery.lost), (closed.kept, Totals::default()));
    let out = drain(&mut spool);
    assert_eq!(out, (0..).take(out.len()).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs root"]
fn a_disk_that_becomes_read_only_refuses_and_still_delivers() {
    let mut place = Place::new();
    let disk = Disk::mount(place.directory.path(), "size=4m");
    place.config.directory = disk.0.join("spool");
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..200);
    spool.close();
    disk.freeze();
    let error = Spool::open(&place.config, TARGET, "", NOW).expect_err("nothing can be locked");
    assert!(error.to_string().contains("cannot use the spool directory"), "{error}");
    disk.thaw();
    let (mut spool, _) = place.open();
    disk.freeze();
    assert!(matches!(spool.push(&body(200), NOW), Err(PushError::Io(_))));
    assert!(matches!(spool.push_front(&[body(200)], NOW), (0, Some(PushError::Io(_)))));
    for expected in 0..100 {
        assert_eq!(spool.next().map(id), Some(expected));
    }
    spool.delivered(100);
    spool.flush();
    disk.thaw();
    spool.push(&body(200), NOW).expect("writable again");
    assert_eq!(drain(&mut spool), (100..=200).collect::<Vec<_>>());
    assert_eq!(spool.take_losses(), []);
}

/// A small file system of its own, until it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(below: &Path, options: &str) -> Self {
        let path = below.join("disk");
        fs::create_dir(&path).expect("writable");
        let disk = Self(path);
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk.0));
        disk
    }

    /// Makes it read-only for everything that is opened from now on.
    fn freeze(&self) {
        run(Command::new("mount").arg("--bind").args([&self.0, &self.0]));
        run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(&self.0));
    }

    fn thaw(&self) {
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmount = || {
            let mut command = Command::new("umount");
            command.arg("--lazy").arg(&self.0).stderr(Stdio::null()).status()
        };
        while unmount().is_ok_and(|status| status.success()) {}
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("it can be started").success(), "{command:?}");
}
