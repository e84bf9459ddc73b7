//! The "next generation" capture file (draft-ietf-opsawg-pcapng): sections of typed blocks.
//!
//! Packets, the interfaces they were seen on and drop counters are read; every other block is
//! stepped over by its length. The length of a section is not used: blocks say where they end, and
//! writers that stream cannot know it.

use super::ahead::Ahead;
use super::batch::{Batch, Found, Stop, longest_packet};
use super::block::{
    BLOCK_HEADER, block_body, check_length, half, next_option, quad, too_short, word, words,
};
use super::described::{DescribedInterface, MOST_DESCRIBED, beginning};
use super::interface::{Interface, Resolution};
use crate::capture::Drops;
use crate::frame::LinkType;
use crate::time::Timestamp;

/// The state of a file within its current section.
#[derive(Debug)]
pub(super) struct PcapNg {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before this one.
    interfaces_before: u32,
    longest_block: usize,
    /// The time of the last packet that had one.
    last_time: Timestamp,
    /// Newly read in drop counters, since somebody took them.
    drops: Drops,
    /// Interfaces described since somebody took them.
    described: Vec<DescribedInterface>,
}

impl PcapNg {
    /// Checks the beginning of a file; `None` when it is no section header.
    ///
    /// # Errors
    ///
    /// What is wrong with the section header, in words.
    pub(super) fn open(head: &[u8]) -> Option<Result<Self, String>> {
        if head.first_chunk::<4>()? != &SECTION_HEADER.to_be_bytes() {
            return None;
        }
        let Some(fixed) = head.first_chunk::<SECTION_HEADER_FIXED>() else {
            return Some(Err(format!(
                "a pcapng section header has {SHORTEST_SECTION_HEADER} octets or more, but there \
                 are only {}",
                head.len()
            )));
        };
        Some(SectionHeader::read(fixed).map(|header| Self {
            big_endian: header.big_endian,
            interfaces: Vec::new(),
            interfaces_before: 0,
            longest_block: LONGEST_BLOCK,
            last_time: Timestamp::EPOCH,
            drops: Drops::default(),
            described: Vec::new(),
        }))
    }

    /// Drops that blocks told of since the last call.
    pub(super) fn take_drops(&mut self) -> Drops {
        std::mem::take(&mut self.drops)
    }

    /// Interfaces described since the last call.
    pub(super) fn take_described(&mut self) -> Vec<DescribedInterface> {
        std::mem::take(&mut self.described)
    }

    /// Walks the blocks from `position` on, which is left behind the last one taken.
    pub(super) fn walk(
        &mut self,
        octets: &[u8],
        position: &mut usize,
        batch: &mut Batch<'_>,
    ) -> Stop {
        loop {
            // Decided once a batch and section, so that the loop has no byte order to think about.
            let walked = if self.big_endian {
                self.walk_section::<true>(octets, position, batch)
            } else {
                self.walk_section::<false>(octets, position, batch)
            };
            if let Err(stop) = walked.and_then(|()| self.begin_section(octets, position)) {
                return stop;
            }
        }
    }

