//! The octets of a capture: a file or standard input, unpacked if they are packed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use crate::capture::CaptureError;

/// A stream of the octets of a capture.
pub(super) struct Input {
    stream: Box<dyn Read + Send>,
    packing: Packing,
}

impl Input {
    /// Standard input. Octets are added to `consumed` as they are read, packed as they are.
    pub(super) fn standard(consumed: Arc<AtomicU64>) -> io::Result<Self> {
        // A descriptor of our own, without the small buffer of `std::io::Stdin`.
        Self::of(File::from(io::stdin().as_fd().try_clone_to_owned()?), consumed)
    }

    /// A file, from where it stands.
    pub(super) fn of(file: File, consumed: Arc<AtomicU64>) -> io::Result<Self> {
        Self::unpack(Counted { stream: file, consumed })
    }

    /// The rest of a file that is known not to be packed.
    pub(super) fn plain(file: File, consumed: Arc<AtomicU64>) -> Self {
        Self { stream: Box::new(Counted { stream: file, consumed }), packing: Packing::Plain }
    }

    /// Finds out how `stream` is packed, by its first octets, and unpacks it.
    pub(super) fn unpack(mut stream: impl Read + Send + 'static) -> io::Result<Self> {
        let mut magic = [0; MAGIC];
        let (length, result) = fill(&mut stream, &mut magic);
        result?;
        let magic = magic.get(..length).unwrap_or_default().to_vec();
        let packing = Packing::of(&magic);
        let whole = Cursor::new(magic).chain(stream);
        let stream: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => {
                Box::new(GzipMembers::new(BufReader::with_capacity(PACKED_BUFFER, whole)))
            }
            // The decoder refuses windows above 128 MiB, which bounds its memory.
            Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(
                BufReader::with_capacity(PACKED_BUFFER, whole),
            )?),
        };
        Ok(Self { stream, packing })
    }

    /// An error of reading at `offset`, told apart: the system's, or the packing's.
    pub(super) fn error(&self, path: &Path, offset: u64, source: io::Error) -> CaptureError {
        match self.complaint(source) {
            Ok(what) => CaptureError::Damaged { path: path.to_owned(), offset, what },
            Err(source) => CaptureError::File { path: path.to_owned(), source },
        }
    }

    /// What a decoder says of the stream, in words; an error of the system as it is.
    pub(super) fn complaint(&self, error: io::Error) -> Result<String, io::Error> {
        match self.packing {
            Packing::Plain => Err(error),
            // A decoder's errors are made up by the decoder, so they have no number.
            _ if error.raw_os_error().is_some() => Err(error),
            Packing::Gzip if error.kind() == ErrorKind::UnexpectedEof => {
                Ok("the gzip stream ends early".to_owned())
            }
            Packing::Gzip => Ok(format!("the gzip stream is damaged ({error})")),
            Packing::Zstd if error.kind() == ErrorKind::UnexpectedEof => {
                Ok("the zstd stream ends early".to_owned())
            }
            Packing::Zstd => Ok(format!("the zstd stream is damaged ({error})")),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Input").field("packing", &self.packing).finish_non_exhaustive()
    }
}

/// Whether `path` is the `-` that stands for standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether a file that begins with `magic` has to be unpacked.
pub(super) fn is_packed(magic: &[u8]) -> bool {
    Packing::of(magic) != Packing::Plain
}

/// Reads until `buffer` is full or the stream ends, and says how far it came.
///
/// Batches of frames end where the window does; filling it whole makes that a property of the file,
/// not of the pipe it came through.
pub(super) fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    const fn of(magic: &[u8]) -> Self {
        match magic {
            // RFC 1952 §2.3.1: ID1, ID2, and the only compression method there is.
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            // RFC 8878 §3.1.1 and §3.1.2: a frame, or a skippable one before it.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// A gzip file: members one after the other (RFC 1952 §2.2), perhaps with zeros at the end.
///
/// Not `MultiGzDecoder`, which takes zeros of padding for a damaged member; gzip itself does not.
struct GzipMembers<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(stream: R) -> Self {
        Self { member: Some(GzDecoder::new(stream)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(ended) = self.member.take() else { break };
            self.member = next_member(ended.into_inner())?;
        }
        Ok(0)
    }
}

/// The member behind the one that ended, if there is one.
fn next_member<R: BufRead>(mut stream: R) -> io::Result<Option<GzDecoder<R>>> {
    loop {
        let ahead = stream.fill_buf()?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let zeros = ahead.iter().take_while(|octet| **octet == 0).count();
        if zeros == 0 {
            return Ok(Some(GzDecoder::new(stream)));
        }
        stream.consume(zeros);
    }
}

/// Counts the octets that pass.
struct Counted<R> {
    stream: R,
    consumed: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Octets that tell how a file is packed.
pub(super) const MAGIC: usize = 4;
/// Large enough that reading packed octets is not what costs.
const PACKED_BUFFER: usize = 128 << 10;
