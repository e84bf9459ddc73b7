//! One IPFIX File while it is written.

use std::io;
use std::mem;
use std::sync::Arc;

use crate::export::account::{Account, Totals};
use crate::export::ending::Ending;
use crate::export::file::window::{Window, session_details};
use crate::export::layout::Layout;
use crate::export::mapping::{Content, Templates};
use crate::export::options::{Exported, Options, OptionsRecord};
use crate::export::output::{Output, TemporaryFile};
use crate::export::profile::Mapping;
use crate::ipfix::message::{MessageWriter, Refused};
use crate::time::Timestamp;

/// An IPFIX File (RFC 5655): Messages and nothing else, and a Transport Session of its own, with
/// sequence numbers from 0 and all Templates its records need.
#[derive(Debug)]
pub(super) struct IpfixFile {
    output: Output,
    mapping: Mapping,
    options: Arc<Options>,
    templates: Templates,
    messages: MessageWriter,
    /// Records in the Message that is being written.
    pending: Totals,
    /// Layouts of the records.
    layouts: Layouts,
    /// What is to be told of the Template that was defined last, in reverse.
    owed: Vec<OptionsRecord>,
    /// How many Observation Points are told.
    interfaces: usize,
    window: Window,
    /// The first and the last Export Time.
    export_times: Option<(u64, u64)>,
    /// What this and the files before have.
    exported: Exported,
    any_record: bool,
}

/// What stands at the top of a file (RFC 5655 §4.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Top<'a> {
    /// Layouts of the file before, by their numbers: their Templates are repeated.
    pub(super) layouts: &'a [u16],
    /// Octets that these may have. What has no room is defined when it is used.
    pub(super) room: usize,
    /// Observation Points that are known.
    pub(super) interfaces: usize,
    /// Export Time.
    pub(super) seconds: u64,
}

/// Why a file does not take something.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file system does not.
    Write(io::Error),
    /// No Message does.
    Encode(Refused),
}

/// What is left of a file that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What is to be completed: all of the file, or after an error the part of it that is good.
    pub(super) file: Option<TemporaryFile>,
    /// Layouts of its records, by their numbers: what the next file needs as well.
    pub(super) layouts: Vec<u16>,
    /// What it and the files before have.
    pub(super) exported: Exported,
    /// Records that were added and are not in it.
    pub(super) unwritten: Totals,
    /// Why it ended early.
    pub(super) outcome: Result<(), Fault>,
}

impl IpfixFile {
    /// As [`Output::wait_until`].
    pub(super) fn wait_until(&mut self, ending: &Arc<Ending>) {
        self.output.wait_until(ending);
    }

    /// A file after others that have `exported` together.
    pub(super) fn new(
        output: Output,
        observation_domain: u32,
        mapping: Mapping,
        options: Arc<Options>,
        exported: Exported,
    ) -> Self {
        Self {
            output,
            mapping,
            options,
            templates: Templates::new(mapping),
            messages: MessageWriter::new(observation_domain, MESSAGE_SIZE),
            pending: Totals::default(),
            layouts: Layouts::default(),
            owed: Vec::new(),
            interfaces: 0,
            window: Window::default(),
            export_times: None,
            exported,
            any_record: false,
        }
    }

    /// Writes what stands at the top.
    pub(super) fn begin(&mut self, top: Top<'_>, account: &mut Account) -> Result<(), Fault> {
        let Top { layouts, mut room, interfaces, seconds } = top;
        let options = Arc::clone(&self.options);
        let mut records = options.standing(interfaces);
        for &layout in layouts {
            let template = Arc::clone(self.templates.template(layout));
            let about = options.about(&template);
            let octets: usize = about.iter().map(|record| record.octets.len()).sum();
            let needed = template.definition().len() + octets;
            let Some(rest) = room.checked_sub(needed) else { break };
            room = rest;
            self.put(seconds, account, |messages| messages.add_template(&template))?;
            records.extend(about);
        }
        for template in options.templates() {
            self.put(seconds, account, |messages| messages.add_template(&template))?;
        }
        self.interfaces = interfaces;
        self.describe(&records, seconds, account)?;
        self.end_message(seconds, account)
    }

    /// Tells of Observation Points that became known, ahead of records that name them.
    pub(super) fn tell_interfaces(
        &mut self,
        known: usize,
        seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        if known <= self.interfaces {
            return Ok(());
        }
        let records = self.options.interfaces(self.interfaces, known);
        self.interfaces = known;
        self.describe(&records, seconds, account)
    }

