//! Everything that is said, and nothing else is: each event with its fields and its sentence.
//!
//! What comes in here is typed notices, findings and counts, and words of the configuration. Flows,
//! headers and frames cannot be named here (`tests/layering.rs`).

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::capture::live::{Cut, Notice, ObservationPoint};
use crate::cli::finding::Finding;
use crate::cli::losses::Loss;
use crate::cli::summary::grouped;
use crate::confine::{ConfineError, Confinement};
use crate::export::{self, ExportError};
use crate::pipeline::Ledger;
use crate::telemetry::{Address, SILENCE_FIX, Silence};

/// Says `$name` of `$component`, with its fields, in a sentence.
macro_rules! say {
    ($level:ident, $name:literal, $component:literal, { $($fields:tt)* }, $($text:tt)+) => {
        tracing::$level!(name: $name, target: concat!("flowtap::", $component), { $($fields)* }, $($text)+)
    };
}

/// Something happened to an interface.
pub(in crate::cli) fn interface(notice: &Notice) {
    match notice {
        Notice::InterfaceAbsent { interface, .. } => {
            let interface = interface.as_str();
            say!(warn, "interface-absent", "capture", { interface }, "{notice}");
        }
        // For those who count by it.
        Notice::InterfaceNumbered { .. } => {}
        Notice::InterfaceBack(name) => {
            say!(info, "interface-back", "capture", { interface = name.as_str() }, "{notice}");
        }
        Notice::InterfaceDown(name) => {
            say!(warn, "interface-down", "capture", { interface = name.as_str() }, "{notice}");
        }
        Notice::InterfaceGone(name) => {
            say!(warn, "interface-gone", "capture", { interface = name.as_str() }, "{notice}");
        }
        Notice::InterfaceLost(name) => {
            say!(error, "interface-lost", "capture", { interface = name.as_str() }, "{notice}");
        }
        Notice::InterfaceRefused { interface, what } => {
            let (interface, reason) = (interface.as_str(), what.as_str());
            say!(error, "interface-refused", "capture", { interface, reason }, "{notice}");
        }
        Notice::FilterRefused { interface, what } => {
            let (interface, reason) = (interface.as_str(), what.as_str());
            say!(warn, "filter-refused", "capture", { interface, reason }, "{notice}");
        }
        Notice::Payload { interface, cut } => payload(interface, cut),
        Notice::IdleWorkers { idle, .. } => {
            say!(warn, "workers-idle", "capture", { workers = *idle }, "{notice}");
        }
    }
}

/// An interface that is up brings nothing, or something again.
pub(in crate::cli) fn silence(silence: &Silence) {
    let (interface, seconds) = (silence.interface.as_str(), silence.time.as_secs());
    if silence.is_over {
        say!(
            info, "interface-heard", "capture", { interface, seconds },
            "{interface}: packets arrive again, after {seconds} s without one"
        );
    } else {
        let fix = SILENCE_FIX;
        say!(
            warn, "interface-silent", "capture", { interface, seconds, fix },
            "{interface}: is up, and no packet has come for {seconds} s: {fix}"
        );
    }
}

/// Where the payload of an interface is cut off at the start.
pub(in crate::cli) fn payload_cut(point: &ObservationPoint) {
    payload(&point.name, &point.cut);
}

fn payload(interface: &str, cut: &Cut) {
    let reason = match cut {
        Cut::InKernel | Cut::Waiting => "",
        Cut::InKernelButTunnels(reason) | Cut::OnArrival(reason) => reason.as_str(),
    };
    let place = match cut {
        Cut::InKernel => "kernel",
        Cut::InKernelButTunnels(_) => "kernel, tunnels on arrival",
        Cut::OnArrival(_) => "on arrival",
        Cut::Waiting => "waiting",
    };
    say!(info, "payload-cut", "capture", { interface, cut = place, reason }, "{interface}: {cut}");
}

