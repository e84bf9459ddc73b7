//! From what a run is told to do to what it is still able to do, and what people hear of it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde_json::{Value, json};

use crate::cli::args::{Confine, Meter, Selection};
use crate::cli::ending::{self, SummaryFile};
use crate::cli::exit::PlaceError;
use crate::cli::log;
use crate::confine::{
    self, Access, Account, Confinement, Files, Network, Policy, Privileges, Reopens,
};
use crate::export::{Needs, SpoolConfig, directory_of};
use crate::telemetry::Address;

/// What a run needs, beyond what its targets do.
#[derive(Debug, Default)]
pub(super) struct Run<'a> {
    /// Capture files.
    pub(super) inputs: &'a [PathBuf],
    /// Where records wait.
    pub(super) spool: Option<SpoolConfig>,
    /// Interfaces are observed.
    pub(super) live: Option<Live<'a>>,
    /// A configuration that is read again on order.
    pub(super) config: Option<&'a Path>,
}

/// How the process is confined.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) confinement: Confinement,
    pub(super) summary: Option<SummaryFile>,
    /// What it can still do; without one, everything.
    pub(super) policy: Option<Policy>,
    pub(super) is_root: bool,
}

/// What observing interfaces takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live<'a> {
    /// How a lost interface is opened again.
    pub(super) reopens: Option<Reopens>,
    /// An expression, which libpcap reads anew for each interface that it opens.
    pub(super) filter: Option<&'a str>,
    /// Where telemetry is served.
    pub(super) telemetry: Option<&'a Address>,
}

/// Confines the process to what this run needs, once its interfaces are open and before its first
/// thread is started. Also opens the summary file, for the user that will write it.
pub(super) fn enter(options: &Confine, meter: &Meter, run: &Run<'_>) -> anyhow::Result<Entered> {
    let account = options.user.as_deref().map(Account::find).transpose()?;
    let is_live = run.live.is_some();
    if options.unconfined {
        // Also with --quiet: nobody is to be unconfined without having read it.
        log::confined(&Confinement::Off);
        let (confinement, summary) = (Confinement::Off, SummaryFile::open(meter)?);
        return Ok(Entered { confinement, summary, policy: None, is_root: false });
    }
    // What other threads had would stay with them.
    if let Some(others @ 1..) = confine::threads().map(|threads| threads.saturating_sub(1)) {
        bail!("a defect: {others} threads were started before the process was confined");
    }
    let reopens = run.live.and_then(|live| live.reopens);
    // Its socket is open by now.
    if let (Some(account), Some(Address::Unix(path))) =
        (&account, run.live.and_then(|live| live.telemetry))
    {
        account.give_socket(path)?;
    }
    let privileges = confine::give_up_privileges(account.as_ref(), reopens)?;
    if let Some(spool) = &run.spool {
        // A fence is around what is there.
        make_directory(&spool.directory)?;
    }
    let is_root = privileges.is_root;
    let policy = policy(meter, run, is_root);
    check_places(&policy, run)?;
    let summary = SummaryFile::open(meter)?;
    let fence = confine::raise_fence(&policy)?;
    if let Some(config) = run.config
        && let Err(error) = confine::check_place(config, Access::Read)
    {
        log::configuration_unreadable(&error);
    }
    let stays_root = is_root && account.is_none();
    let confinement = Confinement::On { privileges, fence };
    if is_live || !confinement.lacks().is_empty() {
        log::confined(&confinement);
    }
    if is_live && stays_root {
        log::running_as_root();
    }
    Ok(Entered { confinement, summary, policy: Some(policy), is_root })
}

