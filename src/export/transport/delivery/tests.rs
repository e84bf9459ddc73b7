use proptest::prelude::*;

use super::*;

fn window(octets: u32, scale: u8) -> Option<Buffer> {
    Buffer::of_tcp(PeerWindow { octets, scale: Some(scale) })
}

/// Ten Messages of 100,000 octets, all acknowledged in steps so small that the window alone counts.
fn acknowledged(window: Option<Buffer>) -> Delivery {
    let mut delivery = Delivery::new();
    for _ in 0..10 {
        delivery.written(100_000);
    }
    delivery.acknowledged = 1_000_000;
    delivery.observe(0, window);
    delivery
}

#[test]
fn what_may_lie_unread_is_not_delivered() {
    // 4 × 50,000 octets may be unread: the last two Messages.
    let delivery = acknowledged(window(50_000, 7));
    assert_eq!((delivery.delivered(), delivery.acknowledged()), (8, 10));
    assert_eq!(delivery.outstanding_octets(), 0);
    // One octet more: the third last, too.
    assert_eq!(acknowledged(window(50_001, 7)).delivered(), 7);
}

#[test]
fn no_peer_has_more_than_its_window_scale_lets() {
    // RFC 7323 §2.2: 65,535 << 1, and a packet.
    assert_eq!(acknowledged(window(u32::MAX, 1)).delivered(), 8);
    assert_eq!(acknowledged(window(u32::MAX, 2)).delivered(), 6);
}

#[test]
fn without_knowledge_of_the_peer_the_usual_buffer_counts() {
    for window in [None, Buffer::of_tcp(PeerWindow { octets: 1_000, scale: None })] {
        let mut delivery = acknowledged(window);
        assert_eq!(delivery.delivered(), 0);
        delivery.written(USUAL_CAPACITY - 1);
        delivery.observe(0, window);
        assert_eq!(delivery.delivered(), 9);
    }
}

#[test]
fn the_largest_window_counts_however_long_ago_it_was() {
    let mut delivery = acknowledged(window(200_000, 7));
    assert_eq!(delivery.delivered(), 2);
    delivery.observe(0, window(0, 7));
    assert_eq!(delivery.delivered(), 2);
}

#[test]
fn windows_between_two_looks_are_reckoned_with() {
    let mut delivery = Delivery::new();
    delivery.observe(0, window(10_000, 7));
    for _ in 0..10 {
        delivery.written(100_000);
    }
    // 200,000 octets went through unseen: the window may have been that large, and the buffer
    // four times that.
    delivery.observe(800_000, window(0, 7));
    delivery.observe(600_000, window(0, 7));
    delivery.observe(400_000, window(0, 7));
    assert_eq!(delivery.delivered(), 0);
    delivery.observe(200_000, window(0, 7));
    delivery.observe(0, window(0, 7));
    assert_eq!(delivery.delivered(), 2);
}

#[test]
fn memory_is_bounded_whatever_the_peer_offers() {
    let mut delivery = Delivery::new();
    for _ in 0..100 {
        delivery.written(1 << 20);
        delivery.observe(0, window(u32::MAX, 14));
    }
    assert_eq!(delivery.delivered(), 100 - 32);
}

#[test]
fn after_a_reset_only_what_was_certainly_read_counts() {
    let delivery = acknowledged(window(50_000, 7));
    assert_eq!(delivery.delivered_at_end(End::Broken), 8);
    assert_eq!(delivery.delivered_at_end(End::Finished), 10);
}

#[test]
fn messages_count_when_their_last_octet_does() {
    let mut delivery = Delivery::new();
    delivery.written(100);
    delivery.written(100);
    delivery.observe(1, window(1_000, 7));
    assert_eq!((delivery.acknowledged(), delivery.outstanding_octets()), (1, 1));
    delivery.observe(0, window(1_000, 7));
    assert_eq!(delivery.acknowledged(), 2);
}

#[test]
fn octets_between_messages_move_those_that_follow() {
    let mut delivery = Delivery::new();
    delivery.written_besides(50);
    delivery.written(100);
    delivery.observe(1, None);
    assert_eq!(delivery.acknowledged(), 0);
}

#[test]
fn our_own_end_counts_as_an_octet_that_is_none_of_a_message() {
    let mut delivery = Delivery::new();
    delivery.written(100);
    delivery.finish();
    delivery.observe(2, None);
    assert_eq!((delivery.acknowledged(), delivery.outstanding_octets()), (0, 1));
    delivery.observe(1, None);
    assert_eq!((delivery.acknowledged(), delivery.outstanding_octets()), (1, 0));
}

#[test]
fn a_peer_that_reads_on_after_its_fin_proves_nothing_by_it() {
    let mut delivery = Delivery::new();
    for _ in 0..3 {
        delivery.written(100);
    }
    delivery.observe(200, window(1_000, 7));
    // Between the last look without the FIN and the first with it one more was acknowledged.
    delivery.observe(100, window(1_000, 7));
    delivery.input_end = Some(InputEnd { before: 100, after: 200 });
    assert!(!delivery.is_half_open());
    assert_eq!(delivery.delivered_at_end(End::Finished), 2);
    delivery.observe(0, window(1_000, 7));
    assert!(delivery.is_half_open());
    assert_eq!(delivery.delivered_at_end(End::Finished), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a peer whose buffer holds `capacity` octets and shows a quarter of itself at least.
    #[test]
    fn nothing_unread_is_ever_delivered(
        capacity in 1_000_u32..1_000_000,
        shown in 1_u32..=4,
        steps in prop::collection::vec((1_u64..100_000, 0_u64..=100, 0_u64..=100), 1..200),
    ) {
        let mut delivery = Delivery::new();
        let (mut written, mut acknowledged, mut read) = (0_u64, 0_u64, 0_u64);
        let mut ends = Vec::new();
        let mut before = 0;
        for (message, taken, consumed) in steps {
            written += message;
            ends.push(written);
            delivery.written(message);
            let free = u64::from(capacity) - (acknowledged - read);
            let part = |octets: u64, percent: u64| octets * percent / 100;
            acknowledged += part(free.min(written - acknowledged), taken);
            delivery.observe(written - acknowledged, window(capacity.div_ceil(shown), 14));
            let delivered = delivery.delivered();
            prop_assert!(ends.iter().filter(|&&end| end <= read).count() as u64 >= delivered);
            prop_assert!(delivered >= before);
            before = delivered;
            read += part(acknowledged - read, consumed);
        }
    }
}
