//! E-01 to E-12: Messages, sequence numbers and Sets (RFC 7011 §3).

use std::collections::BTreeMap;
use std::time::Duration;

use flowtap::export::{Exporter, LossReason, Pace, Target};
use flowtap::ipfix::field::Field;
use proptest::prelude::*;

use super::exporter::{
    NOW, TestClock, any_run, batch, config, few, over_tcp, over_udp, split_messages, split_sets,
};
use crate::program::wait_until;
use crate::receiver::{TcpReceiver, UdpReceiver};
use crate::records::{plain, varied_records};
use crate::strict::{Session, VARIABLE};
use crate::{netns, peers};

#[test]
fn e01_the_header_is_sixteen_octets_in_network_order() {
    // RFC 7011 §3.1, §6.1.1.
    let (stream, _) = over_tcp("observation_domain=305419896", &[&[plain(1)]], |_| {});
    let messages = split_messages(&stream);
    let length = u16::try_from(messages[0].len()).unwrap().to_be_bytes();
    let expected = [
        &[0x00, 0x0a][..],
        &length,
        &u32::try_from(NOW).unwrap().to_be_bytes(),
        &[0, 0, 0, 0],
        &[0x12, 0x34, 0x56, 0x78],
    ];
    assert_eq!(messages[0][..16], expected.concat());
}

#[test]
fn e02_over_udp_a_datagram_is_one_message() {
    // RFC 7011 §3.1, §10.3.2.
    let records = varied_records();
    for mtu in [512, 1280, 1500] {
        let (datagrams, session) = over_udp(&format!("mtu={mtu}"), &[&records]);
        assert_eq!(datagrams.len(), session.messages.len());
        for datagram in &datagrams {
            let length = u16::from_be_bytes([datagram[2], datagram[3]]);
            assert_eq!(usize::from(length), datagram.len());
        }
    }
}

#[test]
fn e02_no_message_is_longer_than_its_length_can_tell() {
    // RFC 7011 §3.1: 65,535 octets, however much is allowed.
    let records: Vec<_> = (0..3_000).map(plain).collect();
    let (_, session) =
        over_tcp("", &[&records], |config| config.tcp.message_size = usize::from(u16::MAX));
    assert_eq!(session.sums().flows, 3_000);
    let longest = session.messages.iter().map(|message| message.length).max().unwrap();
    assert!((65_000..=65_535).contains(&longest), "{longest}");
}

#[test]
fn e03_live_export_time_is_the_wall_clock_modulo_2_32() {
    // RFC 7011 §3.1: not the time of packets; wraps in 2106.
    for (wall, expected) in [(1_800_000_000, 1_800_000_000), ((1_i64 << 32) + 5, 5)] {
        let collector = TcpReceiver::start();
        let mut config = config(Pace::Live, &[format!("tcp://{}", collector.address())]);
        config.clock = TestClock::at(wall);
        let exporter = Exporter::start(&config, Vec::new()).unwrap();
        exporter.send(&batch(&[plain(1)]));
        exporter.finish();
        let session = Session::of_stream(&collector.finish()[0]);
        assert_eq!(session.sums().flows, 1);
        assert!(session.messages.iter().all(|message| message.export_time == expected));
    }
}

#[test]
fn e04_the_sequence_counts_data_records_of_both_kinds_and_no_templates() {
    // RFC 7011 §3.1, §10.3.2.
    let records = varied_records();
    let (_, session) = over_udp("", &[&records]);
    let last = session.messages.last().unwrap();
    let total = session.records.len();
    assert_eq!(usize::try_from(last.sequence + last.data_records).unwrap(), total);
    assert!(session.records.iter().any(|record| record.is_options()), "options records count");
    let templates = |m: &&crate::strict::Message| m.sets.iter().all(|set| *set < 256);
    for message in session.messages.iter().filter(templates) {
        assert_eq!(message.data_records, 0);
    }
}

#[test]
#[ignore = "needs tshark"]
fn e04_tshark_expects_the_same_sequence() {
    // RFC 7011 §3.1: also where it wraps nothing of a Message twice.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.ipfix");
    let (stream, _) = over_tcp("", &[&varied_records(), &varied_records()], |_| {});
    std::fs::write(&path, stream).unwrap();
    assert_eq!(peers::tshark_complaints(peers::tshark(&path)), [""; 0]);
}

#[test]
fn e05_every_domain_has_a_sequence_of_its_own() {
    // RFC 7011 §3.1: options records in domain 0, Flows in another, in one session.
    let (_, session) = over_udp("profile=nfdump", &[&varied_records()]);
    let mut next = BTreeMap::<u32, u32>::new();
    for message in &session.messages {
        let next = next.entry(message.domain).or_default();
        assert_eq!(message.sequence, *next);
        *next += message.data_records;
    }
    assert_eq!(next.keys().copied().collect::<Vec<_>>(), [0, 7]);
    assert!(next.values().all(|&records| records > 0));
}

#[test]
fn e05_a_new_session_begins_at_zero() {
    // RFC 7011 §3.1, §10.4.4.
    let collector = TcpReceiver::start_at("127.0.0.1:0", 1);
    let target = format!("tcp://{}?reconnect=1s", collector.address());
    let exporter = Exporter::start(&config(Pace::Live, &[target]), Vec::new()).unwrap();
    wait_until("the second session", || {
        exporter.send(&batch(&[plain(1), plain(2)]));
        collector.so_far().get(1).is_some_and(|stream| !stream.is_empty())
    });
    exporter.finish();
    let streams = collector.finish();
    let session = Session::of_stream(&streams[1]);
    assert_eq!(session.messages[0].sequence, 0);
    assert!(session.sums().flows > 0);
}