pub(in crate::cli) fn capture_started(interfaces: &str, workers: usize) {
    let plural = if workers == 1 { "" } else { "s" };
    say!(
        info, "capture-started", "capture", { interfaces, workers },
        "capturing on {interfaces} with {workers} worker{plural}"
    );
}

pub(in crate::cli) fn survey_started(interfaces: &str, duration: Duration) {
    let time = humantime::format_duration(duration);
    say!(
        info, "survey-started", "capture", { interfaces, seconds = duration.as_secs() },
        "observing {interfaces} for {time}"
    );
}

/// What a filter does: how many networks it has, and never which.
pub(in crate::cli) fn networks_filtered(told: &str) {
    say!(info, "networks-filtered", "pipeline", {}, "{told}");
}

pub(in crate::cli) fn worker_stalled(worker: usize, seconds: f64) {
    say!(
        error, "worker-stalled", "pipeline", { worker, seconds },
        "worker {worker} has not moved for {seconds:.1} s"
    );
}

/// Something begins to be wrong.
pub(in crate::cli) fn symptom(finding: &Finding) {
    let (check, reason, why) = (finding.check.name(), finding.text(), finding.check.why());
    let fix = &finding.fix;
    let fix = fix.as_deref().unwrap_or_default();
    let advice = if fix.is_empty() { String::new() } else { format!("; {fix}") };
    say!(
        warn, "symptom", "pipeline", { check, reason, why, fix },
        "{check}: {reason}: {why}{advice}"
    );
}

/// It is right again.
pub(in crate::cli) fn symptom_over(finding: &Finding) {
    let (check, reason) = (finding.check.name(), finding.text());
    say!(info, "symptom-over", "pipeline", { check, reason }, "{check}: over: {reason}");
}

/// Something happened to a target, or to the cache.
pub(in crate::cli) fn exporting(notice: &export::Notice<'_>) {
    match notice {
        export::Notice::Trouble(error) => trouble(error),
        export::Notice::Advice { target, text } => {
            let (target, reason) = (*target, *text);
            say!(warn, "export-advice", "export", { target, reason }, "{notice}");
        }
        export::Notice::SpoolNearlyFull { target, filled, bound, .. } => {
            let (target, octets, maximum_octets) = (*target, *filled, *bound);
            say!(
                warn, "spool-nearly-full", "export", { target, octets, maximum_octets },
                "{notice}"
            );
        }
        export::Notice::QueueNearlyFull { target, filled, bound } => {
            let (target, octets, maximum_octets) = (*target, *filled, *bound);
            say!(
                warn, "queue-nearly-full", "export", { target, octets, maximum_octets },
                "{notice}"
            );
        }
        export::Notice::CacheNearlyFull { flows, bound } => {
            let (flows, maximum_flows) = (*flows, *bound);
            say!(warn, "cache-nearly-full", "pipeline", { flows, maximum_flows }, "{notice}");
        }
        export::Notice::Recovered { target } => {
            say!(info, "session-restored", "export", { target = *target }, "{notice}");
        }
        export::Notice::Resumed { target } => {
            say!(info, "file-resumed", "export", { target = *target }, "{notice}");
        }
        export::Notice::LeftOver { target, count, .. } => {
            say!(
                warn, "file-left-over", "export", { target = *target, files = *count },
                "{notice}"
            );
        }
        export::Notice::Spooled { target, readable } => {
            let (target, records) = (*target, readable.records);
            say!(info, "spool-carried-over", "export", { target, records }, "{notice}");
        }
    }
}

