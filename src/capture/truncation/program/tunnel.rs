//! Tunnel headers, to what they carry.

use super::link::SMALLEST_ETHERTYPE;
use super::{Assembler, Ends, Level, Place, UDP, Word};
use crate::frame::nesting;

/// Sends tunnels by the protocol in A on their way; others go on.
pub(super) fn by_protocol(code: &mut Assembler, level: &Level, inside: &Level) {
    let Tunnels { udp, gre, l2tp_3 } = level.tunnels;
    code.if_equal(UDP, udp);
    code.if_equal(4, inside.ipv4);
    code.if_equal(41, inside.ipv6);
    code.if_equal(47, gre);
    code.if_equal(115, l2tp_3);
}

/// Sends what may be a tunnel, by the protocol in A, to `whole`; others go on.
pub(super) fn not_followed(code: &mut Assembler, whole: Place, ends: &Ends) {
    let other = code.place();
    code.if_any(&[4, 41, 47, 115], whole);
    code.if_not(UDP, other);
    code.take(8);
    if_tunnel_over_udp(code, whole);
    code.go(ends.here);
    code.here(other);
}

/// By the ports of the UDP header that was taken. The source port is then in [`Word::Field`].
fn if_tunnel_over_udp(code: &mut Assembler, likely: Place) {
    code.load_16(0);
    code.store(Word::Field);
    code.if_any(&[L2TP, TEREDO], likely);
    code.load_16(2);
    code.if_any(&[VXLAN, VXLAN_LINUX, VXLAN_GPE, GENEVE, GTP_U, L2TP, TEREDO], likely);
}

/// Where tunnels of an IP packet begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tunnels {
    pub(super) udp: Place,
    pub(super) gre: Place,
    pub(super) l2tp_3: Place,
}

pub(super) fn write(code: &mut Assembler, level: &Level, inside: &Level, ends: &Ends) {
    let Tunnels { udp, gre, l2tp_3 } = level.tunnels;
    code.here(udp);
    over_udp(code, l2tp_3, inside, ends);
    code.here(l2tp_3);
    l2tp_version_3(code, inside, ends);
    code.here(gre);
    over_gre(code, inside, ends);
}

fn over_udp(code: &mut Assembler, l2tp_3: Place, inside: &Level, ends: &Ends) {
    let [likely, limited] = [code.place(), code.place()];
    code.take(8);
    if_tunnel_over_udp(code, likely);
    code.go(ends.here);

    code.here(likely);
    code.load_16(2);
    code.store(Word::Protocol);
    code.load_16(4);
    code.if_less(8, limited);
    code.subtract(8);
    code.limit_16();
    code.here(limited);

    let [vxlan, generic, geneve, gtp, l2tp, teredo] =
        [code.place(), code.place(), code.place(), code.place(), code.place(), code.place()];
    code.load(Word::Protocol);
    code.if_any(&[VXLAN, VXLAN_LINUX], vxlan);
    code.if_equal(VXLAN_GPE, generic);
    code.if_equal(GENEVE, geneve);
    code.if_equal(GTP_U, gtp);
    code.if_equal(L2TP, l2tp);
    code.if_equal(TEREDO, teredo);
    code.load(Word::Field);
    code.if_equal(L2TP, l2tp);

    code.here(teredo);
    over_teredo(code, inside, ends);

    code.here(vxlan);
    code.take(8);
    code.load_octet(0);
    code.if_set(0x08, inside.ethernet());
    code.go(ends.here);

    code.here(generic);
    vxlan_generic(code, inside, ends);
    code.here(geneve);
    over_geneve(code, inside, ends);
    code.here(gtp);
    over_gtp(code, inside, ends);
    code.here(l2tp);
    over_l2tp(code, l2tp_3, inside, ends);
}

fn vxlan_generic(code: &mut Assembler, inside: &Level, ends: &Ends) {
    code.take(8);
    code.load_octet(0);
    code.and(0x38);
    code.if_not(0x08, ends.here);
    code.load_octet(0);
    code.unless_set(0x04, inside.ethernet());
    code.load_octet(3);
    code.if_equal(1, inside.ipv4);
    code.if_equal(2, inside.ipv6);
    code.if_equal(3, inside.ethernet());
    code.if_equal(5, inside.mpls());
    code.go(ends.here);
}

