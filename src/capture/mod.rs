//! Observation Points: where frames come from.
//!
//! A source lends each frame to a closure and takes it back before it returns, so no frame outlives
//! the call that received it.

pub mod file;

#[cfg(target_os = "linux")]
pub mod af_packet;

#[cfg(target_os = "linux")]
mod filter;

#[cfg(target_os = "linux")]
mod interface_losses;

pub mod live;

pub mod live_pcap;

mod pcap_handle;

#[cfg(target_os = "linux")]
mod ring;

#[cfg(target_os = "linux")]
mod screen;

pub mod truncation;

mod watch;

use std::io;
use std::iter::Sum;
use std::ops::AddAssign;
use std::path::PathBuf;
use std::time::Duration;

use crate::frame::Frame;
use crate::time::Timestamp;

/// A stream of frames, read by one worker.
pub trait FrameSource {
    /// Lends up to `max` frames, in order, to `each`.
    ///
    /// A live source waits for at most `patience` for the first frame, then returns with what there is; a
    /// file never waits.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] when the source cannot go on. Every frame before the trouble has been lent
    /// by an earlier call.
    fn poll<F: FnMut(Frame<'_>)>(
        &mut self,
        max: usize,
        patience: Duration,
        each: F,
    ) -> Result<Polled, CaptureError>;

    /// What the kernel or the driver says of frames that never reached us, since the start.
    fn drops(&mut self) -> Drops {
        Drops::default()
    }
}

/// What one [`FrameSource::poll`] brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Polled {
    /// Frames were lent (live: perhaps none, when nothing came in time).
    Frames {
        /// How many.
        count: usize,
        /// For files read by several workers: this batch's place in the order of the capture,
        /// counted from 0 without gaps over all workers. Always 0 for live sources.
        ticket: u64,
        /// For files: the latest packet time up to the end of this batch, in the order of the
        /// capture. For live sources the latest packet time of this batch, or
        /// the epoch when it is empty.
        clock: Timestamp,
    },
    /// There are no more frames, and there never will be.
    End,
}

/// Frames that did not reach us.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Drops {
    /// Dropped by the kernel because the ring or buffer was full.
    pub kernel: u64,
    /// Dropped by the interface or its driver, where it says so.
    pub interface: u64,
}

impl AddAssign for Drops {
    fn add_assign(&mut self, other: Self) {
        self.kernel += other.kernel;
        self.interface += other.interface;
    }
}

impl Sum for Drops {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut sum = Self::default();
        all.for_each(|drops| sum += drops);
        sum
    }
}

/// Why frames cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A file could not be opened or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no capture that we know.
    #[error("{}: not a packet capture (pcap or pcapng, plain, gzip or zstd): {what}", path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// What was found instead.
        what: String,
    },
    /// The capture breaks off or contradicts itself. Everything before was read.
    #[error("{}: damaged at offset {offset}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Octets from the beginning of the (uncompressed) file to the record that is damaged.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// An interface cannot be captured from.
    #[error("{interface}: {what}")]
    Interface {
        /// Its name.
        interface: String,
        /// What is wrong, and what to do about it.
        what: String,
    },
    /// Somebody wanted an end of it before it began.
    #[error("stopped before the first packet")]
    Stopped,
    /// A BPF expression does not compile.
    #[error("filter {expression:?}: {what}")]
    Filter {
        /// The expression as given.
        expression: String,
        /// What libpcap said.
        what: String,
    },
}
