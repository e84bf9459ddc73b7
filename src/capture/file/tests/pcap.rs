use super::writer::{
    IXIA_HARDWARE, IXIA_SOFTWARE, MICROSECONDS, MODIFIED, NANOSECONDS, ORDERS, Order,
    modified_record, packet, pcap_header, pcap_header_of, record,
};
use super::{Seen, read, refusal, seconds};
use crate::frame::LinkType;
use crate::time::Timestamp;

#[test]
fn every_magic_in_both_byte_orders_gives_the_same_frames() {
    for order in ORDERS {
        for (magic, fraction) in [
            (MICROSECONDS, 123_456),
            (NANOSECONDS, 123_456_000),
            (MODIFIED, 123_456),
            (IXIA_HARDWARE, 123_456_000),
            (IXIA_SOFTWARE, 123_456),
        ] {
            let write = if magic == MODIFIED { modified_record } else { record };
            let mut file = pcap_header(order, magic);
            file.extend(write(order, [1_700_000_000, fraction, 60, 1_514], &packet(60)));
            file.extend(write(order, [1_700_000_001, 0, 0, 0], &[]));
            file.extend(write(order, [u32::MAX, 0, 61, 61], &packet(61)));

            let outcome = read(&file);

            assert_eq!(outcome.damage(), None, "{order:?} {magic:#x}");
            let frame = |length, wire_length, at| Seen {
                bytes: packet(length),
                wire_length,
                at,
                link_type: LinkType::Ethernet,
                interface: 1,
            };
            assert_eq!(
                outcome.frames,
                [
                    frame(60, 1_514, Timestamp::from_parts(1_700_000_000, 123_456_000)),
                    frame(0, 0, seconds(1_700_000_001)),
                    frame(61, 61, seconds(u32::MAX.into())),
                ],
                "{order:?} {magic:#x}"
            );
        }
    }
}

#[test]
fn a_file_header_alone_is_an_empty_capture() {
    for order in ORDERS {
        let outcome = read(&pcap_header(order, MICROSECONDS));
        assert_eq!((outcome.frames.len(), outcome.damage()), (0, None));
    }
}

#[test]
fn the_upper_half_of_the_link_type_field_is_left_out() {
    for (network, link_type) in [
        (0x0400_0001 | 2 << 28, LinkType::Ethernet),
        (0x0224_0000 | 101, LinkType::RawIp),
        (12, LinkType::RawIp),
        (14, LinkType::RawIp),
        (276, LinkType::LinuxSll2),
        (147, LinkType::Other(147)),
        (0xffff, LinkType::Other(0xffff)),
    ] {
        for order in ORDERS {
            let mut file = pcap_header_of(order, MICROSECONDS, (2, 4), network);
            file.extend(record(order, [1, 2, 3, 4], &packet(3)));
            assert_eq!(read(&file).frames[0].link_type, link_type, "{network:#x}");
        }
    }
}

#[test]
fn lengths_change_places_before_version_2_3() {
    // Version, the two lengths as written, and the original length that is meant.
    for (version, lengths, original) in [
        ((2, 4), [4, 90], 90),
        ((2, 4), [4, 2], 2),
        ((2, 3), [4, 90], 90),
        ((2, 3), [90, 4], 90),
        ((2, 2), [90, 4], 90),
        ((2, 0), [90, 4], 90),
        ((543, 0), [90, 4], 90),
    ] {
        let [first, second] = lengths;
        let mut file = pcap_header_of(Order::Big, MICROSECONDS, version, 1);
        file.extend(record(Order::Big, [1, 2, first, second], &packet(4)));
        let outcome = read(&file);
        assert_eq!(outcome.damage(), None, "{version:?} {lengths:?}");
        assert_eq!(outcome.frames[0].bytes, packet(4), "{version:?} {lengths:?}");
        assert_eq!(outcome.frames[0].wire_length, original, "{version:?} {lengths:?}");
    }
}

#[test]
fn an_original_length_is_passed_on_as_it_stands() {
    for original in [0, 1, 5, 6, u32::MAX] {
        let mut file = pcap_header(Order::Little, MICROSECONDS);
        file.extend(record(Order::Little, [1, 2, 5, original], &packet(5)));
        let frame = &read(&file).frames[0];
        assert_eq!((frame.wire_length, frame.bytes.len()), (original, 5));
    }
}

#[test]
fn a_fraction_beyond_the_second_carries_over() {
    let mut file = pcap_header(Order::Little, MICROSECONDS);
    file.extend(record(Order::Little, [10, 2_500_000, 0, 0], &[]));
    file.extend(record(Order::Little, [u32::MAX, u32::MAX, 0, 0], &[]));
    let frames = read(&file).frames;
    assert_eq!(frames[0].at, Timestamp::from_parts(12, 500_000_000));
    assert_eq!(
        frames[1].at.as_nanos(),
        u64::from(u32::MAX) * 1_000_000_000 + u64::from(u32::MAX) * 1_000
    );
}

#[test]
fn a_snap_length_that_lies_is_not_believed() {
    for snap_length in [0, 1, u32::MAX] {
        let mut file = pcap_header(Order::Little, MICROSECONDS);
        file[16..20].copy_from_slice(&Order::Little.u32(snap_length));
        file.extend(record(Order::Little, [1, 2, 600, 600], &packet(600)));
        assert_eq!(read(&file).frames[0].bytes, packet(600));
    }
}

#[test]
fn other_versions_are_no_capture_of_ours() {
    for version in [(1, 4), (2, 5), (3, 0), (543, 1), (0, 0)] {
        for order in ORDERS {
            let what = refusal(&pcap_header_of(order, MICROSECONDS, version, 1));
            let (major, minor) = version;
            assert!(what.contains(&format!("version {major}.{minor}")), "{what}");
        }
    }
}

#[test]
fn a_file_header_cut_short_is_no_capture() {
    for magic in [MICROSECONDS, IXIA_HARDWARE] {
        let file = pcap_header(Order::Little, magic);
        for length in 4..file.len() {
            let what = refusal(&file[..length]);
            assert!(what.contains(&format!("only {length}")), "{what}");
        }
    }
}
