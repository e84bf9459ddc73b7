//! Blocks and options of pcapng, checked before anything in them is looked at.

use super::batch::Stop;

/// A block total length, when it can be one.
#[inline]
pub(super) fn check_length(length: u32, shortest: usize, longest: usize) -> Result<usize, Stop> {
    let octets = length as usize;
    if octets < shortest {
        return Err(Stop::Damaged(format!("a block of {length} octets, fewer than {shortest}")));
    }
    if !length.is_multiple_of(4) {
        return Err(Stop::Damaged(format!("a block of {length} octets, no multiple of four")));
    }
    if octets > longest {
        return Err(Stop::Damaged(format!("a block of {length} octets, more than {longest}")));
    }
    Ok(octets)
}

/// What stands between the two lengths of the block at the front of `rest`.
#[inline]
pub(super) fn block_body<const BIG_ENDIAN: bool>(
    rest: &[u8],
    length: usize,
) -> Result<&[u8], Stop> {
    let Some(block) = rest.get(..length) else {
        return Err(Stop::Short { needed: length, part: "block" });
    };
    let Some((block, trailer)) = block.split_last_chunk::<4>() else {
        return Err(too_short("its own lengths"));
    };
    let again = word::<BIG_ENDIAN>(*trailer);
    if again as usize != length {
        return Err(Stop::Damaged(format!(
            "a block of {length} octets at its beginning and {again} at its end"
        )));
    }
    Ok(block.get(BLOCK_HEADER..).unwrap_or_default())
}

/// Splits the next option off; `None` behind the last.
pub(super) fn next_option<'a, const BIG_ENDIAN: bool>(
    options: &mut &'a [u8],
) -> Result<Option<(u16, &'a [u8])>, Stop> {
    if options.is_empty() {
        return Ok(None);
    }
    let overrun = || Stop::Damaged("an option that ends outside its block".to_owned());
    let (&[a, b, c, d], rest) = options.split_first_chunk::<4>().ok_or_else(overrun)?;
    let code = half::<BIG_ENDIAN>([a, b]);
    if code == END_OF_OPTIONS {
        return Ok(None);
    }
    let length = usize::from(half::<BIG_ENDIAN>([c, d]));
    let value = rest.get(..length).ok_or_else(overrun)?;
    *options = rest.get(length.next_multiple_of(4)..).ok_or_else(overrun)?;
    Ok(Some((code, value)))
}

#[cold]
pub(super) fn too_short(what: &str) -> Stop {
    Stop::Damaged(format!("a block too short for {what}"))
}

#[inline]
pub(super) const fn half<const BIG_ENDIAN: bool>(octets: [u8; 2]) -> u16 {
    if BIG_ENDIAN { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) }
}

#[inline]
pub(super) const fn word<const BIG_ENDIAN: bool>(octets: [u8; 4]) -> u32 {
    if BIG_ENDIAN { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

/// The 64-bit number at the front of `octets`.
pub(super) fn quad<const BIG_ENDIAN: bool>(octets: &[u8]) -> u64 {
    let octets = octets.first_chunk::<8>().copied().unwrap_or_default();
    if BIG_ENDIAN { u64::from_be_bytes(octets) } else { u64::from_le_bytes(octets) }
}

#[inline]
pub(super) fn words<const BIG_ENDIAN: bool, const COUNT: usize>(octets: &[u8]) -> [u32; COUNT] {
    let (chunks, _) = octets.as_chunks::<4>();
    std::array::from_fn(|index| word::<BIG_ENDIAN>(chunks.get(index).copied().unwrap_or_default()))
}

/// Type and length in front of a block.
pub(super) const BLOCK_HEADER: usize = 8;
const END_OF_OPTIONS: u16 = 0;
