//! A Collector that accepts a session and then reads nothing, and the real program under full load.

#![expect(clippy::indexing_slicing, reason = "JSON has `null` in places that are not there")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use flowtap::export::Transport;
use serde_json::Value;

use crate::collectors::{Peer, Reading};
use crate::load::now;
use crate::netns::{cable, inside};

#[allow(dead_code, reason = "only one of its frames is wanted here")]
#[path = "../support/frames.rs"]
mod frames;

#[test]
#[ignore = "needs root"]
fn t21_a_stalled_collector_costs_capture_nothing_and_bounded_memory() {
    inside("stalls::t21_a_stalled_collector_costs_capture_nothing_and_bounded_memory", || {
        let summary = stall(Duration::from_secs(60), false);
        let target = &summary["targets"][0];
        assert_eq!(target["spooled_flows"], 0);
        assert!(number(&target["lost_flows"]) > 100_000, "{target}");
    });
}

#[test]
#[ignore = "needs root"]
fn t21_what_a_stalled_collector_does_not_take_is_spooled() {
    inside("stalls::t21_what_a_stalled_collector_does_not_take_is_spooled", || {
        let summary = stall(Duration::from_secs(10), true);
        let target = &summary["targets"][0];
        assert_eq!(target["lost_flows"], 0, "{target}");
        assert!(number(&target["spooled_flows"]) > 100_000, "{target}");
    });
}

/// Captures a full load for so long while the Collector reads nothing, and checks the books.
fn stall(time: Duration, spooled: bool) -> Value {
    // RFC 5471 §3.5.2.
    crate::netns::ip("link set dev lo up");
    cable("tap0", "src0");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = folder.path().join("summary.json");
    let peer = Peer::start(Transport::Tcp, Reading::Nothing);
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowtap"));
    command
        .args(["capture", "--interface", "tap0", "--export", &peer.url(), "--queue", "4M"])
        .args(["--idle-timeout", "1s", "--max-flows", "200000", "--summary"])
        .arg(&summary)
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("said")).expect("a temporary folder"));
    if spooled {
        command.arg("--spool").arg(folder.path().join("spool"));
        command.arg("--spool-key").arg(folder.path().join("spool.key"));
    }
    let mut program = Running(command.spawn().expect("the program was built"));
    crate::load::wait_until("the start of the capture", || said(&folder).contains("capturing on"));
    // A socket runs a moment before its ring is read.
    thread::sleep(Duration::from_millis(300));

    let (sent, memory) = send_for(time, program.0.id());
    // What is in the ring still has to be counted.
    thread::sleep(Duration::from_millis(500));
    let most = memory_of(program.0.id(), "VmHWM");
    let begin = now();
    let killed =
        Command::new("sh").args(["-c", &format!("kill -TERM {}", program.0.id())]).status();
    assert!(killed.expect("sh(1)").success());
    program.0.wait().expect("it ends");
    let took = begin.elapsed();

    let text = fs::read_to_string(&summary).unwrap_or_else(|_| panic!("{}", said(&folder)));
    let summary: Value = serde_json::from_str(&text).expect("JSON");
    let target = &summary["targets"][0];
    println!(
        "{sent} packets in {time:?}: {} flows given, {} sent, {} lost, {} spooled; {most} KiB at \
         most, {memory:?} on the way; ended in {took:?}",
        target["given_flows"], target["sent_flows"], target["lost_flows"], target["spooled_flows"],
    );
    // Capture has lost nothing.
    assert_eq!(summary["received_packets"], sent, "{}", said(&folder));
    assert_eq!(summary["metered_packets"], sent);
    assert_eq!(summary["kernel_dropped_packets"], 0);
    assert_eq!(summary["interface_dropped_packets"], 0);
    // And of what it saw, everything is somewhere.
    for unit in ["flows", "packets", "octets"] {
        let of = |what: &str| number(&target[format!("{what}_{unit}")]);
        assert_eq!(of("given"), of("sent") + of("lost") + of("spooled"), "{unit}: {target}");
        assert_eq!(of("given"), number(&summary[format!("exported_{unit}")]), "{unit}: {target}");
    }
    // The drain timeout of five seconds, and a machine that may be busy.
    assert!(took < Duration::from_secs(12), "{took:?}");
    // 200,000 flows of 330 octets, a ring of the kernel for each worker, the queue of 4 MB, and the
    // batches on the way between threads: 180 MiB were seen. What a Collector that reads nothing would
    // add is 10 MB a second, 600 in a minute.
    assert!(most < MOST_KIB, "{most} KiB");
    let [middle, end] = memory;
    assert!(end < middle + GROWTH_KIB, "memory grows: {middle} KiB, then {end} KiB");
    summary
}

/// Sends packets, each of a Flow of its own; how many, and the memory of the process half way and at
/// the end.
fn send_for(time: Duration, process: u32) -> (u64, [u64; 2]) {
    let handle = pcap::Capture::from_device("src0").expect("a name");
    let mut handle = handle.buffer_size(1 << 20).open().expect("it is up");
    // It only sends.
    handle.filter("less 0", true).expect("it compiles");
    let mut frame = frames::udp(0, 100);
    let mut sent: u32 = 0;
    let mut middle = None;
    let begin = now();
    while begin.elapsed() < time {
        for _ in 0..BURST {
            let [a, b, c, d] = sent.to_be_bytes();
            frame.splice(26..30, [10 | a, b, c, d]);
            handle.sendpacket(&frame[..]).expect("the cable is plugged in");
            sent += 1;
        }
        if middle.is_none() && begin.elapsed() > time / 2 {
            middle = Some(memory_of(process, "VmRSS"));
        }
        // At the rate, or as fast as it goes.
        let due = Duration::from_secs(u64::from(sent)) / RATE;
        thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    let end = memory_of(process, "VmRSS");
    (sent.into(), [middle.unwrap_or(end), end])
}

/// KiB, of a line of `/proc/PID/status`.
fn memory_of(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(what)).expect("Linux has it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

fn said(folder: &tempfile::TempDir) -> String {
    let path: &Path = folder.path();
    fs::read_to_string(path.join("said")).unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Killed should the test end before it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Packets a second, each of them a new Flow: more than ten times what makes a busy link.
const RATE: u32 = 100_000;
const BURST: u32 = 200;
const MOST_KIB: u64 = 256 * 1_024;
const GROWTH_KIB: u64 = 48 * 1_024;