fn over_geneve(code: &mut Assembler, inside: &Level, ends: &Ends) {
    code.take(8);
    code.load_16(2);
    code.if_less(SMALLEST_ETHERTYPE, ends.here);
    code.store(Word::Protocol);
    code.load_octet(0);
    code.if_set(0xc0, ends.here);
    code.and(0x3f);
    code.shift_left(2);
    code.skip_a_or(ends.here);
    code.load(Word::Protocol);
    code.if_equal(BRIDGED, inside.ethernet());
    code.go(inside.ethertype());
}

fn over_gtp(code: &mut Assembler, inside: &Level, ends: &Ends) {
    code.take(8);
    code.load_octet(0);
    code.and(0xf0);
    code.if_not(0x30, ends.here);
    code.load_octet(1);
    code.if_not(255, ends.here);
    code.load_octet(0);
    code.store(Word::Length);
    code.load_16(2);
    code.limit_16();
    code.load(Word::Length);
    code.unless_set(0x07, inside.ip);
    code.take(4);
    code.load_octet(3);
    code.store(Word::Protocol);
    code.load(Word::Length);
    code.unless_set(0x04, inside.ip);
    code.load(Word::Protocol);
    for _ in 0..nesting::GTP_EXTENSION_HEADERS {
        code.if_equal(0, inside.ip);
        code.peek(1);
        code.load_octet(0);
        code.if_equal(0, ends.after_1);
        code.shift_left(2);
        code.skip_a_or(ends.after_1);
        // The last octet of it says what follows.
        code.subtract(1);
        code.a_to_x();
        code.load_octet(0);
    }
    code.if_equal(0, inside.ip);
    code.go(ends.here);
}

fn over_l2tp(code: &mut Assembler, version_3: Place, inside: &Level, ends: &Ends) {
    let [version_2, ids, offset] = [code.place(), code.place(), code.place()];
    code.take(2);
    code.load_16(0);
    code.store(Word::Length);
    code.and(0x800f);
    code.if_equal(2, version_2);
    code.if_not(3, ends.here);
    code.skip(2);
    code.go(version_3);

    code.here(version_2);
    code.load(Word::Length);
    code.unless_set(0x4000, ids);
    code.take(2);
    code.load_16(0);
    code.if_less(4, ends.here);
    code.subtract(4);
    code.limit();
    code.here(ids);
    code.take(4);
    code.load(Word::Length);
    code.unless_set(0x0800, offset);
    code.skip(4);
    code.here(offset);
    code.load(Word::Length);
    code.unless_set(0x0200, inside.ppp());
    code.take(2);
    code.load_16(0);
    code.skip_a_or(ends.here);
    code.go(inside.ppp());
}

fn l2tp_version_3(code: &mut Assembler, inside: &Level, ends: &Ends) {
    code.take(4);
    code.load_32(0);
    code.if_equal(0, ends.here);
    // A default sublayer, perhaps.
    code.peek_or(4, inside.ethernet());
    code.store(Word::Interim);
    code.load_32(0);
    code.if_not(0, inside.ethernet());
    code.load(Word::Interim);
    code.store(Word::At);
    code.go(inside.ethernet());
}

fn over_teredo(code: &mut Assembler, inside: &Level, ends: &Ends) {
    let [origin, version] = [code.place(), code.place()];
    code.peek(1);
    code.load_octet(0);
    code.if_not(0, version);
    code.peek(2);
    code.load_16(0);
    code.if_not(0x0001, origin);
    code.peek(4);
    code.load_octet(2);
    code.store(Word::Length);
    code.load_octet(3);
    code.load_x(Word::Length);
    code.add_x();
    code.add(4 + 9);
    code.skip_a_or(ends.after_4);

    code.here(origin);
    code.peek(1);
    code.load_octet(0);
    code.if_not(0, version);
    code.peek(2);
    code.load_16(0);
    code.if_not(0x0000, ends.after_2);
    code.peek_or(8, ends.after_2);
    code.store(Word::At);

    code.here(version);
    code.peek(1);
    code.load_octet(0);
    code.shift_right(4);
    code.if_equal(6, inside.ipv6);
    code.go(ends.after_1);
}

