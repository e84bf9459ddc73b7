//! The classic capture file (draft-ietf-opsawg-pcap), with the variants that libpcap reads.
//!
//! A file header says byte order, resolution of the time and link type once; then record follows
//! record without any mark between them, so nothing can be found again behind a damaged one.

use super::ahead::Ahead;
use super::batch::{Batch, Found, Stop, longest_packet};
use super::described::DescribedInterface;
use crate::frame::LinkType;
use crate::time::Timestamp;

/// What the file header says.
#[derive(Debug)]
pub(super) struct Pcap {
    big_endian: bool,
    record_header_length: usize,
    /// Nanoseconds of one unit of the fraction field: 1,000 or 1.
    unit: u64,
    lengths: LengthOrder,
    link_type: LinkType,
    longest: u32,
    /// The one interface, until somebody took it.
    described: Option<DescribedInterface>,
}

impl Pcap {
    /// Reads a file header, and says how long it is; `None` when the magic number is another one.
    ///
    /// # Errors
    ///
    /// What is wrong with the header, in words.
    pub(super) fn open(head: &[u8]) -> Option<Result<(Self, usize), String>> {
        let magic = head.first_chunk::<4>()?;
        let (variant, big_endian) = Variant::of(u32::from_le_bytes(*magic))
            .map(|variant| (variant, false))
            .or_else(|| Some((Variant::of(u32::from_be_bytes(*magic))?, true)))?;
        let header_length = if variant.extended { FILE_HEADER + 4 } else { FILE_HEADER };
        let Some(header) =
            head.first_chunk::<FILE_HEADER>().filter(|_| head.len() >= header_length)
        else {
            return Some(Err(format!(
                "a pcap file header has {header_length} octets, but there are only {}",
                head.len()
            )));
        };
        Some(Self::read(variant, big_endian, header).map(|pcap| (pcap, header_length)))
    }

    fn read(
        variant: Variant,
        big_endian: bool,
        header: &[u8; FILE_HEADER],
    ) -> Result<Self, String> {
        let [_, version, _zone, _accuracy, _snap_length, network] = words::<6>(header, big_endian);
        // Two 16-bit fields in one word, in the order of the octets.
        let (high, low) = halves(version);
        let (major, minor) = if big_endian { (high, low) } else { (low, high) };
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, 0) => LengthOrder::Swapped,
            (2, 3) => LengthOrder::Unclear,
            (2, 4) => LengthOrder::AsNamed,
            _ => return Err(format!("pcap version {major}.{minor} (2.0 to 2.4 are known)")),
        };
        // The upper half holds the FCS length and what used to be a class; tools that ask for the
        // link type take the lower. The snap length is not believed either way: files lie about
        // it, and a record says its own length.
        let (_, link_type_number) = halves(network);
        Ok(Self {
            big_endian,
            record_header_length: variant.record_header_length,
            unit: variant.unit,
            lengths,
            link_type: LinkType::from_number(link_type_number),
            longest: longest_packet(link_type_number),
            described: Some(DescribedInterface::unnamed(INTERFACE)),
        })
    }

    /// The interface, once.
    pub(super) const fn take_described(&mut self) -> Option<DescribedInterface> {
        self.described.take()
    }

    /// Walks the records from `position` on, which is left behind the last one taken.
    pub(super) fn walk(&self, octets: &[u8], position: &mut usize, batch: &mut Batch<'_>) -> Stop {
        // Decided once a batch, so that the loop has no byte order to think about.
        if self.big_endian {
            self.walk_records::<true>(octets, position, batch)
        } else {
            self.walk_records::<false>(octets, position, batch)
        }
    }

    #[inline]
    fn walk_records<const BIG_ENDIAN: bool>(
        &self,
        octets: &[u8],
        position: &mut usize,
        batch: &mut Batch<'_>,
    ) -> Stop {
        let mut at = *position;
        let mut rest = octets.get(at..).unwrap_or_default();
        let mut ahead = Ahead::from(at);
        let stop = loop {
            ahead.follow(octets, at);
            let Some(header) = rest.first_chunk::<RECORD_HEADER>() else {
                break Stop::Short { needed: self.record_header_length, part: "record header" };
            };
            let [seconds, fraction, first_length, second_length] = words::<4>(header, BIG_ENDIAN);
            let (captured, original) = self.lengths.put_right(first_length, second_length);
            if captured > self.longest {
                break Stop::Damaged(format!(
                    "a captured length of {captured} octets, more than the {} possible",
                    self.longest
                ));
            }
            let length = self.record_header_length + captured as usize;
            let Some(next) = rest.get(length..) else {
                break Stop::Short { needed: length, part: "record" };
            };
            // Fractions of a second and more occur; they carry over like any other number. 2³² seconds
            // and 2³² microseconds are less than 2⁶³ ns.
            let nanoseconds = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit;
            let record = Found {
                start: at + self.record_header_length,
                captured,
                wire_length: original,
                interface: INTERFACE,
                link_type: self.link_type,
                at: Timestamp::from_nanos(nanoseconds),
            };
            if !batch.offer(record) {
                break Stop::Full;
            }
            at += length;
            rest = next;
        };
        *position = at;
        stop
    }
}

/// In which order a record holds captured and original length.
///
/// The two changed places with version 2.3, and some writers said 2.3 before they did so.
#[derive(Clone, Copy, Debug)]
enum LengthOrder {
    AsNamed,
    Swapped,
    Unclear,
}

impl LengthOrder {
    #[inline]
    const fn put_right(self, first: u32, second: u32) -> (u32, u32) {
        match self {
            Self::AsNamed => (first, second),
            Self::Unclear if first <= second => (first, second),
            Self::Swapped | Self::Unclear => (second, first),
        }
    }
}

/// What a magic number says.
#[derive(Clone, Copy, Debug)]
struct Variant {
    unit: u64,
    record_header_length: usize,
    /// Whether the file header has another four octets at its end.
    extended: bool,
}

impl Variant {
    const fn of(magic: u32) -> Option<Self> {
        let (unit, record_header_length, extended) = match magic {
            0xa1b2_c3d4 => (MICROSECOND, RECORD_HEADER, false),
            0xa1b2_3c4d => (NANOSECOND, RECORD_HEADER, false),
            // Kuznetzov's patch to an old Linux libpcap: interface, protocol and packet type
            // behind the lengths of each record.
            0xa1b2_cd34 => (MICROSECOND, RECORD_HEADER + 8, false),
            // Ixia "lcap", hardware and software capture: the file header ends with the number of
            // octets that follow it.
            0x1c00_01ac => (NANOSECOND, RECORD_HEADER, true),
            0x1c00_01ab => (MICROSECOND, RECORD_HEADER, true),
            _ => return None,
        };
        Some(Self { unit, record_header_length, extended })
    }
}

/// The 32-bit words of `octets`.
#[inline]
fn words<const COUNT: usize>(octets: &[u8], big_endian: bool) -> [u32; COUNT] {
    let (chunks, _) = octets.as_chunks::<4>();
    std::array::from_fn(|index| {
        let word = chunks.get(index).copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    })
}

/// The upper and the lower 16 bits of a word.
const fn halves(word: u32) -> (u16, u16) {
    let [a, b, c, d] = word.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// The Observation Point: the format knows no other.
const INTERFACE: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const MICROSECOND: u64 = 1_000;
const NANOSECOND: u64 = 1;
