//! What is planned for: what flags say, over what a configuration says.

use std::ffi::OsString;
use std::io::{self, Write as _};

use anyhow::bail;

use crate::cli::args::{Capture, Meter, Plan};
use crate::cli::sense::{self, Places};
use crate::cli::{UsageError, config, ending};
use crate::export::Target;

/// The parts of a capture that a plan goes by.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) meter: Meter,
    pub(super) interfaces: Vec<String>,
    pub(super) backend: crate::cli::args::Backend,
    pub(super) workers: Option<std::num::NonZeroUsize>,
    pub(super) filter: Option<String>,
    /// What a configuration sets aside, if there is one.
    pub(super) configured: Option<Configured>,
}

/// What a configuration sets aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Configured {
    /// Flows in the cache at most.
    pub(super) max_flows: u64,
    /// Octets of each spool, if there are any.
    pub(super) spool_size: Option<u64>,
}

impl Wanted {
    /// Joins both; `words` are those of the command line.
    pub(super) fn of(arguments: &mut Plan, words: &[OsString]) -> anyhow::Result<Self> {
        let typed = std::mem::take(&mut arguments.export);
        let meter = Meter {
            export: typed,
            summary: None,
            quiet: arguments.quiet,
            observation_domain: arguments.observation_domain,
            metering: arguments.metering.clone(),
        };
        let wanted = match &arguments.config {
            None => Self {
                meter,
                interfaces: std::mem::take(&mut arguments.interface),
                backend: arguments.backend,
                workers: arguments.workers,
                filter: arguments.filter.take(),
                configured: None,
            },
            Some(file) => {
                let mut capture = config::merged_for(words, file)?;
                if meter.export.is_empty() {
                    leave_out_what_is_no_ipfix(&mut capture, arguments.quiet)?;
                }
                Self::of_capture(capture, arguments.quiet)
            }
        };
        if arguments.live.is_some() && wanted.interfaces.is_empty() {
            bail!(UsageError("--live needs an interface to observe: use --interface".into()));
        }
        sense::check_places(&Places::of_replay(&wanted.meter, &[]))?;
        ending::check_memory(&wanted.meter)?;
        Ok(wanted)
    }

    fn of_capture(capture: Capture, quiet: bool) -> Self {
        let Capture { interface, backend, workers, filter, spool, meter, .. } = capture;
        let configured = Configured {
            max_flows: meter.metering.max_flows as u64,
            spool_size: spool.config().map(|config| config.maximum_octets),
        };
        Self {
            meter: Meter { summary: None, quiet, ..meter },
            interfaces: interface,
            backend,
            workers,
            filter,
            configured: Some(configured),
        }
    }
}

/// A configuration may have targets besides that nothing is to be planned for.
fn leave_out_what_is_no_ipfix(capture: &mut Capture, quiet: bool) -> anyhow::Result<()> {
    let targets = std::mem::take(&mut capture.meter.export);
    let given = !targets.is_empty();
    let (kept, others): (Vec<_>, Vec<_>) =
        targets.into_iter().partition(|it| !matches!(it, Target::Json(_) | Target::Null));
    for target in others.iter().filter(|_| !quiet) {
        let _ = writeln!(io::stderr(), "flowtap: {target} is no IPFIX: it is not planned for");
    }
    if given && kept.is_empty() {
        bail!(UsageError("no target of the configuration gets IPFIX: give --export".into()));
    }
    capture.meter.export = kept;
    Ok(())
}