fn over_gre(code: &mut Assembler, inside: &Level, ends: &Ends) {
    let [version_1, key, sequence, protocol] =
        [code.place(), code.place(), code.place(), code.place()];
    code.take(4);
    code.load_16(2);
    code.store(Word::Protocol);
    code.load_16(0);
    code.store(Word::Length);
    code.and(0x0007);
    code.if_equal(1, version_1);
    code.if_not(0, ends.here);
    code.load(Word::Length);
    code.if_set(ROUTING, ends.here);
    code.unless_set(CHECKSUM, key);
    code.skip(4);
    code.here(key);
    code.load(Word::Length);
    code.unless_set(KEY, sequence);
    code.take(4);
    code.here(sequence);
    code.load(Word::Length);
    code.unless_set(SEQUENCE, protocol);
    code.skip(4);

    let [erspan_2, erspan_3, wccp] = [code.place(), code.place(), code.place()];
    code.here(protocol);
    code.load(Word::Protocol);
    code.if_equal(BRIDGED, inside.ethernet());
    code.if_equal(ERSPAN_I_II, erspan_2);
    code.if_equal(ERSPAN_III, erspan_3);
    code.if_equal(WCCP, wccp);
    code.if_at_least(SMALLEST_ETHERTYPE, inside.ethertype());
    code.go(ends.here);

    code.here(erspan_2);
    code.load(Word::Length);
    code.unless_set(SEQUENCE, inside.ethernet());
    code.take(8);
    code.load_octet(0);
    code.shift_right(4);
    code.if_equal(1, inside.ethernet());
    code.go(ends.here);

    let frame_type = code.place();
    code.here(erspan_3);
    code.take(12);
    code.load_octet(0);
    code.shift_right(4);
    code.if_not(2, ends.here);
    code.load_octet(10);
    code.and(0x7c);
    code.store(Word::Field);
    code.load_octet(11);
    code.unless_set(0x01, frame_type);
    code.skip(8);
    code.here(frame_type);
    code.load(Word::Field);
    code.if_equal(0x00, inside.ethernet());
    code.if_equal(0x08, inside.ip);
    code.go(ends.here);

    code.here(wccp);
    code.peek(1);
    code.load_octet(0);
    code.shift_right(4);
    code.if_equal(4, inside.ipv4);
    code.skip(4);
    code.go(inside.ipv4);

    code.here(version_1);
    gre_version_1(code, inside, ends);
}

fn gre_version_1(code: &mut Assembler, inside: &Level, ends: &Ends) {
    let payload = code.place();
    code.load(Word::Protocol);
    code.if_not(PPP, ends.here);
    code.load(Word::Length);
    code.if_set(CHECKSUM | ROUTING, ends.here);
    code.unless_set(KEY, ends.here);
    code.take(4);
    code.load_16(0);
    code.store(Word::Field);
    code.load(Word::Length);
    code.unless_set(SEQUENCE, ends.here);
    code.skip(4);
    code.load(Word::Length);
    code.unless_set(ACKNOWLEDGEMENT, payload);
    code.skip(4);
    code.here(payload);
    code.load(Word::Field);
    code.limit_16();
    code.go(inside.ppp());
}

const CHECKSUM: u32 = 0x8000;
const ROUTING: u32 = 0x4000;
const KEY: u32 = 0x2000;
const SEQUENCE: u32 = 0x1000;
const ACKNOWLEDGEMENT: u32 = 0x0080;
const BRIDGED: u32 = 0x6558;
const PPP: u32 = 0x880b;
const ERSPAN_I_II: u32 = 0x88be;
const ERSPAN_III: u32 = 0x22eb;
const WCCP: u32 = 0x883e;

const L2TP: u32 = 1701;
const GTP_U: u32 = 2152;
const TEREDO: u32 = 3544;
const VXLAN: u32 = 4789;
const VXLAN_GPE: u32 = 4790;
const GENEVE: u32 = 6081;
const VXLAN_LINUX: u32 = 8472;
