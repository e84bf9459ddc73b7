//! Captures of a few packets that a test says what they are.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what is wrong here fails the test that asked"
)]

use std::path::Path;

use crate::receiver::TcpReceiver;
use crate::replayed::Replayed;
use crate::run::{FLOWTAP, flowtap};
use crate::strict::Session;

/// Classic pcap with nanoseconds.
#[derive(Debug)]
pub(crate) struct Capture(Vec<u8>);

/// A packet; by default the first one of a client over UDP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// Nanoseconds after the beginning of the capture.
    pub(crate) at: u64,
    pub(crate) protocol: u8,
    pub(crate) flags: u16,
    /// From the server to the client.
    pub(crate) is_reply: bool,
    /// Over IPv6, with this traffic class and flow label.
    pub(crate) v6: Option<u32>,
    /// A VLAN tag with this TCI.
    pub(crate) tag: Option<u16>,
    pub(crate) payload: u16,
    pub(crate) client: u8,
}

/// When a capture begins, in nanoseconds since 1970.
pub(crate) const BEGIN: u64 = 1_700_000_000_000_000_000;

impl Default for Packet {
    fn default() -> Self {
        Self {
            at: 0,
            protocol: 17,
            flags: 0,
            is_reply: false,
            v6: None,
            tag: None,
            payload: 100,
            client: 1,
        }
    }
}

impl Default for Capture {
    fn default() -> Self {
        let header = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1];
        Self(header.into_iter().flat_map(u32::to_le_bytes).collect())
    }
}

impl Capture {
    pub(crate) fn push(&mut self, packet: Packet) {
        let frame = packet.frame();
        let (at, length) = (BEGIN + packet.at, u32::try_from(frame.len()).unwrap());
        let [seconds, nanoseconds] =
            [at / 1_000_000_000, at % 1_000_000_000].map(|part| u32::try_from(part).unwrap());
        for field in [seconds, nanoseconds, length, length] {
            self.0.extend(field.to_le_bytes());
        }
        self.0.extend(frame);
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, &self.0).unwrap();
    }

    /// Replays it to a collector of our own; what arrived, and its octets.
    pub(crate) fn replay(&self, more: &[&str], options: &str) -> (Session, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("few.pcap");
        self.write(&path);
        replay(&path, more, options)
    }
}

/// Replays a capture over TCP; what arrived, and its octets.
pub(crate) fn replay(capture: &Path, more: &[&str], options: &str) -> (Session, Vec<u8>) {
    let collector = TcpReceiver::start();
    let target = format!("tcp://{}?{options}", collector.address());
    let capture_text = capture.display().to_string();
    let mut arguments = vec!["replay", "--quiet", "--export", &target, &capture_text];
    arguments.extend(more);
    flowtap(&arguments).well();
    let [stream] = collector.finish().try_into().expect("one connection");
    (Session::of_stream(&stream), stream)
}

/// Replays a capture into a target, and checks the books.
pub(crate) fn replay_into(capture: &Path, target: &str) -> Replayed {
    Replayed::by(&mut std::process::Command::new(FLOWTAP), capture, target)
}

impl Packet {
    fn frame(&self) -> Vec<u8> {
        let Self { protocol, flags, is_reply, v6, tag, payload, client, at: _ } = *self;
        let ports = if is_reply { [443, 40_000] } else { [40_000_u16, 443] };
        let ports = ports.map(u16::to_be_bytes).concat();
        let transport = match protocol {
            6 => {
                let offset_and_flags = (0x5000 | flags).to_be_bytes();
                [&ports[..], &[0; 8], &offset_and_flags, &[0xff, 0xff, 0, 0, 0, 0]].concat()
            }
            17 => [&ports[..], &(8 + payload).to_be_bytes(), &[0, 0]].concat(),
            // Echo.
            1 => vec![if is_reply { 0 } else { 8 }, 0, 0, 0, 0, 1, 0, 1],
            // GRE with IPv4 would be a tunnel; this is of no protocol that we know.
            _ => vec![0; 8],
        };
        let payload = vec![0; payload.into()];
        let ip = match v6 {
            Some(class_and_label) => {
                let length = u16::try_from(transport.len() + payload.len()).unwrap();
                let mut address = [[0; 16]; 2];
                for (address, last) in address.iter_mut().zip([client, 200]) {
                    address[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
                    address[15] = last;
                }
                if is_reply {
                    address.reverse();
                }
                let first = (6_u32 << 28 | class_and_label).to_be_bytes();
                let rest = [length.to_be_bytes(), [protocol, 64]].concat();
                [&first[..], &rest, &address.concat()].concat()
            }
            None => {
                let length = u16::try_from(20 + transport.len() + payload.len()).unwrap();
                let mut addresses = [[10, 0, 0, client], [10, 0, 0, 200]];
                if is_reply {
                    addresses.reverse();
                }
                let mut header = vec![0x45, 0];
                header.extend(length.to_be_bytes());
                header.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
                header.extend(addresses.concat());
                let sum: u32 = header
                    .chunks(2)
                    .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
                    .sum();
                let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
                header[10..12].copy_from_slice(&(!folded).to_be_bytes());
                header
            }
        };
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if let Some(tci) = tag {
            frame.extend([0x81, 0x00]);
            frame.extend(tci.to_be_bytes());
        }
        frame.extend(if v6.is_some() { [0x86, 0xdd] } else { [0x08, 0x00] });
        [frame, ip, transport, payload].concat()
    }
}
