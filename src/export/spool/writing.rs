//! How records get into the spool: at its end, or before everything that waits.

use std::borrow::Borrow;
use std::fs;
use std::io;

use super::Spool;
use super::error::PushError;
use super::format::{HEADER_LENGTH, record_length};
use super::segment::Segment;
use crate::export::body::Body;
use crate::time::Timestamp;

impl Spool {
    /// Puts `body` at the end of the queue.
    ///
    /// # Errors
    ///
    /// The body was not taken, what waits is as it was, and a later push tries again.
    pub(crate) fn push(&mut self, body: &Body, now: Timestamp) -> Result<(), PushError> {
        let length = record_length(body.sets.len() as u64);
        let mut has_room = self.last_has_room(length, now);
        let header = if has_room { 0 } else { HEADER_LENGTH as u64 };
        if self.octets.saturating_add(length).saturating_add(header) > self.maximum_octets {
            return Err(PushError::Full);
        }
        if !has_room || self.last_pending() >= WRITE_AT {
            self.mend_directory()?;
            has_room &= self.appending;
        }
        if !has_room {
            self.append_segment(now)?;
        }
        let Some(segment) = self.segments.back_mut() else {
            return Err(io::Error::from(io::ErrorKind::NotFound).into());
        };
        if segment.pending() >= WRITE_AT {
            segment.write_out()?;
        }
        segment.append(body, now)?;
        self.octets = self.octets.saturating_add(length);
        self.waiting += body.totals;
        Ok(())
    }

    /// Puts `bodies` before everything that waits, in their order; what was read and is not
    /// delivered waits behind them if it is rewound.
    ///
    /// Returns how many were taken, counted from the first, and why the others were not.
    pub(crate) fn push_front<B: Borrow<Body>>(
        &mut self,
        bodies: &[B],
        now: Timestamp,
    ) -> (usize, Option<PushError>) {
        if bodies.is_empty() {
            return (0, None);
        }
        if let Err(error) = self.mend_directory() {
            return (0, Some(error.into()));
        }
        let (chunks, mut refused) = self.chunks(bodies);
        let first = self.segments.front().map_or(FIRST_NUMBER, |segment| segment.number);
        let mut number = first.saturating_sub(chunks.len() as u64);
        let mut created = Vec::with_capacity(chunks.len());
        let mut taken = 0;
        for chunk in chunks {
            match self.write_segment(number, chunk, now) {
                Ok(segment) => created.push(segment),
                Err(error) => {
                    refused = Some(error.into());
                    break;
                }
            }
            number = number.saturating_add(1);
            taken += chunk.len();
        }
        for segment in created.into_iter().rev() {
            self.octets = self.octets.saturating_add(segment.end.offset);
            self.waiting += segment.end.totals;
            self.segments.push_front(segment);
        }
        (taken, refused)
    }

    /// Whether the last segment takes a record of `length` octets.
    fn last_has_room(&self, length: u64, now: Timestamp) -> bool {
        let Some(segment) = self.segments.back().filter(|_| self.appending) else { return false };
        segment.end.index == 0
            || segment.end.index < u32::MAX
                && segment.end.offset.saturating_add(length) <= self.segment_octets
                && now.since(segment.oldest) <= self.maximum_age / SEGMENTS_AN_AGE
    }

    fn last_pending(&self) -> usize {
        self.segments.back().map_or(0, Segment::pending)
    }

    /// Ends the last segment and begins another behind it.
    fn append_segment(&mut self, now: Timestamp) -> io::Result<()> {
        if self.appending
            && let Some(segment) = self.segments.back_mut()
        {
            segment.end()?;
            self.appending = false;
        }
        let number = match self.segments.back() {
            Some(segment) => segment.number.saturating_add(1),
            None => FIRST_NUMBER,
        };
        let path = self.directory.segment(number);
        let segment = Segment::create(path, number, &self.context, &self.key, now)?;
        self.octets = self.octets.saturating_add(segment.end.offset);
        self.segments.push_back(segment);
        self.appending = true;
        Ok(())
    }

    /// A segment of its own for `bodies`; nothing is left of it if it fails.
    fn write_segment<B: Borrow<Body>>(
        &self,
        number: u64,
        bodies: &[B],
        now: Timestamp,
    ) -> io::Result<Segment> {
        let path = self.directory.segment(number);
        let mut segment = Segment::create(path, number, &self.context, &self.key, now)?;
        let written = bodies.iter().try_for_each(|body| {
            segment.append(body.borrow(), now)?;
            if segment.pending() >= WRITE_AT { segment.write_out() } else { Ok(()) }
        });
        match written.and_then(|()| segment.end()) {
            Ok(()) => Ok(segment),
            Err(error) => {
                let _ = fs::remove_file(&segment.path);
                Err(error)
            }
        }
    }

    /// The first of `bodies`, as many as there is room for, cut into segments.
    fn chunks<'a, B: Borrow<Body>>(&self, bodies: &'a [B]) -> (Vec<&'a [B]>, Option<PushError>) {
        let mut chunks = Vec::new();
        let mut rest = bodies;
        let mut octets = self.octets;
        while !rest.is_empty() {
            let mut length = HEADER_LENGTH as u64;
            let mut count = 0;
            for body in rest {
                let with = length.saturating_add(record_length(body.borrow().sets.len() as u64));
                let is_full = octets.saturating_add(with) > self.maximum_octets;
                if is_full || count > 0 && with > self.segment_octets {
                    break;
                }
                (length, count) = (with, count + 1);
            }
            let Some((chunk, behind)) = rest.split_at_checked(count).filter(|_| count > 0) else {
                return (chunks, Some(PushError::Full));
            };
            chunks.push(chunk);
            octets = octets.saturating_add(length);
            rest = behind;
        }
        (chunks, None)
    }
}

/// The number of the first segment: there is room before it and behind it.
const FIRST_NUMBER: u64 = 1 << 63;
/// For what part of the maximum age a segment takes records.
const SEGMENTS_AN_AGE: u32 = 16;
/// Octets that are gathered before they are written.
const WRITE_AT: usize = 64 << 10;
