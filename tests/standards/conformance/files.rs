//! F-01 to F-06: files (RFC 5655).

use std::fs;

use super::capture::{Capture, Packet, replay_into};
use crate::replayed::cases;
use crate::strict::{Session, Sums};

#[test]
fn f01_f02_f03_a_file_is_one_session_that_needs_no_other() {
    // RFC 5655 §4, §7: Messages from the first octet to the last; Templates ahead of their records;
    // Export Time ascends; nothing is withdrawn. All of it is checked by the session.
    for case in cases() {
        for biflow in ["on", "off"] {
            let path = case.folder.path().join(format!("flows-{biflow}.ipfix"));
            let target = format!("file:{}?biflow={biflow}", path.display());
            let sent = replay_into(&case.capture, &target).sent;
            let session = Session::of_stream(&fs::read(&path).unwrap());
            let sums = Sums { flows: sent.flows, packets: sent.packets, octets: sent.octets };
            assert_eq!(session.sums(), sums, "{}", case.name);
            assert!(
                session.options(302).next().unwrap().message
                    <= session.flows().next().unwrap().message
            );
        }
    }
}

#[test]
fn f02_every_rotated_file_can_be_read_by_itself() {
    // RFC 5655 §7: Templates, options and the sequence begin anew.
    let folder = tempfile::tempdir().unwrap();
    let (mut capture, path) = (Capture::default(), folder.path().join("long.pcap"));
    for minute in 0..10 {
        // As many as make several batches: records that expire within one leave together.
        for number in 0..4_000 {
            let at = minute * 60_000_000_000 + number * 15_000_000;
            let client = u8::try_from(number % 100).unwrap();
            capture.push(Packet { at, client, payload: 0, ..Packet::default() });
        }
    }
    capture.write(&path);
    let target = format!("file:{}/%H%M.ipfix?rotate=1m", folder.path().display());
    let sent = replay_into(&path, &target).sent;
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ipfix"))
        .collect();
    assert!(files.len() >= 9, "{files:?}");
    let mut sums = Sums::default();
    for file in files {
        let session = Session::of_stream(&fs::read(&file).unwrap());
        let Sums { flows, packets, octets } = session.sums();
        sums.flows += flows;
        sums.packets += packets;
        sums.octets += octets;
        assert_eq!(session.messages[0].sequence, 0, "{}", file.display());
        assert!(session.options(302).count() > 0, "{}", file.display());
    }
    assert_eq!(sums, Sums { flows: sent.flows, packets: sent.packets, octets: sent.octets });
}

#[test]
fn f06_a_file_tells_the_window_of_its_flows() {
    // RFC 5655 §8.1.2: scoped by the session; begins no later and ends no earlier than any Flow;
    // whole milliseconds, so the end is rounded up.
    let folder = tempfile::tempdir().unwrap();
    let (mut capture, path) = (Capture::default(), folder.path().join("few.pcap"));
    for at in [1_400_000, 2_000_000, 9_000_001] {
        capture.push(Packet { at, ..Packet::default() });
    }
    capture.write(&path);
    let file = folder.path().join("flows.ipfix");
    for (unit, begin, end, first, last) in
        [("ms", 272, 269, 152, 153), ("us", 271, 268, 154, 155), ("ns", 273, 270, 156, 157)]
    {
        replay_into(&path, &format!("file:{}?time={unit}", file.display()));
        let session = Session::of_stream(&fs::read(&file).unwrap());
        let [window] = session.options(begin).collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(window.iana(267), Some(0), "sessionScope");
        let (begin, end) = (window.iana(begin).unwrap(), window.iana(end).unwrap());
        for flow in session.flows() {
            assert!(begin <= flow.iana(first).unwrap() && flow.iana(last).unwrap() <= end);
        }
        if unit == "ms" {
            assert_eq!(end % 1_000, 10, "9.000001 ms are within 10");
            assert_eq!(begin % 1_000, 1);
        }
    }
}
