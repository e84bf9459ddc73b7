//! How a segment file is laid out; all numbers are big endian.
//!
//! | octets | what |
//! |---|---|
//! | 0 .. 1104 | [`Identity`]: never changes |
//! | 1104 .. 1280 | [`State`]: written again as records come and go |
//! | 1280 .. | records: a [`RecordHeader`], the encrypted sets, the tag |
//!
//! CRC-32 finds what was damaged by accident, where there is no key to find it; what is handed out
//! was proven by its tag.

use flate2::Crc;

use crate::export::account::Totals;
use crate::export::spool::key::{SALT_LENGTH, TAG_LENGTH, VERIFIER_LENGTH};
use crate::time::Timestamp;

/// Octets of a segment before its first record.
pub(super) const HEADER_LENGTH: usize = 1280;
/// Where the state begins.
pub(super) const STATE_OFFSET: u64 = IDENTITY_LENGTH as u64;
/// Octets of a record before its sets.
pub(super) const RECORD_HEADER_LENGTH: usize = 72;
/// Octets of a context at most.
pub(super) const CONTEXT_MAXIMUM: usize = 1024;
/// How every record begins, by which the next one is found behind damage.
pub(super) const RECORD_MAGIC: [u8; 4] = *b"\xF1\x0Aw\x52";

const MAGIC: [u8; 8] = *b"FLTSPL\x00\x01"; // the last octet is the version
const IDENTITY_LENGTH: usize = 1104;
const STATE_LENGTH: usize = HEADER_LENGTH - IDENTITY_LENGTH;

/// What a segment is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    /// Its place in the queue.
    pub(super) number: u64,
    /// What its key is derived with.
    pub(super) salt: [u8; SALT_LENGTH],
    /// By which the right key is known.
    pub(super) verifier: [u8; VERIFIER_LENGTH],
    /// How its bodies are encoded.
    pub(super) context: String,
}

impl Identity {
    /// The octets at the start of the file.
    pub(super) fn encode(&self) -> [u8; IDENTITY_LENGTH] {
        let mut writer = Writer::<IDENTITY_LENGTH>::new();
        writer.put(&MAGIC);
        writer.put(&self.number.to_be_bytes());
        writer.put(&self.salt);
        writer.put(&self.verifier);
        let length = u16::try_from(self.context.len()).unwrap_or(u16::MAX);
        writer.put(&length.to_be_bytes());
        writer.put(self.context.as_bytes());
        writer.finish()
    }

    /// `None` for what is no segment of this version, or damaged.
    pub(super) fn decode(octets: &[u8; HEADER_LENGTH]) -> Option<Self> {
        let mut reader = Reader::new(octets.first_chunk::<IDENTITY_LENGTH>()?)?;
        if reader.take::<8>()? != MAGIC {
            return None;
        }
        let number = reader.u64()?;
        let salt = reader.take()?;
        let verifier = reader.take()?;
        let length = usize::from(u16::from_be_bytes(reader.take()?));
        if length > CONTEXT_MAXIMUM {
            return None;
        }
        let context = String::from_utf8(reader.0.get(..length)?.to_vec()).ok()?;
        Some(Self { number, salt, verifier, context })
    }
}

/// A place between two records of a segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Position {
    /// Records before it.
    pub(super) index: u32,
    /// Octets of the file before it.
    pub(super) offset: u64,
    /// What the records before it tell of.
    pub(super) totals: Totals,
}

impl Position {
    /// Before the first record.
    pub(super) const START: Self = Self {
        index: 0,
        offset: HEADER_LENGTH as u64,
        totals: Totals { records: 0, packets: 0, octets: 0 },
    };
}

/// How far a segment is, as far as the file says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct State {
    /// After the last record.
    pub(super) end: Position,
    /// After the last record that was delivered.
    pub(super) done: Position,
    /// What is after `done` and already counted as lost.
    pub(super) lost: Totals,
    /// When the last record came.
    pub(super) newest: Timestamp,
}

impl State {
    /// Of a segment without records.
    pub(super) const EMPTY: Self = Self {
        end: Position::START,
        done: Position::START,
        lost: Totals { records: 0, packets: 0, octets: 0 },
        newest: Timestamp::EPOCH,
    };

    /// The octets at [`STATE_OFFSET`].
    pub(super) fn encode(&self) -> [u8; STATE_LENGTH] {
        let mut writer = Writer::<STATE_LENGTH>::new();
        for position in [&self.end, &self.done] {
            writer.put(&position.index.to_be_bytes());
            writer.put(&position.offset.to_be_bytes());
            writer.totals(position.totals);
        }
        writer.totals(self.lost);
        writer.put(&self.newest.as_nanos().to_be_bytes());
        writer.finish()
    }

