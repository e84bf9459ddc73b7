//! Messages: header, Template Sets, Data Sets (RFC 7011 §3).

use std::collections::HashMap;
use std::sync::Arc;

pub use crate::ipfix::sets::RecordOctets;
use crate::ipfix::sets::{self, SetWriter};
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
///
/// There are no withdrawals. A session never gives an ID a second meaning, so it needs none
/// (RFC 7011 §8.1), and over UDP it could not have any (§8.4); its end withdraws everything.
#[derive(Debug)]
pub struct MessageWriter {
    /// The current Message, or the one just finished; its header is written last.
    sets: SetWriter,
    is_finished: bool,
    observation_domain: u32,
    /// Data Records in all Messages before the current one, modulo 2^32.
    sequence: u32,
    /// Data Records of the Message just finished, until their numbers are taken back.
    finished_records: u32,
    export_seconds: u64,
    /// Templates of this session in order of definition.
    templates: Vec<Arc<Template>>,
    /// The same by their IDs; both kinds share one space of them (RFC 7011 §3.4.2.2).
    by_id: HashMap<u16, Arc<Template>>,
    /// One bit for each Template ID: whether `templates` has it. Looked at for every record.
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
    /// The octets are not Data Sets, or hold another number of records.
    #[error("the data sets are malformed")]
    MalformedSets,
}

impl MessageWriter {
    /// A writer of Messages of at most `maximum_size` octets, at the beginning of a session.
    ///
    /// No size above 65535 is used, whatever is asked for (RFC 7011 §3.1).
    pub fn new(observation_domain: u32, maximum_size: usize) -> Self {
        Self {
            sets: SetWriter::new(MESSAGE_HEADER_LENGTH, maximum_size.min(LARGEST_MESSAGE)),
            is_finished: false,
            observation_domain,
            sequence: 0,
            finished_records: 0,
            export_seconds: 0,
            templates: Vec::new(),
            by_id: HashMap::new(),
            defined: Box::new([0; 1024]),
        }
    }

    /// Begins a new session: sequence numbers from zero, no Template defined, nothing written
    /// (RFC 7011 §8.1, §10).
    pub fn restart(&mut self) {
        self.sets.clear();
        self.is_finished = false;
        self.sequence = 0;
        self.finished_records = 0;
        self.export_seconds = 0;
        self.templates.clear();
        self.by_id.clear();
        self.defined.fill(0);
    }

    /// Changes the size limit of the Messages to come.
    pub fn limit_size(&mut self, maximum_size: usize) {
        self.sets.maximum_size = maximum_size.min(LARGEST_MESSAGE);
    }

    /// Octets that no Message exceeds.
    pub const fn maximum_size(&self) -> usize {
        self.sets.maximum_size
    }

    /// Whether the Template was defined in this session.
    #[inline]
    pub fn defines(&self, template: &Template) -> bool {
        self.defines_id(template.id().get())
    }

