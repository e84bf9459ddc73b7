//! `file:PATH`: IPFIX Files (RFC 5655), which are streams of Messages and nothing else.
//!
//! One file for the run, or one after the other, each as long as [`Rotation`] lets it. A file can be
//! read by itself: it is a Transport Session of its own, with its Templates and options at the top.
//!
//! Compressed files are read by `flowtap show` and by nothing else that we know of: others want them
//! through `zstdcat`. Their frames have checksums; Message checksums (RFC 5655 §8.1.1) are not
//! written, for no reader we know of looks at them.

mod closer;
mod ipfix_file;
mod name;
mod place;
mod rotation;
mod succession;
mod window;

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason, Totals};
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace};
use crate::export::ending::Ending;
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::file::closer::Closer;
use crate::export::file::ipfix_file::{Fault, IpfixFile};
use crate::export::file::place::Place;
use crate::export::file::rotation::Rotation;
pub(crate) use crate::export::file::window::file_templates;
use crate::export::mapping::{Content, Disclosure};
use crate::export::options::{Exported, ObservationPoints, Options};
use crate::export::output::reader_has_left;
use crate::export::pacing::FlushTimer;
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::export::statistical::{AggregateSink, Aggregates};
use crate::export::target::FileTarget;
use crate::ipfix::message::Refused;
use crate::time::Timestamp;

/// Writes IPFIX Files.
///
/// In a replay their octets and names depend on the records and their clock alone: no timer ends a
/// Message or a file. Live there is a file for every period, also for one without a Flow: where a
/// name is missing the probe was away.
///
/// A file that cannot be written ends a replay's target, and one without rotation. Else it is tried
/// again with a new file, and the records that come meanwhile are counted as lost.
#[derive(Debug)]
pub(crate) struct FileSink {
    target: String,
    place: Place,
    rotation: Rotation,
    observation_domain: u32,
    disclosure: Disclosure,
    pace: Pace,
    clock: Arc<dyn Clock>,
    options: Arc<Options>,
    points: Arc<ObservationPoints>,
    /// Observation Points that are known.
    interfaces: usize,
    /// What all files have.
    exported: Exported,
    flush_timer: FlushTimer,
    /// Frames of a compressed file are to be larger than Messages.
    frame_timer: FlushTimer,
    /// The wall clock, or in a replay the capture's.
    now: Timestamp,
    state: State,
    /// Layouts of the last file, by their numbers.
    layouts: Vec<u16>,
    /// `None` if there is but one file.
    closer: Option<Closer>,
    /// Files of a run that was killed, until that was said.
    left_over: Vec<PathBuf>,
    in_trouble: bool,
    reader_is_gone: bool,
}

#[derive(Debug)]
enum State {
    /// No record has come yet.
    Waiting,
    Writing(Box<Current>),
    /// There was trouble. The next attempt is at `until` on the monotonic clock, or with the next
    /// period.
    Suspended {
        start: Timestamp,
        until: Duration,
    },
}

#[derive(Debug)]
struct Current {
    file: IpfixFile,
    start: Timestamp,
    /// When it last got records.
    filled: Timestamp,
    /// Octets at its top, once they are written.
    top: Option<u64>,
}

/// What has to be writable for files of `target`; `None` if nothing, or if that makes no sense.
pub(crate) fn written_place(target: &FileTarget) -> Option<PathBuf> {
    let FileTarget { path, rotate, size, compress, .. } = target;
    let rotation = Rotation { period: *rotate, size: *size };
    Place::new(path.clone(), rotation, *compress).ok()?.written()
}

