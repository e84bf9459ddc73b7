//! A new configuration while the probe runs, on SIGHUP.
//!
//! It is read as at the start, in the same words, and held against what the process may still do.
//! What may fail comes first; what cannot fail then takes effect. So a file with a mistake changes
//! nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, bail};
use signal_hook::consts::SIGHUP;

use crate::capture::live::{NewFilter, ObservationPoint};
use crate::cli::args::{Capture, Meter};
use crate::cli::config::Effective;
use crate::cli::confinement::{Live, Run};
use crate::cli::{UsageError, capture, confinement, ending, log, one_line, selection};
use crate::confine::{Policy, Reopens};
use crate::export::{Opened, Opener, Replaced, Target};
use crate::flow::PacketFilter;
use crate::pipeline::{self, Running};
use crate::telemetry::{Address, Configuration};

/// A flag that each SIGHUP sets. Without a configuration there is nothing to read again, and the signal
/// ends the run as SIGTERM does ([`ending::stop_on_hang_up`]).
pub(super) fn order_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let ordered = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&ordered)).context("cannot handle signals")?;
    Ok(ordered)
}

/// Waits for an order to read the configuration again, and sees that it is followed.
///
/// What may take its time (names that nobody resolves, a spool with much in it, a disk that is slow) is done by a
/// thread of its own: the one that asks here keeps the service manager informed, and looks out for the end. An
/// order that comes meanwhile is followed after it.
#[derive(Debug)]
pub(super) struct Reloader {
    /// Set by the signal.
    pub(super) ordered: Arc<AtomicBool>,
    pub(super) start: Arc<Start>,
    present: Arc<Present>,
    /// The order that is being followed.
    work: Option<JoinHandle<anyhow::Result<Prepared>>>,
}

/// What the probe was started with, and what it may do.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) words: Vec<OsString>,
    pub(super) file: PathBuf,
    /// Of this stays what takes a restart.
    pub(super) effective: Arc<Effective>,
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

/// What is in force, but for what takes a restart.
#[derive(Debug)]
struct Present {
    effective: Arc<Effective>,
    packets: Option<Arc<PacketFilter>>,
}

/// A configuration that was read, and all that it needs: nothing can fail any more.
#[derive(Debug)]
struct Prepared {
    effective: Effective,
    packets: Option<Arc<PacketFilter>>,
    /// None if it is as it was.
    frames: Option<NewFilter>,
    targets: Opened,
    /// What is other than it was, apart from targets.
    changes: Vec<String>,
}

impl Reloader {
    /// For a probe that meters `packets` as yet.
    pub(super) fn new(
        ordered: Arc<AtomicBool>,
        start: Start,
        packets: Option<Arc<PacketFilter>>,
    ) -> Self {
        let present = Arc::new(Present { effective: Arc::clone(&start.effective), packets });
        Self { ordered, start: Arc::new(start), present, work: None }
    }

    /// Whether there is an order to follow, which is taken by this.
    pub(super) fn is_ordered(&self) -> bool {
        self.work.is_none() && self.ordered.swap(false, Ordering::Relaxed)
    }

    /// Begins to follow an order. Without a thread for it, it is refused at once: then there is nothing to
    /// wait for. An error is why it was refused, which was said.
    pub(super) fn begin(&mut self, running: &Running<'_>) -> Result<(), String> {
        let (start, present) = (Arc::clone(&self.start), Arc::clone(&self.present));
        let opener = running.exporter().opener();
        let prepare = move || start.prepare(&present, opener);
        let work = thread::Builder::new().name("reload".to_owned()).spawn(prepare);
        self.work = Some(work.map_err(|error| {
            self.start.refuse(format!("cannot start a thread to read it: {error}"))
        })?);
        Ok(())
    }

    /// Puts into force what was read, once it is, and says what came of it in one line; `None` while there is
    /// nothing to say. An error is why the order was refused.
    pub(super) fn end(&mut self, running: &Running<'_>) -> Option<Result<(), String>> {
        let work = self.work.take_if(|work| work.is_finished())?;
        let read = work.join().unwrap_or_else(|_| bail!("a defect: what reads it has panicked"));
        Some(match read {
            Ok(prepared) => {
                let told = self.put_into_force(prepared, running);
                log::configuration_reloaded(&self.start.file, &told);
                self.start.configuration.loaded(capture::wall_clock());
                Ok(())
            }
            Err(error) => Err(self.start.refuse(one_line(&error))),
        })
    }

    /// The run ends: an order that is being followed is not any more.
    pub(super) fn give_up(&mut self) {
        // Its thread is not waited for, and leaves nothing behind.
        if self.work.take().is_some() {
            self.start.refuse("the probe ends before it was read".to_owned());
        }
    }

