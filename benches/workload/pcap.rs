//! The file: pcap with times in nanoseconds, Ethernet.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A capture file that grows.
pub(super) struct Writer {
    file: BufWriter<File>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(&0xa1b2_3c4d_u32.to_le_bytes())?;
        file.write_all(&[2, 0, 4, 0])?; // version 2.4
        file.write_all(&[0; 8])?; // time zone, accuracy
        file.write_all(&65_535_u32.to_le_bytes())?;
        file.write_all(&1_u32.to_le_bytes())?; // Ethernet
        Ok(Self { file })
    }

    /// One packet: so many nanoseconds after the first, so many octets on the wire.
    pub(super) fn record(&mut self, nanos: u64, frame: &[u8], wire: u64) -> io::Result<()> {
        let word = |number: u64| u32::try_from(number).expect("fits").to_le_bytes();
        let mut header = [0; 16];
        header[..4].copy_from_slice(&word(FIRST_SECOND + nanos / 1_000_000_000));
        header[4..8].copy_from_slice(&word(nanos % 1_000_000_000));
        header[8..12].copy_from_slice(&word(frame.len() as u64));
        header[12..].copy_from_slice(&word(wire));
        self.file.write_all(&header)?;
        self.file.write_all(frame)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

const FIRST_SECOND: u64 = 1_700_000_000;
