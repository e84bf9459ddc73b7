//! IPv4 with its options, IPv6 with its extension headers.

use super::{Assembler, Ends, ICMP, ICMPV6, Level, Place, TCP, Word, tunnel};

/// Leaves the protocol in A, to where the tunnels of this level are if there are any.
pub(super) fn write(code: &mut Assembler, level: &Level, inside: Option<&Level>, ends: &Ends) {
    let carried = code.place();
    code.here(level.ip);
    code.peek(1);
    code.load_octet(0);
    code.shift_right(4);
    code.if_equal(4, level.ipv4);
    code.if_equal(6, level.ipv6);
    code.go(ends.after_1);

    ipv4(code, level, carried, ends);
    ipv6(code, level, carried, ends);

    code.here(carried);
    match (inside, ends.whole) {
        (Some(inside), _) => {
            code.if_equal(TCP, ends.tcp);
            tunnel::by_protocol(code, level, inside);
            code.go(ends.transport);
        }
        (None, Some(whole)) => {
            code.if_equal(TCP, ends.tcp);
            tunnel::not_followed(code, whole, ends);
            code.go(ends.transport);
        }
        (None, None) => code.go(ends.transport),
    }
}

fn ipv4(code: &mut Assembler, level: &Level, carried: Place, ends: &Ends) {
    let [offloaded, options] = [code.place(), code.place()];
    code.here(level.ipv4);
    code.take(20);
    code.load_octet(0);
    code.and(0xf0);
    code.if_not(0x40, ends.here);
    code.load_octet(9);
    code.store(Word::Protocol);
    code.load_16(6);
    code.store(Word::Field);
    code.load_octet(0);
    code.and(0x0f);
    code.shift_left(2);
    code.if_less(20, ends.here);
    code.store(Word::Length);
    code.load_16(2);
    code.if_equal(0, offloaded);
    code.if_in_front_of(Word::Length, ends.here);
    code.load_x(Word::At);
    code.add_x();
    code.subtract(20);
    code.claim_until_a(options);
    code.go(options);

    // Total Length 0: the sender left it to its hardware, and all there is belongs to the packet.
    code.here(offloaded);
    header_end(code);
    code.if_beyond(Word::EndOnWire, ends.here);

    code.here(options);
    header_end(code);
    code.if_beyond(Word::End, ends.all);
    code.store(Word::At);
    code.if_at(Word::EndOnWire, ends.here);
    code.load(Word::Field);
    code.if_set(V4_OFFSET, ends.here);
    code.if_set(V4_MORE, ends.fragment_v4);
    code.load(Word::Protocol);
    code.if_equal(ICMP, ends.after_8);
    code.if_equal(ICMPV6, ends.here);
    code.go(carried);
}

/// A is where the IPv4 header ends, of which the fixed part was taken.
fn header_end(code: &mut Assembler) {
    code.load(Word::At);
    code.load_x(Word::Length);
    code.add_x();
    code.subtract(20);
}

fn ipv6(code: &mut Assembler, level: &Level, carried: Place, ends: &Ends) {
    let [elsewhere, extensions, last] = [code.place(), code.place(), code.place()];
    code.here(level.ipv6);
    code.take(40);
    code.load_octet(0);
    code.and(0xf0);
    code.if_not(0x60, ends.here);
    code.load_octet(6);
    code.store(Word::Protocol);
    code.load_16(4);
    code.if_equal(0, elsewhere);
    code.claim();
    code.go(extensions);

    code.here(elsewhere);
    claim_elsewhere(code, extensions, ends);

    code.here(extensions);
    code.load_value(0);
    code.store(Word::Fragment);
    code.load(Word::Protocol);
    for _ in 0..level.followed.extension_headers {
        let extension = code.place();
        code.if_any(EXTENSIONS, extension);
        code.go(last);
        code.here(extension);
        extension_header(code, ends);
    }
    code.if_any(EXTENSIONS, ends.here);

    code.here(last);
    code.load(Word::Fragment);
    code.if_not(0, ends.fragment_v6);
    code.load(Word::Protocol);
    code.if_equal(ICMPV6, ends.after_4);
    code.if_equal(ICMP, ends.here);
    code.go(carried);
}

/// The length of a packet whose Payload Length is 0.
fn claim_elsewhere(code: &mut Assembler, done: Place, ends: &Ends) {
    let [no_option, jumbo, claim] = [code.place(), code.place(), code.place()];
    code.load(Word::Protocol);
    code.if_not(HOP_BY_HOP, no_option);
    code.peek_or(8, no_option);
    code.load_16(2);
    code.if_not(JUMBO_PAYLOAD, no_option);
    code.load_32(4);
    code.if_less(0x1_0000, no_option);
    code.if_at_least(LARGEST, jumbo);
    code.go(claim);
    code.here(jumbo);
    code.load_value(LARGEST);
    code.here(claim);
    code.claim();
    code.go(done);

    code.here(no_option);
    code.load(Word::EndOnWire);
    code.load_x(Word::At);
    code.subtract_x();
    code.if_greater(0xffff, done);
    code.store(Word::Length);
    code.load(Word::Protocol);
    // Whether there was the option it took a look to know.
    code.if_equal(HOP_BY_HOP, ends.after_8);
    code.if_not(TCP, ends.here);
    code.load(Word::Length);
    code.if_less(20, ends.here);
    code.go(done);
}

/// One extension header of the kind in A; leaves in A what follows it.
fn extension_header(code: &mut Assembler, ends: &Ends) {
    let [fragment, authentication, skip, done] =
        [code.place(), code.place(), code.place(), code.place()];
    code.store(Word::Field);
    code.peek(2);
    code.load_octet(0);
    code.store(Word::Protocol);
    code.load(Word::Field);
    code.if_equal(FRAGMENT, fragment);
    code.if_equal(AUTHENTICATION, authentication);
    code.load_octet(1);
    code.add(1);
    code.shift_left(3);
    code.go(skip);

    code.here(authentication);
    code.load_octet(1);
    code.add(2);
    code.shift_left(2);
    code.if_less(12, ends.after_2);

    code.here(skip);
    code.skip_a_or(ends.after_2);
    code.go(done);

    code.here(fragment);
    code.peek_or(8, ends.after_2);
    code.store(Word::At);
    code.load(Word::Fragment);
    code.if_not(0, done);
    code.load_16(2);
    code.if_set(V6_OFFSET, ends.here);
    code.and(V6_MORE);
    code.store(Word::Fragment);

    code.here(done);
    code.load(Word::Protocol);
}

const HOP_BY_HOP: u32 = 0;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const EXTENSIONS: &[u32] = &[HOP_BY_HOP, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140];
const V4_OFFSET: u32 = 0x1fff;
const V4_MORE: u32 = 0x2000;
const V6_OFFSET: u32 = 0xfff8;
const V6_MORE: u32 = 0x0001;
/// The option and the length of its value.
const JUMBO_PAYLOAD: u32 = 0xc204;
/// More than any frame has, and far from what overflows.
const LARGEST: u32 = 0x7fff_ffff;
