//! How a run ends: ledger, summary, and what makes it a failure.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, anyhow};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::capture::live::ObservationPoint;
use crate::cli::args::{Meter, Spool};
use crate::cli::exit::PlaceError;
use crate::cli::flow_table::FlowTable;
use crate::cli::sense::{is_standard_output, place_of};
use crate::cli::{complain, log, summary};
use crate::confine::Confinement;
use crate::export::{
    self, Exporter, Facts, Metering, Observer, Pace, RecordSink, SpoolInventory, Target,
    TargetReport, Transport,
};
use crate::flow;
use crate::pipeline::Outcome;
use crate::time::Timestamp;

/// Opens the targets of a run; a table on standard output when there is none.
pub(super) fn exporter(
    meter: &Meter,
    pace: Pace,
    metering: &Metering,
    spool: Option<&Spool>,
) -> anyhow::Result<Exporter> {
    let defaults = export::Config::default();
    let config = export::Config {
        observation_domain: meter.observation_domain,
        targets: meter.export.clone(),
        pace,
        // A batch has half a MiB at most, live a quarter. In a replay the queue only has to keep both sides at work; live
        // it is what a target may lag behind before records are lost.
        queue_batches: match pace {
            Pace::Replay => 8,
            Pace::Live => 512,
        },
        queue_octets: spool.map_or(defaults.queue_octets, Spool::queue_octets),
        spool: spool.and_then(Spool::config),
        biflow: meter.metering.flow(flow::Seed::Fixed, 1).biflow,
        metering: metering.clone(),
        observer: observer(),
        ..defaults
    };
    // A program that reads the summary from standard output wants to find nothing else there.
    let summary_alone = meter.summary.as_deref().is_some_and(is_standard_output);
    let extra: Vec<(String, Box<dyn RecordSink>)> = if meter.export.is_empty() && !summary_alone {
        vec![("table".to_owned(), Box::new(FlowTable::new(pace)))]
    } else {
        Vec::new()
    };
    if let Some(warning) = plain_transport(&meter.export) {
        log::plain_transport(&warning);
    }
    Ok(Exporter::start(&config, extra)?)
}

/// Says of what waits in a spool for targets that are no more: it stays there, and nobody is told.
pub(super) fn say_unclaimed(spool: &Spool) {
    let Some(directory) = &spool.directory else { return };
    let Ok(inventory) = SpoolInventory::of(directory, false) else { return };
    for target in inventory.targets.iter().filter(|target| !target.in_use) {
        let octets: u64 = target.segments.iter().map(|segment| segment.octets).sum();
        if octets > 0 {
            log::spool_unclaimed(&target.path, octets);
        }
    }
}

/// RFC 7011 §10.3.2, §11: what leaves the host without TLS can be read, changed and lost on the way.
pub(super) fn plain_transport(targets: &[Target]) -> Option<String> {
    let plain: Vec<_> = targets
        .iter()
        .flat_map(Target::collectors)
        .filter(|collector| collector.transport != Transport::Tls && !collector.is_on_this_host())
        .map(|collector| collector.address().to_string())
        .collect();
    let verb = if plain.len() == 1 { "is" } else { "are" };
    (!plain.is_empty()).then(|| {
        format!(
            "{} {verb} reached by plain transport: everyone on the way can read the flow \
             records; use tls://, or a network that is yours alone",
            plain.join(", ")
        )
    })
}

/// What the Exporting Process says of metering: live, when it was `started`.
pub(super) fn facts(flow: &flow::Config, is_filtered: bool, started: Option<Timestamp>) -> Facts {
    // Unique on this machine (RFC 7012 §5.2); in a replay the same each time.
    let process = if started.is_some() { std::process::id() } else { 1 };
    Facts {
        metering_process: process,
        exporting_process: process,
        active_timeout: flow.active_timeout,
        idle_timeout: flow.idle_timeout,
        started,
        vlan_key: flow.vlan_key,
        is_filtered,
    }
}

/// Who hears of changes in the state of targets, and of the cache.
pub(super) fn observer() -> Observer {
    Observer::new(log::exporting)
}

/// A flag that the first SIGINT or SIGTERM sets; the second ends the process at once.
pub(super) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let [stop, told] = [(); 2].map(|()| Arc::<AtomicBool>::default());
    for signal in [SIGINT, SIGTERM] {
        // Not `stop`: SIGHUP sets that too, and is no reason to be impatient (systemd sends both).
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&told))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&told)))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot handle signals")?;
    }
    Ok(stop)
}

/// Sets `stop` on SIGHUP too, for who has nothing to read again: a terminal that is gone ends a run, it
/// does not lose what the run has counted. Each further one changes nothing, as a shell and the kernel
/// may each send one. Of nohup(1) it is ignored still. The flag says that it came.
pub(super) fn stop_on_hang_up(stop: &Arc<AtomicBool>) -> anyhow::Result<Arc<AtomicBool>> {
    let hung_up = Arc::<AtomicBool>::default();
    if !is_ignored(SIGHUP) {
        signal_hook::flag::register(SIGHUP, Arc::clone(&hung_up))
            .and_then(|_| signal_hook::flag::register(SIGHUP, Arc::clone(stop)))
            .context("cannot handle signals")?;
    }
    Ok(hung_up)
}

/// Whether who started us wants that signal to do nothing (proc_pid_status(5)).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (signal - 1) != 0
}

