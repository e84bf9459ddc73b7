//! Records that wait on disk, encrypted, for a Collector that is away.
//!
//! A [`Spool`] is a queue in files of a few MiB ([`segment`]), each under a key of its own that is
//! derived from the one of the spool ([`key`]; layout in [`mod@format`]). A file is removed when its
//! last record was delivered. What cannot be read, waited too long or went with its directory is
//! counted, so that everything pushed is delivered, waits, or is lost for a known reason.
//!
//! What survives what: the end of the process by `kill -9` costs what was pushed since the last
//! [`Spool::flush`], 64 KiB and one body at most, and a second delivery of as much; files are not
//! synchronised with the disk, so a power failure may cost what the kernel had not written. Without
//! a key file nothing survives the process, for the key is in its memory only.

mod directory;
mod error;
mod format;
mod inventory;
mod key;
mod recovery;
mod segment;
mod window;
mod writing;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use self::error::SpoolError;
pub use self::inventory::{SpoolInventory, SpoolSegment, SpoolTarget};

pub(crate) use self::error::PushError;
pub(crate) use self::recovery::Recovery;

use self::directory::Directory;
use self::format::{CONTEXT_MAXIMUM, HEADER_LENGTH, record_length};
use self::key::Key;
use self::segment::{Flight, Segment};
use crate::export::account::{LossReason, Totals};
use crate::export::body::Body;
use crate::export::config::SpoolConfig;
use crate::time::Timestamp;

/// The part of one target in the spool.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: Directory,
    key: Key,
    survives: bool,
    context: Arc<str>,
    maximum_octets: u64,
    /// When the file system was last asked what is free, and octets that there are and could be.
    room: Option<(Timestamp, u64)>,
    segment_octets: u64,
    maximum_age: Duration,
    /// In order, by number.
    segments: VecDeque<Segment>,
    /// Whether the last segment takes more.
    appending: bool,
    /// What was read and is not delivered, in the order it was read.
    in_flight: VecDeque<Flight>,
    waiting: Totals,
    octets: u64,
    expired: Totals,
    damaged: Totals,
}

/// What waited, and how it is encoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    /// As it was pushed.
    pub(crate) body: Body,
    /// What [`Spool::open`] was told by the run that pushed it.
    pub(crate) context: Arc<str>,
}

/// What became of what waited when the spool was closed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Closed {
    /// Waits for the next run.
    pub(crate) kept: Totals,
    /// Is gone: the key was in memory only, or the disk had no room for the last of it.
    pub(crate) dropped: Totals,
    /// What [`Spool::take_losses`] had not given out.
    pub(crate) losses: Vec<(LossReason, Totals)>,
}

impl Spool {
    /// Opens the part of `target`, a directory of its own below that of the spool, and finds what
    /// an earlier run left there.
    ///
    /// `context` says how the bodies are encoded, in 1 KiB at most, and comes back with them.
    ///
    /// # Errors
    ///
    /// What the user has to mend: the directory cannot be used or is in use, or the key file is not
    /// as it should be. A full disk is none.
    pub(crate) fn open(
        config: &SpoolConfig,
        target: &str,
        context: &str,
        now: Timestamp,
    ) -> Result<(Self, Recovery), SpoolError> {
        if context.len() > CONTEXT_MAXIMUM {
            return Err(SpoolError::ContextTooLong { maximum: CONTEXT_MAXIMUM });
        }
        // The directory first: the key file may be in it.
        let directory = Directory::open(&config.directory, target)?;
        let key = match &config.key_file {
            Some(path) => Key::from_file(path)?,
            None => Key::random()?,
        };
        let (segments, recovery) = recovery::recover(&directory, &key, now).map_err(|source| {
            SpoolError::Directory { path: directory.path().to_owned(), source }
        })?;
        let octets = segments.iter().map(|segment| segment.end.offset).sum();
        let mut spool = Self {
            directory,
            key,
            survives: config.key_file.is_some(),
            context: Arc::from(context),
            maximum_octets: config.maximum_octets,
            room: None,
            segment_octets: (config.maximum_octets / SEGMENTS)
                .clamp(SEGMENT_MINIMUM, SEGMENT_MAXIMUM),
            maximum_age: config.maximum_age,
            segments: segments.into(),
            appending: false,
            in_flight: VecDeque::new(),
            waiting: recovery.readable,
            octets,
            expired: Totals::default(),
            damaged: Totals::default(),
        };
        spool.measure(now);
        Ok((spool, recovery))
    }

