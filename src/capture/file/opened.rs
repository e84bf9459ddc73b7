//! One capture file, open and recognised.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::batch::{Batch, Piece, Stop};
use super::chunk::Chunks;
use super::described::DescribedInterface;
use super::pcap::Pcap;
use super::pcapng::PcapNg;
use super::supply::Supply;
use super::window::Window;
use crate::capture::{CaptureError, Drops};

/// A capture that is being read.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    supply: Supply,
    window: Window,
    format: Format,
}

impl Opened {
    /// Opens `path` and checks its beginning. If it can be mapped, windows of it are `window` octets
    /// long.
    pub(super) fn open(
        path: &Path,
        window: usize,
        consumed: Arc<AtomicU64>,
    ) -> Result<Self, CaptureError> {
        let supply = Supply::open(path, window, consumed)
            .map_err(|source| CaptureError::File { path: path.to_owned(), source })?;
        Self::recognise(path, supply)
    }

    /// Checks the beginning of what was opened as `path`.
    pub(super) fn recognise(path: &Path, mut supply: Supply) -> Result<Self, CaptureError> {
        let path = path.to_owned();
        let (head, failure) = supply.head(HEAD);
        match (Format::open(&head), failure) {
            (Ok((format, position)), failure) => {
                Ok(Self { path, supply, window: Window::over(head, position, failure), format })
            }
            (Err(what), None) => Err(CaptureError::NotACapture { path, what }),
            (Err(_), Some(failure)) => match supply.complaint(failure) {
                Ok(what) => Err(CaptureError::NotACapture { path, what }),
                Err(source) => Err(CaptureError::File { path, source }),
            },
        }
    }

    /// Takes records into the batch, and the chunks they lie in into `pieces`; `false` when there are
    /// none left.
    ///
    /// A batch ends where the capture says so ([`Batch`], [`SPAN`]) and not where a window does, so
    /// the same capture gives the same batches however it is read.
    ///
    /// The walk stops before what it cannot take, so an error is found again, and told, by the call
    /// that finds nothing before it.
    pub(super) fn walk(
        &mut self,
        batch: &mut Batch<'_>,
        pieces: &mut Vec<Piece>,
        chunks: &mut Chunks,
    ) -> Result<bool, CaptureError> {
        // The first record of the batch that lies in the window.
        let mut first = 0;
        let mut bound = self.window.offset().saturating_add(SPAN);
        loop {
            let mut position = self.window.position;
            let octets = self.window.octets(bound);
            let stop = match &mut self.format {
                Format::Pcap(pcap) => pcap.walk(octets, &mut position, batch),
                Format::PcapNg(pcapng) => pcapng.walk(octets, &mut position, batch),
            };
            self.window.position = position;
            if let Some(present) = self.window.cut_if_torn() {
                batch.cut(first, present);
                continue;
            }
            let (needed, part) = match stop {
                Stop::Full => break,
                Stop::Damaged(_) if !batch.is_empty() => break,
                Stop::Damaged(what) => return Err(self.damaged(what)),
                Stop::Short { needed, part } => (needed, part),
            };
            let end = self.window.offset().saturating_add(needed as u64);
            if end > bound {
                if !batch.is_empty() {
                    break;
                }
                // Nothing but blocks without packets as yet, or a giant.
                bound = end.max(self.window.offset().saturating_add(SPAN));
                continue;
            }
            let piece = self.window.piece(batch.len());
            if self.window.advance(&mut self.supply, needed, chunks) {
                // One without records is kept as well, if it is one only: whoever holds it last
                // unmaps it, which shall not be under the lock.
                if first < batch.len() || pieces.is_empty() {
                    pieces.push(piece);
                }
                first = batch.len();
                continue;
            }
            if !batch.is_empty() {
                break;
            }
            if let Some(failure) = self.window.take_failure() {
                let error = self.supply.error(&self.path, self.window.offset(), failure);
                return error.map_or(Ok(false), Err);
            }
            let present = self.window.ahead();
            if present == 0 {
                return Ok(false);
            }
            return Err(self.damaged(format!(
                "the file ends {present} octets into a {part} of at least {needed}"
            )));
        }
        pieces.push(self.window.piece(batch.len()));
        Ok(true)
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

/// Octets of the capture that a batch spans at most, if it is more than one record: what workers
/// hold in memory is bounded, and what the walk has fetched is still in a second-level cache when
/// its frames are decoded.
const SPAN: u64 = 512 << 10;
