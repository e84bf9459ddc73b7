//! One file of a spool.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use crate::export::account::Totals;
use crate::export::body::Body;
use crate::export::spool::format::{
    Identity, Position, RECORD_HEADER_LENGTH, RecordHeader, STATE_OFFSET, State, includes,
};
use crate::export::spool::key::{self, Key, SALT_LENGTH, SegmentKey, TAG_LENGTH};
use crate::export::spool::window::{Window, find_magic};
use crate::time::Timestamp;

/// Records in the order they came: what is before `done` was delivered, what is between `done` and
/// `read` is on its way, what is behind `read` waits.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) context: Arc<str>,
    salt: [u8; SALT_LENGTH],
    pub(super) done: Position,
    pub(super) read: Position,
    pub(super) end: Position,
    /// How much of it the file has; the rest is in `pending`.
    pub(super) written: Position,
    /// Records behind `written`, as they will stand in the file.
    pending: Vec<u8>,
    /// Counted as lost, behind `done`.
    pub(super) lost: Totals,
    /// What of `lost` is behind `read` and will be met again.
    pub(super) lost_ahead: Totals,
    /// Bodies that were handed out since the last rewind and are not delivered.
    pub(super) in_flight: usize,
    pub(super) oldest: Timestamp,
    pub(super) newest: Timestamp,
    /// Octets that were delivered since the file was told.
    untold: u64,
    pub(super) state_is_old: bool,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    key: SegmentKey,
    window: Window,
}

/// A body that was handed out and may come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// Its segment.
    pub(super) segment: u64,
    /// What it tells of.
    pub(super) totals: Totals,
    after: Position,
    gap: Totals,
}

impl Segment {
    /// A new file for bodies encoded as `context` says; nothing is left of it if it fails.
    pub(super) fn create(
        path: PathBuf,
        number: u64,
        context: &Arc<str>,
        key: &Key,
        now: Timestamp,
    ) -> io::Result<Self> {
        let salt = key::salt()?;
        let segment_key = key_of(key, &salt, number, context);
        let identity = Identity {
            number,
            salt,
            verifier: segment_key.verifier(),
            context: context.as_ref().to_owned(),
        };
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let state = State { newest: now, ..State::EMPTY };
        let header = [identity.encode().as_slice(), state.encode().as_slice()].concat();
        if let Err(error) = file.write_all_at(&header, 0) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let mut segment = Self::found(path, identity, Arc::clone(context), state);
        segment.open = Some(Open { file, key: segment_key, window: Window::default() });
        Ok(segment)
    }

    /// A segment of an earlier run, whole up to `state.end`.
    pub(super) fn found(
        path: PathBuf,
        identity: Identity,
        context: Arc<str>,
        state: State,
    ) -> Self {
        Self {
            number: identity.number,
            path,
            context,
            salt: identity.salt,
            done: state.done,
            read: state.done,
            end: state.end,
            written: state.end,
            pending: Vec::new(),
            lost: state.lost,
            lost_ahead: state.lost,
            in_flight: 0,
            oldest: state.newest,
            newest: state.newest,
            untold: 0,
            state_is_old: false,
            open: None,
        }
    }

    /// What is neither delivered nor counted as lost.
    pub(super) fn waiting(&self) -> Totals {
        self.end.totals.less(self.done.totals).less(self.lost)
    }

    pub(super) fn has_unread(&self) -> bool {
        self.read.index < self.end.index
    }

    /// Whether nothing in it is of any use.
    pub(super) fn is_finished(&self) -> bool {
        !self.has_unread() && self.in_flight == 0
    }

