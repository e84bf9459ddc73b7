//! One capture file, open and recognised.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::batch::{Batch, Stop};
use super::described::DescribedInterface;
use super::input::{Input, fill};
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::window::{Chunks, Moved, Window};
use crate::capture::{CaptureError, Drops};

/// A capture that is being read.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    input: Input,
    pub(super) window: Window,
    format: Format,
}

impl Opened {
    /// Opens `path` and checks its beginning.
    pub(super) fn open(path: &Path, consumed: Arc<AtomicU64>) -> Result<Self, CaptureError> {
        let input = Input::open(path, consumed)
            .map_err(|source| CaptureError::File { path: path.to_owned(), source })?;
        Self::recognise(path, input)
    }

    /// Checks the beginning of a stream that was opened as `path`.
    pub(super) fn recognise(path: &Path, mut input: Input) -> Result<Self, CaptureError> {
        let path = path.to_owned();
        let mut head = vec![0; HEAD];
        let (length, result) = fill(&mut input, &mut head);
        head.truncate(length);
        match (Format::open(&head), result.err()) {
            (Ok((format, position)), failure) => {
                Ok(Self { path, input, window: Window::over(head, position, failure), format })
            }
            (Err(what), None) => Err(CaptureError::NotACapture { path, what }),
            (Err(_), Some(failure)) => match input.complaint(failure) {
                Ok(what) => Err(CaptureError::NotACapture { path, what }),
                Err(source) => Err(CaptureError::File { path, source }),
            },
        }
    }

    /// Takes records into the batch; `false` when there are none left.
    ///
    /// The walk stops before what it cannot take, so an error is found again, and told, by the call
    /// that finds nothing before it.
    pub(super) fn walk(
        &mut self,
        batch: &mut Batch<'_>,
        chunks: &mut Chunks,
    ) -> Result<bool, CaptureError> {
        loop {
            let mut position = self.window.position;
            let octets = self.window.octets();
            let stop = match &mut self.format {
                Format::Pcap(pcap) => pcap.walk(octets, &mut position, batch),
                Format::PcapNg(pcapng) => pcapng.walk(octets, &mut position, batch),
            };
            self.window.position = position;
            // What was found lies in this chunk, so it goes out before the window moves.
            if !batch.is_empty() {
                return Ok(true);
            }
            let (needed, part) = match stop {
                Stop::Full => return Ok(true),
                Stop::Damaged(what) => return Err(self.damaged(what)),
                Stop::Short { needed, part } => (needed, part),
            };
            match self.window.advance(&mut self.input, needed, chunks) {
                Moved::On => {}
                Moved::AtEnd if self.window.ahead() == 0 => return Ok(false),
                Moved::AtEnd => {
                    let present = self.window.ahead();
                    return Err(self.damaged(format!(
                        "the file ends {present} octets into a {part} of at least {needed}"
                    )));
                }
                Moved::Failed(source) => {
                    return Err(self.input.error(&self.path, self.window.offset(), source));
                }
            }
        }
    }

    /// Drops that the capture itself told of since the last call.
    pub(super) fn take_drops(&mut self) -> Drops {
        match &mut self.format {
            Format::Pcap(_) => Drops::default(),
            Format::PcapNg(pcapng) => pcapng.take_drops(),
        }
    }

    /// Interfaces that the capture described since the last call.
    pub(super) fn take_described(&mut self) -> Vec<DescribedInterface> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.take_described().into_iter().collect(),
            Format::PcapNg(pcapng) => pcapng.take_described(),
        }
    }

    fn damaged(&self, what: String) -> CaptureError {
        CaptureError::Damaged { path: self.path.clone(), offset: self.window.offset(), what }
    }
}

/// The format of a capture, and where its reader stands.
#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Format {
    /// Recognises a file by its first octets, and says where its records begin.
    fn open(head: &[u8]) -> Result<(Self, usize), String> {
        if head.is_empty() {
            return Err("it is empty".to_owned());
        }
        if let Some(pcap) = Pcap::open(head) {
            return pcap.map(|(pcap, position)| (Self::Pcap(pcap), position));
        }
        if let Some(pcapng) = PcapNg::open(head) {
            // The section header at the front is a block like any other.
            return pcapng.map(|pcapng| (Self::PcapNg(pcapng), 0));
        }
        Err(match head {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "it is packed by xz; unpack it first",
            [b'B', b'Z', b'h', ..] => "it is packed by bzip2; unpack it first",
            [0x04, 0x22, 0x4d, 0x18, ..] => "it is packed by lz4; unpack it first",
            [b'P', b'K', 3, 4, ..] => "it is a zip archive; unpack it first",
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is packed twice",
            [b's', b'n', b'o', b'o', b'p', 0, ..] => "it is a snoop file (RFC 1761)",
            _ => "it begins with no magic number of a capture",
        }
        .to_owned())
    }
}

/// Octets that recognise any format: the fixed part of a pcapng section header, or the longer file
/// header of the Ixia variant.
const HEAD: usize = 28;
