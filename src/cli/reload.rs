//! A new configuration while the probe runs, on SIGHUP.
//!
//! It is read as at the start, in the same words, and held against what the process may still do.
//! What may fail comes first; what cannot fail then takes effect. So a file with a mistake changes
//! nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use signal_hook::consts::SIGHUP;

use crate::capture::live::{NewFilter, ObservationPoint};
use crate::cli::args::Capture;
use crate::cli::config::Effective;
use crate::cli::confinement::{Live, Run};
use crate::cli::{UsageError, capture, confinement, ending, log, one_line, selection};
use crate::confine::{Policy, Reopens};
use crate::export::Replaced;
use crate::pipeline::{self, Running};
use crate::telemetry::{Address, Configuration};

/// A flag that each SIGHUP sets. Without a configuration there is nothing to read again, and the signal
/// ends the run as SIGTERM does ([`ending::stop_on_hang_up`]).
pub(super) fn order_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let ordered = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&ordered)).context("cannot handle signals")?;
    Ok(ordered)
}

/// Waits for an order to read the configuration again.
#[derive(Debug)]
pub(super) struct Reloader {
    /// Set by the signal.
    pub(super) ordered: Arc<AtomicBool>,
    pub(super) words: Vec<OsString>,
    pub(super) file: PathBuf,
    /// What the probe was started with: of it stays what takes a restart.
    pub(super) started: Effective,
    /// What the kernel filters by now.
    pub(super) filter: Option<String>,
    pub(super) points: Vec<ObservationPoint>,
    /// What the process may do; everything without one.
    pub(super) policy: Option<Policy>,
    pub(super) is_root: bool,
    pub(super) reopens: Option<Reopens>,
    pub(super) workers: usize,
    /// Where telemetry listens, if it does.
    pub(super) telemetry: Option<Address>,
    /// For who watches the probe.
    pub(super) configuration: Arc<Configuration>,
}

impl Reloader {
    /// Whether there is an order, which is taken by this.
    pub(super) fn is_ordered(&self) -> bool {
        self.ordered.swap(false, Ordering::Relaxed)
    }

    /// Follows an order, and says what came of it in one line; returns why it is not followed.
    pub(super) fn follow(&mut self, running: &Running<'_>) -> Option<String> {
        match self.reload(running) {
            Ok(told) => {
                log::configuration_reloaded(&self.file, &told);
                self.configuration.loaded(capture::wall_clock());
                None
            }
            Err(error) => {
                let reason = one_line(&error);
                log::configuration_refused(&self.file, &reason);
                self.configuration.refused();
                Some(reason)
            }
        }
    }

    fn reload(&mut self, running: &Running<'_>) -> anyhow::Result<String> {
        let new = Effective::of(&self.words, &self.file)?;
        new.check()?;
        let Capture { meter, filter, .. } = &new.capture;
        if meter.export.is_empty() && !self.started.capture.meter.export.is_empty() {
            bail!(UsageError(
                "no target is left: use [export] targets = [\"null:\"] for none".into()
            ));
        }
        let packet_filter = selection::filter(&meter.metering.selection)?;
        self.check_confinement(&new.capture)?;
        let reach = pipeline::reach(self.started.capture.meter.metering.decode());
        let is_refiltered = *filter != self.filter;
        let frames = is_refiltered
            .then(|| NewFilter::compile(&self.points, filter.as_deref(), reach))
            .transpose()?;
        let replaced = running.exporter().replace(&meter.export)?;
        // From here on nothing fails.
        if let Some(frames) = frames {
            running.set_capture_filter(frames);
            self.filter.clone_from(filter);
        }
        running.set_packet_filter(packet_filter);
        running.set_collectors(capture::collectors(meter));
        log::set_level(new.capture.log.level(self.started.capture.meter.quiet));
        running.set_timeouts(meter.metering.active_timeout, meter.metering.idle_timeout);
        if let Some(warning) = ending::plain_transport(&meter.export)
            && !replaced.added.is_empty()
        {
            log::plain_transport(&warning);
        }
        Ok(told(&replaced, &new.fixed_changes(&self.started)))
    }

    /// What the process gave up it does not get back.
    fn check_confinement(&self, new: &Capture) -> anyhow::Result<()> {
        let targets = |capture: &Capture| -> usize {
            capture.meter.export.iter().map(|target| target.collectors().len().max(1)).sum()
        };
        let interfaces = self.started.capture.interface.len();
        let descriptors =
            |capture| confinement::descriptors(targets(capture), self.workers, interfaces);
        if descriptors(new) > descriptors(&self.started.capture) {
            bail!(UsageError("so many targets need a restart".into()));
        }
        let Some(policy) = &self.policy else { return Ok(()) };
        // Names in an expression that came later were looked for already, within the fence.
        let filter = self.started.capture.filter.as_deref();
        let live = Live { reopens: self.reopens, filter, telemetry: self.telemetry.as_ref() };
        let run = Run {
            live: Some(live),
            spool: self.started.capture.spool.config(),
            config: Some(&self.file),
            ..Default::default()
        };
        let lacks = policy.lacks(&confinement::policy(&new.meter, &run, self.is_root));
        if lacks.is_empty() {
            return Ok(());
        }
        bail!(UsageError(format!(
            "{}: the process has given up {} when it started; restart it for that",
            self.file.display(),
            lacks.join(" and ")
        )))
    }
}

/// What has changed, and what has not though it was asked for.
fn told(replaced: &Replaced, fixed: &[String]) -> String {
    let Replaced { added, removed, unchanged } = replaced;
    // One that was told other things until now left, and came.
    let (anew, added): (Vec<_>, Vec<_>) =
        added.iter().map(String::as_str).partition(|name| removed.iter().any(|it| it == name));
    let gone = removed.iter().map(String::as_str).filter(|name| !anew.contains(name));
    let gone: Vec<_> = gone.collect();
    let mut told = Vec::new();
    for (names, begin, end) in [
        (&added, "exporting to ", " from now on"),
        (&anew, "exporting to ", " with other options"),
        (&gone, "no longer to ", ""),
    ] {
        if !names.is_empty() {
            told.push(format!("{begin}{}{end}", names.join(", ")));
        }
    }
    if told.is_empty() {
        told.push("the targets are the same".to_owned());
    }
    let kept: Vec<_> = fixed.iter().chain(unchanged).cloned().collect();
    if !kept.is_empty() {
        let verb = if kept.len() == 1 {
            "stays as it was and needs"
        } else {
            "stay as they were and need"
        };
        told.push(format!("{} {verb} a restart", kept.join(", ")));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_and_what_did_not_is_told_in_one_line() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(told(&Replaced::default(), &[]), "the targets are the same");
        let other = words(&["tls://c:4740"]);
        let anew = Replaced { added: other.clone(), removed: other, ..Replaced::default() };
        assert_eq!(told(&anew, &[]), "exporting to tls://c:4740 with other options");
        let replaced = Replaced {
            added: words(&["udp://a:1"]),
            removed: words(&["udp://b:2", "json:-"]),
            unchanged: words(&["file:x"]),
        };
        assert_eq!(
            told(&replaced, &words(&["meter.max_flows"])),
            "exporting to udp://a:1 from now on; no longer to udp://b:2, json:-; meter.max_flows, file:x \
             stay as they were and need a restart"
        );
        assert!(
            told(&Replaced::default(), &words(&["interface"]))
                .ends_with("interface stays as it was and needs a restart")
        );
    }
}