    /// Octets that are in memory only.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Puts `body` behind the others, in memory: see [`Self::write_out`].
    pub(super) fn append(&mut self, body: &Body, now: Timestamp) -> io::Result<()> {
        let too_long = || io::Error::from(io::ErrorKind::InvalidInput);
        let open = self.open.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let index = self.end.index;
        let header = RecordHeader {
            index,
            length: u32::try_from(body.sets.len()).map_err(|_| too_long())?,
            time: now,
            totals: body.totals,
            before: self.end.totals,
        };
        let end = Position {
            index: index.checked_add(1).ok_or_else(too_long)?,
            offset: self.end.offset.saturating_add(header.record_length()),
            totals: header.through(),
        };
        let octets = header.encode();
        let start = self.pending.len();
        self.pending.extend_from_slice(&octets);
        self.pending.extend_from_slice(&body.sets);
        let sealed = match self.pending.get_mut(start + RECORD_HEADER_LENGTH..) {
            Some(sets) => open.key.seal(index, &octets, sets),
            None => Err(too_long()),
        };
        match sealed {
            Ok(tag) => self.pending.extend_from_slice(&tag),
            Err(error) => {
                self.pending.truncate(start);
                return Err(error);
            }
        }
        if self.end.index == 0 {
            self.oldest = now;
        }
        self.newest = if self.end.index == 0 { now } else { self.newest.max(now) };
        self.end = end;
        self.state_is_old = true;
        Ok(())
    }