    /// `None` if it is damaged: everything is read again then.
    pub(super) fn decode(octets: &[u8; HEADER_LENGTH]) -> Option<Self> {
        let mut reader = Reader::new(octets.last_chunk::<STATE_LENGTH>()?)?;
        let end = reader.position()?;
        let done = reader.position()?;
        let lost = reader.totals()?;
        let newest = Timestamp::from_nanos(reader.u64()?);
        let sane = done.index <= end.index
            && (HEADER_LENGTH as u64..=end.offset).contains(&done.offset)
            && includes(end.totals, done.totals);
        sane.then_some(Self { end, done, lost, newest })
    }
}

/// What stands before the sets of every record, readable without the key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RecordHeader {
    /// Records before it in this segment.
    pub(super) index: u32,
    /// Octets of its sets.
    pub(super) length: u32,
    /// When it came.
    pub(super) time: Timestamp,
    /// What it tells of.
    pub(super) totals: Totals,
    /// What the records before it tell of: what is missing between two records can be counted.
    pub(super) before: Totals,
}

impl RecordHeader {
    pub(super) fn encode(&self) -> [u8; RECORD_HEADER_LENGTH] {
        let mut writer = Writer::<RECORD_HEADER_LENGTH>::new();
        writer.put(&RECORD_MAGIC);
        writer.put(&self.index.to_be_bytes());
        writer.put(&self.length.to_be_bytes());
        writer.put(&self.time.as_nanos().to_be_bytes());
        writer.totals(self.totals);
        writer.totals(self.before);
        writer.finish()
    }

    /// `None` for what is no record that may stand after `position`.
    pub(super) fn decode(octets: &[u8; RECORD_HEADER_LENGTH], position: &Position) -> Option<Self> {
        if !octets.starts_with(&RECORD_MAGIC) {
            return None;
        }
        let mut reader = Reader::new(octets)?;
        reader.take::<4>()?;
        let header = Self {
            index: reader.u32()?,
            length: reader.u32()?,
            time: Timestamp::from_nanos(reader.u64()?),
            totals: reader.totals()?,
            before: reader.totals()?,
        };
        let later = header.index >= position.index && includes(header.before, position.totals);
        later.then_some(header)
    }

    /// Octets of the whole record.
    pub(super) fn record_length(&self) -> u64 {
        record_length(u64::from(self.length))
    }

    /// What the records up to and with this one tell of.
    pub(super) fn through(&self) -> Totals {
        let mut totals = self.before;
        totals += self.totals;
        totals
    }
}

/// Octets on disk of a body with sets of `length` octets.
pub(super) const fn record_length(length: u64) -> u64 {
    length.saturating_add((RECORD_HEADER_LENGTH + TAG_LENGTH) as u64)
}

/// Whether `part` can be a part of `whole`.
pub(super) fn includes(whole: Totals, part: Totals) -> bool {
    part.records <= whole.records && part.packets <= whole.packets && part.octets <= whole.octets
}

/// Fills `N` octets, the last four of which are the CRC-32 of the others.
struct Writer<const N: usize> {
    octets: [u8; N],
    length: usize,
}

impl<const N: usize> Writer<N> {
    fn new() -> Self {
        Self { octets: [0; N], length: 0 }
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) {
        let end = self.length.saturating_add(octets.len());
        if let Some(room) = self.octets.get_mut(self.length..end) {
            room.copy_from_slice(octets);
            self.length = end;
        }
    }

    #[inline]
    fn totals(&mut self, totals: Totals) {
        for number in [totals.records, totals.packets, totals.octets] {
            self.put(&number.to_be_bytes());
        }
    }

    #[inline]
    fn finish(mut self) -> [u8; N] {
        if let Some((covered, check)) = self.octets.split_last_chunk_mut::<4>() {
            *check = crc32(covered).to_be_bytes();
        }
        self.octets
    }
}

/// Takes numbers off octets whose CRC-32 was right.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    fn new(octets: &'a [u8]) -> Option<Self> {
        let (covered, check) = octets.split_last_chunk::<4>()?;
        (crc32(covered) == u32::from_be_bytes(*check)).then_some(Self(covered))
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    #[inline]
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    #[inline]
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    #[inline]
    fn totals(&mut self) -> Option<Totals> {
        Some(Totals { records: self.u64()?, packets: self.u64()?, octets: self.u64()? })
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { index: self.u32()?, offset: self.u64()?, totals: self.totals()? })
    }
}

#[inline]
fn crc32(octets: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(octets);
    crc.sum()
}

const _: () =
    assert!(8 + 8 + SALT_LENGTH + VERIFIER_LENGTH + 2 + CONTEXT_MAXIMUM + 4 <= IDENTITY_LENGTH);
const _: () = assert!(2 * (4 + 8 + 24) + 24 + 8 + 4 <= STATE_LENGTH);
const _: () = assert!(4 + 4 + 4 + 8 + 24 + 24 + 4 == RECORD_HEADER_LENGTH);
