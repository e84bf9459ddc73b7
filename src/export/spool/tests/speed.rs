//! What the spool does a second; the end-to-end bench tells what of it arrives.

use std::time::{Duration, Instant};

use super::{NOW, Place};
use crate::export::account::Totals;
use crate::export::body::Body;
use crate::export::spool::Spool;

#[test]
#[ignore = "a measurement: run it alone, in release mode, with --nocapture"]
fn records_a_second() {
    for records_a_body in [1, 10, 100] {
        let mut place = Place::new();
        place.config.maximum_octets = 4 << 30;
        let (mut spool, _) = place.open();
        let totals = Totals { records: records_a_body, packets: 1, octets: 1 };
        let length = usize::try_from(records_a_body).expect("small") * RECORD_OCTETS;
        let body = Body { sets: vec![0x5A; length], totals };
        let bodies = RECORDS / records_a_body;

        let push = timed(|| push(&mut spool, &body, bodies));
        let next = timed(|| drain(&mut spool, bodies));
        for (what, spent) in [("push", push), ("next", next), ("both", push + next)] {
            let records = RECORDS as f64 / spent.as_secs_f64();
            println!(
                "{records_a_body:>3} records a body, {what}: {:.2} M records/s, {:.0} MB/s",
                records / 1e6,
                records * RECORD_OCTETS as f64 / 1e6
            );
        }
    }
}

fn push(spool: &mut Spool, body: &Body, count: u64) {
    for _ in 0..count {
        spool.push(body, NOW).expect("there is room");
    }
    spool.flush();
}

fn drain(spool: &mut Spool, count: u64) {
    for _ in 0..count {
        spool.next().expect("it was pushed");
        spool.delivered(1);
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

const RECORDS: u64 = 2_000_000;
const RECORD_OCTETS: usize = 130;
