//! Messages: header, Template Sets, Data Sets (RFC 7011 §3).

use std::sync::Arc;

use crate::ipfix::template::Template;

/// Octets of a Message header (RFC 7011 §3.1).
pub const MESSAGE_HEADER_LENGTH: usize = 16;

/// Octets of a Set header (RFC 7011 §3.3.2).
pub const SET_HEADER_LENGTH: usize = 4;

/// Builds the Messages of one Transport Session and one Observation Domain, one after the other.
///
/// It keeps what the standard makes a matter of the session: the sequence number, the Templates
/// that were defined, and the latest Export Time. A Message it returns is complete and correct
/// whatever the order of calls: Template Sets stand before Data Sets, no Set is empty, none is
/// padded, and no record is split (RFC 7011 §3.3.1, §8).
#[derive(Debug)]
pub struct MessageWriter {
    buffer: Vec<u8>,
    maximum_size: usize,
    observation_domain: u32,
    /// Data Records in all Messages before the current one, modulo 2^32.
    sequence: u32,
    /// Data Records in the current Message.
    records: u32,
    /// Where the Set that is being written begins, and its ID.
    open_set: Option<(usize, u16)>,
    has_data: bool,
    finished: bool,
    export_seconds: u64,
    /// Templates of this session in order of definition.
    templates: Vec<Arc<Template>>,
    /// One bit for each Template ID: whether `templates` has it.
    defined: Box<[u64; 1024]>,
}

/// Why the current Message does not take what it was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// There is no room, or a Template came after data: finish this Message and try again.
    #[error("the message has no room")]
    MessageFull,
    /// It does not fit an empty Message of this size either.
    #[error("{0} octets do not fit a message")]
    TooLarge(usize),
    /// The Template was not defined in this session.
    #[error("template {0} is not defined in this session")]
    UndefinedTemplate(u16),
    /// The ID is in use for another Template of this session.
    #[error("template {0} is defined otherwise in this session")]
    RedefinedTemplate(u16),
    /// The record has not the length its Template says.
    #[error("a record of template {0} has the wrong length")]
    RecordLength(u16),
}

impl MessageWriter {
    /// A writer of Messages of at most `maximum_size` octets, at the beginning of a session.
    ///
    /// No size above 65535 is used, whatever is asked for (RFC 7011 §3.1).
    pub fn new(observation_domain: u32, maximum_size: usize) -> Self {
        let maximum_size = maximum_size.min(LARGEST_MESSAGE);
        Self {
            buffer: Vec::with_capacity(maximum_size),
            maximum_size,
            observation_domain,
            sequence: 0,
            records: 0,
            open_set: None,
            has_data: false,
            finished: true,
            export_seconds: 0,
            templates: Vec::new(),
            defined: Box::new([0; 1024]),
        }
    }

    /// Begins a new session: sequence numbers from zero, no Template defined, nothing written
    /// (RFC 7011 §8.1, §10).
    pub fn restart(&mut self) {
        self.sequence = 0;
        self.records = 0;
        self.open_set = None;
        self.has_data = false;
        self.finished = true;
        self.export_seconds = 0;
        self.templates.clear();
        self.defined.fill(0);
    }

    /// Changes the size limit of the Messages to come.
    pub fn limit_size(&mut self, maximum_size: usize) {
        self.maximum_size = maximum_size.min(LARGEST_MESSAGE);
    }

    /// Octets that no Message exceeds.
    pub const fn maximum_size(&self) -> usize {
        self.maximum_size
    }

