//! The key file, and the key that is in memory only.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::{Closed, NOW, Place, TARGET, body, drain, fill, sum};
use crate::export::account::Totals;
use crate::export::spool::{Recovery, Spool, SpoolError};
use crate::key_file::KeyFileError;

#[test]
fn a_key_file_is_made_for_the_owner_only_and_used_again() {
    let place = Place::new();
    let path = place.config.key_file.clone().expect("the place has one");
    let (mut spool, _) = place.open();
    let metadata = fs::metadata(&path).expect("it was made");
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (32, 0o600));
    let key = fs::read(&path).expect("readable");
    fill(&mut spool, 0..200);
    let closed = spool.close();
    assert_eq!(closed.kept, sum(&(0..200).map(body).collect::<Vec<_>>()));

    let (mut spool, recovery) = place.open();
    assert_eq!(recovery, Recovery { readable: closed.kept, ..Recovery::default() });
    assert_eq!(fs::read(&path).expect("readable"), key);
    assert_eq!(drain(&mut spool), (0..200).collect::<Vec<_>>());
    let entries = fs::read_dir(place.directory.path()).expect("readable").count();
    assert_eq!(entries, 2, "the key and the spool, and nothing temporary");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let place = Place::new();
    let path = place.config.key_file.clone().expect("the place has one");
    for (mode, is_fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
        fs::write(&path, [7; 32]).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        let opened = Spool::open(&place.config, TARGET, "", NOW);
        match opened {
            Ok(_) => assert!(is_fine, "{mode:o}"),
            Err(error) => {
                assert!(
                    !is_fine && matches!(error, SpoolError::Key(KeyFileError::Exposed { .. })),
                    "{error}"
                );
                assert!(error.to_string().contains("must be 0600"), "{error}");
            }
        }
        fs::remove_file(&path).expect("ours");
    }
}

#[test]
fn a_key_of_another_length_is_refused_and_not_overwritten() {
    let place = Place::new();
    let path = place.config.key_file.clone().expect("the place has one");
    for length in [0, 31, 33] {
        fs::write(&path, vec![7; length]).expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("ours");
        let error = Spool::open(&place.config, TARGET, "", NOW).expect_err("no key");
        assert!(error.to_string().contains("exactly 32 octets"), "{error}");
        assert_eq!(fs::read(&path).expect("readable").len(), length);
    }
    fs::remove_file(&path).expect("ours");
    fs::create_dir(&path).expect("writable");
    Spool::open(&place.config, TARGET, "", NOW).expect_err("a directory is no key");
}

#[test]
fn the_key_may_be_in_the_directory_of_the_spool() {
    let mut place = Place::new();
    place.config.key_file = Some(place.config.directory.join("key"));
    place.open();
    assert!(place.config.directory.join("key").exists());
}

#[test]
fn a_key_in_memory_leaves_nothing_when_it_is_closed() {
    let mut place = Place::new();
    place.config.key_file = None;
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..200);
    let dropped = sum(&(0..200).map(body).collect::<Vec<_>>());
    assert_eq!(spool.close(), Closed { dropped, ..Closed::default() });
    assert!(!place.target_directory_exists());
}

#[test]
fn what_is_under_a_lost_key_is_counted_and_removed() {
    let mut place = Place::new();
    place.config.key_file = None;
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..200);
    for _ in 0..50 {
        spool.next().expect("it was pushed");
    }
    spool.delivered(50);
    spool.flush();
    drop(spool);
    let files = place.segments().len();

    let (mut spool, recovery) = place.open();
    let lost = sum(&(50..200).map(body).collect::<Vec<_>>());
    assert_eq!(recovery, Recovery { lost, removed_files: files, ..Recovery::default() });
    assert_eq!(place.segments().len(), 0);
    assert_eq!((spool.next(), spool.waiting()), (None, Totals::default()));
    assert_eq!(spool.take_losses(), [], "the recovery told of it");
}
