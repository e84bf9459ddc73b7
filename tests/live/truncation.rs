//! What the kernel lets through of live traffic: headers, and not an octet of payload, in every stacking
//! of headers, on both backends, with a filter and without. Wire lengths and counts stay exact.
//!
//! `cargo test --test live truncation:: -- --ignored`, as root.

#![expect(clippy::indexing_slicing, reason = "a wrong position in our own frames fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use flowtap::capture::live::{Backend, LiveConfig, LiveSource, open};
use flowtap::capture::truncation::Reach;
use flowtap::capture::{Drops, FrameSource, Polled};
use flowtap::frame::StrippedVlan;

use crate::frames::with_tag;
use crate::netns::{cable, inside};
use crate::stackings::{CANARY, Stacking, stackings};

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn the_kernel_lets_headers_through_and_nothing_else() {
    inside("truncation::the_kernel_lets_headers_through_and_nothing_else", || {
        cable("tap0", "src0");
        for workers in [1, 2] {
            assert_headers_only(workers, IN_KERNEL);
        }
    });
}

/// As before Linux 6.7, where a socket had room for 20,480 octets of programs and the like.
#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn a_kernel_with_little_room_cuts_what_is_not_in_a_tunnel() {
    inside("truncation::a_kernel_with_little_room_cuts_what_is_not_in_a_tunnel", || {
        cable("tap0", "src0");
        fs::write("/proc/sys/net/core/optmem_max", "20480").expect("a setting of the namespace");
        assert_headers_only(1, "payload cut in the kernel, in tunnels on arrival: ");
    });
}

/// Captures every stacking on both backends, with filters and without.
fn assert_headers_only(workers: usize, cut: &str) {
    let stackings = stackings();
    for backend in [Backend::AfPacket, Backend::Libpcap] {
        for filter in [None, Some("ether[6:4] = 0x0200ca11"), Some("len >= 60")] {
            let case = format!("{backend:?}, {workers} workers, {filter:?}");
            let config =
                LiveConfig { workers, filter: filter.map(String::from), ..live(Reach::Inner) };
            let seen = capture(backend, &config, &stackings, cut, &case);
            assert_eq!(seen.len(), stackings.len(), "{case}");
            for (number, captured) in seen {
                let Stacking { name, frame, end, .. } = &stackings[usize::from(number)];
                let case = format!("{case}: {name}");
                assert_eq!(captured.len(), TIMES, "{case}");
                for Seen { octets, wire_length } in captured {
                    assert!(!holds_canary(&octets), "{case}: payload in {octets:02x?}");
                    assert_eq!(octets, frame[..*end], "{case}");
                    assert_eq!(wire_length as usize, frame.len(), "{case}");
                }
            }
        }
    }
}

#[test]
#[ignore = "needs CAP_NET_ADMIN"]
fn of_a_tunnel_that_is_not_followed_the_inside_is_payload() {
    inside("truncation::of_a_tunnel_that_is_not_followed_the_inside_is_payload", || {
        cable("tap0", "src0");
        let stackings = stackings();
        for backend in [Backend::AfPacket, Backend::Libpcap] {
            let case = format!("{backend:?}");
            let seen = capture(backend, &live(Reach::Outer), &stackings, IN_KERNEL, &case);
            for (number, captured) in seen {
                let Stacking { name, frame, outer_end, .. } = &stackings[usize::from(number)];
                for Seen { octets, .. } in captured {
                    assert_eq!(octets, frame[..*outer_end], "{case}: {name}");
                }
            }
        }
    });
}

#[derive(Debug)]
struct Seen {
    /// The tag that the kernel took out put back.
    octets: Vec<u8>,
    wire_length: u32,
}

/// Captures every stacking some times over and says what came, by the number of the stacking.
fn capture(
    backend: Backend,
    config: &LiveConfig,
    stackings: &[Stacking],
    cut: &str,
    case: &str,
) -> BTreeMap<u8, Vec<Seen>> {
    let mut sources = open(backend, config).expect("the interface can be opened");
    for point in sources.iter().flat_map(LiveSource::interfaces) {
        let said = point.cut.to_string();
        let met = if cut == IN_KERNEL { said == cut } else { said.starts_with(cut) };
        assert!(met, "{case}: {said}");
    }
    let mut sender = pcap::Capture::from_device("src0")
        .and_then(pcap::Capture::open)
        .expect("the other end is up");
    for _ in 0..TIMES {
        for stacking in stackings {
            sender.sendpacket(&stacking.frame[..]).expect("the cable is plugged in");
        }
    }
    let mut seen: BTreeMap<u8, Vec<Seen>> = BTreeMap::new();
    for source in &mut sources {
        source.stop();
        loop {
            let polled = source.poll(256, Duration::from_millis(50), |frame| {
                let octets = match frame.stripped_vlan {
                    Some(StrippedVlan { tpid, tci }) => with_tag(frame.bytes, tpid, tci),
                    None => frame.bytes.to_vec(),
                };
                let number = octets[11];
                seen.entry(number)
                    .or_default()
                    .push(Seen { octets, wire_length: frame.wire_length });
            });
            if polled.expect("the source goes on") == Polled::End {
                break;
            }
        }
        assert_eq!(source.drops(), Drops::default(), "{case}");
    }
    seen
}

fn live(reach: Reach) -> LiveConfig {
    LiveConfig { interfaces: vec![String::from("tap0")], workers: 1, reach, ..<_>::default() }
}

fn holds_canary(octets: &[u8]) -> bool {
    octets.windows(4).any(|window| CANARY.windows(4).any(|part| part == window))
}

const IN_KERNEL: &str = "payload cut in the kernel";
/// How often each frame is sent.
const TIMES: usize = 20;