impl FileSink {
    /// Checks the target, and creates the first file if its name is known yet.
    pub(crate) fn create(
        file: &FileTarget,
        target: &str,
        config: &Config,
    ) -> Result<Self, ExportError> {
        let failed = |source| ExportError::Create { target: target.to_owned(), source };
        let FileTarget { path, rotate, size, compress, options } = file;
        let rotation = Rotation { period: *rotate, size: *size };
        let place = match &config.counting {
            Some(counting) => Place::nowhere(counting.counter(&file.to_string()), *compress),
            None => Place::new(path.clone(), rotation, *compress).map_err(failed)?,
        };
        let start = rotation.start(config.clock.wall());
        let is_live = config.pace == Pace::Live;
        let observation_domain = options.observation_domain.unwrap_or(config.observation_domain);
        let policy = options.privacy.policy();
        let disclosure = Disclosure::open(&policy, options.mapping(config.biflow))
            .map_err(|source| ExportError::Privacy { target: target.to_owned(), source })?;
        let mapping = disclosure.mapping();
        let rules = options.options_records(config.biflow);
        let records =
            Options::new(config.metering.clone(), observation_domain, mapping, rules).under(policy);
        let mut sink = Self {
            target: target.to_owned(),
            rotation,
            observation_domain,
            disclosure,
            pace: config.pace,
            clock: Arc::clone(&config.clock),
            options: Arc::new(records),
            points: Arc::clone(&config.metering.points),
            interfaces: 0,
            exported: Exported::default(),
            flush_timer: FlushTimer::new(config.flush_timer()),
            frame_timer: FlushTimer::new(is_live.then_some(FRAME_TIMEOUT)),
            now: if is_live { config.clock.wall() } else { Timestamp::EPOCH },
            state: State::Waiting,
            layouts: Vec::new(),
            closer: None,
            left_over: place.left_over(rotation, start),
            in_trouble: false,
            reader_is_gone: false,
            place,
        };
        if rotation.is_off() || is_live {
            sink.open().map_err(failed)?;
        } else {
            sink.place.check_writable().map_err(failed)?;
        }
        if !rotation.is_off() {
            let thread = |source| ExportError::Thread { target: target.to_owned(), source };
            sink.closer = Some(Closer::start().map_err(thread)?);
        }
        Ok(sink)
    }

    /// As [`IpfixFile::wait_until`]; a FIFO is one file for ever.
    pub(crate) fn waiting_until(mut self, ending: &Arc<Ending>) -> Self {
        if let State::Writing(current) = &mut self.state {
            current.file.wait_until(ending);
        }
        self
    }

    fn tell_interfaces(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let State::Writing(current) = &mut self.state else { return Ok(()) };
        let told = current.file.tell_interfaces(self.interfaces, self.now.as_secs(), account);
        told.or_else(|fault| self.settle(fault, account))
    }

