//! The state between messages, and the walk through one message. No I/O.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::error::Fault;
use super::record::Record;
use super::template::{
    FIRST_TEMPLATE_ID, FLOW_KEY_INDICATOR, TEMPLATE_ID, Template, TemplateRecord, Templates, u16_at,
};
use crate::ipfix::list::Context;

/// A Message Header (RFC 7011 §3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageHeader {
    /// Octets of the message, header included.
    pub length: u16,
    /// When it was sent, seconds since 1970.
    pub export_time: u32,
    /// Data Records sent before this message, modulo 2³².
    pub sequence_number: u32,
    /// Observation Domain ID.
    pub observation_domain: u32,
}

impl MessageHeader {
    /// Octets of a Message Header.
    pub const LENGTH: usize = 16;

    /// # Errors
    ///
    /// [`Fault::Version`] and [`Fault::MessageLength`] if it is none.
    pub fn decode(octets: &[u8; Self::LENGTH]) -> Result<Self, Fault> {
        let [v0, v1, l0, l1, t0, t1, t2, t3, s0, s1, s2, s3, d0, d1, d2, d3] = *octets;
        let (version, length) = (u16::from_be_bytes([v0, v1]), u16::from_be_bytes([l0, l1]));
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        if usize::from(length) < Self::LENGTH {
            return Err(Fault::MessageLength(length));
        }
        Ok(Self {
            length,
            export_time: u32::from_be_bytes([t0, t1, t2, t3]),
            sequence_number: u32::from_be_bytes([s0, s1, s2, s3]),
            observation_domain: u32::from_be_bytes([d0, d1, d2, d3]),
        })
    }
}

/// What was read so far, and what was wrong with it without being a reason to stop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Statistics {
    /// Messages begun.
    pub messages: u64,
    /// Their octets, as far as they were there.
    pub octets: u64,
    /// Data Records of Templates.
    pub records: u64,
    /// Data Records of Options Templates.
    pub options_records: u64,
    /// Templates, not counting those sent again unchanged.
    pub templates: u64,
    /// Options Templates, not counting those sent again unchanged.
    pub options_templates: u64,
    /// Templates and Options Templates withdrawn.
    pub withdrawn_templates: u64,
    /// Withdrawals of what was not there; ignored (RFC 7011 §8.1).
    pub ignored_withdrawals: u64,
    /// Messages that begin later in the sequence than the one before ended (RFC 7011 §3.1).
    pub sequence_gaps: u64,
    /// Data Records that should have been in those gaps.
    pub missing_records: u64,
    /// Messages that begin earlier in the sequence: out of order, twice, or a new session.
    pub sequence_steps_back: u64,
    /// Data Sets skipped because their Template is not known.
    pub sets_without_template: u64,
    /// Sets skipped because their number has no meaning (RFC 7011 §3.3.2).
    pub reserved_sets: u64,
    /// Template fields with a length their type cannot have (RFC 7011 §6.2).
    pub illegal_lengths: u64,
    /// Sets that end in octets other than zero, too few for a record (RFC 7011 §3.3.1).
    pub irregular_padding: u64,
    /// Records of Flow Keys for a Template that is not known, or has fewer fields (RFC 7011 §4.4).
    pub irregular_flow_keys: u64,
}

/// One Transport Session, or one file: Templates and sequence numbers by Observation Domain.
#[derive(Debug, Default)]
pub(super) struct Session {
    domains: HashMap<u32, Domain>,
    fields_held: usize,
    pub(super) statistics: Statistics,
}

#[derive(Debug, Default)]
struct Domain {
    templates: Templates,
    /// The sequence number the next message should have, if that is known.
    next_sequence: Option<u32>,
}

/// How far a message was read.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) header: MessageHeader,
    /// Where the next Set or record begins.
    pub(super) offset: usize,
    /// The Data Set in hand.
    set: Option<DataSet>,
    data_records: u32,
    /// False after a Data Set was skipped, which may have held any number of records.
    is_count_known: bool,
}

#[derive(Debug)]
struct DataSet {
    template: Arc<Template>,
    end: usize,
    is_empty: bool,
}

