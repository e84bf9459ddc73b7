use super::writer::{
    ORDERS, Order, block, enhanced, enhanced_of, interface, obsolete, option, packet, pcap_of,
    section, section_of, simple, statistics,
};
use super::{CHUNK, Outcome, read, refusal, replay, seconds};
use crate::capture::file::DescribedInterface;
use crate::capture::{Drops, FrameSource, Polled};
use crate::frame::LinkType;
use crate::time::Timestamp;
use std::time::Duration;

#[test]
fn sections_of_different_byte_order_follow_each_other() {
    let mut file = Vec::new();
    for (index, order) in (0_u32..).zip([Order::Big, Order::Little, Order::Big]) {
        file.extend(section(order));
        file.extend(interface(order, 1, 0, &[]));
        file.extend(interface(order, 101, 0, &[]));
        let ticks = u64::from(1_000 + index) * 1_000_000;
        file.extend(enhanced(order, 1, ticks, &packet(21)));
        file.extend(enhanced(order, 0, ticks + 1, &packet(20)));
    }

    let outcome = read(&file);

    assert_eq!(outcome.damage(), None);
    let told: Vec<_> = outcome
        .frames
        .iter()
        .map(|frame| (frame.interface, frame.link_type, frame.at, frame.bytes.len()))
        .collect();
    let at = |seconds, microseconds: u32| Timestamp::from_parts(seconds, microseconds * 1_000);
    assert_eq!(
        told,
        [
            (2, LinkType::RawIp, at(1_000, 0), 21),
            (1, LinkType::Ethernet, at(1_000, 1), 20),
            (4, LinkType::RawIp, at(1_001, 0), 21),
            (3, LinkType::Ethernet, at(1_001, 1), 20),
            (6, LinkType::RawIp, at(1_002, 0), 21),
            (5, LinkType::Ethernet, at(1_002, 1), 20),
        ]
    );
    assert!(outcome.frames.iter().all(|frame| frame.bytes == packet(frame.bytes.len())));
    assert!(
        outcome.frames.iter().all(|frame| frame.wire_length as usize == 100 + frame.bytes.len())
    );
}

#[test]
fn every_time_resolution_is_understood() {
    let nanoseconds = 1_234_567_890_u64;
    // if_tsresol, ticks, nanoseconds they stand for.
    for (resolution, ticks, expected) in [
        (6, 1_234_567, 1_234_567_000),
        (9, nanoseconds, nanoseconds),
        (0, 7, 7_000_000_000),
        (3, 1_500, 1_500_000_000),
        (12, 1_234_567_890_999, nanoseconds),
        (19, 30_000_000_000_000_000, 3_000_000),
        (28, u64::MAX, 1),
        (29, u64::MAX, 1),
        (127, 1 << 63, 0),
        (0x80, 3, 3_000_000_000),
        (0x80 | 10, 1_536, 1_500_000_000),
        (0x80 | 32, 3 << 31, 1_500_000_000),
        (0x80 | 63, 3 << 62, 1_500_000_000),
        (0x80 | 127, u64::MAX, 0),
        // Saturates.
        (0, u64::MAX, u64::MAX),
        (6, u64::MAX, u64::MAX),
        (0x80, u64::MAX, u64::MAX),
    ] {
        for order in ORDERS {
            let options = option(order, 9, &[resolution]);
            let mut file = section(order);
            file.extend(interface(order, 1, 0, &options));
            file.extend(enhanced(order, 0, ticks, &[]));
            let at = read(&file).frames[0].at.as_nanos();
            assert_eq!(at, expected, "resolution {resolution:#x}, {ticks} ticks");
        }
    }
}

#[test]
fn a_time_offset_is_added_and_saturates() {
    for (offset, ticks, expected) in [
        (1_000_i64, 5_000_000, seconds(1_005)),
        (-3, 5_000_000, seconds(2)),
        (-6, 5_000_000, Timestamp::EPOCH),
        (i64::MIN, u64::MAX, Timestamp::EPOCH),
        (i64::MAX, 0, Timestamp::MAX),
        // The sum fits where the first term alone would not.
        (-(u64::MAX.div_ceil(1_000_000).cast_signed()), u64::MAX, Timestamp::EPOCH),
    ] {
        for order in ORDERS {
            let mut options = option(order, 2, b"eth0");
            options.extend(option(order, 14, &order.u64(offset.cast_unsigned())));
            options.extend(option(order, 0, &[]));
            options.extend([0xff; 4]);
            let mut file = section(order);
            file.extend(interface(order, 1, 0, &options));
            file.extend(enhanced(order, 0, ticks, &[]));
            assert_eq!(read(&file).frames[0].at, expected, "{offset} {ticks}");
        }
    }
}

