//! How a run ends: ledger, summary, and what makes it a failure.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};

use crate::cli::args::Meter;
use crate::cli::flow_table::FlowTable;
use crate::cli::{complain, summary};
use crate::export::{self, Exporter, Observer, Pace, RecordSink, Target};
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
    if let Some(path) = &meter.summary {
        write_summary(path, outcome)?;
    }
    failure(outcome)
}

/// The first thing that failed is the error; the others are said before it.
fn failure(outcome: &Outcome) -> anyhow::Result<()> {
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

/// Checks that no two outputs go to the same place.
pub(super) fn check_outputs(meter: &Meter) -> anyhow::Result<()> {
    for (place, target) in meter.export.iter().enumerate() {
        let twice = meter.export.iter().skip(place + 1).any(|other| other == target);
        if twice && !matches!(target, Target::Null) {
            bail!("{target} is given twice");
        }
    }
    Ok(())
}
