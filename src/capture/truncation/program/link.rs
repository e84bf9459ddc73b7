//! From an Ethernet header or an EtherType to the IP header behind.

use super::{Assembler, Ends, Level, Place, Segment, Word};
use crate::frame::nesting;

pub(super) fn write(code: &mut Assembler, level: &Level, ends: &Ends) {
    let nexts = level.segments.iter().skip(1).map(Some).chain([None]);
    for (segment, next) in level.segments.iter().zip(nexts) {
        ethernet_and_tags(code, segment, level);
        match next {
            Some(next) => {
                by_ethertype(code, segment, next, ends);
                llc(code, segment, next, level, ends);
                pppoe_and_ppp(code, segment, level, ends);
                mpls(code, segment, next, level, ends);
            }
            // No encapsulation is followed any more.
            None => {
                for place in [segment.llc, segment.pppoe, segment.ppp, segment.mpls] {
                    code.here(place);
                }
                code.go(ends.here);
            }
        }
    }
}

/// Behind this, what the EtherType in A says is neither IP nor a tag that is followed.
fn ethernet_and_tags(code: &mut Assembler, segment: &Segment, level: &Level) {
    let other = code.place();
    code.here(segment.ethernet);
    code.take(14);
    code.load_16(12);
    code.here(segment.ethertype);
    code.if_equal(IPV4, level.ipv4);
    for _ in 0..level.followed.vlan_tags {
        let tag = code.place();
        code.if_equal(VLAN, tag);
        code.if_equal(SERVICE_VLAN, tag);
        code.if_not(OLD_VLAN, other);
        code.here(tag);
        code.take(4);
        code.load_16(2);
    }
    code.here(other);
    code.if_equal(IPV4, level.ipv4);
    code.if_equal(IPV6, level.ipv6);
}

fn by_ethertype(code: &mut Assembler, segment: &Segment, next: &Segment, ends: &Ends) {
    code.if_equal(MPLS, segment.mpls);
    code.if_equal(MPLS_MULTICAST, segment.mpls);
    code.if_equal(PPPOE, segment.pppoe);
    code.if_equal(BRIDGED, next.ethernet);
    code.if_equal(PPP, segment.ppp);
    code.if_equal(LLC, segment.llc);
    code.if_greater(LARGEST_LENGTH, ends.here);
    code.limit();
}

fn llc(code: &mut Assembler, segment: &Segment, next: &Segment, level: &Level, ends: &Ends) {
    let (snap, number) = (code.place(), code.place());
    code.here(segment.llc);
    code.take(3);
    code.load_octet(2);
    code.if_not(0x03, ends.here);
    code.load_16(0);
    code.if_equal(0xaaaa, snap);
    code.if_equal(0x0606, level.ipv4);
    code.go(ends.here);

    code.here(snap);
    code.take(5);
    code.load_32(0);
    code.shift_right(8);
    code.if_any(&[0x00_0000, 0x00_00f8], number);
    code.if_not(0x00_80c2, ends.here);
    code.load_16(3);
    code.if_any(&[0x0001, 0x0007], next.ethernet);
    code.go(ends.here);

    code.here(number);
    code.load_16(3);
    code.if_at_least(SMALLEST_ETHERTYPE, next.ethertype);
    code.go(ends.here);
}

fn pppoe_and_ppp(code: &mut Assembler, segment: &Segment, level: &Level, ends: &Ends) {
    code.here(segment.pppoe);
    code.take(6);
    code.load_16(0);
    code.if_not(0x1100, ends.here);
    code.load_16(4);
    code.limit_16();

    let (first, number) = (code.place(), code.place());
    code.here(segment.ppp);
    code.take(1);
    code.load_octet(0);
    code.if_not(0xff, first);
    code.take(1);
    code.load_octet(0);
    code.if_not(0x03, ends.here);
    code.take(1);
    code.load_octet(0);
    code.here(first);
    code.if_set(0x01, number);
    code.shift_left(8);
    code.store(Word::Field);
    code.take(1);
    code.load_octet(0);
    code.load_x(Word::Field);
    code.add_x();
    code.here(number);
    code.if_equal(0x0021, level.ipv4);
    code.if_equal(0x0057, level.ipv6);
    code.if_any(&[0x0281, 0x0283], segment.mpls);
    code.go(ends.here);
}

