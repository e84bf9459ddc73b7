//! How far the decoder reads into a frame.

use std::cell::Cell;

use super::*;

/// Where the last header ends that is read of `frame`, step by step, for whatever comes of it: the
/// furthest octet of all that was taken, skipped or looked at.
pub(crate) fn header_end(frame: &Frame<'_>, config: Config) -> usize {
    let start = frame.bytes.as_ptr().addr();
    FURTHEST.set(start);
    let mut headers = Headers::BLANK;
    let _ = decode_step_by_step(frame, config, &mut headers);
    FURTHEST.get() - start
}

/// Takes note that these octets were read.
pub(in crate::decode) fn note(octets: &[u8]) {
    let end = octets.as_ptr_range().end.addr();
    FURTHEST.set(FURTHEST.get().max(end));
}

thread_local! {
    static FURTHEST: Cell<usize> = const { Cell::new(0) };
}
