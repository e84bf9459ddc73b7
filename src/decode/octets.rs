//! What was captured and what was on the wire, side by side.

use crate::frame::Frame;

/// The octets from one header on: those captured, and how many there were on the wire.
///
/// `captured` never exceeds `length`. Where it is shorter, either the snap length cut the frame or
/// a header claims more than the frame had; a header that reaches beyond `captured` but not
/// beyond `length` is therefore nobody's fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octets<'a> {
    captured: &'a [u8],
    length: usize,
}

impl<'a> Octets<'a> {
    /// The whole frame.
    ///
    /// A wire length below the capture length is a slip of whoever wrote the capture: what is
    /// there was on the wire. A VLAN tag that the kernel took out is not among the captured octets,
    /// so here it is not among those of the wire either.
    #[inline]
    pub(super) fn of(frame: &Frame<'a>) -> Self {
        let stripped = if frame.stripped_vlan.is_some() { STRIPPED_VLAN } else { 0 };
        let on_wire = frame.wire_length.saturating_sub(stripped);
        let on_wire = usize::try_from(on_wire).unwrap_or(usize::MAX);
        Self { captured: frame.bytes, length: on_wire.max(frame.bytes.len()) }
    }

    /// The captured octets.
    #[inline]
    pub(super) const fn captured(self) -> &'a [u8] {
        self.captured
    }

    /// The octets there were on the wire, or that the enclosing header claims.
    #[inline]
    pub(super) const fn length(self) -> usize {
        self.length
    }

    /// Whether the capture ends before the wire did.
    #[inline]
    pub(super) const fn is_cut(self) -> bool {
        self.captured.len() < self.length
    }

    /// The first `N` octets, which stay.
    #[inline]
    pub(super) fn peek<const N: usize>(self) -> Option<&'a [u8; N]> {
        self.note_read(N);
        self.captured.first_chunk()
    }

    /// The two octets at `offset`, in network byte order.
    #[inline]
    pub(super) fn u16_at(self, offset: usize) -> Option<u16> {
        self.note_read(offset + 2);
        self.captured.get(offset..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    /// Takes the first `N` octets off; nothing changes if they were not captured.
    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.note_read(N);
        let (taken, rest) = self.captured.split_first_chunk()?;
        self.captured = rest;
        self.length -= N;
        Some(taken)
    }

    /// Drops the first `count` octets; nothing changes if they were not captured.
    #[inline]
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.captured = self.captured.get(count..)?;
        self.length -= count;
        self.note_read(0);
        Some(())
    }

    /// Drops the first `count` octets, captured or not.
    #[inline]
    pub(super) fn pass(&mut self, count: usize) {
        self.note_read(count);
        self.captured = self.captured.get(count..).unwrap_or_default();
        self.length = self.length.saturating_sub(count);
    }

    /// Tells the tests that a header of `count` octets is read here, as far as it was captured.
    #[inline]
    pub(super) fn note_read(self, count: usize) {
        #[cfg(test)]
        super::tests::reading::note(self.captured.get(..count).unwrap_or(self.captured));
        let _ = count;
    }

    /// Believes a header that says how many octets follow, even if it is more than there were.
    #[inline]
    pub(super) fn claim(&mut self, length: usize) {
        self.captured = self.captured.get(..length).unwrap_or(self.captured);
        self.length = length;
    }

    /// As [`Self::limit`], by a 16-bit field; where there is more than such a field can say, the
    /// sender left segmentation to its hardware and the field means nothing.
    #[inline]
    pub(super) fn limit_u16(&mut self, length: u16) {
        if self.length <= usize::from(u16::MAX) {
            self.limit(usize::from(length));
        }
    }

    /// Leaves off what follows the first `length` octets: padding, trailers.
    #[inline]
    pub(super) fn limit(&mut self, length: usize) {
        if length < self.length {
            self.claim(length);
        }
    }
}

/// Octets of a VLAN tag: two of TPID, two of TCI (IEEE 802.1Q §9.3).
const STRIPPED_VLAN: u32 = 4;