fn mpls(code: &mut Assembler, segment: &Segment, next: &Segment, level: &Level, ends: &Ends) {
    let below = code.place();
    code.here(segment.mpls);
    for _ in 0..nesting::LABELS {
        code.take(4);
        code.load_octet(2);
        code.if_set(BOTTOM_OF_STACK, below);
    }
    code.go(ends.here);

    let [ethernet, other] = [code.place(), code.place()];
    code.here(below);
    code.peek(1);
    code.load_octet(0);
    code.shift_right(4);
    code.store(Word::Field);
    if_ethernet(code, 0, ethernet, other);

    // No EtherType stands where it would.
    code.here(other);
    code.load(Word::Field);
    code.if_equal(4, level.ipv4);
    code.if_equal(6, level.ipv6);
    code.if_equal(1, ends.after_1);
    code.if_not(0, next.ethernet);
    code.peek(CONTROL_WORD);
    code.load_16(0);
    code.if_at_least(64, next.ethernet);
    code.load(Word::At);
    code.add(CONTROL_WORD);
    code.store(Word::At);
    code.go(next.ethernet);

    // One does.
    code.here(ethernet);
    let [four, six, control, plain] = [code.place(), code.place(), code.place(), code.place()];
    code.load(Word::Field);
    code.load_x(Word::At);
    code.if_equal(4, four);
    code.if_equal(6, six);
    code.if_equal(1, ends.after_1);
    code.if_not(0, next.ethernet);
    code.load_16(0);
    code.if_at_least(64, next.ethernet);
    if_ethernet(code, CONTROL_WORD, control, plain);
    code.here(control);
    code.load(Word::At);
    code.add(CONTROL_WORD);
    code.store(Word::At);
    code.go(next.ethernet);
    code.here(plain);
    code.load_x(Word::At);
    code.load_16(12);
    code.if_equal(ARP, ends.after_18);
    code.go(next.ethernet);

    code.here(four);
    code.load_octet(0);
    code.and(0x0f);
    code.shift_left(2);
    code.if_less(20, next.ethernet);
    code.store(Word::Length);
    code.load_16(2);
    code.if_in_front_of(Word::Length, next.ethernet);
    code.load_x(Word::At);
    code.add_x();
    code.if_beyond(Word::EndOnWire, next.ethernet);
    code.go(level.ipv4);

    code.here(six);
    code.load_16(4);
    code.add_x();
    code.add(40);
    code.if_beyond(Word::EndOnWire, next.ethernet);
    code.go(level.ipv6);
}

/// Whether an Ethernet header at `offset` would have an EtherType that leads on, or that of ARP.
fn if_ethernet(code: &mut Assembler, offset: u32, met: Place, not_met: Place) {
    code.peek_or(offset + 14, not_met);
    code.load_16(offset + 12);
    code.if_any(
        &[IPV4, IPV6, ARP, VLAN, SERVICE_VLAN, OLD_VLAN, MPLS, MPLS_MULTICAST, PPPOE, BRIDGED],
        met,
    );
    code.go(not_met);
}

const IPV4: u32 = 0x0800;
const ARP: u32 = 0x0806;
const IPV6: u32 = 0x86dd;
const VLAN: u32 = 0x8100;
const SERVICE_VLAN: u32 = 0x88a8;
const OLD_VLAN: u32 = 0x9100;
const MPLS: u32 = 0x8847;
const MPLS_MULTICAST: u32 = 0x8848;
const PPPOE: u32 = 0x8864;
const BRIDGED: u32 = 0x6558;
const PPP: u32 = 0x880b;
const LLC: u32 = 0x8870;
const LARGEST_LENGTH: u32 = 1500;
pub(super) const SMALLEST_ETHERTYPE: u32 = 0x0600;
const BOTTOM_OF_STACK: u32 = 0x01;
const CONTROL_WORD: u32 = 4;
