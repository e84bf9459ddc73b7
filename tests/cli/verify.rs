//! `flowtap verify`: no output depends on payload, on any capture we have; and what it says of that.

use std::fs;
use std::path::Path;

use crate::run::{flowtap, sample};
use crate::shared::shared_captures;
use serde_json::Value;
use tempfile::TempDir;

/// What is said of each capture, as `--format json` has it.
fn verify<'a>(captures: impl IntoIterator<Item = &'a Path>, more: &[&'a str]) -> Vec<Value> {
    let arguments = ["verify", "--format", "json", "--max-flows", "100000"].into_iter();
    let arguments = arguments.chain(more.iter().copied()).map(AsRef::as_ref);
    let captures = captures.into_iter().map(Path::as_os_str);
    let ended = flowtap(arguments.chain(captures)).well();
    let lines = ended.text().lines();
    lines.map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

#[test]
fn payload_makes_no_difference_in_any_capture() {
    let mut captures = vec![sample()];
    // What is no capture at all cannot be verified.
    captures.extend(shared_captures().into_iter().filter(|path| {
        let arguments = ["replay".as_ref(), path.as_os_str(), "--quiet".as_ref()];
        let ended = flowtap(arguments.into_iter().chain(["--export".as_ref(), "null:".as_ref()]));
        !ended.stderr.contains("not a packet capture")
    }));
    for more in [&[][..], &["--tunnels", "outer", "--biflow", "off"]] {
        let verified = verify(captures.iter().map(AsRef::as_ref), more);
        assert_eq!(verified.len(), captures.len());
        let mut changed = 0;
        for capture in &verified {
            assert_eq!(capture["is_same"], true, "{capture}");
            let twins = capture["twins"].as_array().unwrap();
            assert_eq!(twins.len(), 4, "{capture}");
            changed +=
                twins.iter().map(|twin| twin["changed_octets"].as_u64().unwrap()).sum::<u64>();
        }
        // Had nothing been replaced, nothing would have been shown.
        assert!(changed > 10_000, "{changed} octets");
    }
}

#[test]
fn people_read_what_was_replaced_and_the_verdict() {
    let ended = flowtap(["verify".as_ref(), sample().as_os_str()]).well();
    for part in [
        "with payload",
        "replaced by random octets",
        "replaced by zeros",
        "replaced by ones",
        "replaced by a canary text",
        "every octet of output is the same: IPFIX ",
        "verdict: in 1 capture no octet of output depends on payload",
    ] {
        assert!(ended.text().contains(part), "{part} is missing in:\n{}", ended.text());
    }
    let ended = flowtap(["verify".as_ref(), "--quiet".as_ref(), sample().as_os_str()]).well();
    assert_eq!(ended.text().lines().count(), 1, "{}", ended.text());
}

#[test]
fn a_damaged_capture_is_verified_as_far_as_it_can_be_read() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("cut.pcap");
    let octets = fs::read(sample()).unwrap();
    fs::write(&capture, &octets[..octets.len() / 2]).unwrap();
    let ended = flowtap(["verify".as_ref(), capture.as_os_str()]).well();
    assert!(ended.text().contains("verified as far as it can be read"), "{}", ended.text());
}

#[test]
fn what_cannot_be_verified_is_an_error_and_the_others_are_verified() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no capture").unwrap();
    flowtap(["verify".as_ref(), text.as_os_str()]).with(1);
    let ended = flowtap(["verify".as_ref(), text.as_os_str(), sample().as_os_str()]).with(1);
    assert!(ended.text().contains("verdict: in 1 capture"), "{}", ended.text());
    assert!(ended.stderr.contains("1 of 2 files could not be verified"), "{}", ended.stderr);
    flowtap(["verify"]).with(2);
    flowtap(["verify", "-"]).with(2);
}