    fn put_into_force(&mut self, prepared: Prepared, running: &Running<'_>) -> String {
        let Prepared { effective, packets, frames, targets, changes } = prepared;
        let meter = &effective.capture.meter;
        let replaced = running.exporter().exchange(targets);
        if let Some(frames) = frames {
            running.set_capture_filter(frames);
        }
        running.set_packet_filter(packets.clone());
        running.set_collectors(capture::collectors(meter));
        log::set_level(effective.capture.log.level(self.start.effective.capture.meter.quiet));
        running.set_timeouts(meter.metering.active_timeout, meter.metering.idle_timeout);
        if let Some(warning) = ending::plain_transport(&meter.export)
            && !replaced.added.is_empty()
        {
            log::plain_transport(&warning);
        }
        let told = told(&replaced, &changes, &effective.fixed_changes(&self.start.effective));
        self.present = Arc::new(Present { effective: Arc::new(effective), packets });
        told
    }
}

impl Start {
    /// Says why an order is not followed, to all who watch.
    fn refuse(&self, reason: String) -> String {
        log::configuration_refused(&self.file, &reason);
        self.configuration.refused();
        reason
    }

    /// Reads the configuration and opens what it asks for: all that may fail, and all that may take its time.
    fn prepare(&self, present: &Present, opener: Opener) -> anyhow::Result<Prepared> {
        let effective = Effective::of(&self.words, &self.file)?;
        effective.check()?;
        let Capture { meter, filter, .. } = &effective.capture;
        if meter.export.is_empty() && !self.effective.capture.meter.export.is_empty() {
            bail!(UsageError(
                "no target is left: use [export] targets = [\"null:\"] for none".into()
            ));
        }
        let packets = selection::filter(&meter.metering.selection)?;
        self.check_descriptors(meter, &opener)?;
        self.check_confinement(meter)?;
        let reach = pipeline::reach(self.effective.capture.meter.metering.decode());
        let frames = (*filter != present.effective.capture.filter)
            .then(|| NewFilter::compile(&self.points, filter.as_deref(), reach))
            .transpose()?;
        let targets = opener.open(&meter.export)?;
        let mut changes = effective.followed_changes(&present.effective);
        // Also where the same files hold others now.
        if packets != present.packets {
            changes.push(selection::told_shortly(packets.as_deref()));
        }
        Ok(Prepared { effective, packets, frames, targets, changes })
    }

    /// Those that leave keep theirs until they have sent what they have.
    fn check_descriptors(&self, new: &Meter, opener: &Opener) -> anyhow::Result<()> {
        let wanted = collectors_of(&new.export) + collectors_of(opener.leaving(&new.export));
        let started = collectors_of(&self.effective.capture.meter.export);
        let interfaces = self.effective.capture.interface.len();
        let limit = confinement::descriptor_limit(started, self.workers, interfaces);
        if confinement::descriptors(wanted, self.workers, interfaces) > limit {
            bail!(UsageError(
                "so many targets, with those that still send what they have, need a restart".into()
            ));
        }
        Ok(())
    }

    /// What the process gave up it does not get back.
    fn check_confinement(&self, new: &Meter) -> anyhow::Result<()> {
        let Some(policy) = &self.policy else { return Ok(()) };
        // Names in an expression that came later were looked for already, within the fence.
        let filter = self.effective.capture.filter.as_deref();
        let live = Live { reopens: self.reopens, filter, telemetry: self.telemetry.as_ref() };
        let run = Run {
            live: Some(live),
            spool: self.effective.capture.spool.config(),
            config: Some(&self.file),
            ..Default::default()
        };
        let lacks = policy.lacks(&confinement::policy(new, &run, self.is_root));
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

/// How many Collectors and files these are.
pub(super) fn collectors_of<'a>(targets: impl IntoIterator<Item = &'a Target>) -> usize {
    targets.into_iter().map(|target| target.collectors().len().max(1)).sum()
}

/// What has changed, and what has not though it was asked for.
fn told(replaced: &Replaced, changes: &[String], fixed: &[String]) -> String {
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
    if !changes.is_empty() {
        told.push(format!("{} changed", changes.join(", ")));
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
        assert_eq!(told(&Replaced::default(), &[], &[]), "the targets are the same");
        let changes = words(&["filter", "timeouts", "networks (12 left out)"]);
        assert_eq!(
            told(&Replaced::default(), &changes, &words(&["meter.max_flows"])),
            "the targets are the same; filter, timeouts, networks (12 left out) changed; meter.max_flows \
             stays as it was and needs a restart"
        );
        let other = words(&["tls://c:4740"]);
        let anew = Replaced { added: other.clone(), removed: other, ..Replaced::default() };
        assert_eq!(told(&anew, &[], &[]), "exporting to tls://c:4740 with other options");
        let replaced = Replaced {
            added: words(&["udp://a:1"]),
            removed: words(&["udp://b:2", "json:-"]),
            unchanged: words(&["file:x"]),
        };
        assert_eq!(
            told(&replaced, &[], &words(&["meter.max_flows"])),
            "exporting to udp://a:1 from now on; no longer to udp://b:2, json:-; meter.max_flows, file:x \
             stay as they were and need a restart"
        );
        assert!(
            told(&Replaced::default(), &[], &words(&["interface"]))
                .ends_with("interface stays as it was and needs a restart")
        );
    }
}