    /// Whether the Template was defined in this session.
    #[inline]
    pub fn defines(&self, template: &Template) -> bool {
        let id = usize::from(template.id().get());
        self.defined.get(id / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// The Templates of this session, in the order in which they were defined.
    pub fn templates(&self) -> &[Arc<Template>] {
        &self.templates
    }

    /// Whether the current Message holds nothing yet.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.finished
    }

    /// Writes a Template Record; one that is defined already is sent again.
    ///
    /// # Errors
    ///
    /// [`Refused::MessageFull`] also when the Message has data: no Template Set follows a Data Set
    /// (RFC 7011 §8: a Template comes before what it describes).
    pub fn add_template(&mut self, template: &Arc<Template>) -> Result<(), Refused> {
        let id = template.id().get();
        let known = self.defines(template);
        if known && !self.templates.iter().any(|other| other == template) {
            return Err(Refused::RedefinedTemplate(id));
        }
        if self.has_data && !self.finished {
            return Err(Refused::MessageFull);
        }
        self.make_room(TEMPLATE_SET_ID, template.definition().len())?;
        self.buffer.extend_from_slice(template.definition());
        if !known {
            self.templates.push(Arc::clone(template));
            if let Some(word) = self.defined.get_mut(usize::from(id) / 64) {
                *word |= 1 << (id % 64);
            }
        }
        Ok(())
    }

    /// Writes a Data Record; `write` puts exactly [`Template::record_length`] octets.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the Message as it was.
    #[inline]
    pub fn add_record(
        &mut self,
        template: &Template,
        write: impl FnOnce(&mut RecordOctets<'_>),
    ) -> Result<(), Refused> {
        if !self.defines(template) {
            return Err(Refused::UndefinedTemplate(template.id().get()));
        }
        self.make_room(template.id().get(), template.record_length())?;
        let start = self.buffer.len();
        self.buffer.resize(start + template.record_length(), 0);
        let mut octets = RecordOctets {
            rest: self.buffer.get_mut(start..).unwrap_or_default(),
            too_many: false,
        };
        write(&mut octets);
        if octets.too_many || !octets.rest.is_empty() {
            return Err(self.take_back(start, template));
        }
        self.records += 1;
        self.has_data = true;
        Ok(())
    }

    /// Completes the current Message; `None` when nothing was written to it.
    ///
    /// Export Time never goes back within a session, however `export_seconds` (UNIX seconds) does:
    /// no data may seem older than its Template (RFC 7011 §8.2). It wraps modulo 2^32 (§3.1).
    #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 and a checked length")]
    pub fn finish(&mut self, export_seconds: u64) -> Option<&[u8]> {
        if self.finished {
            return None;
        }
        self.close_set();
        self.finished = true;
        self.export_seconds = self.export_seconds.max(export_seconds);
        let length = self.buffer.len() as u16;
        let header = self.buffer.first_chunk_mut::<MESSAGE_HEADER_LENGTH>()?;
        *header = message_header(
            length,
            self.export_seconds as u32,
            self.sequence,
            self.observation_domain,
        );
        self.sequence = self.sequence.wrapping_add(self.records);
        Some(&self.buffer)
    }

    /// Takes the sequence numbers of the Message just finished back: it was not sent and will be
    /// written again, differently. A Message that is lost keeps them (RFC 7011 §10.2.2).
    pub fn renumber(&mut self) {
        if self.finished {
            self.sequence = self.sequence.wrapping_sub(self.records);
            self.records = 0;
        }
    }

    /// Opens Message and Set as needed for `length` more octets in a Set with this ID.
    #[inline]
    fn make_room(&mut self, set_id: u16, length: usize) -> Result<(), Refused> {
        if self.finished {
            if MESSAGE_HEADER_LENGTH + SET_HEADER_LENGTH + length > self.maximum_size {
                return Err(Refused::TooLarge(length));
            }
            self.begin_message();
        }
        match self.open_set {
            Some((_, id)) if id == set_id => {
                if self.buffer.len() + length > self.maximum_size {
                    return Err(Refused::MessageFull);
                }
            }
            _ => {
                if self.buffer.len() + SET_HEADER_LENGTH + length > self.maximum_size {
                    return Err(Refused::MessageFull);
                }
                self.close_set();
                self.open_set = Some((self.buffer.len(), set_id));
                let [high, low] = set_id.to_be_bytes();
                self.buffer.extend_from_slice(&[high, low, 0, 0]);
            }
        }
        Ok(())
    }

    fn begin_message(&mut self) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; MESSAGE_HEADER_LENGTH]);
        self.records = 0;
        self.open_set = None;
        self.has_data = false;
        self.finished = false;
    }

    /// Writes the length of the open Set. No padding follows: collectors with fields of variable
    /// length take it for records.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "no longer than the message")]
    fn close_set(&mut self) {
        if let Some((start, _)) = self.open_set.take() {
            let length = (self.buffer.len() - start) as u16;
            if let Some(field) = self.buffer.get_mut(start + 2..start + SET_HEADER_LENGTH) {
                field.copy_from_slice(&length.to_be_bytes());
            }
        }
    }

    /// Removes a record of the wrong length, and its Set if nothing else is in it.
    #[cold]
    fn take_back(&mut self, start: usize, template: &Template) -> Refused {
        self.buffer.truncate(start);
        if let Some((set_start, _)) = self.open_set
            && set_start + SET_HEADER_LENGTH == start
        {
            self.buffer.truncate(set_start);
            self.open_set = None;
            self.finished = self.buffer.len() == MESSAGE_HEADER_LENGTH;
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

/// RFC 7011 §3.1, all fields big-endian.
fn message_header(length: u16, export_time: u32, sequence: u32, domain: u32) -> [u8; 16] {
    let [version_high, version_low] = VERSION.to_be_bytes();
    let [length_high, length_low] = length.to_be_bytes();
    let [t0, t1, t2, t3] = export_time.to_be_bytes();
    let [s0, s1, s2, s3] = sequence.to_be_bytes();
    let [d0, d1, d2, d3] = domain.to_be_bytes();
    [
        version_high,
        version_low,
        length_high,
        length_low,
        t0,
        t1,
        t2,
        t3,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
    ]
}

/// The version number of IPFIX in the Message header.
const VERSION: u16 = 0x000a;

/// RFC 7011 §3.3.2.
const TEMPLATE_SET_ID: u16 = 2;

/// The Length field of a Message has sixteen bits.
const LARGEST_MESSAGE: usize = 65535;

#[cfg(test)]
mod tests;
