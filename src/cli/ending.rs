//! How a run ends: ledger, summary, and what makes it a failure.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use crate::cli::args::Meter;
use crate::cli::flow_table::FlowTable;
use crate::cli::{complain, summary};
use crate::export::{self, Exporter, JsonOutput, Observer, Pace, RecordSink, Target};
use crate::pipeline::Outcome;

/// Opens the targets of a run; a table on standard output when there is none.
pub(super) fn exporter(meter: &Meter, pace: Pace) -> anyhow::Result<Exporter> {
    let config = export::Config {
        observation_domain: meter.observation_domain,
        targets: meter.export.clone(),
        pace,
        biflow: meter.flow(crate::flow::Seed::Fixed, 1).biflow,
        observer: if meter.quiet { Observer::default() } else { Observer::new(say) },
        ..export::Config::default()
    };
    let extra: Vec<(String, Box<dyn RecordSink>)> = if meter.export.is_empty() {
        vec![("table".to_owned(), Box::new(FlowTable::new(pace)))]
    } else {
        Vec::new()
    };
    Ok(Exporter::start(&config, extra)?)
}

fn say(notice: &export::Notice<'_>) {
    let _ = writeln!(io::stderr(), "flowtap: {notice}");
}

/// Says how the run ended, and makes an error of what did not go well.
pub(super) fn report(outcome: &Outcome, meter: &Meter) -> anyhow::Result<()> {
    if !meter.quiet {
        let _ = writeln!(io::stderr(), "{}", summary::text(outcome));
    }
    for report in &outcome.targets {
        let lost = report.lost_totals().records;
        if !meter.quiet && lost > 0 {
            let _ = writeln!(
                io::stderr(),
                "flowtap: {}: {} of {} flow records lost",
                report.target,
                summary::grouped(lost),
                summary::grouped(lost + report.sent.records)
            );
        }
    }
    let written = meter.summary.as_ref().map_or(Ok(()), |path| write_summary(path, outcome));
    failure(outcome, written)
}

/// The last thing that failed is the error; the others are said before it.
fn failure(outcome: &Outcome, summary: anyhow::Result<()>) -> anyhow::Result<()> {
    let mut failures: Vec<anyhow::Error> = Vec::new();
    let Outcome { ledger, capture_errors, panics, targets } = outcome;
    failures.extend(capture_errors.iter().map(|error| anyhow!("{error}")));
    failures.extend(
        targets
            .iter()
            .filter_map(|report| report.first_error.as_ref().map(|error| anyhow!("{error}"))),
    );
    failures.extend(panics.iter().map(|text| anyhow!("a worker died of a defect: {text}")));
    if let Err(imbalance) = ledger.check() {
        failures.push(imbalance.into());
    }
    failures.extend(summary.err());
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(complain);
    Err(last)
}

fn write_summary(path: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(&summary::json(outcome))?;
    text.push('\n');
    if path == Path::new("-") {
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => bail!(error),
            _ => Ok(()),
        }
    } else {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Two parts of the command line that cannot both be had.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Conflict(String);

/// Checks that no two outputs go to the same file, and none over a file that is read.
pub(super) fn check_outputs(meter: &Meter, inputs: &[PathBuf]) -> Result<(), Conflict> {
    for (place, target) in meter.export.iter().enumerate() {
        let twice = meter.export.iter().skip(place + 1).any(|other| other == target);
        if twice && !matches!(target, Target::Null) {
            return Err(Conflict(format!("{target} is given twice")));
        }
    }
    let mut taken: Vec<_> = inputs.iter().filter_map(|path| identity(path)).collect();
    let targets = meter.export.iter().filter_map(|target| match target {
        Target::File(path) | Target::Json(JsonOutput::File(path)) => Some(path),
        Target::Json(JsonOutput::Standard) | Target::Null | Target::Tcp(_) | Target::Udp(_) => None,
    });
    for path in targets.chain(&meter.summary) {
        let Some(identity) = identity(path) else { continue };
        if taken.contains(&identity) {
            let path = path.display();
            return Err(Conflict(format!("{path} would be written over another file of this run")));
        }
        taken.push(identity);
    }
    Ok(())
}

/// The file that a path means, whether it exists yet or not; nothing for pipes and devices, which
/// may well be named twice.
fn identity(path: &Path) -> Option<PathBuf> {
    if path == Path::new("-") || fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return None;
    }
    fs::canonicalize(path).ok().or_else(|| {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let folder = fs::canonicalize(folder.unwrap_or_else(|| Path::new("."))).ok()?;
        Some(folder.join(path.file_name()?))
    })
}