#[test]
#[ignore = "needs root"]
fn e06_what_was_numbered_and_not_sent_leaves_a_gap_and_is_accounted_for() {
    // RFC 7011 §10.2.2, §10.4.1, §4.3.
    netns::inside(
        "conformance::messages::e06_what_was_numbered_and_not_sent_leaves_a_gap_and_is_accounted_for",
        || {
            const ADDRESS: &str = "198.51.100.9/32 dev lo";
            netns::ip("link set lo up");
            netns::ip(&format!("address add {ADDRESS}"));
            let collector = UdpReceiver::start_at("0.0.0.0:0");
            let port = collector.address().port();
            let target = format!("udp://198.51.100.9:{port}?source=127.0.0.1&options_refresh=1s");
            let mut config = config(Pace::Live, &[target]);
            config.flush_timeout = Duration::from_millis(20);
            let exporter = Exporter::start(&config, Vec::new()).unwrap();
            let flows = |datagrams: &[Vec<u8>]| {
                let all = datagrams.concat();
                let sets = split_messages(&all).into_iter().flat_map(split_sets);
                sets.filter(|(id, _)| (256..60_000).contains(id)).count()
            };
            exporter.send(&batch(&[plain(1)]));
            wait_until("the first record", || flows(&collector.so_far()) == 1);
            netns::ip(&format!("address del {ADDRESS}"));
            exporter.send(&batch(&[plain(2), plain(3), plain(4)]));
            // Nothing tells of what is not sent but the account, at the end.
            std::thread::sleep(Duration::from_millis(500));
            netns::ip(&format!("address add {ADDRESS}"));
            exporter.send(&batch(&[plain(5)]));
            wait_until("the last record", || flows(&collector.so_far()) == 2);
            let reports = exporter.finish();
            let report = &reports[0];
            assert!(report.balances(), "{report:?}");
            assert_eq!(report.lost(LossReason::NotSent).records, 3, "{report:?}");

            let datagrams = collector.finish();
            let session = Session::with_gaps(datagrams.iter().map(Vec::as_slice));
            // Options records may have been lost as well.
            assert!(session.missing >= 3, "{}", session.missing);
            assert_eq!(session.sums().flows, 2);
            // RFC 7011 §4.3, in the statistics at the end: packets of plain records are 1 more than
            // their number.
            let told = session.options(166).last().expect("it says what it did not send");
            assert_eq!([166, 167].map(|id| told.iana(id)), [Some(3), Some(3 + 4 + 5)]);
        },
    );
}

#[test]
fn e08_an_observation_domain_is_told_apart_from_that_of_options() {
    // RFC 7011 §3.1: domain 0 is for what applies to none; Flows must not be in it as well.
    let clash = "udp://127.0.0.1?profile=nfdump&observation_domain=0".parse::<Target>();
    assert!(clash.unwrap_err().to_string().contains("use any other number"));
    let (_, session) = over_udp("observation_domain=4294967295", &[&[plain(1)]]);
    assert!(session.messages.iter().all(|message| message.domain == u32::MAX));
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn e09_e10_sets_are_of_templates_options_templates_or_data(run in any_run()) {
        // RFC 7011 §3.3.2: Set IDs 2, 3 and from 256; §3.3.1: one kind of record in each. A reader
        // that knows the Template of every Data Set reads them to the last octet.
        let (stream, session) = run.export();
        let mut kinds = [0; 3];
        for message in split_messages(&stream) {
            for (id, content) in split_sets(message) {
                let first = u16::from_be_bytes([content[0], content[1]]);
                match id {
                    2 => prop_assert!(first < 60_000),
                    3 => prop_assert!(first >= 65_000),
                    _ => prop_assert!(id >= 256),
                }
                kinds[usize::from(id.min(4)) - 2] += 1;
            }
        }
        prop_assert!(kinds.iter().all(|&sets| sets > 0));
        let records: u64 = run.batches.iter().flatten().map(|record| {
            let both = record.forward.packets > 0 && record.reverse.packets > 0;
            if both && !run.biflow { 2 } else { 1 }
        }).sum();
        prop_assert_eq!(session.sums().flows, records);
    }

    #[test]
    fn e11_no_set_and_no_message_is_empty(run in any_run()) {
        // RFC 7011 §3.3.
        let (stream, _) = run.export();
        for message in split_messages(&stream) {
            let sets = split_sets(message);
            prop_assert!(!sets.is_empty());
            prop_assert!(sets.iter().all(|(_, content)| !content.is_empty()));
        }
    }

    #[test]
    fn e12_sets_are_not_padded(run in any_run()) {
        // RFC 7011 §3.3.1, and the rule of the house: no padding at all.
        let (stream, session) = run.export();
        let lengths: BTreeMap<u16, Option<usize>> = session.definitions().map(|(_, definition)| {
            let fixed = definition.fields.iter().all(|field| field.length != VARIABLE);
            let length = definition.fields.iter().map(|field| usize::from(field.length)).sum();
            (definition.id, fixed.then_some(length))
        }).collect();
        for (id, content) in split_messages(&stream).into_iter().flat_map(split_sets) {
            if let Some(Some(length)) = lengths.get(&id) {
                prop_assert_eq!(content.len() % length, 0, "Set {}", id);
            }
        }
    }

    #[test]
    fn e13_enterprise_elements_have_the_bit_and_the_number(run in any_run()) {
        // RFC 7011 §3.2; RFC 7012 §4.
        let (_, session) = run.export();
        for (_, definition) in session.definitions() {
            for field in &definition.fields {
                let known = Field::look_up(field.enterprise, field.id);
                prop_assert!(known.is_known(), "{:?}", field);
                prop_assert!([0, 29_305, 32_473].contains(&field.enterprise), "{:?}", field);
            }
        }
    }
}
