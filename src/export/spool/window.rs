//! Large reads of a file that is looked at in small pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::export::spool::format::RECORD_MAGIC;

/// A piece of one file, in memory.
#[derive(Debug, Default)]
pub(super) struct Window {
    buffer: Vec<u8>,
    start: u64,
    length: usize,
}

impl Window {
    /// The `length` octets at `offset`; `None` if the file does not have them before `limit`.
    pub(super) fn get(
        &mut self,
        file: &File,
        offset: u64,
        length: usize,
        limit: u64,
    ) -> Option<&[u8]> {
        let end = offset.checked_add(length as u64).filter(|&end| end <= limit)?;
        if offset < self.start || end > self.start.saturating_add(self.length as u64) {
            self.fill(file, offset, length, limit);
        }
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.buffer.get(..self.length)?.get(start..start.checked_add(length)?)
    }

    /// The first place at `offset` or behind it, before `limit`, where a record may begin.
    pub(super) fn find_record(&mut self, file: &File, offset: u64, limit: u64) -> Option<u64> {
        let mut offset = offset;
        loop {
            self.fill(file, offset, RECORD_MAGIC.len(), limit);
            let piece = self.buffer.get(..self.length)?;
            if let Some(found) = find_magic(piece) {
                return offset.checked_add(found as u64);
            }
            let step = piece.len().checked_sub(RECORD_MAGIC.len() - 1).filter(|&step| step > 0)?;
            offset = offset.checked_add(step as u64)?;
        }
    }

    /// Forgets what it holds, and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads ahead from `offset`; what cannot be read is not there.
    fn fill(&mut self, file: &File, offset: u64, length: usize, limit: u64) {
        let most = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = length.max(READ_AHEAD).min(most);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        (self.start, self.length) = (offset, 0);
        while let Some(room) = self.buffer.get_mut(self.length..wanted) {
            match file.read_at(room, offset.saturating_add(self.length as u64)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => self.length += count,
            }
            if self.length == wanted {
                return;
            }
        }
    }
}

/// Where the first mark of a record is in `octets`.
pub(super) fn find_magic(octets: &[u8]) -> Option<usize> {
    octets.windows(RECORD_MAGIC.len()).position(|four| four == RECORD_MAGIC)
}

const READ_AHEAD: usize = 256 << 10;
