//! Captures written octet by octet here, and what must come out of them.

mod damage;
mod hostile;
mod mapped;
mod oracle;
mod packed;
mod pcap;
mod pcapng;
mod replay;
mod writer;

use std::collections::VecDeque;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::chunk::CHUNK;
use super::input::Input;
use super::opened::Opened;
use super::supply::Supply;
use super::{FileSource, Replay, Sizes, Waiting};
use crate::capture::{CaptureError, FrameSource, Polled};
use crate::frame::{Frame, LinkType};
use crate::time::Timestamp;

/// A frame, kept.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    wire_length: u32,
    at: Timestamp,
    link_type: LinkType,
    interface: u32,
}

impl Seen {
    fn keep(frame: Frame<'_>) -> Self {
        assert_eq!(frame.stripped_vlan, None);
        Self {
            bytes: frame.bytes.to_vec(),
            wire_length: frame.wire_length,
            at: frame.at,
            link_type: frame.link_type,
            interface: frame.interface,
        }
    }
}

/// All that a replay gives to one worker.
#[derive(Debug, Default)]
struct Outcome {
    frames: Vec<Seen>,
    /// Frames, ticket and clock of each batch.
    batches: Vec<(usize, u64, Timestamp)>,
    errors: Vec<CaptureError>,
}

impl Outcome {
    fn of(mut source: FileSource, max: usize) -> Self {
        let mut outcome = Self::default();
        loop {
            match source.poll(max, Duration::ZERO, |frame| outcome.frames.push(Seen::keep(frame))) {
                Ok(Polled::Frames { count, ticket, clock }) => {
                    assert!((1..=max).contains(&count));
                    outcome.batches.push((count, ticket, clock));
                }
                Ok(Polled::End) => break,
                Err(error) => outcome.errors.push(error),
            }
        }
        let told: usize = outcome.batches.iter().map(|(count, ..)| count).sum();
        assert_eq!(told, outcome.frames.len());
        assert_eq!(
            source.poll(max, Duration::ZERO, |_| panic!("a frame behind the end")).unwrap(),
            Polled::End
        );
        outcome
    }

    /// The offset of the damage, when there is exactly one and nothing else.
    fn damage(&self) -> Option<(u64, &str)> {
        match self.errors.as_slice() {
            [CaptureError::Damaged { offset, what, path }] => {
                assert_eq!(path, &PathBuf::from("0.pcap"));
                Some((*offset, what))
            }
            [] => None,
            others => panic!("{others:?}"),
        }
    }
}

/// A replay of captures in memory, seen through windows of `chunk` octets.
fn replay(files: &[&[u8]], chunk: usize) -> Result<Replay, CaptureError> {
    let mut waiting = VecDeque::new();
    for (index, octets) in files.iter().enumerate() {
        let path = PathBuf::from(format!("{index}.pcap"));
        let input = Input::unpack(Cursor::new(octets.to_vec())).unwrap();
        let opened = Some(Opened::recognise(&path, Supply::Stream(input))?);
        waiting.push_back(Waiting { path, opened, length: None, end: None });
    }
    Ok(Replay::of(waiting, None, Arc::default(), Sizes { chunk, ..Sizes::default() }))
}

/// What one worker gets of one capture.
fn read(octets: &[u8]) -> Outcome {
    read_through(octets, CHUNK)
}

fn read_through(octets: &[u8], chunk: usize) -> Outcome {
    Outcome::of(replay(&[octets], chunk).unwrap().source(), 256)
}

/// Why a file is no capture.
fn refusal(octets: &[u8]) -> String {
    match replay(&[octets], CHUNK) {
        Err(CaptureError::NotACapture { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

const fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}