/// Says how the run ended, and makes an error of what did not go well; `points` are the interfaces of a
/// live run.
pub(super) fn report(
    outcome: &Outcome,
    meter: &Meter,
    confinement: &Confinement,
    summary_file: Option<SummaryFile>,
    points: &[ObservationPoint],
) -> anyhow::Result<()> {
    if !log::is_for_people() {
        log::run_ended(&outcome.ledger);
    } else if !meter.quiet {
        let _ = writeln!(io::stderr(), "{}", summary::text(outcome));
    }
    outcome.targets.iter().for_each(say_what_did_not_arrive);
    let written = match &meter.summary {
        Some(_) => write_summary(summary_file, outcome, confinement, points),
        None => Ok(()),
    };
    failure(outcome, written)
}

fn say_what_did_not_arrive(report: &TargetReport) {
    let mut all = report.given;
    all += report.carried_over;
    let (target, all) = (report.target.as_str(), all.records);
    let withheld = report.aggregation.withheld.records;
    if withheld > 0 {
        log::records_withheld(target, withheld, all);
    }
    let lost = report.lost_totals().records;
    if lost > 0 {
        log::records_lost(target, lost, all);
    }
    if !report.kept.is_zero() {
        log::records_kept(target, report.kept.records, all);
    }
}

/// The first thing that failed is the error; the others are said before it.
pub(super) fn failure(outcome: &Outcome, summary: anyhow::Result<()>) -> anyhow::Result<()> {
    let mut failures: Vec<anyhow::Error> = Vec::new();
    let Outcome { ledger, capture_errors, panics, targets, symptoms: _ } = outcome;
    failures.extend(capture_errors.iter().map(|error| anyhow!("{error}")));
    failures.extend(targets.iter().filter_map(fault));
    failures.extend(targets.iter().filter(|target| !target.balances()).map(|report| {
        anyhow!("{}: the books of this target do not balance: {report:?}", report.target)
    }));
    failures.extend(panics.iter().map(|text| anyhow!("a worker died of a defect: {text}")));
    if let Err(imbalance) = ledger.check() {
        failures.push(imbalance.into());
    }
    failures.extend(summary.err());
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(complain);
    Err(last)
}

/// What went wrong at a target, unless it got every record all the same.
fn fault(report: &TargetReport) -> Option<anyhow::Error> {
    // What waits in the spool is not lost.
    let arrived = report.sent.records > 0 || report.kept.records > 0;
    let survived = arrived && report.lost_totals().is_zero();
    report.first_error.as_ref().filter(|_| !survived).map(|error| anyhow!("{error}"))
}

/// Where `--summary` goes. The file is opened before the first packet: a run of a week must not end
/// with the news that its ledger cannot be written.
#[derive(Debug)]
pub(super) struct SummaryFile {
    path: PathBuf,
    file: File,
    /// There was none before, and nothing is in it yet.
    is_new: bool,
}

impl SummaryFile {
    /// Opens the file; what it holds stays until there is something new to say. `None` if there is to
    /// be none.
    pub(super) fn open(meter: &Meter) -> anyhow::Result<Option<Self>> {
        let Some(path) = meter.summary.as_ref().filter(|path| !is_standard_output(path)) else {
            return Ok(None);
        };
        let is_new = !path.exists();
        let file = File::options().write(true).create(true).truncate(false).open(path).map_err(
            |source| PlaceError { what: format!("cannot write {}", path.display()), source },
        )?;
        Ok(Some(Self { path: path.clone(), file, is_new }))
    }

    fn write(mut self, text: &str) -> anyhow::Result<()> {
        let is_regular = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        let emptied = if is_regular { self.file.set_len(0) } else { Ok(()) };
        self.is_new = false;
        emptied
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for SummaryFile {
    fn drop(&mut self) {
        if self.is_new {
            // The run never began. If it cannot be removed there is nobody left to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write_summary(
    file: Option<SummaryFile>,
    outcome: &Outcome,
    confinement: &Confinement,
    points: &[ObservationPoint],
) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(&summary::json(outcome, confinement, points))?;
    text.push('\n');
    if let Some(file) = file {
        return file.write(&text);
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the summary")
        }
        _ => Ok(()),
    }
}

/// Checks that the system would give the memory for the Flow Cache: where it does not, an allocation
/// later on could only abort.
pub(super) fn check_memory(meter: &Meter) -> anyhow::Result<()> {
    let octets = meter.metering.max_flows.saturating_mul(flow::OCTETS_PER_FLOW);
    Vec::<u8>::new().try_reserve_exact(octets).map_err(|_| {
        anyhow!(
            "there is no memory for {} flows, about {} MB: use a smaller --max-flows",
            summary::grouped(meter.metering.max_flows as u64),
            summary::grouped(octets as u64 / 1_000_000)
        )
    })
}

/// The directory that a file at `path` is made in, if one is.
pub(super) fn written_directory(path: &Path) -> Option<PathBuf> {
    if is_standard_output(path) {
        return None;
    }
    place_of(path)?.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_says_the_same_of_itself_each_time() {
        let flow = flow::Config { vlan_key: false, ..flow::Config::default() };
        let replay = facts(&flow, false, None);
        assert_eq!((replay.metering_process, replay.exporting_process), (1, 1));
        assert_eq!(replay.started, None);
        let started = Timestamp::from_parts(1_700_000_000, 0);
        let live = facts(&flow, true, Some(started));
        assert_eq!(live.metering_process, std::process::id());
        assert_eq!((live.started, live.vlan_key), (Some(started), false));
        assert_eq!((replay.is_filtered, live.is_filtered), (false, true));
        assert_eq!(
            (live.active_timeout, live.idle_timeout),
            (flow.active_timeout, flow.idle_timeout)
        );
    }
}