    /// Octets that there may be.
    pub(crate) const fn maximum_octets(&self) -> u64 {
        self.maximum_octets
    }

    /// Octets that there can be: no more than the file system had room for when it was last asked.
    pub(crate) fn limit_octets(&self) -> u64 {
        self.room.map_or(self.maximum_octets, |(_, room)| room.min(self.maximum_octets))
    }

    /// Asks the file system what is free, if that was not a moment ago; to be called now and then.
    pub(crate) fn measure(&mut self, now: Timestamp) {
        let is_news =
            |(at, _): (Timestamp, u64)| now.since(at).max(at.since(now)) >= MEASURE_INTERVAL;
        if self.room.is_none_or(is_news) {
            // What is gathered and not written yet is not on it.
            let pending = self.segments.back().map_or(0, Segment::pending) as u64;
            let octets = self.octets.saturating_sub(pending);
            self.room = self.directory.free().map(|free| (now, octets.saturating_add(free)));
        }
    }

    /// Hands out the next body in order that was not read yet.
    ///
    /// What is damaged is skipped, and counted at the latest when the end of its segment is
    /// reached; so this may be `None` although [`Self::has_unread`] said otherwise.
    pub(crate) fn next(&mut self) -> Option<Stored> {
        loop {
            let position = self.segments.iter().position(Segment::has_unread)?;
            let segment = self.segments.get_mut(position)?;
            let mut lost = Totals::default();
            let next = segment.next(&self.key, &mut lost);
            let context = Arc::clone(&segment.context);
            let is_finished = segment.is_finished();
            self.lose_damaged(lost);
            match next {
                Ok(Some((body, flight))) => {
                    self.in_flight.push_back(flight);
                    return Some(Stored { body, context });
                }
                Ok(None) if is_finished => self.remove(position),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    }

    /// The oldest `count` bodies that were read have arrived; files that hold nothing else are
    /// removed.
    pub(crate) fn delivered(&mut self, count: usize) {
        for _ in 0..count {
            let Some(flight) = self.in_flight.pop_front() else { return };
            let found =
                self.segments.binary_search_by_key(&flight.segment, |segment| segment.number);
            let Ok(position) = found else { continue };
            let Some(segment) = self.segments.get_mut(position) else { continue };
            segment.deliver(&flight);
            self.waiting = self.waiting.less(flight.totals);
            if segment.is_finished() {
                self.remove(position);
            }
        }
    }

    /// What was read and is not delivered will be read again, before the rest.
    pub(crate) fn rewind(&mut self) {
        self.in_flight.clear();
        for segment in &mut self.segments {
            segment.rewind();
        }
    }

    /// Removes what has waited too long, and counts it.
    ///
    /// Whole segments go, when the newest record in them is too old; a segment takes records for a
    /// sixteenth of the maximum age, so that nothing is removed too early or stays much longer.
    /// A segment of which something was read and is not delivered stays: it may be arriving at this
    /// moment, and must not be counted twice. It goes when it was rewound.
    ///
    /// Ages follow the clock on the wall. If that is set back, what seems to come from the future
    /// counts from now on; so does what was written before the clock was set at all.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let mut position = 0;
        while let Some(segment) = self.segments.get_mut(position) {
            segment.follow_clock(now);
            if segment.in_flight > 0 || now.since(segment.newest) <= self.maximum_age {
                position += 1;
                continue;
            }
            let waiting = segment.waiting();
            self.expired += waiting;
            self.waiting = self.waiting.less(waiting);
            self.remove(position);
        }
    }

    /// Gives everything to the kernel, so that the end of this process costs none of it; to be
    /// called now and then. What cannot be written is tried again with the next push.
    pub(crate) fn flush(&mut self) {
        if !self.directory.is_in_place() {
            self.vanish();
        }
        if self.appending
            && let Some(segment) = self.segments.back_mut()
        {
            let _ = segment.write_out();
        }
        for segment in self.segments.iter_mut().filter(|segment| segment.state_is_old) {
            segment.save();
        }
    }

    /// What was lost since the last call: expired, or damaged.
    pub(crate) fn take_losses(&mut self) -> Vec<(LossReason, Totals)> {
        let expired = std::mem::take(&mut self.expired);
        let damaged = std::mem::take(&mut self.damaged);
        let mut losses = vec![(LossReason::Expired, expired), (LossReason::SpoolDamaged, damaged)];
        losses.retain(|(_, totals)| !totals.is_zero());
        losses
    }

    /// Whether there is something that was not read since it was pushed or rewound.
    pub(crate) fn has_unread(&self) -> bool {
        self.segments.iter().any(Segment::has_unread)
    }

    /// Whether what waits can be read by the next run.
    pub(crate) const fn survives(&self) -> bool {
        self.survives
    }

    /// Everything that is not delivered, read or not.
    pub(crate) const fn waiting(&self) -> Totals {
        self.waiting
    }

    /// Octets on disk, with those that are about to be written.
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }

