use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::writer::{
    MICROSECONDS, NANOSECONDS, ORDERS, Order, block, enhanced, interface, obsolete, option, packet,
    pcap_header, pcap_of, record, section, simple,
};
use super::{Outcome, read, read_through, replay};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_octets_end(
        start in 0_usize..9,
        octets in vec(any::<u8>(), 0..600),
        chunk in 1_usize..80,
    ) {
        let [big, little] = ORDERS;
        let start = match start {
            0 => Vec::new(),
            1 => pcap_header(big, MICROSECONDS),
            2 => pcap_header(little, NANOSECONDS),
            3 => section(big),
            4 => section(little),
            5 => [section(big), interface(big, 1, 0, &[])].concat(),
            6 => [section(little), interface(little, 249, 0, &[])].concat(),
            7 => vec![0x1f, 0x8b, 8],
            _ => vec![0x28, 0xb5, 0x2f, 0xfd],
        };
        let file = [start, octets].concat();
        if let Ok(replay) = replay(&[&file], chunk) {
            let outcome = Outcome::of(replay.source(), 3);
            // No frame has octets that the file has not.
            let octets: usize = outcome.frames.iter().map(|frame| frame.bytes.len()).sum();
            prop_assert!(octets <= file.len());
            prop_assert!(outcome.errors.len() <= 1);
        }
    }

    #[test]
    fn a_flipped_octet_spoils_nothing_before_it(
        order in prop::sample::select(ORDERS.to_vec()),
        position in 28_usize..700,
        flip in 1_u8..=255,
        chunk in 1_usize..300,
    ) {
        let blocks = mixed_blocks(order);
        let mut file = blocks.concat();
        let whole = read(&file).frames;
        let position = position % file.len();
        file[position] ^= flip;
        let mut start = 0;
        let mut before = 0;
        for block in &blocks {
            if start + block.len() > position {
                break;
            }
            start += block.len();
            before += usize::from([2, 3, 6].contains(&block[if order == Order::Big { 3 } else { 0 }]));
        }
        if let Ok(replay) = replay(&[&file], chunk) {
            let outcome = Outcome::of(replay.source(), 256);
            prop_assert!(outcome.frames.len() >= before);
            prop_assert_eq!(&outcome.frames[..before], &whole[..before]);
            if let Some((offset, _)) = outcome.damage() {
                prop_assert!(offset >= start as u64);
            }
        }
    }

    #[test]
    fn the_window_never_shows(
        lengths in vec(0_usize..400, 0..60),
        chunk in 1_usize..2_000,
    ) {
        let (file, _) = pcap_of(&lengths);
        let outcome = read_through(&file, chunk);
        prop_assert_eq!(outcome.damage(), None);
        prop_assert_eq!(&outcome.frames, &read(&file).frames);
        prop_assert!(
            outcome.frames.iter().map(|frame| &frame.bytes).eq(lengths.iter().map(|l| packet(*l)).collect::<Vec<_>>().iter())
        );
    }

    #[test]
    fn records_of_any_numbers_never_overflow(
        order in prop::sample::select(ORDERS.to_vec()),
        nanoseconds: bool,
        headers in vec(any::<[u32; 4]>(), 1..20),
        octets in vec(any::<u8>(), 0..100),
    ) {
        let magic = if nanoseconds { NANOSECONDS } else { MICROSECONDS };
        let mut file = pcap_header(order, magic);
        for [seconds, fraction, captured, original] in headers {
            file.extend(record(order, [seconds, fraction, captured % 100, original], &octets));
        }
        let outcome = read_through(&file, 64);
        prop_assert!(outcome.errors.len() <= 1);
    }

    #[test]
    fn interfaces_of_any_time_base_never_overflow(
        order in prop::sample::select(ORDERS.to_vec()),
        resolution: u8,
        offset: u64,
        ticks: u64,
    ) {
        let options =
            [option(order, 9, &[resolution]), option(order, 14, &order.u64(offset))].concat();
        let mut file = section(order);
        file.extend(interface(order, 1, 0, &options));
        file.extend(enhanced(order, 0, ticks, &[]));
        prop_assert_eq!(read(&file).frames.len(), 1);
    }
}

/// A file with every kind of block.
fn mixed_blocks(order: Order) -> Vec<Vec<u8>> {
    vec![
        section(order),
        interface(order, 1, 0, &option(order, 9, &[9])),
        enhanced(order, 0, 1_000, &packet(60)),
        simple(order, 20, &packet(20)),
        block(order, 4, &[7; 40]),
        obsolete(order, 0, 2_000, &packet(33)),
        section(order),
        interface(order, 101, 0, &[]),
        enhanced(order, 0, 3, &packet(99)),
        enhanced(order, 0, 4, &packet(1)),
    ]
}
