//! One of two replays: everything that comes out of it, as streams and as text.

use std::fmt::Write as _;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;

use crate::capture::CaptureError;
use crate::capture::file::Replay;
use crate::cli::args::Metering;
use crate::cli::flow_table::FlowTable;
use crate::cli::{ending, summary};
use crate::confine::Confinement;
use crate::export::{self, Exporter, JsonOutput, Observer, Pace, RecordSink, Target};
use crate::flow::{PacketFilter, Seed};
use crate::pipeline::{self, Filling, Replaced};

/// A replay that is ready to run.
pub(super) struct Side {
    files: Replay,
    /// What payload is replaced by, if it is: then nothing is cut off in front of the decoder.
    filling: Option<Filling>,
    config: pipeline::Config,
    metering: export::Metering,
    exporter: Exporter,
    log: Log,
    /// What stands in the log for the places of the outputs, which no two replays have in common.
    names: Vec<(String, &'static str)>,
}

/// What is written while a replay runs, to be read meanwhile.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) ipfix: PipeReader,
    pub(super) json: PipeReader,
    pub(super) table: PipeReader,
}

/// What there is at the end of a replay.
#[derive(Debug)]
pub(super) struct Told {
    /// The ledger, as `--summary` has it but for the time that the run took.
    pub(super) ledger: String,
    /// What was said on the way, and at the end.
    pub(super) log: String,
    /// What was wrong with the capture.
    pub(super) damage: Vec<CaptureError>,
    pub(super) replaced: Replaced,
}

type Log = Arc<Mutex<String>>;

impl Side {
    /// Gets a replay of this file ready, as it is or with its payload replaced.
    pub(super) fn open(
        file: &PathBuf,
        filling: Option<Filling>,
        metering: &Metering,
        filter: Option<&Arc<PacketFilter>>,
    ) -> anyhow::Result<(Self, Streams)> {
        let files = Replay::open(&[file])?;
        let flow = metering.flow(Seed::Fixed, 1);
        let facts = Arc::new(ending::facts(&flow, filter.is_some(), None));
        let (ipfix, json, table) = (pipe()?, pipe()?, pipe()?);
        let log = Log::default();
        let names = vec![(path_of(&ipfix.1), "IPFIX"), (path_of(&json.1), "JSON")];
        let config = export::Config {
            observation_domain: 1,
            targets: vec![
                Target::file(path_of(&ipfix.1)),
                Target::Json(JsonOutput::File(path_of(&json.1).into()).into()),
            ],
            pace: Pace::Replay,
            queue_batches: 8,
            biflow: flow.biflow,
            metering: export::Metering { facts, ..export::Metering::default() },
            observer: Observer::new({
                let log = Arc::clone(&log);
                move |notice| say(&log, notice)
            }),
            ..export::Config::default()
        };
        let printed: Box<dyn RecordSink> = Box::new(FlowTable::to(table.1, Pace::Replay));
        // From here on the targets hold the only ends that write, so that the streams end with them.
        let exporter = Exporter::start(&config, vec![("table".to_owned(), printed)])?;
        let side = Self {
            files,
            filling,
            config: pipeline::Config {
                decode: metering.decode(),
                filter: filter.cloned(),
                flow,
                workers: 1,
            },
            metering: config.metering,
            exporter,
            log,
            names,
        };
        Ok((side, Streams { ipfix: ipfix.0, json: json.0, table: table.0 }))
    }

    /// Runs it. Somebody has to read its streams meanwhile.
    pub(super) fn run(self) -> Told {
        let Self { files, filling, config, metering, exporter, log, names } = self;
        let never = AtomicBool::new(false);
        let (mut outcome, replaced) = match filling {
            None => {
                let outcome = pipeline::replay(config, &metering, &files, exporter, &never);
                (outcome, Replaced::default())
            }
            Some(filling) => pipeline::replay_twins(config, &metering, &files, exporter, filling),
        };
        outcome.ledger.elapsed = Duration::ZERO;
        say(&log, &summary::text(&outcome));
        outcome.capture_errors.iter().for_each(|error| say(&log, error));
        outcome.panics.iter().for_each(|text| say(&log, text));
        let neutral = |mut text: String| {
            for (path, name) in &names {
                text = text.replace(path, name);
            }
            text
        };
        let log = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
        Told {
            ledger: neutral(summary::json(&outcome, &Confinement::Off, &[]).to_string()),
            log: neutral(log),
            damage: outcome.capture_errors,
            replaced,
        }
    }
}

fn say(log: &Log, line: &impl std::fmt::Display) {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    // Writing to a string cannot fail.
    let _ = writeln!(log, "{line}");
}

fn pipe() -> anyhow::Result<(PipeReader, PipeWriter)> {
    io::pipe().context("cannot make a pipe")
}

/// Where a target finds the end of a pipe that it is to write to.
fn path_of(pipe: &PipeWriter) -> String {
    format!("/proc/self/fd/{}", pipe.as_raw_fd())
}