    /// Ends in order: with a key file everything stays for the next run, with a key in memory the
    /// files are removed, for nobody could ever read them.
    pub(crate) fn close(mut self) -> Closed {
        let mut dropped = Totals::default();
        if self.survives {
            self.flush();
        } else {
            dropped = self.waiting;
            self.waiting = Totals::default();
        }
        if self.survives
            && let Some(segment) = self.segments.back_mut()
            && segment.pending() > 0
        {
            dropped = segment.give_up_pending();
            segment.save();
            self.waiting = self.waiting.less(dropped);
        }
        let kept = self.waiting;
        let losses = self.take_losses();
        if kept.is_zero() {
            while !self.segments.is_empty() {
                self.remove(0);
            }
            self.directory.remove();
        }
        Closed { kept, dropped, losses }
    }

    /// Makes the directory again if it is gone.
    fn mend_directory(&mut self) -> io::Result<()> {
        if self.directory.is_in_place() {
            return Ok(());
        }
        self.vanish();
        self.directory.restore()
    }

    /// Counts what is gone with the directory.
    fn vanish(&mut self) {
        let mut lost = Totals::default();
        let last = self.segments.len().saturating_sub(1);
        for (position, segment) in self.segments.iter_mut().enumerate() {
            if !fs::exists(&segment.path).unwrap_or(true) {
                lost += segment.vanish();
                if position == last {
                    self.appending = false;
                }
            }
        }
        self.lose_damaged(lost);
        for position in (0..self.segments.len()).rev() {
            if self.segments.get(position).is_some_and(Segment::is_finished) {
                self.remove(position);
            }
        }
    }

    fn lose_damaged(&mut self, lost: Totals) {
        self.damaged += lost;
        self.waiting = self.waiting.less(lost);
    }

    /// Removes a segment and its file.
    fn remove(&mut self, position: usize) {
        let Some(segment) = self.segments.remove(position) else { return };
        if position == self.segments.len() {
            self.appending = false;
        }
        self.octets = self.octets.saturating_sub(segment.end.offset);
        let _ = fs::remove_file(&segment.path);
    }
}

/// Octets on disk of so many bodies that have so many octets together.
pub fn octets_in_spool(octets: u64, bodies: u64) -> u64 {
    let records = octets.saturating_add(record_length(0).saturating_mul(bodies));
    let segments = records.div_ceil(SEGMENT_MAXIMUM - HEADER_LENGTH as u64);
    records.saturating_add(segments.saturating_mul(HEADER_LENGTH as u64))
}

/// Octets of a segment at most, unless one body is larger.
const SEGMENT_MAXIMUM: u64 = 4 << 20;
/// It is other people's disk, too, and fills up in more than an instant.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);
/// However small the spool.
const SEGMENT_MINIMUM: u64 = 16 << 10;
/// How many segments a full spool has at least: what is delivered makes room one by one.
const SEGMENTS: u64 = 16;