    /// Walks blocks up to the next section header (`Ok`) or until the walk must stop (`Err`).
    #[inline]
    fn walk_section<const BIG_ENDIAN: bool>(
        &mut self,
        octets: &[u8],
        position: &mut usize,
        batch: &mut Batch<'_>,
    ) -> Result<(), Stop> {
        let mut ahead = Ahead::from(*position);
        loop {
            ahead.follow(octets, *position);
            let rest = octets.get(*position..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<BLOCK_HEADER>() else {
                return Err(Stop::Short { needed: BLOCK_HEADER, part: "block header" });
            };
            let [a, b, c, d, e, f, g, h] = *header;
            let block_type = word::<BIG_ENDIAN>([a, b, c, d]);
            if block_type == SECTION_HEADER {
                // Its length is in the byte order that it is about to declare.
                return Ok(());
            }
            let length =
                check_length(word::<BIG_ENDIAN>([e, f, g, h]), SHORTEST_BLOCK, self.longest_block)?;
            let body = block_body::<BIG_ENDIAN>(rest, length)?;
            let body_start = *position + BLOCK_HEADER;
            let packet = match block_type {
                ENHANCED_PACKET => self.enhanced_packet::<BIG_ENDIAN>(body, body_start)?,
                SIMPLE_PACKET => self.simple_packet::<BIG_ENDIAN>(body, body_start)?,
                OBSOLETE_PACKET => self.obsolete_packet::<BIG_ENDIAN>(body, body_start)?,
                // What is said behind the last packet of a batch belongs to the next one.
                _ if batch.is_full() => return Err(Stop::Full),
                other => {
                    self.other_block::<BIG_ENDIAN>(other, body)?;
                    *position += length;
                    continue;
                }
            };
            if !batch.offer(packet) {
                return Err(Stop::Full);
            }
            self.last_time = packet.at;
            *position += length;
        }
    }

    fn begin_section(&mut self, octets: &[u8], position: &mut usize) -> Result<(), Stop> {
        let rest = octets.get(*position..).unwrap_or_default();
        let Some(fixed) = rest.first_chunk::<SECTION_HEADER_FIXED>() else {
            return Err(Stop::Short {
                needed: SHORTEST_SECTION_HEADER,
                part: "section header block",
            });
        };
        let header = SectionHeader::read(fixed).map_err(Stop::Damaged)?;
        if header.big_endian {
            block_body::<true>(rest, header.length)?;
        } else {
            block_body::<false>(rest, header.length)?;
        }
        let interfaces = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        self.interfaces_before = self.interfaces_before.saturating_add(interfaces);
        self.interfaces.clear();
        self.big_endian = header.big_endian;
        *position += header.length;
        Ok(())
    }

    #[inline]
    fn enhanced_packet<const BIG_ENDIAN: bool>(
        &self,
        body: &[u8],
        body_start: usize,
    ) -> Result<Found, Stop> {
        let Some((fixed, data)) = body.split_first_chunk::<PACKET_FIXED>() else {
            return Err(too_short("enhanced packet"));
        };
        let [interface, high, low, captured, original] = words::<BIG_ENDIAN, 5>(fixed);
        self.packet(interface, (high, low), (captured, original), data, body_start + PACKET_FIXED)
    }

    /// The block that came before the enhanced one (draft-ietf-opsawg-pcapng, Appendix A): the same
    /// but for a 16-bit interface id and a drop count, which is "since the packet before" or not
    /// known, and is left alone.
    fn obsolete_packet<const BIG_ENDIAN: bool>(
        &self,
        body: &[u8],
        body_start: usize,
    ) -> Result<Found, Stop> {
        let Some((fixed, data)) = body.split_first_chunk::<PACKET_FIXED>() else {
            return Err(too_short("packet"));
        };
        let [first, high, low, captured, original] = words::<BIG_ENDIAN, 5>(fixed);
        let interface = if BIG_ENDIAN { first >> 16 } else { first & 0xffff };
        self.packet(interface, (high, low), (captured, original), data, body_start + PACKET_FIXED)
    }

    #[inline]
    fn packet(
        &self,
        interface: u32,
        (high, low): (u32, u32),
        (captured, original): (u32, u32),
        data: &[u8],
        start: usize,
    ) -> Result<Found, Stop> {
        let interface = self.interface(interface)?;
        if captured > interface.longest {
            return Err(Stop::Damaged(format!(
                "a captured length of {captured} octets, more than the {} possible",
                interface.longest
            )));
        }
        if captured as usize > data.len() {
            return Err(Stop::Damaged(format!(
                "a captured length of {captured} octets in a block that has room for {}",
                data.len()
            )));
        }
        Ok(Found {
            start,
            captured,
            wire_length: original,
            interface: interface.number,
            link_type: interface.link_type,
            at: interface.time(u64::from(high) << 32 | u64::from(low)),
        })
    }

    /// A packet without a time or an interface of its own: it belongs to the section's first
    /// interface, and is given the time of the packet before it in the file, so that it joins the
    /// flow it stands in. In a file that has no times at all, that is the epoch.
    fn simple_packet<const BIG_ENDIAN: bool>(
        &self,
        body: &[u8],
        body_start: usize,
    ) -> Result<Found, Stop> {
        let Some((original, data)) = body.split_first_chunk::<4>() else {
            return Err(too_short("simple packet"));
        };
        let original = word::<BIG_ENDIAN>(*original);
        let interface = self.interface(0)?;
        let room = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let captured = original.min(interface.snap_length).min(room).min(interface.longest);
        Ok(Found {
            start: body_start + 4,
            captured,
            wire_length: original,
            interface: interface.number,
            link_type: interface.link_type,
            at: self.last_time,
        })
    }

    #[inline]
    fn interface(&self, id: u32) -> Result<&Interface, Stop> {
        self.interfaces.get(id as usize).ok_or_else(|| {
            Stop::Damaged(format!(
                "a packet of interface {id}, but the section has described {} so far",
                self.interfaces.len()
            ))
        })
    }

    /// A block without a packet; it is no part of the hot path.
    #[cold]
    fn other_block<const BIG_ENDIAN: bool>(
        &mut self,
        block_type: u32,
        body: &[u8],
    ) -> Result<(), Stop> {
        match block_type {
            INTERFACE_DESCRIPTION => self.describe_interface::<BIG_ENDIAN>(body),
            INTERFACE_STATISTICS => {
                self.count_drops::<BIG_ENDIAN>(body);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn describe_interface<const BIG_ENDIAN: bool>(&mut self, body: &[u8]) -> Result<(), Stop> {
        let Some((&[a, b, _, _, e, f, g, h], mut options)) = body.split_first_chunk::<8>() else {
            return Err(too_short("interface description"));
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(Stop::Damaged(format!(
                "more than {MOST_INTERFACES} interfaces in one section"
            )));
        }
        let link_type_number = half::<BIG_ENDIAN>([a, b]);
        let snap_length = word::<BIG_ENDIAN>([e, f, g, h]);
        let id = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        let mut interface = Interface {
            link_type: LinkType::from_number(link_type_number),
            number: self.interfaces_before.saturating_add(id).saturating_add(1),
            // Zero: no limit.
            snap_length: if snap_length == 0 { u32::MAX } else { snap_length },
            longest: longest_packet(link_type_number),
            resolution: Resolution::Multiply(1_000),
            offset: 0,
            drops: Drops::default(),
        };
        let mut described = DescribedInterface::unnamed(interface.number);
        // The time of every packet hangs on these, so they are read strictly, as libpcap does.
        while let Some((code, value)) = next_option::<BIG_ENDIAN>(&mut options)? {
            match (code, value) {
                (IF_TSRESOL, &[exponent]) => interface.resolution = Resolution::of(exponent),
                (IF_TSOFFSET, value) if value.len() == 8 => {
                    let seconds = quad::<BIG_ENDIAN>(value).cast_signed();
                    interface.offset = i128::from(seconds) * 1_000_000_000;
                }
                (IF_TSRESOL | IF_TSOFFSET, value) => {
                    return Err(Stop::Damaged(format!(
                        "an interface description with a time option of {} octets",
                        value.len()
                    )));
                }
                (IF_NAME, value) => described.name = beginning(value),
                (IF_DESCRIPTION, value) => described.description = beginning(value),
                _ => {}
            }
        }
        if self.described.len() < MOST_DESCRIBED {
            self.described.push(described);
        }
        self.longest_block = self.longest_block.max(interface.longest as usize + ROOM_FOR_OPTIONS);
        self.interfaces.push(interface);
        Ok(())
    }

    /// Interface statistics: drops since the capture began, as of some time. They are a side note,
    /// so a block that makes no sense is passed over.
    fn count_drops<const BIG_ENDIAN: bool>(&mut self, body: &[u8]) {
        let Some((&[a, b, c, d, ..], mut options)) = body.split_first_chunk::<12>() else {
            return;
        };
        let id = word::<BIG_ENDIAN>([a, b, c, d]);
        let Some(interface) = self.interfaces.get_mut(id as usize) else { return };
        while let Ok(Some((code, value))) = next_option::<BIG_ENDIAN>(&mut options) {
            let (counted, news) = match (code, value.len()) {
                (ISB_IFDROP, 8) => (&mut interface.drops.interface, &mut self.drops.interface),
                (ISB_OSDROP, 8) => (&mut interface.drops.kernel, &mut self.drops.kernel),
                _ => continue,
            };
            let total = quad::<BIG_ENDIAN>(value);
            *news = news.saturating_add(total.saturating_sub(*counted));
            *counted = total.max(*counted);
        }
    }
}

/// The fixed part of a section header block.
#[derive(Debug)]
struct SectionHeader {
    big_endian: bool,
    length: usize,
}

impl SectionHeader {
    fn read(fixed: &[u8; SECTION_HEADER_FIXED]) -> Result<Self, String> {
        let [_, length, magic, version] = words::<false, 4>(fixed);
        let (big_endian, length, major) = match magic {
            BYTE_ORDER_MAGIC => (false, length, version & 0xffff),
            _ if magic.swap_bytes() == BYTE_ORDER_MAGIC => {
                (true, length.swap_bytes(), version.swap_bytes() >> 16)
            }
            _ => return Err("a section header without a byte-order magic".to_owned()),
        };
        if major != 1 {
            return Err(format!("pcapng version {major} (1 is known)"));
        }
        match check_length(length, SHORTEST_SECTION_HEADER, LONGEST_BLOCK) {
            Ok(length) => Ok(Self { big_endian, length }),
            Err(Stop::Damaged(what)) => Err(what),
            Err(_) => Err("a section header that cannot be".to_owned()),
        }
    }
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

const SHORTEST_BLOCK: usize = 12;
const SECTION_HEADER_FIXED: usize = 16;
const SHORTEST_SECTION_HEADER: usize = 28;
const PACKET_FIXED: usize = 20;

/// As libpcap has it: enough for any block that is worth having, and little enough to hold.
const LONGEST_BLOCK: usize = 16 << 20;
/// What a packet block may have beside its packet.
const ROOM_FOR_OPTIONS: usize = 128 << 10;
/// A bound against files that describe interfaces without end.
const MOST_INTERFACES: usize = 65_536;
