//! The walk through all files, record by record.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::filter::Filter;
use super::input::{self, Source};
use super::subject::{Session, Subject};
use super::summary::Summary;
use crate::cli::complain;
use crate::cli::table::Facts;
use crate::ipfix::reader::{Reader, Record};

/// What is done with the records that are met.
pub(super) trait Visitor {
    /// The records of the next file follow.
    fn begin_file(&mut self) {}

    /// A record that was asked for; `Break` if no more are wanted.
    fn flow(&mut self, subject: &Subject<'_, '_>) -> anyhow::Result<ControlFlow<()>>;

    /// A record of an Options Template.
    fn options(&mut self, _: &Record<'_>) -> anyhow::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

/// Where notes on oddities of a file go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Notes {
    /// Below the table, for all files together.
    Summary,
    /// On standard error.
    StandardError,
    /// There, and with them that options records were left out.
    StandardErrorOptionsToo,
    /// Nowhere: these files are walked through once more.
    Nowhere,
}

/// A walk and what was learnt on it.
#[derive(Debug)]
pub(super) struct Walk<'q> {
    filter: Option<&'q Filter>,
    notes: Notes,
    facts: Facts,
    failures: Vec<anyhow::Error>,
    files: usize,
    pub(super) summary: Summary,
}

impl<'q> Walk<'q> {
    pub(super) fn new(filter: Option<&'q Filter>, notes: Notes) -> Self {
        let summary = Summary::new(filter.is_some());
        let facts = Facts::default();
        Self { filter, notes, facts, failures: Vec::new(), files: 0, summary }
    }

    /// Reads files in the order given, unless the visitor has enough.
    pub(super) fn files(
        &mut self,
        files: &[PathBuf],
        visitor: &mut dyn Visitor,
    ) -> anyhow::Result<()> {
        self.files = files.len();
        for path in files {
            if self.file(path, input::open(path), visitor)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The same for what was made ready to be read several times.
    pub(super) fn sources(
        &mut self,
        sources: &[(&Path, anyhow::Result<Source<'_>>)],
        visitor: &mut dyn Visitor,
    ) -> anyhow::Result<()> {
        self.files = sources.len();
        for (path, source) in sources {
            let opened = match source {
                Ok(source) => source.open(),
                Err(error) => Err(anyhow!("{error:#}")),
            };
            if self.file(path, opened, visitor)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Fails if a file did.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        match (self.failures.pop(), self.files) {
            (None, _) => Ok(()),
            (Some(error), 0 | 1) => Err(error),
            // Each was told when it was met.
            (Some(_), files) => {
                Err(anyhow!("{} of {files} files could not be read whole", self.failures.len() + 1))
            }
        }
    }

    fn file(
        &mut self,
        path: &Path,
        opened: anyhow::Result<Box<dyn Read + '_>>,
        visitor: &mut dyn Visitor,
    ) -> anyhow::Result<ControlFlow<()>> {
        visitor.begin_file();
        let mut reader = match opened {
            Ok(input) => Reader::new(input),
            Err(error) => {
                self.fail(error);
                return Ok(ControlFlow::Continue(()));
            }
        };
        // RFC 5655 §7.1: a file is a Transport Session.
        let mut session = Session::default();
        let mut goes_on = ControlFlow::Continue(());
        while goes_on.is_continue() {
            goes_on = match reader.next_record() {
                Ok(Some(record)) => self.record(&record, &mut session, visitor)?,
                Ok(None) => break,
                Err(error) => {
                    self.fail(anyhow!("{}: {error}", path.display()));
                    break;
                }
            };
        }
        self.summary.end_file(path, reader.statistics(), self.notes, goes_on.is_break());
        Ok(goes_on)
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        session: &mut Session,
        visitor: &mut dyn Visitor,
    ) -> anyhow::Result<ControlFlow<()>> {
        if record.template().is_options() {
            session.learn(record);
            self.summary.add_options_record(record);
            return visitor.options(record);
        }
        self.facts.read(record.fields(), session.time_base(record));
        let subject = Subject { record, facts: &self.facts, session };
        self.summary.read += 1;
        if self.filter.is_some_and(|filter| !filter.matches(&subject)) {
            return Ok(ControlFlow::Continue(()));
        }
        self.summary.totals.add(subject.facts);
        visitor.flow(&subject)
    }

    fn fail(&mut self, error: anyhow::Error) {
        if self.files > 1 && self.notes != Notes::Nowhere {
            complain(&error);
        }
        self.failures.push(error);
    }
}
