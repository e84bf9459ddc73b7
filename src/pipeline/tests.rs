//! Whole replays of files of our own making: books, order, damage and death.

mod truncation;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::*;
use crate::capture::file::Replay;
use crate::export::{Ignored, Interface, Pace};
use crate::flow::{Batch, FlowEndReason, Sweep, Turn};
use crate::pipeline::testing::{
    Block, config, exporter, sorted, udp_frame, write_capture, write_pcapng,
};

/// Nobody stops these runs.
static NEVER: AtomicBool = AtomicBool::new(false);

#[test]
fn any_number_of_workers_gives_the_records_and_the_books_of_one_whatever_is_damaged() {
    let folder = TempDir::new().unwrap();
    let files = three_files_the_second_damaged(&folder);
    let flow = flow::Config { max_flows: 700, ..flow::Config::default() };
    let run = |workers: usize| {
        let (exporter, got) = exporter(Pace::Replay);
        let outcome = replay_files(config(flow, workers), &files, exporter);
        (outcome, sorted(&got))
    };
    let (one, records) = run(1);
    assert_eq!(one.ledger.check(), Ok(()));
    assert_eq!(one.ledger.received_packets, 3 * 20_000 - 1, "all but the packet cut short");
    for reason in
        [FlowEndReason::IdleTimeout, FlowEndReason::ForcedEnd, FlowEndReason::LackOfResources]
    {
        assert!(one.ledger.expired[reason as usize - 1] > 0, "{reason:?}");
    }
    let [CaptureError::Damaged { path, .. }] = &one.capture_errors[..] else {
        panic!("{:?}", one.capture_errors)
    };
    assert_eq!(*path, files[1]);
    for workers in [2, 4] {
        let (many, same) = run(workers);
        assert!(same == records, "{workers} workers");
        assert_eq!(many.capture_errors.len(), 1);
        assert_eq!(books(&many.ledger), books(&one.ledger));
        assert_eq!(many.targets[0].sent, one.targets[0].sent);
    }
}

#[test]
fn a_worker_that_dies_lets_the_others_go_on() {
    let cache = FlowCache::new(flow::Config::default());
    let turns = |ticket| {
        let sweep = Some(Sweep { now: Timestamp::EPOCH, budget: 1 });
        cache.meter(&mut Batch::default(), Turn::Ticket(ticket), sweep, &mut Vec::new());
    };
    let died = thread::scope(|scope| {
        let others: Vec<_> = (1..4).map(|ticket| scope.spawn(move || turns(ticket))).collect();
        let first = scope.spawn(|| {
            let _guard = CloseOnPanic(&cache);
            panic!("instead of ticket 0");
        });
        others.into_iter().for_each(|other| other.join().expect("woken"));
        first.join().expect_err("dead")
    });
    assert_eq!(what_it_said(died.as_ref()), "instead of ticket 0");
}

#[test]
fn a_flush_goes_out_in_parts_and_without_an_empty_one() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("many.pcap");
    write_capture(&file, (0..40_000_u16).map(|port| (1, port)));
    let (exporter, got) = exporter(Pace::Replay);
    let config = config(flow::Config::default(), 1);
    let outcome = replay_files(config, &[file], exporter);
    assert_eq!(outcome.ledger.check(), Ok(()));
    assert_eq!((outcome.ledger.peak_flows, sorted(&got).len()), (40_000, 40_000));
}

#[test]
fn what_a_leap_of_the_clock_ends_goes_out_in_parts() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("leap.pcap");
    let before = (0..40_000_u16).map(|port| (1, port));
    write_capture(&file, before.chain([(100_000, 50_000)]));
    let (exporter, got) = exporter(Pace::Replay);
    let config = config(flow::Config::default(), 1);
    let outcome = replay_files(config, &[file], exporter);
    assert_eq!(outcome.ledger.check(), Ok(()));
    assert_eq!(sorted(&got).len(), 40_001);
}

