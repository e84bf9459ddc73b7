//! IEEE 802.11 data frames, with or without a radiotap header in front.

use super::{Link, Next};
use crate::decode::error::{DecodeError, Layer};
use crate::decode::headers::MacAddresses;
use crate::decode::octets::Octets;

impl Link {
    /// A radiotap header, of which only what touches the frame's layout is of interest.
    pub(super) fn radiotap(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        let truncated = DecodeError::Truncated(Layer::Link);
        let &[version, _, length_low, length_high, ..] = octets.peek::<8>().ok_or(truncated)?;
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        if version != 0 || length < 8 {
            return Err(DecodeError::Malformed(Layer::Link));
        }
        let flags = octets.captured().get(..length).and_then(radiotap_flags).unwrap_or_default();
        octets.skip(length).ok_or(truncated)?;
        if flags & RADIOTAP_HAS_CHECKSUM != 0 {
            octets.limit(octets.length().saturating_sub(4));
        }
        self.data_frame(octets, flags & RADIOTAP_IS_PADDED != 0)
    }

    /// A bare IEEE 802.11 frame.
    pub(super) fn ieee_80211(&mut self, octets: &mut Octets<'_>) -> Result<Next, DecodeError> {
        self.data_frame(octets, false)
    }

    fn data_frame(
        &mut self,
        octets: &mut Octets<'_>,
        is_padded: bool,
    ) -> Result<Next, DecodeError> {
        let truncated = DecodeError::Truncated(Layer::Link);
        let &[control, flags] = octets.peek().ok_or(truncated)?;
        let is_data = control & 0x0f == 0x08;
        let is_null = control & SUBTYPE_NULL != 0;
        if !is_data || is_null || flags & PROTECTED != 0 {
            return Err(DecodeError::NotIp);
        }
        let header = octets.take::<24>().ok_or(truncated)?;
        let (_, addresses) = header.split_at(4);
        let (Some(&first), Some(&second), Some(&third)) = (
            addresses.first_chunk::<6>(),
            addresses.get(6..).and_then(<[u8]>::first_chunk::<6>),
            addresses.get(12..).and_then(<[u8]>::first_chunk::<6>),
        ) else {
            return Err(truncated);
        };
        let &[.., fragment_number, _] = header;
        let mut header_length = 24;
        // IEEE 802.11 §9.3.2.1: where the addresses stand depends on who relays.
        let (source, destination) = match flags & (TO_DS | FROM_DS) {
            0 => (second, first),
            TO_DS => (second, third),
            FROM_DS => (third, first),
            _ => {
                header_length += 6;
                (*octets.take::<6>().ok_or(truncated)?, third)
            }
        };
        self.mac = Some(MacAddresses { source, destination });
        if control & SUBTYPE_QOS != 0 {
            let &[quality, _] = octets.take().ok_or(truncated)?;
            header_length += 2;
            if flags & ORDER != 0 {
                // HT Control.
                octets.skip(4).ok_or(truncated)?;
                header_length += 4;
            }
            if quality & AGGREGATE != 0 {
                // Several frames of several flows in one: not one packet to meter.
                return Err(DecodeError::NotIp);
            }
        }
        if fragment_number & 0x0f != 0 {
            // The LLC header went with the first fragment.
            return Err(DecodeError::NotIp);
        }
        if is_padded && header_length % 4 != 0 {
            octets.skip(4 - header_length % 4).ok_or(truncated)?;
        }
        Ok(Next::Llc)
    }
}

/// The Flags field of a radiotap header, if present.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let present_word = |index: usize| -> Option<u32> {
        header.get(4 + index * 4..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
    };
    let present = present_word(0)?;
    if present & RADIOTAP_FLAGS == 0 {
        return None;
    }
    let mut words = 1;
    while present_word(words - 1)? & RADIOTAP_MORE_WORDS != 0 {
        words += 1;
    }
    let mut offset = 4 + words * 4;
    if present & RADIOTAP_TIMER != 0 {
        // Eight octets, aligned to eight from the start of the radiotap header.
        offset = offset.next_multiple_of(8) + 8;
    }
    header.get(offset).copied()
}

const RADIOTAP_TIMER: u32 = 1;
const RADIOTAP_FLAGS: u32 = 1 << 1;
const RADIOTAP_MORE_WORDS: u32 = 1 << 31;
const RADIOTAP_HAS_CHECKSUM: u8 = 0x10;
const RADIOTAP_IS_PADDED: u8 = 0x20;

const SUBTYPE_NULL: u8 = 0x40;
const SUBTYPE_QOS: u8 = 0x80;
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
const AGGREGATE: u8 = 0x80;
