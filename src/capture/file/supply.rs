//! Where the octets of a capture come from: mapped, or read.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::input::{Input, MAGIC, fill, is_packed, is_standard_input};
use super::mapped::MappedFile;
use crate::capture::CaptureError;

/// The octets of one capture, from its beginning.
#[derive(Debug)]
pub(super) enum Supply {
    /// A pipe, or what has to be unpacked first.
    Stream(Input),
    /// A regular file as it is.
    Mapped(MappedFile),
}

impl Supply {
    /// Opens `path`, or standard input for `-`; windows of files that can be mapped are `window`
    /// octets long (0: none can). Octets are added to `consumed` as they are used, packed as they are.
    pub(super) fn open(path: &Path, window: usize, consumed: Arc<AtomicU64>) -> io::Result<Self> {
        if is_standard_input(path) {
            return Input::standard(consumed).map(Self::Stream);
        }
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        // Files without a size that have octets all the same are the kernel's, and not to be mapped.
        if window > 0 && metadata.is_file() && metadata.len() > 0 {
            let mut magic = [0; MAGIC];
            let (length, result) = fill(&mut file, &mut magic);
            result?;
            file.rewind()?;
            if !is_packed(magic.get(..length).unwrap_or_default()) {
                return Ok(Self::Mapped(MappedFile::new(file, path, window, consumed)));
            }
        }
        Input::of(file, consumed).map(Self::Stream)
    }

    /// Goes on with a stream.
    pub(super) fn insert_stream(&mut self, input: Input) -> &mut Input {
        *self = Self::Stream(input);
        let Self::Stream(input) = self else { unreachable!() };
        input
    }

    /// The first octets, as many as there are up to `most`, and why there are no more.
    pub(super) fn head(&mut self, most: usize) -> (Vec<u8>, Option<io::Error>) {
        let mut head = vec![0; most];
        let (length, result) = match self {
            Self::Stream(input) => fill(input, &mut head),
            Self::Mapped(file) => file.head(&mut head),
        };
        head.truncate(length);
        (head, result.err())
    }

    /// What a decoder says of the stream, in words; an error of the system as it is.
    pub(super) fn complaint(&self, error: io::Error) -> Result<String, io::Error> {
        match self {
            Self::Stream(input) => input.complaint(error),
            Self::Mapped(_) => Err(error),
        }
    }

    /// A failure at `offset` as an error; none if it was told before.
    pub(super) fn error(
        &self,
        path: &Path,
        offset: u64,
        failure: io::Error,
    ) -> Option<CaptureError> {
        match self {
            Self::Stream(input) => Some(input.error(path, offset, failure)),
            Self::Mapped(file) => file.tell(failure),
        }
    }
}