#[test]
fn interfaces_of_a_capture_are_known_with_their_first_record_whoever_reads_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("named.pcapng");
    let frames: Vec<_> = (0..30_000_u16).map(udp_frame).collect();
    let frame = |(interface, port): (u32, u16)| Block::Frame {
        interface,
        microseconds: u32::from(port) * 1_000,
        octets: &frames[usize::from(port)],
    };
    let mut blocks = vec![Block::Interface(b"eth0")];
    blocks.extend((0..10_000).map(|port| frame((0, port))));
    blocks.push(Block::Interface(b"eth\xff"));
    blocks.extend((10_000..20_000).map(|port| frame((u32::from(port) % 2, port))));
    blocks.push(Block::Interface(b""));
    blocks.extend((20_000..30_000).map(|port| frame((2, port))));
    blocks.push(Block::Interface(b"unused"));
    write_pcapng(&file, &blocks);
    let flow = flow::Config { idle_timeout: Duration::from_secs(1), ..flow::Config::default() };
    let mut first: Option<Vec<_>> = None;
    for workers in [1, 1, 3] {
        let (exporter, got) = exporter(Pace::Replay);
        let (metering, files) = (Metering::default(), Replay::open(&[&file]).unwrap());
        let outcome = replay(config(flow, workers), &metering, &files, exporter, &NEVER);
        assert_eq!(outcome.ledger.check(), Ok(()));
        let names: Vec<_> = (0..4).map(|point| metering.points.range(point, point + 1)).collect();
        assert_eq!(
            names.concat(),
            [
                Interface::new(1, b"eth0", b""),
                Interface::new(2, b"eth\xff", b""),
                Interface::new(3, b"", b""),
                Interface::new(4, b"unused", b""),
            ]
        );
        let mut known: Vec<_> = got
            .lock()
            .unwrap()
            .iter()
            .map(|(record, known)| (record.flow_id, record.source_port, record.interface, *known))
            .collect();
        for (.., interface, known) in &known {
            assert!(*known >= *interface as usize, "interface {interface}, {known} known");
        }
        assert!(known.iter().any(|&(.., known)| known == 1), "not all at once");
        known.sort_unstable();
        assert!(*first.get_or_insert_with(|| known.clone()) == known, "{workers} workers");
    }
}

#[test]
fn what_was_ignored_is_told_without_frames_that_are_no_ip() {
    // RFC 7011 §4.2.
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ignored.pcapng");
    let (good, mut cut, mut arp) = (udp_frame(1), udp_frame(2), udp_frame(3));
    cut.truncate(30);
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let frame = |microseconds, octets| Block::Frame { interface: 0, microseconds, octets };
    write_pcapng(
        &file,
        &[
            Block::Interface(b"eth0"),
            frame(1_000, &arp),
            frame(2_000, &cut),
            frame(3_000, &good),
            frame(4_000, &cut),
            frame(5_000, &arp),
            Block::Dropped(7),
        ],
    );
    for workers in [1, 2] {
        let (exporter, _) = exporter(Pace::Replay);
        let (metering, files) = (Metering::default(), Replay::open(&[&file]).unwrap());
        let config = config(flow::Config::default(), workers);
        let ledger = replay(config, &metering, &files, exporter, &NEVER).ledger;
        assert_eq!(ledger.check(), Ok(()));
        assert_eq!((ledger.ignored_packets(), ledger.ignored_octets), (4, 2 * 30 + 2 * 46));
        let at = |milliseconds: u64| Timestamp::from_nanos(milliseconds * 1_000_000);
        // The drops are told behind the last packet, so that is when.
        let expected = Ignored { packets: 2 + 7, octets: 2 * 30, first: at(2), last: at(5) };
        assert_eq!(metering.counters.ignored(), expected, "{workers} workers");
    }
}

fn replay_files(config: Config, files: &[PathBuf], exporter: Exporter) -> Outcome {
    replay(config, &Metering::default(), &Replay::open(files).unwrap(), exporter, &NEVER)
}

fn three_files_the_second_damaged(folder: &TempDir) -> Vec<PathBuf> {
    let files: Vec<_> = (0..3).map(|n| folder.path().join(format!("{n}.pcap"))).collect();
    for (number, file) in (0_u32..).zip(&files) {
        write_capture(
            file,
            (0..20_000_u32).map(|n| {
                let port = u16::try_from(n * n % 1009 + n / 5000 * 2000).expect("small");
                (number * 100_000 + n * 5, port)
            }),
        );
    }
    let mut octets = fs::read(&files[1]).unwrap();
    octets.truncate(octets.len() - 3);
    fs::write(&files[1], octets).unwrap();
    files
}

/// The ledger without what depends on the machine, and on when a worker looks.
fn books(ledger: &Ledger) -> impl PartialEq + std::fmt::Debug {
    (
        (ledger.received_packets, ledger.received_octets),
        (ledger.metered_packets, ledger.metered_octets, ledger.ignored_by_reason()),
        (ledger.exported_flows, ledger.exported_packets, ledger.exported_octets),
        (ledger.expired, ledger.anomalies, ledger.clock_steps),
    )
}