impl Session {
    /// Begins with a message, given its header and how many octets of it there are.
    pub(super) fn begin(
        &mut self,
        header: MessageHeader,
        octets: usize,
    ) -> Result<Position, Fault> {
        self.statistics.messages += 1;
        self.statistics.octets += octets as u64;
        let known = self.domains.len();
        let domain = match self.domains.entry(header.observation_domain) {
            std::collections::hash_map::Entry::Vacant(_) if known >= MAXIMUM_DOMAINS => {
                return Err(Fault::TooManyDomains);
            }
            entry => entry.or_default(),
        };
        if let Some(expected) = domain.next_sequence.take() {
            // RFC 7011 §3.1: modulo 2^32; less than half way round is ahead.
            match header.sequence_number.wrapping_sub(expected).cast_signed() {
                0 => {}
                ahead @ 1.. => {
                    self.statistics.sequence_gaps += 1;
                    self.statistics.missing_records += u64::from(ahead.cast_unsigned());
                }
                _ => self.statistics.sequence_steps_back += 1,
            }
        }
        Ok(Position {
            header,
            offset: MessageHeader::LENGTH,
            set: None,
            data_records: 0,
            is_count_known: true,
        })
    }

    /// Goes on to the next Data Record, through whatever is before it; `None` at the end.
    ///
    /// On a fault, `position.offset` is where it is.
    pub(super) fn advance(
        &mut self,
        octets: &[u8],
        position: &mut Position,
    ) -> Result<Option<Range<usize>>, Fault> {
        loop {
            if let Some(range) = self.next_in_set(octets, position)? {
                return Ok(Some(range));
            }
            if position.offset == octets.len() {
                self.finish(position);
                return Ok(None);
            }
            self.enter_set(octets, position)?;
        }
    }