    /// Writes `record`, and its Template if this is the first of its kind.
    ///
    /// # Errors
    ///
    /// After [`Refused::MessageFull`] the Message is to be ended and the record tried again.
    #[inline]
    pub(super) fn add<'a>(&mut self, record: &impl Content<'a>) -> Result<(), Refused> {
        let layout = record.number();
        let template = self.templates.template(layout);
        if self.layouts.is_new(layout) {
            // At the top it was defined with what is to be told of it.
            if !self.messages.defines(template) {
                self.messages.add_template(template)?;
                self.owed = self.options.about(template);
                self.owed.reverse();
            }
            while let Some(OptionsRecord { template, octets }) = self.owed.last() {
                self.messages.add_octets(template, octets)?;
                self.owed.pop();
            }
            self.layouts.insert(layout);
        }
        self.messages.add_record(template, |octets| record.visit(octets))?;
        self.window.cover(record.period());
        self.pending += Totals::of_data(record);
        self.any_record = true;
        Ok(())
    }

    /// Ends the Message, if anything is in it.
    pub(super) fn end_message(
        &mut self,
        export_seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        let Some(message) = self.messages.finish(export_seconds) else { return Ok(()) };
        // RFC 7011 §8.2: within a session Export Time does not step back.
        let (first, last) = self.export_times.unwrap_or((export_seconds, export_seconds));
        self.export_times = Some((first, last.max(export_seconds)));
        let totals = mem::take(&mut self.pending);
        self.exported.messages += 1;
        self.exported.flow_records += totals.records;
        self.exported.octets += message.len() as u64;
        let added = self.output.add(totals, account, |out| out.extend_from_slice(message));
        added.map_err(Fault::Write)
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self, account: &mut Account) -> Result<(), Fault> {
        self.output.flush(account).map_err(Fault::Write)
    }

    /// Ends the file: writes the rest, and what is known of the file only now, of the whole run too
    /// if `with_statistics`.
    pub(super) fn end(
        mut self,
        with_statistics: bool,
        now: Timestamp,
        account: &mut Account,
    ) -> Ended {
        let written = match self.output.is_broken() {
            true => Ok(()),
            false => self.write_end(with_statistics, now, account),
        };
        let (file, ended) = self.output.end(account);
        let mut unwritten = self.output.take_unwritten();
        unwritten += self.pending;
        let outcome = written.and_then(|()| ended.map_err(Fault::Write));
        let Self { layouts: Layouts { in_order: layouts, .. }, exported, .. } = self;
        Ended { file, layouts, exported, unwritten, outcome }
    }

    /// Whether no Message has begun.
    #[inline]
    pub(super) const fn is_between_messages(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether there is a Flow in it.
    pub(super) const fn has_records(&self) -> bool {
        self.any_record
    }

    /// Whether the file may still end with no more than `size` octets if another Message is written.
    pub(super) fn has_room(&self, size: u64) -> bool {
        self.output.size_with(MESSAGE_SIZE + MOST_AT_END) <= size
    }

    /// Octets on the disk.
    pub(super) const fn written(&self) -> u64 {
        self.output.written()
    }

    /// Whether something waits to be written.
    pub(super) const fn is_buffering(&self) -> bool {
        self.output.is_buffering()
    }

    /// Whether the octets of the file are fewer if it is flushed rarely.
    pub(super) const fn is_compressed(&self) -> bool {
        self.output.is_compressed()
    }

    fn write_end(
        &mut self,
        with_statistics: bool,
        now: Timestamp,
        account: &mut Account,
    ) -> Result<(), Fault> {
        let seconds = now.as_secs();
        self.end_message(seconds, account)?;
        let mut records = match with_statistics {
            true => self.options.statistics(&self.exported, now),
            false => Vec::new(),
        };
        if self.any_record {
            let (first, last) = self.export_times.unwrap_or((seconds, seconds));
            records.extend(self.window.record(self.mapping.time));
            records.extend(session_details(first, last.max(seconds)));
        }
        for OptionsRecord { template, .. } in &records {
            if !self.messages.defines(template) {
                self.put(seconds, account, |messages| messages.add_template(template))?;
            }
        }
        self.describe(&records, seconds, account)?;
        self.end_message(seconds, account)
    }

    /// Writes records whose Templates are defined.
    fn describe(
        &mut self,
        records: &[OptionsRecord],
        seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        for OptionsRecord { template, octets } in records {
            self.put(seconds, account, |messages| messages.add_octets(template, octets))?;
        }
        Ok(())
    }

    /// Writes something to this Message, or to the next if this one is full.
    fn put(
        &mut self,
        export_seconds: u64,
        account: &mut Account,
        write: impl Fn(&mut MessageWriter) -> Result<(), Refused>,
    ) -> Result<(), Fault> {
        let written = match write(&mut self.messages) {
            Err(Refused::MessageFull) => {
                self.end_message(export_seconds, account)?;
                write(&mut self.messages)
            }
            other => other,
        };
        written.map_err(Fault::Encode)
    }
}

/// The layouts of the records in a file, by their numbers, in the order in which they first occurred.
#[derive(Debug)]
struct Layouts {
    in_order: Vec<u16>,
    /// One bit for each number.
    seen: Box<[u64; Layout::COUNT / 64]>,
}

impl Layouts {
    /// Whether `layout` was not inserted.
    #[inline]
    fn is_new(&self, layout: u16) -> bool {
        let number = usize::from(layout);
        self.seen.get(number / 64).is_none_or(|word| word & 1 << (number % 64) == 0)
    }

    fn insert(&mut self, layout: u16) {
        let number = usize::from(layout);
        if let Some(word) = self.seen.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
        self.in_order.push(layout);
    }
}

impl Default for Layouts {
    fn default() -> Self {
        Self { in_order: Vec::new(), seen: Box::new([0; Layout::COUNT / 64]) }
    }
}

/// Far below the 65,535 octets that are possible, so that damage to a file costs little of it, and
/// far above the headers, which cost nothing then (RFC 5655 §9).
pub(super) const MESSAGE_SIZE: usize = 16_384;

/// Octets of what is known at the end, with a frame of its own around it if the file is compressed.
const MOST_AT_END: usize = 1_024;
