//! From one file to the next: when one begins and ends, and what comes after trouble.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason};
use crate::export::config::Pace;
use crate::export::error::ExportError;
use crate::export::file::ipfix_file::{Ended, Fault, IpfixFile, Top};
use crate::export::file::{Current, FileSink, State};

impl FileSink {
    /// Begins a file, of which nothing is written yet.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let start = self.rotation.start(self.now);
        let output = self.place.create(start)?;
        let options = Arc::clone(&self.options);
        let domain = self.observation_domain;
        let mapping = self.disclosure.mapping();
        let file = IpfixFile::new(output, domain, mapping, options, self.exported);
        self.state = State::Writing(Box::new(Current { file, start, filled: self.now, top: None }));
        Ok(())
    }

    /// Begins a file, and writes what stands at its top.
    pub(super) fn begin(&mut self, account: &mut Account) -> Result<(), ExportError> {
        if let Err(source) = self.open() {
            let target = self.target.clone();
            return self.suspend(ExportError::Create { target, source }, account);
        }
        self.write_top(account)
    }

    pub(super) fn write_top(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let State::Writing(current) = &mut self.state else { return Ok(()) };
        if current.top.is_some() {
            return Ok(());
        }
        // What stands at the top leaves most of a file to records.
        let room = self.rotation.size.map(|size| usize::try_from(size / 4).unwrap_or(usize::MAX));
        let top = Top {
            layouts: &self.layouts,
            room: room.unwrap_or(usize::MAX),
            interfaces: self.interfaces,
            seconds: self.now.as_secs(),
        };
        let mut begun = current.file.begin(top, account);
        if self.in_trouble && begun.is_ok() {
            // Not only into memory.
            begun = current.file.flush(account);
        }
        current.top = Some(current.file.written());
        begun.or_else(|fault| self.settle(fault, account))
    }

    /// Ends the file if it may have no other Message.
    pub(super) fn make_room(&mut self, account: &mut Account) -> Result<(), ExportError> {
        let (State::Writing(current), Some(size)) = (&mut self.state, self.rotation.size) else {
            return Ok(());
        };
        if current.file.has_room(size) {
            return Ok(());
        }
        if current.file.is_compressed() && current.file.is_buffering() {
            // How many octets it really takes is known then.
            if let Err(fault) = current.file.flush(account) {
                return self.settle(fault, account);
            }
            if current.file.has_room(size) {
                return Ok(());
            }
        }
        self.rotate(account)
    }

    /// Does what time asks for: the next file, or the next attempt at one.
    pub(super) fn turn(&mut self, account: &mut Account) -> Result<(), ExportError> {
        match &self.state {
            State::Waiting => Ok(()),
            State::Writing(current) => {
                if self.rotation.is_over(current.start, self.now, self.pace) {
                    self.rotate(account)
                } else {
                    self.write_top(account)
                }
            }
            State::Suspended { start, until } => {
                let is_over = self.rotation.is_over(*start, self.now, self.pace);
                if is_over || self.clock.monotonic() >= *until {
                    self.begin(account)?;
                }
                Ok(())
            }
        }
    }

    /// Ends the file and begins the next one, in a replay once there is a record for it.
    fn rotate(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.end_file(self.pace == Pace::Live, account)?;
        match (&self.state, self.pace) {
            (State::Waiting, Pace::Live) => self.begin(account),
            _ => Ok(()),
        }
    }

    /// Ends the file, with statistics if they do not depend on how far the workers have come.
    pub(super) fn end_file(
        &mut self,
        with_statistics: bool,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        let State::Writing(current) = mem::replace(&mut self.state, State::Waiting) else {
            return Ok(());
        };
        // The capture may go on much later, which is nothing to this file.
        let end = match self.pace {
            Pace::Replay => current.filled,
            Pace::Live => self.now,
        };
        let ended = current.file.end(with_statistics, end, account);
        let Ended { file, layouts, exported, unwritten, outcome } = ended;
        self.layouts = layouts;
        self.exported = exported;
        let completed = match (file, &self.closer) {
            (None, _) => Ok(()),
            (Some(file), None) => file.complete().map(drop),
            (Some(file), Some(closer)) => closer.complete(file),
        };
        let outcome = outcome.and_then(|()| completed.map_err(Fault::Write));
        let settled = outcome.or_else(|fault| self.settle(fault, account));
        // What a target lost that fails for good is found when its books are closed.
        if self.reader_is_gone {
            account.lost(LossReason::ReaderGone, unwritten);
        } else if self.goes_on_after_trouble() {
            self.lose(LossReason::NotSent, unwritten, account);
        }
        settled
    }

    /// Ends a file that cannot be written where it is good, and waits for better times.
    ///
    /// # Errors
    ///
    /// `error`, if the target is to fail for good.
    pub(super) fn suspend(
        &mut self,
        error: ExportError,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        if !self.goes_on_after_trouble() {
            return Err(error);
        }
        if !mem::replace(&mut self.in_trouble, true) {
            account.trouble(error);
        }
        self.end_file(self.pace == Pace::Live, account)?;
        let until = self.clock.monotonic().saturating_add(RETRY_INTERVAL);
        self.state = State::Suspended { start: self.rotation.start(self.now), until };
        Ok(())
    }

    /// Without rotation there is no other file, and a replay is not to depend on what a disk has
    /// room for at what time.
    fn goes_on_after_trouble(&self) -> bool {
        self.pace == Pace::Live && !self.rotation.is_off()
    }
}

/// Between two attempts at a file, unless the next period begins before.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
