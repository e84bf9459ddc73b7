//! A token in every payload, of every stacking of headers: it is nowhere in the memory of the probe that
//! meters them, its rings included, and nowhere in anything that it writes.
//!
//! `cargo test --test live canary:: -- --ignored`, as root.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what goes wrong in a helper fails the test that called it"
)]

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::netns::{cable, inside, ip};
use crate::program::{Program, wait_until};
use crate::run::{FLOWTAP, Summary};
use crate::stackings::{CANARY, MACS, stackings};

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_token_in_every_payload_is_found_nowhere() {
    inside("canary::a_token_in_every_payload_is_found_nowhere", || {
        ip("link set dev lo up");
        cable("tap0", "src0");
        for backend in ["af-packet", "libpcap"] {
            search_while(backend);
        }
    });
}

fn search_while(backend: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut command = Command::new(FLOWTAP);
    command.args(["capture", "-i", "tap0", "--backend", backend, "--max-flows", "10000"]);
    // Flows are sliced and exported all the time; the collector is away, so that they wait on disk.
    command.args(["--active-timeout", "1s", "--summary", &at("ledger.json")]);
    command.args(["--spool", &at("spool"), "--spool-key", &at("spool.key")]);
    for target in [
        "tcp://127.0.0.1:9?reconnect=1s".to_owned(),
        format!("file:{}", at("flows.ipfix")),
        format!("json:{}", at("flows.json")),
    ] {
        command.args(["--export", &target]);
    }
    let mut capture = Program::start(&mut command);
    let listens = || fs::read_to_string("/proc/net/packet").unwrap().lines().count() > 1;
    capture.wait_until("its packet socket", listens);

    let frames = stackings();
    let mut sender = pcap::Capture::from_device("src0").unwrap().open().unwrap();
    let mut send = |rounds: u32| {
        for _ in 0..rounds {
            for stacking in &frames {
                sender.sendpacket(&stacking.frame[..]).unwrap();
            }
            thread::sleep(Duration::from_millis(2));
        }
    };
    send(1000);
    let headers = || search(capture.id(), &[&MACS[..11]]) > 0;
    // Frames are where the search looks: their headers are found.
    wait_until("headers in the memory of the probe", headers);
    assert_eq!(search(capture.id(), &tokens()), 0, "{backend}: payload in memory");
    send(250);
    assert_eq!(search(capture.id(), &tokens()), 0, "{backend}: payload in memory");
    capture.signal("TERM");
    let (_, said) = capture.end();

    let ledger = Summary::read(&folder.path().join("ledger.json"));
    ledger.assert_balanced();
    let metered = ledger.count("metered_packets");
    assert!(metered > 100 * frames.len() as u64, "{backend}: {metered} packets metered");
    assert!(said.contains("payload cut in the kernel"), "{said}");
    let written = octets_below(folder.path());
    assert!(written.len() > 10_000, "{backend}: {} octets written", written.len());
    assert_eq!(count(&written, &tokens()), 0, "{backend}: payload was written");
    assert_eq!(count(said.as_bytes(), &tokens()), 0, "{backend}: payload in the log: {said}");
}

/// Parts of the token that no header has: one of them is in any 26 octets of payload.
fn tokens() -> [&'static [u8]; 3] {
    [&CANARY[..12], &CANARY[12..24], &CANARY[24..36]]
}

/// How often any of these octets are in the memory of a process, in whatever it can read.
fn search(process: u32, needles: &[&[u8]]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| !line.contains("[v")) {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with('r') {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap());
        let mut octets = Vec::new();
        memory.seek(SeekFrom::Start(start)).unwrap();
        // What cannot be read ends the mapping: a file that is shorter than its mapping.
        let _ = (&memory).take(end - start).read_to_end(&mut octets);
        found += count(&octets, needles);
    }
    found
}

fn count(octets: &[u8], needles: &[&[u8]]) -> usize {
    let firsts: Vec<_> = needles.iter().filter_map(|needle| needle.first().copied()).collect();
    let places = octets.iter().enumerate().filter(|(_, octet)| firsts.contains(octet));
    places
        .filter(|(place, _)| needles.iter().any(|needle| octets[*place..].starts_with(needle)))
        .count()
}

/// All files in a directory and below it, one after the other.
fn octets_below(directory: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        octets.extend(if path.is_dir() { octets_below(&path) } else { fs::read(&path).unwrap() });
    }
    octets
}

#[test]
fn the_search_finds_what_is_there() {
    let text = [b"xx".as_slice(), CANARY, b"yy"].concat();
    assert_eq!(count(&text, &tokens()), 3);
    assert_eq!(count(b"CANARY-6f1c but no more", &tokens()), 0);
    assert!(search(std::process::id(), &[&text]) > 0, "it is in our own memory");
}
