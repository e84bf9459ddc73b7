//! Sets one after the other (RFC 7011 §3.3): how they are filled, taken apart and divided.

use crate::ipfix::message::{LARGEST_MESSAGE, MESSAGE_HEADER_LENGTH, Refused, SET_HEADER_LENGTH};
use crate::ipfix::template::{Template, TemplateId};

/// Builds the Data Sets of one Message to be, without its header: what does not depend on the
/// Transport Session that will carry it.
///
/// No Set is empty, none is padded, and no record is split, whatever the order of calls.
#[derive(Debug)]
pub struct DataSets(SetWriter);

impl DataSets {
    /// Data Sets for a Message of at most `maximum_size` octets, its header included.
    ///
    /// No size above 65535 is used, whatever is asked for (RFC 7011 §3.1).
    pub fn new(maximum_size: usize) -> Self {
        Self(SetWriter::new(0, size_of_sets(maximum_size)))
    }

    /// Writes a Data Record; `write` puts exactly [`Template::record_length`] octets.
    ///
    /// Whether the Template was sent is for the session to care about.
    ///
    /// # Errors
    ///
    /// [`Refused`], with everything as it was. Records of a Template with fields of variable
    /// length are always refused; [`MessageWriter::add_octets`] takes them.
    ///
    /// [`MessageWriter::add_octets`]: crate::ipfix::message::MessageWriter::add_octets
    #[inline]
    pub fn add_record(
        &mut self,
        template: &Template,
        write: impl FnOnce(&mut RecordOctets<'_>),
    ) -> Result<(), Refused> {
        self.0.add_record(template, write)
    }

    /// Whether nothing was written.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Octets of the Sets so far.
    #[inline]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Data Records so far.
    #[inline]
    pub const fn records(&self) -> u32 {
        self.0.records
    }

    /// Changes the size of the Message, for what is written from now on.
    pub fn limit_size(&mut self, maximum_size: usize) {
        self.0.maximum_size = size_of_sets(maximum_size);
    }

    /// The finished Sets. Nothing is left, but room for as many is reserved again.
    ///
    /// What is returned holds little more memory than it has octets, for it may wait a long time.
    #[must_use = "the records are lost otherwise"]
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take()
    }
}

/// Divides Data Sets between records, so that the parts fit Messages of `maximum_size` octets,
/// header included; returns the parts and the records in each.
///
/// `record_length` tells the octets of every record of a Template. `None` if it does not know one,
/// if the Sets are not made of such records, or if a single record is too large.
pub fn split_sets(
    sets: &[u8],
    maximum_size: usize,
    record_length: impl Fn(u16) -> Option<usize>,
) -> Option<Vec<(Vec<u8>, u32)>> {
    let mut part = SetWriter::new(0, size_of_sets(maximum_size));
    let mut parts = Vec::new();
    for set in walk(sets) {
        let (id, content) = set?;
        let records = content.chunks_exact(record_length(id).filter(|&length| length != 0)?);
        if !records.remainder().is_empty() {
            return None;
        }
        for record in records {
            if let Err(refused) = part.add_octets(id, record) {
                if refused != Refused::MessageFull {
                    return None;
                }
                let count = part.records;
                parts.push((part.take(), count));
                part.add_octets(id, record).ok()?;
            }
        }
    }
    if !part.is_empty() {
        let count = part.records;
        parts.push((part.take(), count));
    }
    Some(parts)
}

/// The Set ID of each of these Data Sets, in their order, up to where they are malformed.
pub fn set_ids(sets: &[u8]) -> impl Iterator<Item = u16> {
    walk(sets).map_while(|set| set.map(|(id, _)| id))
}

/// ID and content of each Data Set; `None` in the place of one that is malformed or no Data Set,
/// and then the end.
pub(super) fn walk(sets: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    let mut rest = Some(sets);
    std::iter::from_fn(move || {
        let octets = rest.take().filter(|octets| !octets.is_empty())?;
        Some(split_set(octets).map(|(id, content, after)| {
            rest = Some(after);
            (id, content)
        }))
    })
}

fn split_set(octets: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [id_high, id_low, length_high, length_low] = *octets.first_chunk()?;
    let (id, length) =
        (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([length_high, length_low]));
    let (set, after) = octets.split_at_checked(usize::from(length))?;
    let content = set.get(SET_HEADER_LENGTH..)?;
    // RFC 7011 §3.3: a Set holds one record at least, and its ID is that of a Template.
    (id >= TemplateId::FIRST && !content.is_empty()).then_some((id, content, after))
}

/// Octets that are left for Sets in a Message of this size.
fn size_of_sets(message_size: usize) -> usize {
    message_size.min(LARGEST_MESSAGE).saturating_sub(MESSAGE_HEADER_LENGTH)
}

/// Writes Sets into a buffer of limited size, behind room for a header.
#[derive(Debug)]
pub(super) struct SetWriter {
    octets: Vec<u8>,
    /// Octets at the front that are not Sets.
    header_length: usize,
    /// Octets that the buffer does not exceed, header included.
    pub(super) maximum_size: usize,
    /// Where the Set that is being written begins, and its ID.
    open_set: Option<(usize, u16)>,
    /// Data Records written.
    pub(super) records: u32,
}

