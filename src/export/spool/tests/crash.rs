//! The end of the process without any warning.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{NOW, Place, body, drain, fill, id, sum};
use crate::export::spool::Spool;

#[test]
fn kill_9_costs_nothing_that_was_flushed_and_repeats_nothing_that_was_told() {
    let place = Place::new();
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", "export::spool::tests::crash::child_of_the_kill_9_test", "--ignored"])
        .arg("--nocapture")
        .env(CHILD_DIRECTORY, place.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test can be started again");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let is_ready = output.lines().any(|line| line.expect("text").contains(READY));
    child.kill().expect("it waits to be killed");
    child.wait().expect("it was killed");
    assert!(is_ready);

    let (mut spool, recovery) = place.open();
    assert!(recovery.lost.is_zero());
    let first = id(spool.next().expect("it was flushed"));
    assert_eq!(first, 60, "what was delivered before the flush is not delivered again");
    spool.rewind();
    let out = drain(&mut spool);
    assert!(out.len() >= 240, "at least what was flushed: {}", out.len());
    assert_eq!(out, (60..60 + u32::try_from(out.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(recovery.readable, sum(&out.iter().copied().map(body).collect::<Vec<_>>()));
}

#[test]
#[ignore = "the process that another test starts and kills"]
fn child_of_the_kill_9_test() {
    let Some(directory) = env::var_os(CHILD_DIRECTORY).map(PathBuf::from) else { return };
    let mut place = Place::new();
    place.config.directory = directory.join("spool");
    place.config.key_file = Some(directory.join("key"));
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..300);
    for _ in 0..70 {
        spool.next().expect("it was pushed");
    }
    spool.delivered(60);
    spool.flush();
    fill(&mut spool, 300..310); // in a buffer: may be lost
    println!("{READY}");
    loop {
        std::thread::park();
    }
}

#[test]
fn without_a_flush_little_is_lost_and_little_is_repeated() {
    let mut place = Place::new();
    place.config.maximum_octets = 10 << 20;
    let (mut spool, _) = place.open();
    fill(&mut spool, 0..2000);
    for _ in 0..1000 {
        spool.next().expect("it was pushed");
    }
    spool.delivered(1000);
    drop(spool);
    let (mut spool, _) = place.open();
    let out = drain(&mut spool);
    let octets = |ids: std::ops::Range<u32>| ids.map(|id| body(id).sets.len()).sum::<usize>();
    let (first, last) = (out[0], out[out.len() - 1]);
    assert_eq!(out, (first..=last).collect::<Vec<_>>());
    assert!(first <= 1000 && octets(first..1000) <= 66_000, "again from {first}");
    assert!(octets(last + 1..2000) <= 66_000, "up to {last}");
}

#[test]
fn a_spool_that_was_never_written_opens_again() {
    let place = Place::small();
    drop::<(Spool, _)>(place.open());
    let (mut spool, recovery) = place.open();
    assert!(recovery.readable.is_zero() && recovery.lost.is_zero());
    spool.push(&body(1), NOW).expect("there is room");
}

const CHILD_DIRECTORY: &str = "FLOWTAP_TEST_SPOOL";
const READY: &str = "ready to be killed";