    /// Gives what is in memory to the file; if that fails it stays in memory, and the file is as
    /// long as before.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let open = self.open.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        if let Err(error) = open.file.write_all_at(&self.pending, self.written.offset) {
            let _ = open.file.set_len(self.written.offset);
            return Err(error);
        }
        self.pending.clear();
        self.written = self.end;
        Ok(())
    }

    /// No more is appended.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.pending = Vec::new();
        self.save();
        if self.in_flight == 0 {
            self.open = None; // there may be thousands that wait
        }
        Ok(())
    }

    /// Writes the state into the file. That it cannot costs no more than duplicates.
    pub(super) fn save(&mut self) {
        let state = State { end: self.end, done: self.done, lost: self.lost, newest: self.newest };
        let saved = match &self.open {
            Some(open) => open.file.write_all_at(&state.encode(), STATE_OFFSET),
            None => OpenOptions::new()
                .write(true)
                .open(&self.path)
                .and_then(|file| file.write_all_at(&state.encode(), STATE_OFFSET)),
        };
        if saved.is_ok() {
            (self.state_is_old, self.untold) = (false, 0);
        }
    }

    /// The next body behind `read`, `None` at the end; what had to be skipped is added to `lost`.
    ///
    /// # Errors
    ///
    /// The file is there and cannot be opened, for want of descriptors for example: later.
    pub(super) fn next(
        &mut self,
        key: &Key,
        lost: &mut Totals,
    ) -> io::Result<Option<(Body, Flight)>> {
        if self.open.is_none() {
            match self.reopen(key) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    *lost += self.skip_rest();
                    return Ok(None);
                }
                opened => opened?,
            }
        }
        let mut offset = self.read.offset;
        while offset < self.end.offset {
            let Some(header) = self.header_at(offset) else {
                match self.find_record(offset.saturating_add(1)) {
                    Some(found) => offset = found,
                    None => break,
                }
                continue;
            };
            if let Some(sets) = self.open_at(offset, &header) {
                let gap = header.before.less(self.read.totals);
                *lost += self.lose(gap);
                self.read = Position {
                    index: header.index.saturating_add(1),
                    offset: offset.saturating_add(header.record_length()),
                    totals: header.through(),
                };
                self.in_flight += 1;
                if !self.has_unread() {
                    self.forget_window();
                }
                let totals = header.totals;
                let flight = Flight { segment: self.number, totals, after: self.read, gap };
                return Ok(Some((Body { sets, totals }, flight)));
            }
            offset = offset.saturating_add(header.record_length());
        }
        *lost += self.skip_rest();
        Ok(None)
    }

    /// A body has arrived.
    pub(super) fn deliver(&mut self, flight: &Flight) {
        let octets = flight.after.offset.saturating_sub(self.done.offset);
        self.done = flight.after;
        self.lost = self.lost.less(flight.gap);
        self.in_flight = self.in_flight.saturating_sub(1);
        self.state_is_old = true;
        self.untold = self.untold.saturating_add(octets);
        if self.untold >= UNTOLD_MAXIMUM && !self.is_finished() {
            self.save();
        }
    }

    /// Everything that is not delivered will be read again.
    pub(super) fn rewind(&mut self) {
        self.read = self.done;
        self.lost_ahead = self.lost;
        self.in_flight = 0;
    }

    /// The file is not there any more, and what was to be written neither; returns what is lost.
    pub(super) fn vanish(&mut self) -> Totals {
        self.open = None;
        self.pending = Vec::new();
        self.skip_rest()
    }

    /// Gives up what is in memory only; returns what that was.
    pub(super) fn give_up_pending(&mut self) -> Totals {
        let given_up = if self.done.index > self.written.index {
            self.waiting()
        } else {
            self.end.totals.less(self.written.totals)
        };
        self.end = self.written;
        self.pending = Vec::new();
        given_up
    }

    /// A clock that was set must neither keep the segment forever nor remove it at once.
    pub(super) fn follow_clock(&mut self, now: Timestamp) {
        let ahead = self.newest > now;
        let unset = self.newest < CLOCK_IS_SET && now >= CLOCK_IS_SET;
        if ahead || unset {
            self.newest = now;
            self.state_is_old = true;
        }
        self.oldest = if unset { now } else { self.oldest.min(now) };
    }

    /// Counts `gap`, records between `read` and the next good one, as lost; returns what of it was
    /// not counted before.
    fn lose(&mut self, gap: Totals) -> Totals {
        let new = gap.less(self.lost_ahead);
        self.lost_ahead = self.lost_ahead.less(gap);
        self.lost += new;
        if !new.is_zero() {
            self.state_is_old = true;
        }
        new
    }

    /// Counts everything behind `read` as lost; returns what of it was not counted before.
    fn skip_rest(&mut self) -> Totals {
        let new = self.lose(self.end.totals.less(self.read.totals));
        self.read = self.end;
        self.forget_window();
        new
    }

    fn forget_window(&mut self) {
        if let Some(open) = &mut self.open {
            open.window.clear();
        }
    }

    fn reopen(&mut self, key: &Key) -> io::Result<()> {
        // On a read-only file system there is still something to deliver.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
            .or_else(|_| File::open(&self.path))?;
        let key = key_of(key, &self.salt, self.number, &self.context);
        self.open = Some(Open { file, key, window: Window::default() });
        Ok(())
    }

    fn header_at(&mut self, offset: u64) -> Option<RecordHeader> {
        let (read, end) = (self.read, self.end);
        let octets = *self.octets(offset, RECORD_HEADER_LENGTH)?.first_chunk()?;
        let header = RecordHeader::decode(&octets, &read)?;
        let plausible = header.index < end.index && includes(end.totals, header.through());
        plausible.then_some(header)
    }

    fn open_at(&mut self, offset: u64, header: &RecordHeader) -> Option<Vec<u8>> {
        let length = usize::try_from(header.length).ok()?.checked_add(TAG_LENGTH)?;
        let start = offset.checked_add(RECORD_HEADER_LENGTH as u64)?;
        let sealed = self.octets(start, length)?.to_vec();
        self.open.as_ref()?.key.open(header.index, &header.encode(), sealed)
    }

    /// The octets of the file to be, the part in memory included.
    fn octets(&mut self, offset: u64, length: usize) -> Option<&[u8]> {
        match offset.checked_sub(self.written.offset) {
            Some(start) => {
                let start = usize::try_from(start).ok()?;
                self.pending.get(start..start.checked_add(length)?)
            }
            None => {
                let open = self.open.as_mut()?;
                open.window.get(&open.file, offset, length, self.written.offset)
            }
        }
    }

    fn find_record(&mut self, offset: u64) -> Option<u64> {
        let limit = self.written.offset;
        let open = self.open.as_mut()?;
        let in_file = open.window.find_record(&open.file, offset, limit);
        in_file.or_else(|| {
            let start = usize::try_from(offset.saturating_sub(limit)).ok()?;
            let found = find_magic(self.pending.get(start..)?)?;
            offset.max(limit).checked_add(found as u64)
        })
    }
}

/// The key of a segment is bound to its place in the queue and to how its bodies are encoded.
pub(super) fn key_of(
    key: &Key,
    salt: &[u8; SALT_LENGTH],
    number: u64,
    context: &str,
) -> SegmentKey {
    key.of_segment(salt, &[PURPOSE, &number.to_be_bytes(), context.as_bytes()])
}

const PURPOSE: &[u8] = b"flowtap spool segment";
/// How much that was delivered may be delivered again after a crash, if nobody calls `flush`.
const UNTOLD_MAXIMUM: u64 = 64 << 10;
/// Before 2020 there was no flowtap: the clock had not been set when this was written.
const CLOCK_IS_SET: Timestamp = Timestamp::from_parts(1_577_836_800, 0);
