//! Every link type over arbitrary octets: no panic, and no result that contradicts another.
#![no_main]

use flowtap::decode::{Config, Headers, Tunnels, decode};
use flowtap::frame::{Frame, LinkType, StrippedVlan};
use flowtap::time::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // The first octets say how the frame was seen; the rest is the frame.
    let [selector, more_high, more_low, cut, bytes @ ..] = input else { return };
    let more_on_wire = u32::from(u16::from_be_bytes([*more_high, *more_low]));
    let frame = Frame {
        bytes,
        wire_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) + more_on_wire,
        at: Timestamp::from_nanos(1),
        link_type: LinkType::from_number(NUMBERS[usize::from(*selector) % NUMBERS.len()]),
        interface: 1,
        stripped_vlan: (selector & 0x80 != 0).then_some(StrippedVlan { tpid: 0x8100, tci: 5 }),
    };
    let inner = decode(&frame, Config { tunnels: Tunnels::Inner });
    let outer = decode(&frame, Config { tunnels: Tunnels::Outer });

    // Where a tunnel leads does not change what stands around it.
    match (inner, outer) {
        (Ok(inner), Ok(outer)) => {
            assert_eq!(outer.tunnel, None);
            let outermost = inner.tunnel.map_or(inner.source, |tunnel| tunnel.source);
            assert_eq!(outermost, outer.source);
            assert!(outer.anomalies.iter().all(|anomaly| inner.anomalies.contains(anomaly)));
        }
        (inner, outer) => assert_eq!(inner.err(), outer.err()),
    }

    // Less of the frame never gives another packet of the same frame: addresses and length stay.
    let shorter = Frame { bytes: &bytes[..bytes.len().min(usize::from(*cut))], ..frame };
    if let (Ok(whole), Ok(less)) = (outer, decode(&shorter, Config { tunnels: Tunnels::Outer })) {
        agree(&whole, &less);
    }
});

fn agree(whole: &Headers, less: &Headers) {
    // Below an MPLS stack the next header is a guess from what is there.
    if whole.mpls.count == 0 && less.mpls.count == 0 {
        assert_eq!((whole.source, whole.destination), (less.source, less.destination));
        assert_eq!((whole.ttl, whole.tos), (less.ttl, less.tos));
        assert_eq!(whole.vlan.count, less.vlan.count);
    }
}

const NUMBERS: [u16; 13] = [0, 1, 9, 12, 50, 51, 104, 105, 107, 113, 127, 147, 276];
