//! `flowtap replay`.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::capture::file;
use crate::cli::args::{Meter, Replay};
use crate::cli::confinement::Entered;
use crate::cli::sense::{self, Places};
use crate::cli::{confinement, ending, log, selection};
use crate::export::{FileTarget, JsonOutput, JsonTarget, Metering, Pace, Target};
use crate::flow::Seed;
use crate::pipeline;

/// Meters capture files.
pub(super) fn run(arguments: Replay) -> anyhow::Result<()> {
    let Replay { files: paths, workers, confine, meter, log: _ } = arguments;
    sense::check_places(&Places::of_replay(&meter, &paths))?;
    ending::check_memory(&meter)?;
    let filter = selection::filter(&meter.metering.selection)?;
    let files = file::Replay::open(&paths)?;
    // A pipe may never say anything again: there a signal has to end the process at once.
    let stop = match files.progress().total {
        Some(_) => {
            let stop = ending::stop_on_signals()?;
            ending::stop_on_hang_up(&stop)?;
            stop
        }
        None => Arc::default(),
    };
    let run = confinement::Run { inputs: &paths, ..Default::default() };
    let Entered { confinement, summary, .. } = confinement::enter(&confine, &meter, &run)?;
    let flow = meter.metering.flow(Seed::Fixed, 1);
    let facts = Arc::new(ending::facts(&flow, filter.is_some(), None));
    let metering = Metering { facts, ..Metering::default() };
    let exporter = ending::exporter(&meter, Pace::Replay, &metering, None)?;
    let decode = meter.metering.decode();
    let config = pipeline::Config { decode, filter, flow, workers: workers.get() };
    let done = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        if !meter.quiet
            && log::is_for_people()
            && io::stderr().is_terminal()
            && !prints_on_terminal(&meter)
        {
            scope.spawn(|| show_progress(&files, &done));
        }
        let outcome = pipeline::replay(config, &metering, &files, exporter, &stop);
        done.store(true, Ordering::Relaxed);
        outcome
    });
    if stop.load(Ordering::Relaxed) {
        log::run_stopped();
    }
    ending::report(&outcome, &meter, &confinement, summary, &[])
}

/// Whether records go to a terminal, where a bar would stand between them.
fn prints_on_terminal(meter: &Meter) -> bool {
    let prints = meter.export.is_empty()
        || meter.export.iter().any(|target| match target {
            Target::Json(JsonTarget { output: JsonOutput::Standard, .. }) => true,
            Target::Json(JsonTarget { output: JsonOutput::File(path), .. })
            | Target::File(FileTarget { path, .. }) => path.starts_with("/dev"),
            _ => false,
        });
    prints && io::stdout().is_terminal()
}

/// A bar on the terminal, once the replay has taken long enough to wonder.
fn show_progress(files: &file::Replay, done: &AtomicBool) {
    let mut waited = Duration::ZERO;
    let mut bar: Option<ProgressBar> = None;
    while !done.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL);
        waited += INTERVAL;
        if waited < LONG {
            continue;
        }
        let progress = files.progress();
        let bar = bar.get_or_insert_with(|| match progress.total {
            Some(total) => ProgressBar::new(total).with_style(style(WITH_TOTAL)),
            None => ProgressBar::no_length().with_style(style(WITHOUT_TOTAL)),
        });
        bar.set_position(progress.octets);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const WITH_TOTAL: &str = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
const WITHOUT_TOTAL: &str = "{spinner} {bytes} {bytes_per_sec}";
const INTERVAL: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(1);