fn trouble(error: &ExportError) {
    let target = error.target();
    let text = error.to_string();
    let reason = text.strip_prefix(target).and_then(|text| text.strip_prefix(": "));
    let reason = reason.unwrap_or(&text);
    match error {
        ExportError::Resolve { .. }
        | ExportError::Connect { .. }
        | ExportError::Members { .. }
        | ExportError::Unreachable { .. }
        | ExportError::Tls { .. } => {
            say!(error, "collector-unreachable", "export", { target, reason }, "{error}");
        }
        ExportError::Session { .. }
        | ExportError::Stalled { .. }
        | ExportError::Send { .. }
        | ExportError::Slow { .. } => {
            say!(error, "session-broken", "export", { target, reason }, "{error}");
        }
        ExportError::Create { .. } | ExportError::Write { .. } => {
            say!(error, "file-failed", "export", { target, reason }, "{error}");
        }
        ExportError::Spool { .. }
        | ExportError::SpoolWrite { .. }
        | ExportError::SpoolUnreadable { .. } => {
            say!(error, "spool-failed", "export", { target, reason }, "{error}");
        }
        ExportError::Closing { .. }
        | ExportError::Encode { .. }
        | ExportError::MessageSize { .. }
        | ExportError::Thread { .. }
        | ExportError::Panicked { .. }
        | ExportError::Privacy { .. } => {
            say!(error, "export-failed", "export", { target, reason }, "{error}");
        }
    }
}

/// What waits in a spool for a target that is no more stays there.
pub(in crate::cli) fn spool_unclaimed(directory: &Path, octets: u64) {
    let (directory, grouped) = (directory.display().to_string(), grouped(octets));
    let fix = "give it the target again to send them, or remove the directory";
    say!(
        warn, "spool-unclaimed", "export", { directory = directory.as_str(), octets, fix },
        "{grouped} octets of flow records wait in {directory}, for a target that this probe does not \
         have: {fix}"
    );
}

pub(in crate::cli) fn plain_transport(warning: &str) {
    say!(warn, "plain-transport", "export", {}, "{warning}");
}

/// Records are lost on the way to a target, or no more.
pub(in crate::cli) fn losing_records(loss: &Loss) {
    let (target, records, reason, fix) =
        (loss.target.as_str(), loss.records, loss.reason.name(), loss.fix());
    if records > 0 {
        say!(
            warn, "records-losing", "export", { target, records, reason, fix },
            "{target}: flow records are lost, {} in the last half minute ({reason}): {fix}", grouped(records)
        );
    } else {
        say!(
            info, "records-losing-over", "export", { target, reason },
            "{target}: no flow record was lost any more ({reason}) for five minutes"
        );
    }
}

/// Of `all` records, `records` did not reach a target.
pub(in crate::cli) fn records_lost(target: &str, records: u64, all: u64) {
    let (lost, of) = (grouped(records), grouped(all));
    say!(
        warn, "records-lost", "export", { target, records, of = all },
        "{target}: {lost} of {of} flow records lost"
    );
}

pub(in crate::cli) fn records_kept(target: &str, records: u64, all: u64) {
    let (kept, of) = (grouped(records), grouped(all));
    say!(
        info, "records-kept", "export", { target, records, of = all },
        "{target}: {kept} of {of} flow records wait in the spool for the next run"
    );
}

pub(in crate::cli) fn records_withheld(target: &str, records: u64, all: u64) {
    let (withheld, of) = (grouped(records), grouped(all));
    say!(
        info, "records-withheld", "export", { target, records, of = all },
        "{target}: {withheld} of {of} flow records withheld: too few to be told"
    );
}

/// What the process can still do.
pub(in crate::cli) fn confined(confinement: &Confinement) {
    if matches!(confinement, Confinement::Off) {
        return say!(warn, "unconfined", "confine", {}, "{confinement}");
    }
    let lacks = confinement.lacks().join("; ");
    say!(info, "confined", "confine", { lacks = lacks.as_str() }, "{confinement}");
}

pub(in crate::cli) fn running_as_root() {
    say!(
        warn,
        "running-as-root",
        "confine",
        {},
        "running as root, though without capabilities; better add --user NAME: files are then read and \
         written as NAME"
    );
}

pub(in crate::cli) fn configuration_unreadable(error: &ConfineError) {
    say!(
        warn,
        "configuration-unreadable",
        "configuration",
        {},
        "{error}; a new one will not be read on SIGHUP"
    );
}

pub(in crate::cli) fn configuration_reloaded(file: &Path, told: &str) {
    let file = file.display().to_string();
    say!(
        info, "configuration-reloaded", "configuration", { file = file.as_str(), changes = told },
        "{file} was read again: {told}"
    );
}

