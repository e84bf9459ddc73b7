use super::writer::{
    MICROSECONDS, ORDERS, Order, block, enhanced, enhanced_of, interface, obsolete, option, packet,
    pcap_header, pcap_header_of, pcap_of, record, section, section_of, simple,
};
use super::{read, read_through, refusal};

#[test]
fn every_truncation_of_a_pcap_gives_the_whole_records_before_it() {
    let (file, offsets) = pcap_of(&[60, 0, 1, 300, 16]);
    let whole = read(&file).frames;
    for length in 24..=file.len() {
        for chunk in [1, 50, 4_096] {
            let outcome = read_through(&file[..length], chunk);
            let complete = offsets.iter().filter(|offset| **offset <= length).count() - 1;
            assert_eq!(outcome.frames, whole[..complete], "{length} octets");
            let start = offsets[complete];
            if start == length {
                assert_eq!(outcome.damage(), None, "{length} octets");
            } else {
                let (offset, what) = outcome.damage().unwrap();
                assert_eq!(offset, start as u64, "{length} octets");
                let part = if length - start < 16 { "record header of" } else { "record of" };
                assert!(what.contains(part), "{what}");
            }
        }
    }
}

#[test]
fn every_truncation_of_a_pcapng_gives_the_whole_blocks_before_it() {
    for order in ORDERS {
        let blocks = [
            section(order),
            interface(order, 1, 0, &option(order, 2, b"eth0")),
            enhanced(order, 0, 1, &packet(60)),
            simple(order, 33, &packet(33)),
            block(order, 4, &[0; 44]),
            section_of(order, (1, 0), &[0; 8]),
            interface(order, 1, 0, &[]),
            obsolete(order, 0, 2, &packet(5)),
        ];
        let packets = [0, 0, 0, 1, 2, 2, 2, 2, 3];
        let file = blocks.concat();
        let whole = read(&file).frames;
        for length in 16..=file.len() {
            let mut complete = 0;
            let mut start = 0;
            while complete < blocks.len() && start + blocks[complete].len() <= length {
                start += blocks[complete].len();
                complete += 1;
            }
            for chunk in [1, 50, 4_096] {
                let outcome = read_through(&file[..length], chunk);
                assert_eq!(outcome.frames, whole[..packets[complete]], "{length} octets");
                let expected = (start != length).then_some(start as u64);
                assert_eq!(outcome.damage().map(|(offset, _)| offset), expected, "{length} octets");
            }
        }
    }
}

#[test]
fn a_captured_length_that_cannot_be_is_damage() {
    let order = Order::Little;
    for (network, longest) in [(1, 256 << 10), (249, 128 << 20), (231, 128 << 20), (279, 8 << 20)] {
        let mut file = pcap_header_of(order, MICROSECONDS, (2, 4), network);
        file.extend(record(order, [1, 2, 4, 4], &packet(4)));
        let offset = file.len() as u64;

        file.extend(order.u32(3));
        file.extend(order.u32(4));
        file.extend(order.u32(longest + 1));
        file.extend(order.u32(longest + 1));
        let outcome = read(&file);
        assert_eq!(outcome.frames.len(), 1);
        let (found, what) = outcome.damage().unwrap();
        assert_eq!(found, offset);
        assert!(what.contains("captured length"), "{what}");

        // One octet fewer is believed, and the file ends too early for it.
        let at = file.len() - 8;
        file[at..at + 4].copy_from_slice(&order.u32(longest));
        let outcome = read(&file);
        let (found, what) = outcome.damage().unwrap();
        assert_eq!(found, offset);
        assert!(what.contains("the file ends 16 octets into"), "{what}");
    }
}

#[test]
fn the_longest_packets_there_are_come_through_a_small_window() {
    let order = Order::Big;
    let length = 1 << 20;
    let mut file = pcap_header_of(order, MICROSECONDS, (2, 4), 249);
    for _ in 0..3 {
        file.extend(record(order, [1, 2, length, length], &packet(1 << 20)));
        file.extend(record(order, [1, 2, 3, 3], &packet(3)));
    }
    for chunk in [100, super::CHUNK] {
        let outcome = read_through(&file, chunk);
        assert_eq!(outcome.damage(), None);
        let lengths: Vec<_> = outcome.frames.iter().map(|frame| frame.bytes.len()).collect();
        assert_eq!(lengths, [1 << 20, 3, 1 << 20, 3, 1 << 20, 3]);
        assert!(outcome.frames.iter().all(|frame| frame.bytes == packet(frame.bytes.len())));
    }
}