/// What the run is to be able to do.
pub(super) fn policy(meter: &Meter, run: &Run<'_>, is_root: bool) -> Policy {
    let Needs { mut read, written, udp, tcp_ports, sctp_ports, binds, mut resolves } =
        Needs::of(&meter.export, run.spool.as_ref());
    read.extend(run.inputs.iter().cloned());
    if let Some(Live { reopens, filter, .. }) = run.live {
        // Counters of losses, of interfaces that may come and go.
        read.extend(["/sys/class/net", "/sys/devices"].map(PathBuf::from));
        resolves |= reopens == Some(Reopens::Libpcap) && filter.is_some();
    }
    if let Some(config) = run.config {
        let Selection { exclude_net_file, only_net_file, .. } = &meter.metering.selection;
        for path in
            exclude_net_file.iter().chain(only_net_file).map(PathBuf::as_path).chain([config])
        {
            // An editor puts another file in the place of the old one.
            read.extend(directory_of(path));
            read.extend(fs::canonicalize(path).ok().and_then(|path| directory_of(&path)));
        }
    }
    if resolves {
        read.extend(confine::resolver_files(is_root));
    }
    // A summary that never came to be is removed.
    let remove = meter.summary.as_deref().and_then(ending::written_directory);
    let telemetry = run.live.and_then(|live| live.telemetry);
    // So is the socket of telemetry, at the end.
    let socket = match telemetry {
        Some(Address::Unix(path)) => path.parent().map(|folder| match folder.as_os_str() {
            name if name.is_empty() => PathBuf::from("."),
            _ => folder.to_owned(),
        }),
        _ => None,
    };
    let (is_live, answers) = (run.live.is_some(), telemetry.is_some());
    let network = Network { udp, tcp_ports, sctp_ports, binds, resolves, answers };
    let files = Files { read, write: written, remove: remove.into_iter().chain(socket).collect() };
    let reopens = run.live.and_then(|live| live.reopens);
    Policy { reopens, looks: is_live, network, files }
}

/// Makes the directory of the spool, as the user who will fill it.
fn make_directory(path: &Path) -> Result<(), PlaceError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| {
        let what = format!("cannot make the spool directory {} as this user", path.display());
        PlaceError { what, source }
    })
}

/// What can be known to fail is to fail now, not at the first rotation of the night.
fn check_places(policy: &Policy, run: &Run<'_>) -> anyhow::Result<()> {
    for path in &policy.files.write {
        confine::check_place(path, Access::Write)?;
    }
    for path in run.inputs {
        confine::check_place(path, Access::Read)?;
    }
    Ok(())
}

/// Confinement as a JSON object, for the summary.
pub(super) fn json(confinement: &Confinement) -> Value {
    let Confinement::On { privileges, fence } = confinement else {
        return json!({ "on": false });
    };
    let Privileges { user, capabilities, bounding, .. } = privileges;
    let parts: serde_json::Map<_, _> = confinement
        .parts()
        .into_iter()
        .map(|(name, state)| (name.to_owned(), json!(state.name())))
        .collect();
    json!({
        "on": true,
        "user": user,
        "capabilities": capabilities,
        "bounding_capabilities": bounding,
        "parts": parts,
        "lacks": confinement.lacks(),
        "system_calls_allowed": fence.system_calls.allowed,
        "places_read": shown(&fence.files.read),
        "places_written": shown(&fence.files.written),
        "tcp_ports": fence.files.tcp_ports,
    })
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

/// Descriptors that a run may have open, with room to spare: for each Collector or file what is open, its
/// successor, and what a resolver takes; for each worker its interfaces and a socket to ask about them.
///
/// A run is given twice as many for targets: others may come while the old ones send what they have.
pub(super) fn descriptor_limit(targets: usize, workers: usize, interfaces: usize) -> u64 {
    descriptors(2 * targets, workers, interfaces)
}

/// Descriptors that a run may have open, as [`descriptor_limit`] counts them.
pub(super) fn descriptors(targets: usize, workers: usize, interfaces: usize) -> u64 {
    let needed = 128 + 16 * targets + workers * (2 * interfaces + 2);
    (needed as u64).max(USUAL_LIMIT)
}

/// What systems give by default, and no program is surprised by.
const USUAL_LIMIT: u64 = 1024;