#[test]
fn options_behind_the_end_of_options_and_on_packets_are_not_looked_at() {
    let order = Order::Little;
    let mut options = option(order, 0, &[]);
    options.extend(option(order, 9, &[0]));
    let mut file = section_of(order, (1, 2), &[0xff; 8]);
    file.extend(interface(order, 1, 0, &options));
    file.extend(enhanced_of(order, 0, 2_000_000, [5, 9], &packet(5), &[0xff; 12]));
    let outcome = read(&file);
    assert_eq!(outcome.damage(), None);
    assert_eq!((outcome.frames[0].at, outcome.frames[0].wire_length), (seconds(2), 9));
    assert_eq!(outcome.frames[0].bytes, packet(5));
}

#[test]
fn a_simple_packet_takes_interface_snap_length_and_time_from_its_surroundings() {
    for order in ORDERS {
        let mut file = section(order);
        file.extend(interface(order, 101, 40, &[]));
        file.extend(interface(order, 1, 0, &[]));
        file.extend(simple(order, 31, &packet(31)));
        file.extend(enhanced(order, 1, 9_000_000, &packet(8)));
        file.extend(simple(order, 1_500, &packet(40)));
        file.extend(section(order));
        file.extend(interface(order, 1, 0, &[]));
        file.extend(simple(order, 70, &packet(70)));

        let outcome = read(&file);

        assert_eq!(outcome.damage(), None);
        let told: Vec<_> = outcome
            .frames
            .iter()
            .map(|frame| (frame.interface, frame.at, frame.bytes.clone(), frame.wire_length))
            .collect();
        assert_eq!(
            told,
            [
                (1, Timestamp::EPOCH, packet(31), 31),
                (2, seconds(9), packet(8), 108),
                (1, seconds(9), packet(40), 1_500),
                (3, seconds(9), packet(70), 70),
            ]
        );
    }
}

#[test]
fn the_obsolete_packet_block_has_a_16_bit_interface() {
    for order in ORDERS {
        let mut file = section(order);
        file.extend(interface(order, 0, 0, &[]));
        file.extend(interface(order, 113, 0, &[]));
        file.extend(obsolete(order, 1, 3_000_000, &packet(17)));
        let outcome = read(&file);
        assert_eq!(outcome.damage(), None);
        let frame = &outcome.frames[0];
        assert_eq!((frame.interface, frame.link_type), (2, LinkType::LinuxSll));
        assert_eq!((frame.at, frame.wire_length), (seconds(3), 117));
        assert_eq!(frame.bytes, packet(17));
    }
}

#[test]
fn unknown_blocks_are_stepped_over() {
    for order in ORDERS {
        let mut file = section(order);
        file.extend(block(order, 0x0bad, &[1; 100]));
        file.extend(interface(order, 1, 0, &[]));
        for block_type in [4, 7, 10, 0x8000_0001, u32::MAX] {
            file.extend(block(order, block_type, &packet(1_001)));
            file.extend(enhanced(order, 0, 1, &packet(4)));
        }
        file.extend(block(order, 4, &[]));
        let outcome = read(&file);
        assert_eq!((outcome.frames.len(), outcome.damage()), (5, None));
    }
}

