//! The law of the cut: what `capture::truncation` promises to decode.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::capture::file::Replay;
use crate::capture::truncation::program::{Instruction, program, without_tunnels};
use crate::capture::truncation::{Reach, cut, header_end, interpreter};
use crate::capture::{FrameSource, Polled};
use crate::decode::tests::examples;
use crate::decode::tests::packet::{self, Packet};
use crate::decode::tests::reading;
use crate::decode::{self, Tunnels, decode};
use crate::frame::{Frame, LinkType, StrippedVlan, nesting};
use crate::pipeline::reach;
use crate::time::Timestamp;

const CONFIGS: [decode::Config; 2] =
    [decode::Config { tunnels: Tunnels::Inner }, decode::Config { tunnels: Tunnels::Outer }];

/// What must hold of any frame whatsoever.
fn assert_law(frame: Frame<'_>) {
    for config in CONFIGS {
        assert_same_in_the_kernel(frame, reach(config));
        let whole = decode(&frame, config);
        let cut_frame = cut(frame, reach(config));
        let end = cut_frame.bytes.len();
        assert_eq!(decode(&cut_frame, config), whole, "cut at {end}: {frame:?}");
        assert_eq!(cut(cut_frame, reach(config)).bytes.len(), end, "cut twice: {frame:?}");
        let read = reading::header_end(&frame, config);
        assert!(end <= read, "cut at {end}, headers read to {read}: {frame:?}");
        for seed in [0x00, 0xff, 0x45, 0x60, 0x81] {
            let mut octets = frame.bytes.to_vec();
            for (place, octet) in octets[end..].iter_mut().enumerate() {
                *octet = if seed == 0x81 { place.to_le_bytes()[0] ^ seed } else { seed };
            }
            let other = Frame { bytes: &octets, ..frame };
            assert_eq!(decode(&other, config), whole, "payload from {end} on: {frame:?}");
            assert_eq!(cut(other, reach(config)).bytes.len(), end, "payload moves it: {frame:?}");
        }
    }
}

/// The kernel's program cuts where we do, and drops nothing. It sees frames as they were captured,
/// without what is known of more on the wire.
fn assert_same_in_the_kernel(frame: Frame<'_>, reach: Reach) {
    thread_local! {
        static PROGRAMS: [[Option<Vec<Instruction>>; 3]; 2] =
            [LinkType::Ethernet, LinkType::RawIp].map(|link_type| [
                program(link_type, Reach::Inner),
                program(link_type, Reach::Outer),
                without_tunnels(link_type),
            ]);
    }
    let of_this_link = match frame.link_type {
        LinkType::Ethernet => 0,
        LinkType::RawIp => 1,
        _ => return,
    };
    let length = u32::try_from(frame.bytes.len()).expect("frames are small");
    let end = header_end(frame.link_type, frame.bytes, length, reach);
    PROGRAMS.with(|programs| {
        let passed = |program: &Option<Vec<Instruction>>| {
            let program = program.as_ref().expect("there is one for this link type");
            interpreter::run(program, frame.bytes).expect("a sound program") as usize
        };
        let [inner, outer, without_tunnels] = &programs[of_this_link];
        match reach {
            Reach::Inner => {
                assert_eq!(passed(inner), end, "in the kernel and here: {frame:?}");
                let passed = passed(without_tunnels).min(frame.bytes.len());
                let whole = passed == frame.bytes.len();
                assert!(whole || passed == end, "without tunnels {passed}, not {end}: {frame:?}");
            }
            Reach::Outer => assert_eq!(passed(outer), end, "in the kernel and here: {frame:?}"),
        }
    });
    assert!(end > 0 || frame.bytes.is_empty(), "dropped: {frame:?}");
}

#[test]
fn without_tunnels_the_kernel_cuts_every_example_but_those_in_tunnels() {
    let mut cut = 0;
    for (link_type, packet) in examples::all() {
        let Some(program) = without_tunnels(link_type) else { continue };
        let octets = &packet.octets;
        let length = u32::try_from(octets.len()).unwrap();
        let [inner, outer] =
            [Reach::Inner, Reach::Outer].map(|reach| header_end(link_type, octets, length, reach));
        let passed = interpreter::run(&program, octets).expect("a sound program") as usize;
        if inner == outer {
            assert_eq!(passed, inner, "{packet:?}");
            cut += 1;
        } else {
            assert!(passed >= octets.len(), "{passed}: {packet:?}");
        }
    }
    assert!(cut > 20, "{cut}");
}

/// The law for a frame, for one that was captured in part, and for one that lost a tag.
fn assert_law_of(link_type: LinkType, octets: &[u8], more_on_wire: u32) {
    let wire_length = u32::try_from(octets.len()).expect("small").saturating_add(more_on_wire);
    let plain = Frame {
        bytes: octets,
        wire_length,
        at: Timestamp::EPOCH,
        link_type,
        interface: 1,
        stripped_vlan: None,
    };
    assert_law(plain);
    if link_type == LinkType::Ethernet {
        let stripped_vlan = Some(StrippedVlan { tpid: 0x8100, tci: 5 });
        assert_law(Frame { wire_length: wire_length.saturating_add(4), stripped_vlan, ..plain });
    }
}

