//! What an earlier process left behind.
//!
//! Segments are known by the number in them, not by their names, so that neither a copy nor a file
//! that was renamed changes the order or is delivered twice. A file with a name of ours that holds
//! no segment (garbage, another version, a damaged header), or one under a key that we do not have,
//! can never be delivered: what its plain parts tell of is counted, and it is removed. A file with
//! any other name is not ours and stays.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::export::account::Totals;
use crate::export::spool::directory::Directory;
use crate::export::spool::format::{
    HEADER_LENGTH, Identity, Position, RECORD_HEADER_LENGTH, RecordHeader, STATE_OFFSET, State,
};
use crate::export::spool::key::Key;
use crate::export::spool::segment::{Segment, key_of};
use crate::export::spool::window::Window;
use crate::time::Timestamp;

/// What an earlier process left in the spool of a target.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Recovery {
    /// Waits, and will be delivered. What of it turns out to be damaged when it is read, is then
    /// counted by [`Spool::take_losses`](super::Spool::take_losses).
    pub(crate) readable: Totals,
    /// Cannot be delivered, for want of the key of that process or because it is damaged. Nobody
    /// else counts it.
    pub(crate) lost: Totals,
    /// Files that were removed because nothing of them can be read.
    pub(crate) removed_files: usize,
    /// Files that are not ours, and left alone.
    pub(crate) foreign_files: usize,
}

/// Finds the segments in `directory`, in order.
pub(super) fn recover(
    directory: &Directory,
    key: &Key,
    now: Timestamp,
) -> io::Result<(Vec<Segment>, Recovery)> {
    let (paths, foreign_files) = directory.segments()?;
    let mut recovery = Recovery { foreign_files, ..Recovery::default() };
    let mut found = BTreeMap::<u64, Segment>::new();
    for path in paths {
        let examined = examine(&path, key, now)?;
        let Some(segment) = examined.segment else {
            recovery.lost += examined.lost;
            remove(&path, &mut recovery);
            continue;
        };
        let is_copy = found.contains_key(&segment.number);
        if is_copy && path != directory.segment(segment.number) {
            remove(&path, &mut recovery);
            continue;
        }
        recovery.lost += examined.lost;
        if let Some(copy) = found.insert(segment.number, segment) {
            remove(&copy.path, &mut recovery);
        }
    }
    let mut segments: Vec<_> = found.into_values().collect();
    rename(directory, &mut segments)?;
    segments.retain_mut(|segment| {
        let waits = segment.has_unread();
        if waits {
            segment.save();
            recovery.readable += segment.waiting();
        } else {
            let _ = fs::remove_file(&segment.path);
        }
        waits
    });
    Ok((segments, recovery))
}

struct Examined {
    segment: Option<Segment>,
    lost: Totals,
}

fn examine(path: &Path, key: &Key, now: Timestamp) -> io::Result<Examined> {
    let file =
        OpenOptions::new().read(true).write(true).open(path).or_else(|_| File::open(path))?;
    let mut header = [0; HEADER_LENGTH];
    match file.read_exact_at(&mut header, 0) {
        // Made and not filled: there is no record in it.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Examined { segment: None, lost: Totals::default() });
        }
        read => read?,
    }
    let identity = Identity::decode(&header).filter(|identity| {
        let key = key_of(key, &identity.salt, identity.number, &identity.context);
        key.verifier() == identity.verifier
    });
    let length = file.metadata()?.len();
    let mut state = State::decode(&header).unwrap_or(State::EMPTY);
    let mut lost = find_end(&file, &mut state, length);
    let Some(identity) = identity else {
        lost += state.end.totals.less(state.done.totals).less(state.lost);
        return Ok(Examined { segment: None, lost });
    };
    // Half a record at the end was counted just now, and must not be met again.
    let _ = file.set_len(state.end.offset);
    let _ = file.write_all_at(&state.encode(), STATE_OFFSET);
    let context = Arc::from(identity.context.as_str());
    let mut segment = Segment::found(path.to_owned(), identity, context, state);
    segment.follow_clock(now);
    Ok(Examined { segment: Some(segment), lost })
}

/// Sets the end in `state` to that of the last whole record in the file; returns what is missing
/// behind it, as far as anything tells.
///
/// What was appended since the state was written is found by its headers. Damage between two good
/// records is left to be found by who reads them.
fn find_end(file: &File, state: &mut State, length: u64) -> Totals {
    let claimed = state.end.totals;
    let mut through = claimed;
    if state.end.offset > length {
        state.end = if state.done.offset > length {
            Position { offset: length, ..state.done }
        } else {
            state.done
        };
    }
    let mut window = Window::default();
    let mut offset = state.end.offset;
    while offset < length {
        let header = window
            .get(file, offset, RECORD_HEADER_LENGTH, length)
            .and_then(|octets| RecordHeader::decode(octets.first_chunk()?, &state.end));
        let Some(header) = header else {
            match window.find_record(file, offset.saturating_add(1), length) {
                Some(found) => offset = found,
                None => break,
            }
            continue;
        };
        let end = offset.saturating_add(header.record_length());
        if end > length {
            through = larger(through, header.through());
            break;
        }
        state.end = Position {
            index: header.index.saturating_add(1),
            offset: end,
            totals: header.through(),
        };
        state.newest = state.newest.max(header.time);
        offset = end;
    }
    let mut missing = larger(through, state.end.totals).less(state.end.totals);
    // What was counted as lost before is not lost twice.
    let left = state.end.totals.less(state.done.totals);
    let counted_behind = state.lost.less(left);
    state.lost = state.lost.less(counted_behind);
    missing = missing.less(counted_behind);
    missing
}

/// Gives every file the name that its number asks for.
fn rename(directory: &Directory, segments: &mut [Segment]) -> io::Result<()> {
    // By way of a third name, as two may have changed places.
    for by_the_way in [true, false] {
        for segment in segments.iter_mut() {
            let right = directory.segment(segment.number);
            if segment.path != right {
                let to = if by_the_way { directory.moved_segment(segment.number) } else { right };
                fs::rename(&segment.path, &to)?;
                segment.path = to;
            }
        }
    }
    Ok(())
}

fn remove(path: &Path, recovery: &mut Recovery) {
    let _ = fs::remove_file(path);
    recovery.removed_files += 1;
}

fn larger(one: Totals, other: Totals) -> Totals {
    Totals {
        records: one.records.max(other.records),
        packets: one.packets.max(other.packets),
        octets: one.octets.max(other.octets),
    }
}