impl SetWriter {
    pub(super) fn new(header_length: usize, maximum_size: usize) -> Self {
        let mut octets = Vec::with_capacity(maximum_size.max(header_length));
        octets.resize(header_length, 0);
        Self { octets, header_length, maximum_size, open_set: None, records: 0 }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.octets.truncate(self.header_length);
        self.open_set = None;
        self.records = 0;
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.octets.len() == self.header_length
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Header and finished Sets.
    pub(super) fn finish(&mut self) -> &mut [u8] {
        self.close_set();
        &mut self.octets
    }

    /// Hands the finished octets out and begins anew, without a header.
    fn take(&mut self) -> Vec<u8> {
        self.close_set();
        let taken = if self.octets.len() >= self.octets.capacity() / 4 * 3 {
            let fresh = Vec::with_capacity(self.maximum_size);
            std::mem::replace(&mut self.octets, fresh)
        } else {
            self.octets.as_slice().into()
        };
        self.clear();
        taken
    }

    /// Writes a Data Record, or leaves no trace of it.
    #[inline]
    pub(super) fn add_record(
        &mut self,
        template: &Template,
        write: impl FnOnce(&mut RecordOctets<'_>),
    ) -> Result<(), Refused> {
        if template.has_variable_length() {
            return Err(Refused::RecordLength(template.id().get()));
        }
        self.make_room(template.id().get(), template.record_length())?;
        let start = self.octets.len();
        self.octets.resize(start + template.record_length(), 0);
        let mut octets = RecordOctets {
            rest: self.octets.get_mut(start..).unwrap_or_default(),
            too_many: false,
        };
        write(&mut octets);
        if octets.too_many || !octets.rest.is_empty() {
            return Err(self.take_back(start, template));
        }
        self.records += 1;
        Ok(())
    }

    /// Writes the octets of one Data Record.
    pub(super) fn add_octets(&mut self, set_id: u16, record: &[u8]) -> Result<(), Refused> {
        self.add_definition(set_id, record)?;
        self.records += 1;
        Ok(())
    }

    /// Writes the octets of one Template Record.
    pub(super) fn add_definition(&mut self, set_id: u16, record: &[u8]) -> Result<(), Refused> {
        self.make_room(set_id, record.len())?;
        self.octets.extend_from_slice(record);
        Ok(())
    }

    /// Ends the open Set, so that what comes next stands in another even if it is of the same kind.
    ///
    /// Writes the length of the Set. No padding follows: Collectors with fields of variable length
    /// take it for records.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no longer than the message")]
    pub(super) fn close_set(&mut self) {
        if let Some((start, _)) = self.open_set.take() {
            let length = (self.octets.len() - start) as u16;
            if let Some(field) = self.octets.get_mut(start + 2..start + SET_HEADER_LENGTH) {
                field.copy_from_slice(&length.to_be_bytes());
            }
        }
    }

    /// Writes whole Data Sets of this many records.
    pub(super) fn add_sets(&mut self, sets: &[u8], records: u32) -> Result<(), Refused> {
        if self.octets.len() + sets.len() > self.maximum_size {
            return Err(self.refuse(sets.len()));
        }
        self.close_set();
        self.octets.extend_from_slice(sets);
        self.records += records;
        Ok(())
    }

    /// Opens a Set as needed for `length` more octets in one with this ID.
    #[inline]
    fn make_room(&mut self, set_id: u16, length: usize) -> Result<(), Refused> {
        match self.open_set {
            Some((_, id)) if id == set_id => {
                if self.octets.len() + length > self.maximum_size {
                    return Err(Refused::MessageFull);
                }
            }
            _ => {
                if self.octets.len() + SET_HEADER_LENGTH + length > self.maximum_size {
                    return Err(self.refuse(length));
                }
                self.close_set();
                self.open_set = Some((self.octets.len(), set_id));
                let [high, low] = set_id.to_be_bytes();
                self.octets.extend_from_slice(&[high, low, 0, 0]);
            }
        }
        Ok(())
    }

    #[cold]
    const fn refuse(&self, length: usize) -> Refused {
        if self.is_empty() { Refused::TooLarge(length) } else { Refused::MessageFull }
    }

    /// Removes a record of the wrong length, and its Set if nothing else is in it.
    #[cold]
    fn take_back(&mut self, start: usize, template: &Template) -> Refused {
        self.octets.truncate(start);
        if let Some((set_start, _)) = self.open_set
            && set_start + SET_HEADER_LENGTH == start
        {
            self.octets.truncate(set_start);
            self.open_set = None;
        }
        Refused::RecordLength(template.id().get())
    }
}

/// The place of a Data Record in its Message, filled from front to back.
///
/// A slice that shrinks, and not a `Vec` that grows: its two words stay in registers.
#[derive(Debug)]
pub struct RecordOctets<'a> {
    rest: &'a mut [u8],
    too_many: bool,
}

impl RecordOctets<'_> {
    /// Writes the next octets.
    #[inline]
    pub fn put<const N: usize>(&mut self, octets: [u8; N]) {
        match std::mem::take(&mut self.rest).split_first_chunk_mut() {
            Some((place, rest)) => {
                *place = octets;
                self.rest = rest;
            }
            None => self.too_many = true,
        }
    }
}

#[cfg(test)]
mod tests;
