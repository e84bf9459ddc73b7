//! The cut: a frame ends with its last header, before anything of this program looks at it.
//!
//! [`program`](program::program) does it in the kernel: attached to a socket, it keeps the kernel from
//! copying what follows. [`header_end`] says where, in plain code, for frames that are there whole
//! (files, and live capture where the kernel cannot cut).
//!
//! What is promised, and held by the tests in `pipeline/tests/truncation.rs`, on packets made up, on
//! damaged ones and on captures of others:
//!
//! - **Nothing is lost.** The cut frame decodes as the whole one does: the same headers or the same
//!   error. Whatever stands behind the cut, in whatever octets, changes nothing either.
//! - **Nothing is left.** The cut never lies beyond the last header that the decoder reads. A header
//!   that claims more octets than its packet has is left where it stops being believed.
//! - **It is one cut.** Both ways give the same, and a frame that was cut is not cut again.
//!
//! The wire length of a frame stays what it was: lengths are counted by it and by length fields.
//!
//! Header by header this follows [`crate::frame::nesting`] deep, as the decoder does.

mod cut;

#[cfg(test)]
pub(crate) mod interpreter;

pub mod program;

pub use cut::header_end;

use crate::frame::Frame;

/// The frame up to the end of its last header.
#[inline]
pub fn cut(frame: Frame<'_>, reach: Reach) -> Frame<'_> {
    // The tag that the kernel took out is not among the octets.
    let tag = if frame.stripped_vlan.is_some() { VLAN_TAG } else { 0 };
    // Whoever wrote the capture may have put down less than is there, which then was on the wire.
    let captured = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
    let on_wire = frame.wire_length.saturating_sub(tag).max(captured);
    let end = header_end(frame.link_type, frame.bytes, on_wire, reach);
    let bytes = frame.bytes.get(..end).unwrap_or(frame.bytes);
    Frame { bytes, wire_length: on_wire.saturating_add(tag), ..frame }
}

/// Which headers of a packet in a tunnel are let through.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// Those of the innermost packet too.
    #[default]
    Inner,
    /// Those of the outermost packet only; the tunnel's header and what follows are payload.
    Outer,
}

const VLAN_TAG: u32 = 4;
