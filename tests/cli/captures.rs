//! Real and damaged captures of others: none makes the program fall, and the books of each balance.

use std::path::Path;

use crate::run::{Summary, flowtap};
use crate::shared::shared_captures;
use tempfile::TempDir;

#[test]
fn every_shared_capture_replays_with_balanced_books() {
    let captures = shared_captures();
    if captures.is_empty() {
        println!("nothing to do: ../shared/captures is not there");
        return;
    }
    let (mut whole, mut damaged, mut packets) = (0, 0, 0);
    let mut faults = Vec::new();
    for capture in &captures {
        for tunnels in ["inner", "outer"] {
            match replay(capture, tunnels) {
                Ok((status, received)) => {
                    whole += u32::from(status == 0);
                    damaged += u32::from(status == 1);
                    packets += received;
                }
                Err(fault) => faults.push(format!("{} ({tunnels}): {fault}", capture.display())),
            }
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), captures.len(), faults.join("\n"));
    println!("{whole} whole, {damaged} damaged, {packets} packets");
    // Were all of them refused, nothing would have been tested.
    assert!(whole > damaged, "{whole} whole, {damaged} damaged");
}

/// The exit status and the packets received, or what was wrong with the run.
fn replay(capture: &Path, tunnels: &str) -> Result<(i32, u64), String> {
    let folder = TempDir::new().expect("a temporary folder");
    let summary = folder.path().join("summary.json");
    let output = folder.path().join("flows.ipfix");
    let target = format!("file:{}", output.display());
    let ended = flowtap([
        "replay".as_ref(),
        capture.as_os_str(),
        "--tunnels".as_ref(),
        tunnels.as_ref(),
        "--quiet".as_ref(),
        "--export".as_ref(),
        target.as_ref(),
        "--summary".as_ref(),
        summary.as_os_str(),
    ]);
    let status = match ended.status {
        Some(status @ (0 | 1)) => status,
        other => return Err(format!("status {other:?}: {}", ended.stderr)),
    };
    if ended.stderr.contains("panicked") {
        return Err(ended.stderr);
    }
    if status == 1 {
        let message = ended.stderr.trim();
        if message.lines().count() != 1 || !message.contains(&capture.display().to_string()) {
            return Err(format!("not a clear error: {message:?}"));
        }
        if !summary.exists() {
            // Not a capture at all: then nothing is written.
            return if output.exists() {
                Err("records without a ledger".to_owned())
            } else {
                Ok((status, 0))
            };
        }
    }
    let summary = Summary::read(&summary);
    let (received, metered) = (summary.count("received_packets"), summary.count("metered_packets"));
    let ignored = summary.sum("ignored_packets");
    if received != metered + ignored {
        return Err(format!("received {received}, metered {metered}, ignored {ignored}"));
    }
    for unit in ["packets", "octets"] {
        let metered = summary.count(&format!("metered_{unit}"));
        let exported = summary.count(&format!("exported_{unit}"));
        if metered != exported {
            return Err(format!("{unit}: metered {metered}, exported {exported}"));
        }
    }
    let shown =
        flowtap(["show".as_ref(), output.as_os_str(), "--format".as_ref(), "json".as_ref()]);
    // Options records tell of the probe.
    let records =
        shown.text().lines().filter(|line| line.contains("\"flowEndReason\"")).count() as u64;
    if shown.status != Some(0) || records != summary.count("exported_flows") {
        return Err(format!(
            "show: {records} records, status {:?}: {}",
            shown.status, shown.stderr
        ));
    }
    Ok((status, received))
}