pub(in crate::cli) fn configuration_refused(file: &Path, reason: &str) {
    let file = file.display().to_string();
    say!(
        error, "configuration-refused", "configuration", { file = file.as_str(), reason },
        "the new configuration is not used, nothing has changed: {reason}"
    );
}

pub(in crate::cli) fn telemetry_started(address: &Address) {
    let place = match address {
        Address::Tcp { address, .. } => format!("http://{address}/"),
        address => address.to_string(),
    };
    say!(
        info,
        "telemetry-started",
        "telemetry",
        { address = place.as_str() },
        "telemetry at {place}"
    );
}

/// The probe goes on without.
pub(in crate::cli) fn telemetry_failed(address: &Address, error: &io::Error) {
    let who = match error.kind() {
        io::ErrorKind::AddrInUse => " (another probe?)",
        _ => "",
    };
    let (place, reason) = (address.to_string(), format!("{error}{who}"));
    let fix = "give it a place of its own, as --telemetry 127.0.0.1:9740 or --telemetry unix:PATH \
               ([telemetry] listen), and ask it by flowtap status --probe WHERE";
    say!(
        warn, "telemetry-failed", "telemetry",
        { address = place.as_str(), reason = reason.as_str(), fix },
        "no telemetry at {place}: {reason}; the probe runs without metrics, health and page; {fix}"
    );
}

/// Of a user who may not write to its directory.
pub(in crate::cli) fn telemetry_left(address: &Address) {
    let place = address.to_string();
    say!(
        info,
        "telemetry-left",
        "telemetry",
        { address = place.as_str() },
        "{place} is left behind: this user cannot remove it from its directory; the next start does"
    );
}

pub(in crate::cli) fn manager_told(state: &str) {
    say!(debug, "manager-told", "service", { state }, "the service manager was told: {state}");
}

pub(in crate::cli) fn started() {
    let version = env!("CARGO_PKG_VERSION");
    say!(debug, "started", "service", { version }, "flowtap {version}");
}

pub(in crate::cli) fn run_stopped() {
    say!(info, "run-stopped", "service", {}, "stopped by a signal, the rest was not read");
}

/// A signal came before the first packet.
pub(in crate::cli) fn start_stopped() {
    say!(info, "start-stopped", "service", {}, "stopped by a signal before the first packet");
}

/// A run without a configuration ends on SIGHUP.
pub(in crate::cli) fn hung_up() {
    say!(
        info,
        "hung-up",
        "service",
        {},
        "SIGHUP, and no file of --config to read again: ending as on SIGTERM"
    );
}

/// The ledger, where a table has no place.
pub(in crate::cli) fn run_ended(ledger: &Ledger) {
    let kernel_dropped_packets = ledger.drops.kernel;
    let interface_dropped_packets = ledger.drops.interface;
    let [received, metered, ignored, filtered] = [
        ledger.received_packets,
        ledger.metered_packets,
        ledger.ignored_packets(),
        ledger.filtered_packets,
    ];
    say!(
        info, "run-ended", "service",
        {
            received_packets = received,
            metered_packets = metered,
            ignored_packets = ignored,
            filtered_packets = filtered,
            kernel_dropped_packets,
            interface_dropped_packets,
            exported_flows = ledger.exported_flows,
            seconds = ledger.elapsed.as_secs_f64(),
        },
        "the run is over: {} packets received, {} metered, {} ignored, {} filtered, {} dropped by the \
         kernel, {} by interfaces; {} flow records exported",
        grouped(received),
        grouped(metered),
        grouped(ignored),
        grouped(filtered),
        grouped(kernel_dropped_packets),
        grouped(interface_dropped_packets),
        grouped(ledger.exported_flows)
    );
}

pub(in crate::cli) fn run_failed(reason: &str) {
    say!(error, "run-failed", "service", { reason }, "{reason}");
}

#[cfg(test)]
mod tests;