#[test]
fn a_damaged_block_stops_the_file_where_it_stands() {
    let order = Order::Big;
    let good = enhanced(order, 0, 1, &packet(8));
    let with = |at: usize, value: u32| {
        let mut block = good.clone();
        block[at..at + 4].copy_from_slice(&order.u32(value));
        block
    };
    let last = good.len() - 4;
    let cases = [
        ("fewer than 12", with(4, 8)),
        ("fewer than 12", with(4, 0)),
        ("no multiple of four", with(4, 41)),
        ("more than", with(4, (16 << 20) + 4)),
        ("at its end", with(last, 36)),
        ("at its end", with(4, 36)),
        ("interface 1, but the section has described 1", with(8, 1)),
        ("interface 4294967295", with(8, u32::MAX)),
        ("room for 8", with(20, 9)),
        ("the 262144 possible", with(20, (256 << 10) + 1)),
        ("too short for enhanced packet", block(order, 6, &[0; 16])),
        ("too short for packet", block(order, 2, &[0; 16])),
        ("too short for simple packet", block(order, 3, &[])),
        ("too short for interface", block(order, 1, &[0; 4])),
        ("an option", interface(order, 1, 0, &[0, 9, 0, 5, 1, 2, 3, 4])),
        ("an option", interface(order, 1, 0, &[0, 9, 0xff, 0xff])),
        ("time option of 2 octets", interface(order, 1, 0, &option(order, 9, &[1, 2]))),
        ("time option of 4 octets", interface(order, 1, 0, &option(order, 14, &[1, 2, 3, 4]))),
        ("version 3", section_of(order, (3, 0), &[])),
        ("byte-order magic", block(order, 0x0a0d_0d0a, &[0; 16])),
    ];
    for (expected, bad) in cases {
        let mut file = section(order);
        file.extend(interface(order, 1, 0, &[]));
        file.extend(&good);
        let offset = file.len() as u64;
        file.extend(bad);
        file.extend(&good);
        file.extend([0; 64]);

        let outcome = read(&file);

        assert_eq!(outcome.frames.len(), 1, "{expected}");
        let (found, what) = outcome.damage().unwrap();
        assert_eq!((found, what.contains(expected)), (offset, true), "{expected}: {what}");
    }
}

#[test]
fn a_packet_before_any_interface_is_damage() {
    for order in ORDERS {
        for packet in
            [enhanced(order, 0, 1, &[]), simple(order, 0, &[]), obsolete(order, 0, 1, &[])]
        {
            let mut file = section(order);
            let offset = file.len() as u64;
            file.extend(packet);
            assert_eq!(read(&file).damage().map(|(offset, _)| offset), Some(offset));
        }
    }
    // A section does not inherit the interfaces of the one before.
    let order = Order::Little;
    let mut file = section(order);
    file.extend(interface(order, 1, 0, &[]));
    file.extend(section(order));
    let offset = file.len() as u64;
    file.extend(enhanced_of(order, 0, 1, [0, 0], &[], &[]));
    assert_eq!(read(&file).damage().map(|(offset, _)| offset), Some(offset));
}

#[test]
fn what_is_no_capture_is_refused_at_once() {
    assert_eq!(refusal(b""), "it is empty");
    for text in [
        b"x".as_slice(),
        b"\xa1\xb2",
        b"#!/bin/sh\necho this is a script and no capture at all\n",
        &[0; 100],
    ] {
        assert!(refusal(text).contains("no magic number"));
    }
    assert!(refusal(b"\xfd7zXZ\0 and so on").contains("xz"));
    assert!(refusal(b"BZh91AY&SY").contains("bzip2"));
    assert!(refusal(b"PK\x03\x04").contains("zip"));
    assert!(refusal(&pcap_header(Order::Big, 0xa1b2_34cd)).contains("no magic number"));
}
