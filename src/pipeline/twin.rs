//! Twins: the frames of a capture with other payload in them, to be metered whole.
//!
//! A twin has the headers, lengths and times of the original, and in the place of every octet behind
//! the last header an octet that somebody else chose. What is metered of both must be the same.

use crate::capture::truncation::{Reach, cut};
use crate::frame::Frame;
use crate::pipeline::replay::Treatment;
use crate::pipeline::worker::Worker;

/// What stands in the place of payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filling {
    /// Octets without a pattern, the same ones each time.
    Random,
    /// 0x00 only.
    Zeros,
    /// 0xff only.
    Ones,
    /// A text, over and over.
    Canary,
}

impl Filling {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Random, Self::Zeros, Self::Ones, Self::Canary];

    /// What it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random octets",
            Self::Zeros => "zeros",
            Self::Ones => "ones",
            Self::Canary => "a canary text",
        }
    }
}

/// What a twin differs in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Replaced {
    /// Frames, whether they had payload or not.
    pub frames: u64,
    /// Frames that had octets behind their last header.
    pub frames_with_payload: u64,
    /// Those octets.
    pub octets: u64,
    /// Those of them that are not what they were: now and then an octet is replaced by its like.
    pub changed_octets: u64,
}

impl Replaced {
    /// Adds what another worker replaced.
    pub(super) const fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.frames_with_payload += other.frames_with_payload;
        self.octets += other.octets;
        self.changed_octets += other.changed_octets;
    }
}

/// Makes the twin of one frame after the other.
#[derive(Debug)]
pub(super) struct Twins {
    filling: Filling,
    reach: Reach,
    /// The twin in hand.
    octets: Vec<u8>,
    random: SplitMix64,
    replaced: Replaced,
}

impl Twins {
    /// Replaces what is behind the headers within this reach.
    pub(super) fn new(filling: Filling, reach: Reach) -> Self {
        let (random, replaced) = (SplitMix64(0), Replaced::default());
        Self { filling, reach, octets: Vec::new(), random, replaced }
    }

    /// The twin of a frame, until the next one is made.
    fn of<'a>(&'a mut self, frame: Frame<'_>) -> Frame<'a> {
        let headers = cut(frame, self.reach).bytes;
        let payload = frame.bytes.get(headers.len()..).unwrap_or_default();
        self.octets.clear();
        self.octets.extend_from_slice(headers);
        match self.filling {
            Filling::Random => self.octets.extend((&mut self.random).take(payload.len())),
            Filling::Zeros => self.octets.resize(frame.bytes.len(), 0),
            Filling::Ones => self.octets.resize(frame.bytes.len(), 0xff),
            Filling::Canary => {
                self.octets.extend(CANARY.iter().cycle().take(payload.len()));
            }
        }
        let other = self.octets.get(headers.len()..).unwrap_or_default();
        let changed = payload.iter().zip(other).filter(|(before, after)| before != after).count();
        self.replaced.add(Replaced {
            frames: 1,
            frames_with_payload: u64::from(!payload.is_empty()),
            octets: payload.len() as u64,
            changed_octets: changed as u64,
        });
        Frame { bytes: &self.octets, ..frame }
    }
}

impl Treatment for Twins {
    fn observe(&mut self, worker: &mut Worker<'_>, frame: Frame<'_>) {
        worker.observe(&self.of(frame), frame.wire_length);
    }

    fn replaced(&self) -> Replaced {
        self.replaced
    }
}

/// What no network carries unless somebody put it there.
const CANARY: &[u8] = b"<flowtap canary: this must never leave the probe>";

/// Octets without a pattern: the generator of Steele, Lea and Flood (2014), as `SplittableRandom` of
/// Java has it. For a test it only has to differ from what was there.
#[derive(Debug)]
struct SplitMix64(u64);

impl Iterator for SplitMix64 {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [octet, ..] = (mixed ^ mixed >> 31).to_le_bytes();
        Some(octet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::LinkType;
    use crate::time::Timestamp;

    /// A UDP datagram to the port of DNS with `payload`, and two octets of padding behind it.
    fn frame_octets(payload: &[u8]) -> Vec<u8> {
        let udp_length = 8 + u8::try_from(payload.len()).unwrap();
        let mut octets = vec![2, 0, 0x5e, 0, 0x53, 1, 2, 0, 0x5e, 0, 0x53, 2, 8, 0];
        octets.extend([0x45, 0, 0, 20 + udp_length, 0, 0, 0, 0, 64, 17, 0, 0]);
        octets.extend([192, 0, 2, 1, 198, 51, 100, 2]);
        octets.extend([0xc0, 0, 0, 53, 0, udp_length, 0, 0]);
        octets.extend(payload);
        octets.extend([0, 0]);
        octets
    }

    fn frame(bytes: &[u8]) -> Frame<'_> {
        Frame {
            bytes,
            wire_length: u32::try_from(bytes.len()).unwrap(),
            at: Timestamp::EPOCH,
            link_type: LinkType::Ethernet,
            interface: 1,
            stripped_vlan: None,
        }
    }

    #[test]
    fn a_twin_has_the_headers_and_the_length_and_none_of_the_payload() {
        let octets = frame_octets(b"what was said");
        for filling in Filling::ALL {
            let mut twins = Twins::new(filling, Reach::Inner);
            let twin = twins.of(frame(&octets));
            assert_eq!(twin.bytes[..42], octets[..42], "{filling:?}");
            assert_eq!(twin.bytes.len(), octets.len());
            assert!(!twin.bytes.windows(4).any(|part| part == b"said"), "{filling:?}");
            let replaced = twins.replaced();
            assert_eq!((replaced.frames, replaced.frames_with_payload), (1, 1));
            assert_eq!(replaced.octets, 15, "padding, too, is no header");
            assert!(replaced.changed_octets >= 12, "{replaced:?}");
        }
    }

    #[test]
    fn two_twins_of_a_frame_have_other_random_octets() {
        let octets = frame_octets(&[7; 100]);
        let mut twins = Twins::new(Filling::Random, Reach::Inner);
        let first = twins.of(frame(&octets)).bytes.to_vec();
        assert_ne!(twins.of(frame(&octets)).bytes, first);
        assert_eq!(Twins::new(Filling::Random, Reach::Inner).of(frame(&octets)).bytes, first);
    }
}