    fn add<'a>(
        &mut self,
        record: &impl Content<'a>,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        loop {
            if let State::Writing(current) = &self.state
                && current.file.is_between_messages()
                && current.file.has_records()
            {
                self.make_room(account)?;
            }
            if let State::Waiting = self.state {
                self.begin(account)?;
            }
            let State::Writing(current) = &mut self.state else {
                self.lose(LossReason::TargetFailed, Totals::of_data(record), account);
                return Ok(());
            };
            match current.file.add(record) {
                Ok(()) => {
                    current.filled = self.now;
                    return Ok(());
                }
                Err(Refused::MessageFull) => self.end_message(account)?,
                Err(source) => {
                    return Err(ExportError::Encode { target: self.target.clone(), source });
                }
            }
        }
    }

    fn end_message(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.flush_timer.restart();
        let State::Writing(current) = &mut self.state else { return Ok(()) };
        let ended = current.file.end_message(self.now.as_secs(), account);
        ended.or_else(|fault| self.settle(fault, account))
    }

    /// Takes a fault for what it is: a reader that has left, or trouble.
    fn settle(&mut self, fault: Fault, account: &mut Account) -> Result<(), ExportError> {
        match fault {
            Fault::Encode(source) => {
                Err(ExportError::Encode { target: self.target.clone(), source })
            }
            Fault::Write(error) => match reader_has_left(&self.target, Err(error)) {
                Ok(has_left) => {
                    self.reader_is_gone |= has_left;
                    Ok(())
                }
                Err(error) => self.suspend(error, account),
            },
        }
    }

    fn lose(&mut self, reason: LossReason, totals: Totals, account: &mut Account) {
        if totals.is_zero() {
            return;
        }
        account.lost(reason, totals);
        self.exported.not_sent += totals;
        self.exported.first_not_sent.get_or_insert(self.now);
        self.exported.last_not_sent = Some(self.now);
    }

    /// Writes what has waited long enough.
    fn flush_in_time(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let now = self.clock.monotonic();
        let State::Writing(current) = &mut self.state else { return Ok(()) };
        let is_compressed = current.file.is_compressed();
        let waits = |file: &IpfixFile| !file.is_between_messages() || file.is_buffering();
        let mut is_due = self.flush_timer.is_due(waits(&current.file), now);
        if is_due {
            self.end_message(account)?;
        }
        let State::Writing(current) = &mut self.state else { return Ok(()) };
        if is_compressed {
            is_due = self.frame_timer.is_due(waits(&current.file), now);
        }
        if is_due {
            self.frame_timer.restart();
            let flushed = current.file.flush(account);
            return flushed.or_else(|fault| self.settle(fault, account));
        }
        Ok(())
    }

    /// Follows the clock, and learns of Observation Points, ahead of records that name them.
    fn come_to(
        &mut self,
        clock: Timestamp,
        interfaces: usize,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        self.now = match self.pace {
            Pace::Replay => clock,
            Pace::Live => self.clock.wall(),
        };
        self.interfaces = self.interfaces.max(interfaces);
        self.turn(account)?;
        self.tell_interfaces(account)
    }

    /// Says what has not been said yet.
    fn tell(&mut self, account: &mut Account) {
        let left_over = mem::take(&mut self.left_over);
        if let Some(first) = left_over.first() {
            account.left_over(&self.target, first, left_over.len());
        }
        for source in self.closer.iter().flat_map(Closer::failures) {
            account.trouble(ExportError::Write { target: self.target.clone(), source });
        }
        if self.in_trouble
            && let State::Writing(current) = &self.state
            && current.top.is_some_and(|top| current.file.written() > top)
        {
            self.in_trouble = false;
            account.resumed(&self.target);
        }
    }
}

impl RecordSink for FileSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        if self.reader_is_gone {
            let biflow = self.disclosure.mapping().biflow;
            account.lost(LossReason::ReaderGone, Totals::of(&batch.records, biflow));
            return Ok(());
        }
        self.come_to(batch.clock, batch.interfaces, account)?;
        for record in &batch.records {
            let Some(disclosed) = self.disclosure.of(record) else { continue };
            for data in disclosed.data_records() {
                self.add(&data, account)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if self.reader_is_gone {
            return Ok(());
        }
        if self.pace == Pace::Live {
            self.now = self.clock.wall();
            self.interfaces = self.interfaces.max(self.points.len());
            self.turn(account)?;
        }
        self.flush_in_time(account)?;
        self.tell(account);
        Ok(())
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.write_top(account)?;
        self.end_file(true, account)?;
        if let Some(closer) = &mut self.closer {
            closer.finish();
            let failures: Vec<_> = closer.failures().collect();
            for source in failures {
                account.trouble(ExportError::Write { target: self.target.clone(), source });
            }
        }
        Ok(())
    }
}

impl AggregateSink for FileSink {
    fn mapping(&self) -> Mapping {
        self.disclosure.mapping()
    }

    fn reader_is_gone(&self) -> bool {
        self.reader_is_gone
    }

    fn write_aggregates(
        &mut self,
        aggregates: &Aggregates<'_>,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        self.come_to(aggregates.end(), aggregates.interfaces, account)?;
        let mapping = self.disclosure.mapping();
        aggregates.data_records(mapping).try_for_each(|data| self.add(&data, account))
    }
}

/// What a killed run loses of a compressed file at most. Smaller frames would compress little.
const FRAME_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