    /// The record that [`Self::advance`] found.
    pub(super) fn record<'a>(
        &'a self,
        octets: &'a [u8],
        position: &'a Position,
        range: Range<usize>,
    ) -> Option<Record<'a>> {
        let domain = self.domains.get(&position.header.observation_domain)?;
        let (header, templates) = (Some(&position.header), Some(&domain.templates));
        let context = Context { header, templates, depth: 0 };
        Some(Record::new(&position.set.as_ref()?.template, octets.get(range)?, context))
    }

    fn next_in_set(
        &mut self,
        octets: &[u8],
        position: &mut Position,
    ) -> Result<Option<Range<usize>>, Fault> {
        let Some(set) = &mut position.set else { return Ok(None) };
        let rest = octets.get(position.offset..set.end).unwrap_or_default();
        // RFC 7011 §3.3.1: what is shorter than the shortest record is padding. A Set holds one
        // record at least, so it cannot be padding alone.
        if rest.len() < set.template.minimum_length() && (rest.is_empty() || !set.is_empty) {
            if rest.iter().any(|&octet| octet != 0) {
                self.statistics.irregular_padding += 1;
            }
            position.offset = set.end;
            position.set = None;
            return Ok(None);
        }
        let Some((record, _)) = set.template.split_record(rest) else {
            return Err(Fault::RecordTruncated(set.template.id()));
        };
        let range = position.offset..position.offset + record.len();
        position.offset = range.end;
        set.is_empty = false;
        position.data_records = position.data_records.wrapping_add(1);
        if set.template.is_options() {
            self.statistics.options_records += 1;
            if set.template.has_flow_keys() {
                let domain = self.domains.get(&position.header.observation_domain);
                let record = Record::new(&set.template, record, Context::default());
                if !domain.is_some_and(|domain| are_flow_keys(&record, &domain.templates)) {
                    self.statistics.irregular_flow_keys += 1;
                }
            }
        } else {
            self.statistics.records += 1;
        }
        Ok(Some(range))
    }

    /// Reads the Set header at the position, and the whole Set unless it holds data.
    fn enter_set(&mut self, octets: &[u8], position: &mut Position) -> Result<(), Fault> {
        let rest = octets.get(position.offset..).unwrap_or_default();
        let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) else {
            return Err(Fault::OctetsAfterSets(rest.len()));
        };
        let content = rest
            .get(..usize::from(length))
            .and_then(|set| set.get(SET_HEADER_LENGTH..))
            .ok_or(Fault::SetLength { set: id, length, left: rest.len() })?;
        let end = position.offset + usize::from(length);
        match id {
            TEMPLATE_SET | OPTIONS_TEMPLATE_SET => {
                position.offset += SET_HEADER_LENGTH;
                self.read_templates(content, id == OPTIONS_TEMPLATE_SET, position)?;
            }
            FIRST_TEMPLATE_ID.. => {
                let domain = self.domains.get(&position.header.observation_domain);
                if let Some(template) = domain.and_then(|domain| domain.templates.share(id)) {
                    position.offset += SET_HEADER_LENGTH;
                    position.set = Some(DataSet { template, end, is_empty: true });
                    return Ok(());
                }
                self.statistics.sets_without_template += 1;
                position.is_count_known = false;
            }
            _ => self.statistics.reserved_sets += 1,
        }
        position.offset = end;
        Ok(())
    }

    fn read_templates(
        &mut self,
        content: &[u8],
        is_options: bool,
        position: &mut Position,
    ) -> Result<(), Fault> {
        let mut rest = content;
        // RFC 7011 §3.3.1: padding is shorter than a record, but some exporters send more of it.
        while rest.len() >= SHORTEST_TEMPLATE && rest.iter().any(|&octet| octet != 0) {
            let (record, after) = TemplateRecord::split(rest, is_options)?;
            match record {
                TemplateRecord::Definition(template) => self.define(template, position)?,
                TemplateRecord::Withdrawal(id) => self.withdraw(id, is_options, position)?,
            }
            position.offset += rest.len() - after.len();
            rest = after;
        }
        Ok(())
    }

    fn define(&mut self, template: Template, position: &Position) -> Result<(), Fault> {
        let domain = self.domains.entry(position.header.observation_domain).or_default();
        if domain.templates.find(template.id()) == Some(&template) {
            return Ok(());
        }
        let fields = template.fields().len();
        if self.fields_held + fields > MAXIMUM_FIELDS {
            return Err(Fault::TooManyTemplates);
        }
        self.fields_held += fields;
        self.statistics.illegal_lengths += template.illegal_lengths() as u64;
        if template.is_options() {
            self.statistics.options_templates += 1;
        } else {
            self.statistics.templates += 1;
        }
        // RFC 7011 §8.1 asks for a withdrawal before a number gets a new meaning, §8.4 (UDP) does
        // not. A file does not say where it came from, so the newer Template holds.
        let replaced = domain.templates.define(template);
        self.fields_held -= replaced.map_or(0, |template| template.fields().len());
        Ok(())
    }

    /// RFC 7011 §8.1.
    fn withdraw(&mut self, id: u16, is_options: bool, position: &Position) -> Result<(), Fault> {
        let all = if is_options { OPTIONS_TEMPLATE_SET } else { TEMPLATE_SET };
        let domain = self.domains.entry(position.header.observation_domain).or_default();
        if id == all {
            self.fields_held -= domain.templates.withdraw_all(is_options);
            self.statistics.withdrawn_templates += 1;
        } else if id < FIRST_TEMPLATE_ID {
            return Err(Fault::TemplateId(id));
        } else if let Some(template) = domain.templates.withdraw(id, is_options) {
            self.fields_held -= template.fields().len();
            self.statistics.withdrawn_templates += 1;
        } else {
            self.statistics.ignored_withdrawals += 1;
        }
        Ok(())
    }

    fn finish(&mut self, position: &Position) {
        if position.is_count_known
            && let Some(domain) = self.domains.get_mut(&position.header.observation_domain)
        {
            let next = position.header.sequence_number.wrapping_add(position.data_records);
            domain.next_sequence = Some(next);
        }
    }
}

/// Whether the Flow Keys of this record are fields of the Template it names (RFC 7011 §4.4).
fn are_flow_keys(record: &Record<'_>, templates: &Templates) -> bool {
    let value = |element: u16| {
        record.fields().find_map(|(field, value)| {
            if field.iana() == Some((element, false)) { value.as_unsigned() } else { None }
        })
    };
    let template =
        value(TEMPLATE_ID).and_then(|id| u16::try_from(id).ok()).and_then(|id| templates.find(id));
    let (Some(template), Some(indicator)) = (template, value(FLOW_KEY_INDICATOR)) else {
        return false;
    };
    // Bit by bit from the lowest, field by field from the first.
    let highest = u64::BITS - indicator.leading_zeros();
    usize::try_from(highest).is_ok_and(|highest| highest <= template.fields().len())
}

/// Fields of all Templates together; some 50 MB.
pub const MAXIMUM_FIELDS: usize = 1 << 20;
/// Observation Domains of one session.
pub const MAXIMUM_DOMAINS: usize = 1 << 16;

const VERSION: u16 = 10;
const TEMPLATE_SET: u16 = 2;
const OPTIONS_TEMPLATE_SET: u16 = 3;
const SET_HEADER_LENGTH: usize = 4;
/// RFC 7011 §8.1: a withdrawal.
const SHORTEST_TEMPLATE: usize = 4;
