//! That a difference would be found: pairs of captures that are no twins.

use clap::Parser as _;

use super::*;
use crate::cli::args::{Arguments, Command};

/// A classic capture of one UDP datagram, with this TTL, source port and payload.
fn capture(ttl: u8, port: u8, payload: &[u8]) -> Vec<u8> {
    let udp_length = 8 + u8::try_from(payload.len()).unwrap();
    let mut frame = vec![2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0x5e, 0, 0x53, 2, 8, 0];
    frame.extend([0x45, 0, 0, 20 + udp_length, 0, 0, 0, 0, ttl, 17, 0, 0]);
    frame.extend([192, 0, 2, 1, 198, 51, 100, 2]);
    frame.extend([0xc0, port, 0, 53, 0, udp_length, 0, 0]);
    frame.extend(payload);
    let mut octets = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1, 1_700_000_000, 0] {
        octets.extend(word.to_le_bytes());
    }
    for _ in 0..2 {
        octets.extend(u32::try_from(frame.len()).unwrap().to_le_bytes());
    }
    octets.extend(frame);
    octets
}

fn metering() -> Metering {
    let arguments = Arguments::try_parse_from(["flowtap", "verify", "x", "--max-flows", "100"]);
    let Command::Verify(verify) = arguments.unwrap().command else { panic!("not verify") };
    verify.metering
}

/// What is found when two captures are taken for twins.
fn differences(one: &[u8], other: &[u8]) -> Vec<(&'static str, String)> {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = [("one", one), ("other", other)].map(|(name, octets)| {
        let path = folder.path().join(name);
        std::fs::write(&path, octets).unwrap();
        Side::open(&path, None, &metering(), None).unwrap()
    });
    let (twin, _) = side_by_side(Filling::Zeros, one, other).unwrap();
    let outputs = twin.outputs.into_iter();
    outputs.filter_map(|(name, compared)| Some((name, compared.difference?))).collect()
}

#[test]
fn payload_makes_no_difference() {
    assert_eq!(
        differences(&capture(64, 1, b"what was said"), &capture(64, 1, b"else was said")),
        []
    );
}

#[test]
fn every_output_that_differs_is_told_and_shown_to_the_field() {
    let found = differences(&capture(64, 1, b"said"), &capture(63, 1, b"said"));
    let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["IPFIX", "JSON"], "the table has no TTL: {found:?}");
    for (name, difference) in &found {
        assert!(difference.contains("minimumTTL: 64 became 63"), "{name}: {difference}");
    }
    let found = differences(&capture(64, 1, b"said"), &capture(64, 2, b"said"));
    assert!(
        found.iter().any(|(name, text)| *name == "table" && text.contains("49154")),
        "{found:?}"
    );
    let found = differences(&capture(64, 1, b"said"), &capture(64, 1, b"said more"));
    let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["IPFIX", "JSON", "table", "ledger", "log"], "{found:?}");
}

#[test]
fn a_twin_differs_in_payload_alone_and_says_in_how_much() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, capture(64, 1, b"what was said")).unwrap();
    let verified = verify(&path, &metering(), None).unwrap();
    assert!(verified.is_same(), "{verified:?}");
    assert_eq!(verified.twins.len(), Filling::ALL.len());
    for twin in &verified.twins {
        let Replaced { frames, frames_with_payload, octets, changed_octets } = twin.replaced;
        assert_eq!((frames, frames_with_payload, octets), (1, 1, 13));
        assert!(changed_octets > 8, "{twin:?}");
        for (name, compared) in &twin.outputs {
            assert!(compared.octets > 0, "{name} was compared with nothing");
        }
    }
}
