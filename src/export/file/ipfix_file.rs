//! One IPFIX File while it is written.

use std::io;
use std::mem;
use std::sync::Arc;

use crate::export::account::{Account, Totals};
use crate::export::file::options::OptionsData;
use crate::export::file::window::{Window, session_details};
use crate::export::layout::Layout;
use crate::export::mapping::{DataRecord, Templates};
use crate::export::output::{Output, TemporaryFile};
use crate::export::profile::Mapping;
use crate::ipfix::message::{MessageWriter, Refused};

/// An IPFIX File (RFC 5655): Messages and nothing else, and a Transport Session of its own, with
/// sequence numbers from 0 and all Templates its records need.
#[derive(Debug)]
pub(super) struct IpfixFile {
    output: Output,
    mapping: Mapping,
    templates: Templates,
    messages: MessageWriter,
    /// Records in the Message that is being written.
    pending: Totals,
    layouts: Layouts,
    window: Window,
    /// The first and the last Export Time.
    exported: Option<(u64, u64)>,
    any_record: bool,
    /// Octets that are kept free for what stands at the end.
    end_room: usize,
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
    /// Layouts of its records: what the next file needs as well.
    pub(super) layouts: Vec<Layout>,
    /// Records that were added and are not in it.
    pub(super) unwritten: Totals,
    /// Why it ended early.
    pub(super) outcome: Result<(), Fault>,
}

impl IpfixFile {
    pub(super) fn new(output: Output, observation_domain: u32, mapping: Mapping) -> Self {
        Self {
            output,
            mapping,
            templates: Templates::new(mapping),
            messages: MessageWriter::new(observation_domain, MESSAGE_SIZE),
            pending: Totals::default(),
            layouts: Layouts::default(),
            window: Window::default(),
            exported: None,
            any_record: false,
            end_room: MOST_AT_END,
        }
    }

    /// Writes what stands at the top (RFC 5655 §4.2): Templates of the file before, as long as they
    /// take no more than `room` octets, and what describes the records.
    pub(super) fn begin(
        &mut self,
        layouts: &[Layout],
        room: usize,
        options: &[OptionsData],
        export_seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        // The same will stand at the end, with other numbers.
        self.end_room += 2 * options.iter().map(OptionsData::octets).sum::<usize>();
        let mut left = room;
        for &layout in layouts {
            let template = Arc::clone(self.templates.template(layout));
            // What has no room is defined when it is used.
            let Some(rest) = left.checked_sub(template.definition().len()) else { break };
            left = rest;
            self.put(export_seconds, account, |messages| messages.add_template(&template))?;
        }
        self.describe(options, export_seconds, account)?;
        self.end_message(export_seconds, account)
    }

    /// Writes `record`, and its Template if this is the first of its kind.
    ///
    /// # Errors
    ///
    /// After [`Refused::MessageFull`] the Message is to be ended and the record tried again.
    #[inline]
    pub(super) fn add(&mut self, record: &DataRecord<'_>) -> Result<(), Refused> {
        let layout = record.shape.layout;
        let template = self.templates.template(layout);
        if self.layouts.is_new(layout) {
            if !self.messages.defines(template) {
                self.messages.add_template(template)?;
            }
            self.layouts.insert(layout);
        }
        self.messages.add_record(template, |octets| record.visit(octets))?;
        self.window.cover(record.record);
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
        let (first, last) = self.exported.unwrap_or((export_seconds, export_seconds));
        self.exported = Some((first, last.max(export_seconds)));
        let totals = mem::take(&mut self.pending);
        let added = self.output.add(totals, account, |out| out.extend_from_slice(message));
        added.map_err(Fault::Write)
    }

    /// Writes what is buffered.
    pub(super) fn flush(&mut self, account: &mut Account) -> Result<(), Fault> {
        self.output.flush(account).map_err(Fault::Write)
    }

    /// Ends the file: writes the rest, and what is known of the file only now.
    pub(super) fn end(
        mut self,
        options: &[OptionsData],
        export_seconds: u64,
        account: &mut Account,
    ) -> Ended {
        let written = match self.output.is_broken() {
            true => Ok(()),
            false => self.write_end(options, export_seconds, account),
        };
        let (file, ended) = self.output.end(account);
        let mut unwritten = self.output.take_unwritten();
        unwritten += self.pending;
        let outcome = written.and(ended.map_err(Fault::Write));
        Ended { file, layouts: self.layouts.in_order, unwritten, outcome }
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
        self.output.size_with(MESSAGE_SIZE + self.end_room) <= size
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
        options: &[OptionsData],
        export_seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        self.end_message(export_seconds, account)?;
        self.describe(options, export_seconds, account)?;
        if self.any_record {
            let (first, last) = self.exported.unwrap_or((export_seconds, export_seconds));
            let details = session_details(first, last.max(export_seconds));
            let window = self.window.record(self.mapping.time);
            let known: Vec<_> = window
                .into_iter()
                .chain(details)
                .map(|(template, record)| OptionsData { template, records: vec![record] })
                .collect();
            self.end_message(export_seconds, account)?;
            self.describe(&known, export_seconds, account)?;
        } else if self.exported.is_none() && self.messages.is_empty() {
            // A file without a Flow is a valid file with a Template, and not an empty one, which
            // readers take for damaged.
            let template = Arc::clone(self.templates.template(Layout::PLAIN));
            self.put(export_seconds, account, |messages| messages.add_template(&template))?;
        }
        self.end_message(export_seconds, account)
    }

    fn describe(
        &mut self,
        options: &[OptionsData],
        export_seconds: u64,
        account: &mut Account,
    ) -> Result<(), Fault> {
        for OptionsData { template, .. } in options {
            if !self.messages.defines(template) {
                self.put(export_seconds, account, |messages| messages.add_template(template))?;
            }
        }
        for OptionsData { template, records } in options {
            for record in records {
                let add = |messages: &mut MessageWriter| messages.add_octets(template, record);
                self.put(export_seconds, account, add)?;
            }
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

/// The layouts of the records in a file, in the order in which they first occurred.
#[derive(Debug)]
struct Layouts {
    in_order: Vec<Layout>,
    /// One bit for each [`Layout::number`].
    seen: Box<[u64; Layout::COUNT / 64]>,
}

impl Layouts {
    #[inline]
    fn is_new(&self, layout: Layout) -> bool {
        let number = usize::from(layout.number());
        self.seen.get(number / 64).is_none_or(|word| word & 1 << (number % 64) == 0)
    }

    fn insert(&mut self, layout: Layout) {
        let number = usize::from(layout.number());
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

/// Octets of the Message with what is known at the end, with a frame of its own around it if the
/// file is compressed.
const MOST_AT_END: usize = 512;