#[test]
fn every_example_keeps_the_law_and_is_cut_in_front_of_its_payload() {
    for (link_type, packet) in examples::all() {
        assert_law_of(link_type, &packet.octets, 0);
        let payload = packet.len() - packet.payload;
        let wire_length = u32::try_from(packet.len()).unwrap();
        let end = header_end(link_type, &packet.octets, wire_length, reach(CONFIGS[0]));
        assert!(end <= payload, "cut at {end}, payload from {payload} on: {packet:?}");
        // Authentication in IPv4 (24 octets) is read least of its header.
        assert!(payload - end <= 24, "cut at {end}, payload from {payload} on: {packet:?}");
    }
}

#[test]
fn headers_nested_as_deep_as_they_are_followed_and_deeper_keep_the_law() {
    for packet in nested() {
        assert_law_of(LinkType::Ethernet, &packet.octets, 0);
    }
}

/// A stack of each kind of header, up to two deeper than is followed.
fn nested() -> Vec<Packet> {
    let inside = || packet::payload(40).tcp(packet::ACK).ipv4();
    let fold = |depth: usize, start: Packet, step: &dyn Fn(Packet) -> Packet| {
        (0..depth).fold(start, |packet, _| step(packet))
    };
    let mut packets = Vec::new();
    for depth in 0..=nesting::LABELS + 2 {
        packets.push(fold(depth, inside(), &|packet| packet.vlan(1)).ethernet());
        packets.push(fold(depth, inside(), &Packet::near_far_v4).ethernet());
        packets.push(fold(depth, inside(), &|it| it.ethernet().vxlan(5).near_far_v6()).ethernet());
        packets.push(fold(depth, inside(), &|it| it.ethernet().mpls(&[5])).ethernet());
        packets.push(fold(depth, inside(), &Packet::ethernet).ethernet());
        packets.push(fold(depth, inside(), &|it| it.snap().with_ethertype(0x8870)).ethernet());
        packets.push(inside().mpls(&vec![5; depth + 1]).pppoe().ethernet());
        let tcp = packet::payload(40).tcp(packet::ACK);
        packets.push(fold(depth, tcp, &|packet| packet.extension(60, 1)).ipv6().ethernet());
        let extensions = [[0, 0, 0, 0x85].as_slice(), &[1, 0, 0, 0x85].repeat(depth)].concat();
        packets.push(inside().gtp(0x04, 1, &extensions).near_far_v4().ethernet());
        let tagged = fold(depth, inside(), &|packet| packet.vlan(1)).ethernet();
        packets.push(tagged.mpls(&[7]).gre(0, &[]).near_far_v4().vlan(3).ethernet());
    }
    packets
}

/// Every kind of packet the decoder knows.
fn packets() -> Vec<(LinkType, Vec<u8>)> {
    let nested = nested().into_iter().map(|packet| (LinkType::Ethernet, packet));
    examples::all().into_iter().chain(nested).map(|(link, packet)| (link, packet.octets)).collect()
}

/// One of them with some octets changed, most often in front, and perhaps cut.
fn damaged() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let packets = packets();
    let value = prop_oneof![any::<u8>(), prop::sample::select(TELLING_OCTETS)];
    let changes = vec((any::<Index>(), 1..120_usize, value), 0..6);
    ((0..packets.len()), changes, any::<Option<Index>>()).prop_map(
        move |(place, changes, length)| {
            let (link_type, mut octets) = packets[place].clone();
            for (index, within, value) in changes {
                let index = index.index(octets.len().min(within));
                octets[index] = value;
            }
            let length = length.map_or(octets.len(), |length| length.index(octets.len() + 1));
            octets.truncate(length);
            (link_type, octets)
        },
    )
}

/// Octets that mean something in one header or another.
const TELLING_OCTETS: &[u8] = &[
    0, 1, 2, 3, 4, 5, 6, 8, 11, 17, 41, 43, 44, 47, 51, 58, 59, 60, 115, 132, 0x21, 0x45, 0x4f,
    0x57, 0x60, 0x64, 0x65, 0x70, 0x81, 0x86, 0x88, 0xaa, 0xbe, 0xc2, 0xdd, 0xeb, 0xff,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn damaged_packets_keep_the_law(
        (link_type, octets) in damaged(),
        more_on_wire in prop_oneof![Just(0_u32), 0..200_u32, any::<u32>()],
    ) {
        assert_law_of(link_type, &octets, more_on_wire);
    }

    #[test]
    fn arbitrary_octets_keep_the_law(octets in vec(any::<u8>(), 0..100)) {
        for link_type in LINK_TYPES {
            assert_law_of(link_type, &octets, 0);
        }
    }
}

const LINK_TYPES: [LinkType; 13] = [
    LinkType::BsdLoopback,
    LinkType::Ethernet,
    LinkType::Ppp,
    LinkType::PppHdlc,
    LinkType::PppEther,
    LinkType::RawIp,
    LinkType::CiscoHdlc,
    LinkType::Ieee80211,
    LinkType::FrameRelay,
    LinkType::LinuxSll,
    LinkType::Radiotap,
    LinkType::LinuxSll2,
    LinkType::Other(147),
];

#[test]
fn every_capture_keeps_the_law() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut captures = Vec::new();
    for folder in ["tests/data", "../shared/captures"] {
        captures.extend(files_below(&root.join(folder)));
    }
    let mut frames = 0;
    for path in captures {
        // Not each of them is a capture, and some are damaged on purpose.
        let Ok(capture) = Replay::open(&[&path]) else { continue };
        let mut source = capture.source();
        loop {
            let polled = source.poll(1 << 10, Duration::ZERO, |frame| {
                frames += 1;
                assert_law(frame);
            });
            if matches!(polled, Ok(Polled::End)) {
                break;
            }
        }
    }
    println!("{frames} frames");
    assert!(frames > 1000, "{frames} frames");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