    /// Whether a Template or Options Template of this ID was defined in this session.
    #[inline]
    pub fn defines_id(&self, id: u16) -> bool {
        let id = usize::from(id);
        self.defined.get(id / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// The Templates and Options Templates of this session, in the order in which they were
    /// defined.
    pub fn templates(&self) -> &[Arc<Template>] {
        &self.templates
    }

    /// The sequence number of the current Message: Data Records in all before it, those of Options
    /// Templates included (RFC 7011 §3.1).
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Whether the current Message holds nothing yet.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.is_finished || self.sets.is_empty()
    }

    /// Octets of the current Message so far, its header included; 0 while it holds nothing.
    #[inline]
    pub const fn len(&self) -> usize {
        if self.is_empty() { 0 } else { self.sets.len() }
    }

    /// Data Records in the current Message.
    pub const fn records(&self) -> u32 {
        if self.is_finished { 0 } else { self.sets.records }
    }

    /// Writes a Template Record; one that is defined already is sent again.
    ///
    /// An Options Template stands in a Set of its own: nfdump reads no second one.
    ///
    /// # Errors
    ///
    /// [`Refused::MessageFull`] also when the Message has data: no Template Set follows a Data Set
    /// (RFC 7011 §8: a Template comes before what it describes).
    pub fn add_template(&mut self, template: &Arc<Template>) -> Result<(), Refused> {
        let id = template.id().get();
        let known = self.by_id.get(&id);
        if known.is_some_and(|known| known != template) {
            return Err(Refused::RedefinedTemplate(id));
        }
        let is_known = known.is_some();
        self.begin();
        if self.sets.records != 0 {
            return Err(Refused::MessageFull);
        }
        if template.is_options() {
            self.sets.close_set();
            self.sets.add_definition(OPTIONS_TEMPLATE_SET_ID, template.definition())?;
            self.sets.close_set();
        } else {
            self.sets.add_definition(TEMPLATE_SET_ID, template.definition())?;
        }
        if !is_known {
            self.templates.push(Arc::clone(template));
            self.by_id.insert(id, Arc::clone(template));
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
    /// [`Refused`], with the Message as it was. Records of a Template with fields of variable
    /// length are always refused: [`Self::add_octets`] takes them.
    #[inline]
    pub fn add_record(
        &mut self,
        template: &Template,
        write: impl FnOnce(&mut RecordOctets<'_>),
    ) -> Result<(), Refused> {
        if !self.defines(template) {
            return Err(Refused::UndefinedTemplate(template.id().get()));
        }
        self.begin();
        self.sets.add_record(template, write)
    }

    /// Writes the octets of one Data Record, as [`Template::encode`] gives them.
    ///
    /// One of an Options Template stands in a Set of its own: of the records of a sampler, nfdump
    /// reads no second one.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the Message as it was; [`Refused::RecordLength`] if the octets are not
    /// exactly one record.
    pub fn add_octets(&mut self, template: &Template, record: &[u8]) -> Result<(), Refused> {
        let id = template.id().get();
        if !self.defines(template) {
            return Err(Refused::UndefinedTemplate(id));
        }
        if template.split_record(record).is_none_or(|(_, rest)| !rest.is_empty()) {
            return Err(Refused::RecordLength(id));
        }
        self.begin();
        if !template.is_options() {
            return self.sets.add_octets(id, record);
        }
        self.sets.close_set();
        self.sets.add_octets(id, record)?;
        self.sets.close_set();
        Ok(())
    }

    /// Writes whole Data Sets as they stand, with this many records.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the Message as it was; [`Refused::UndefinedTemplate`] if a Template of
    /// theirs was not defined in this session, [`Refused::RecordLength`] if a Set is not made of
    /// records of its Template.
    pub fn add_sets(&mut self, sets: &[u8], records: u32) -> Result<(), Refused> {
        let mut found = 0;
        for set in sets::walk(sets) {
            let (id, content) = set.ok_or(Refused::MalformedSets)?;
            let template = self.by_id.get(&id).ok_or(Refused::UndefinedTemplate(id))?;
            found += count_records(template, content).ok_or(Refused::RecordLength(id))?;
        }
        if found == 0 || u32::try_from(found) != Ok(records) {
            return Err(Refused::MalformedSets);
        }
        self.begin();
        self.sets.add_sets(sets, records)
    }

    /// Completes the current Message; `None` when nothing was written to it.
    ///
    /// Export Time never goes back within a session, however `export_seconds` (UNIX seconds) does:
    /// no data may seem older than its Template (RFC 7011 §8.2). It wraps modulo 2^32 (§3.1).
    #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 and a checked length")]
    pub fn finish(&mut self, export_seconds: u64) -> Option<&[u8]> {
        if self.is_empty() {
            return None;
        }
        self.is_finished = true;
        self.finished_records = self.sets.records;
        self.export_seconds = self.export_seconds.max(export_seconds);
        let message = self.sets.finish();
        let length = message.len() as u16;
        *message.first_chunk_mut()? = message_header(
            length,
            self.export_seconds as u32,
            self.sequence,
            self.observation_domain,
        );
        self.sequence = self.sequence.wrapping_add(self.finished_records);
        Some(message)
    }

    /// Takes the sequence numbers of the Message just finished back: it was not sent and will be
    /// written again, differently. A Message that is lost keeps them (RFC 7011 §10.2.2).
    pub fn renumber(&mut self) {
        if self.is_empty() {
            let records = std::mem::take(&mut self.finished_records);
            self.sequence = self.sequence.wrapping_sub(records);
        }
    }

    /// Begins the next Message if the current one is finished.
    #[inline]
    fn begin(&mut self) {
        if self.is_finished {
            self.sets.clear();
            self.is_finished = false;
        }
    }
}

/// How many records of the Template these octets are; `None` if they are not whole records.
fn count_records(template: &Template, octets: &[u8]) -> Option<usize> {
    if !template.has_variable_length() {
        // No Template is without octets.
        let (count, rest) =
            (octets.len() / template.record_length(), octets.len() % template.record_length());
        return (rest == 0).then_some(count);
    }
    let (mut count, mut rest) = (0, octets);
    while !rest.is_empty() {
        rest = template.split_record(rest)?.1;
        count += 1;
    }
    Some(count)
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

/// RFC 7011 §3.3.2.
const OPTIONS_TEMPLATE_SET_ID: u16 = 3;

/// The Length field of a Message has sixteen bits.
pub(super) const LARGEST_MESSAGE: usize = 65535;

#[cfg(test)]
mod tests;
