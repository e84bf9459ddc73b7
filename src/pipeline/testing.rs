//! Packets and a sink for the tests of runs.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::decode;
use crate::export::{self, Account, ExportError, Exporter, Pace, RecordBatch, RecordSink, Totals};
use crate::flow::{self, FlowRecord};
use crate::pipeline::Config;
use crate::time::Timestamp;

/// A frame of 46 octets: Ethernet, IPv4 of 32 octets, UDP from `port` to port 53.
pub(super) fn udp_frame(port: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 32, 0, 0, 0x40, 0, 64, 17, 0, 0]); // checksum not filled in
    frame.extend([192, 0, 2, 1, 192, 0, 2, 53]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
    frame
}

/// Writes a pcap file of `packets`: milliseconds since some day, and source port.
pub(super) fn write_capture(path: &Path, packets: impl IntoIterator<Item = (u32, u16)>) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (milliseconds, port) in packets {
        let frame = udp_frame(port);
        let length = u32::try_from(frame.len()).expect("46");
        let (seconds, rest) = (1_700_000_000 + milliseconds / 1000, milliseconds % 1000 * 1000);
        for word in [seconds, rest, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    fs::write(path, file).expect("room for a capture");
}

/// Writes a pcapng file: interfaces by name, and packets as frames of one of those before them.
pub(super) fn write_pcapng(path: &Path, blocks: &[Block<'_>]) {
    let mut file = block(0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX], &[]);
    for told in blocks {
        file.extend(match told {
            Block::Interface(name) => {
                let length = u32::try_from(name.len()).expect("short");
                let mut options = (length << 16 | 2).to_le_bytes().to_vec();
                options.extend(*name);
                block(1, &[1, 0], &options)
            }
            Block::Dropped(count) => block(5, &[0, 0, 0, 8 << 16 | 7, *count, 0], &[]),
            Block::Frame { interface, microseconds, octets } => {
                let length = u32::try_from(octets.len()).expect("short");
                block(6, &[*interface, 0, *microseconds, length, length], octets)
            }
        });
    }
    fs::write(path, file).expect("room for a capture");
}

/// A block of [`write_pcapng`].
pub(super) enum Block<'a> {
    Interface(&'a [u8]),
    /// Packets that the kernel dropped on the first interface.
    Dropped(u32),
    Frame {
        interface: u32,
        microseconds: u32,
        octets: &'a [u8],
    },
}

fn block(block_type: u32, words: &[u32], octets: &[u8]) -> Vec<u8> {
    let padded = octets.len().next_multiple_of(4);
    let length = u32::try_from(12 + 4 * words.len() + padded).expect("short");
    let mut block = Vec::new();
    for word in [block_type, length].iter().chain(words) {
        block.extend(word.to_le_bytes());
    }
    block.extend(octets);
    block.resize(block.len() + padded - octets.len(), 0);
    block.extend(length.to_le_bytes());
    block
}

/// Records as a target got them, each with the Observation Points that were known then.
pub(super) type Got = Arc<Mutex<Vec<(FlowRecord, usize)>>>;

/// An exporter with one target, and what that gets.
pub(super) fn exporter(pace: Pace) -> (Exporter, Got) {
    let got = Got::default();
    let sink: Box<dyn RecordSink> = Box::new(Collecting(Arc::clone(&got)));
    let config = export::Config { pace, ..export::Config::default() };
    (Exporter::start(&config, vec![("test".to_owned(), sink)]).expect("a thread"), got)
}

pub(super) fn config(flow: flow::Config, workers: usize) -> Config {
    let decode = decode::Config { tunnels: decode::Tunnels::Inner };
    Config { decode, filter: None, flow, workers }
}

/// What a target got, in an order that does not depend on when.
pub(super) fn sorted(got: &Got) -> Vec<String> {
    let records = got.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text: Vec<_> = records.iter().map(|(record, _)| format!("{record:?}")).collect();
    text.sort();
    text
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

#[derive(Debug)]
struct Collecting(Got);

impl RecordSink for Collecting {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        // A panic here loses the batch, and with it the test that counts its records.
        assert!((1..=2048).contains(&batch.records.len()), "{} records", batch.records.len());
        let records = batch.records.iter().map(|record| (*record, batch.interfaces));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
        account.sent(Totals::of(&batch.records, true));
        Ok(())
    }

    fn finish(&mut self, _: &mut Account) -> Result<(), ExportError> {
        Ok(())
    }
}