#[test]
fn drop_counters_of_the_capture_are_reported_once() {
    let order = Order::Big;
    let counters = |interface_drops, kernel_drops| {
        let mut options = option(order, 4, &order.u64(99));
        options.extend(option(order, 5, &order.u64(interface_drops)));
        options.extend(option(order, 7, &order.u64(kernel_drops)));
        options
    };
    let mut file = section(order);
    file.extend(interface(order, 1, 0, &[]));
    file.extend(interface(order, 1, 0, &[]));
    file.extend(statistics(order, 0, &counters(1, 10)));
    file.extend(enhanced(order, 0, 1, &packet(4)));
    file.extend(statistics(order, 0, &counters(2, 30)));
    file.extend(statistics(order, 1, &counters(5, 100)));
    file.extend(statistics(order, 7, &counters(1, 1)));
    file.extend(statistics(order, 1, &option(order, 5, &[1, 2])));
    file.extend(section(order));
    file.extend(interface(order, 1, 0, &[]));
    file.extend(statistics(order, 0, &counters(1_000, 2_000)));

    let replay = replay(&[&file], 64).unwrap();
    let mut sources = [replay.source(), replay.source()];
    let mut ended = 0;
    while ended < 2 {
        for source in &mut sources {
            ended += usize::from(source.poll(9, Duration::ZERO, |_| ()).unwrap() == Polled::End);
        }
    }

    let [first, second] = sources.map(|mut source| source.drops());
    let sum = Drops {
        kernel: first.kernel + second.kernel,
        interface: first.interface + second.interface,
    };
    assert_eq!(sum, Drops { kernel: 30 + 100 + 2_000, interface: 2 + 5 + 1_000 });
}

#[test]
fn sections_that_cannot_be_are_no_capture() {
    let good = section(Order::Little);
    for length in 4..16 {
        assert!(refusal(&good[..length]).contains(&format!("only {length}")));
    }
    for order in ORDERS {
        assert!(refusal(&section_of(order, (2, 0), &[])).contains("version 2"));
        let mut no_magic = section(order);
        no_magic[8] ^= 1;
        assert!(refusal(&no_magic).contains("byte-order magic"));
        for length in [0, 24, 30, 1 << 30] {
            let mut odd = section(order);
            odd[4..8].copy_from_slice(&order.u32(length));
            assert!(refusal(&odd).contains(&format!("block of {length} octets")));
        }
    }
}

#[test]
fn interfaces_are_described_in_the_order_of_the_capture_and_no_sooner_than_their_packets() {
    let order = Order::Little;
    let named = |name: &[u8], description: &[u8]| {
        let options = [option(order, 2, name), option(order, 3, description)].concat();
        interface(order, 1, 0, &options)
    };
    let mut file = section(order);
    file.extend(named(b"eth0", "Verbindung für 2".as_bytes()));
    file.extend(enhanced(order, 0, 1, &packet(4)));
    file.extend(named(b"\xff\x00\x1b", &[b'x'; 400]));
    file.extend(enhanced(order, 1, 2, &packet(4)));
    file.extend(section(order));
    file.extend(interface(order, 1, 0, &[]));
    file.extend(enhanced(order, 0, 3, &packet(4)));
    // Described behind the last packet.
    file.extend(named(b"late", b""));
    let described = |number, name: &[u8], description: &[u8]| DescribedInterface {
        number,
        name: name.into(),
        description: description.into(),
    };

    // A pcap file before and the same capture again behind: nothing new.
    let (pcap, _) = pcap_of(&[4]);
    let replay = replay(&[&pcap, &file, &file], 64).unwrap();
    let mut source = replay.source();
    let mut known = Vec::new();
    while source.poll(1, Duration::ZERO, |_| ()).unwrap() != Polled::End {
        known.push(source.interfaces_described());
    }
    assert_eq!(known[..4], [1, 2, 3, 4]);
    assert!(known.is_sorted(), "{known:?}");

    let expected = [
        described(1, b"", b""),
        described(1, b"eth0", "Verbindung für 2".as_bytes()),
        described(2, b"\xff\x00\x1b", &[b'x'; 255]),
        described(3, b"", b""),
        described(4, b"late", b""),
    ];
    assert_eq!(replay.described(0, usize::MAX), expected);
    assert_eq!(replay.described(1, 2), expected[1..2]);
    assert_eq!(replay.described(9, 9), []);
}

#[test]
fn descriptions_without_end_are_not_kept() {
    let order = Order::Little;
    let mut file = section(order);
    for _ in 0..5_000 {
        file.extend(interface(order, 1, 0, &[]));
    }
    file.extend(enhanced(order, 4_999, 1, &packet(4)));
    let replay = replay(&[&file], CHUNK).unwrap();
    let outcome = Outcome::of(replay.source(), 9);
    assert_eq!((outcome.frames.len(), outcome.frames[0].interface), (1, 5_000));
    assert_eq!(replay.described(0, usize::MAX).len(), 4_096);
}
