//! The fence around files, TCP ports and other processes (landlock(7)).

use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, AddRuleError, AddRulesError, BitFlags, LandlockStatus,
    NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, Scope,
};

use crate::confine::report::FileFence;
use crate::confine::{Policy, State};

/// Fences this thread, and those it starts from here on, as far as the kernel takes it.
pub(super) fn raise(policy: &Policy) -> FileFence {
    let (read, written) = (there(&policy.files.read), there(&policy.files.write));
    let remove = there(&policy.files.remove);
    let mut ports: Vec<_> = policy.network.tcp_ports.iter().copied().collect();
    if policy.network.resolves {
        ports.push(DOMAIN);
        ports.sort_unstable();
        ports.dedup();
    }
    let raised = |scope| {
        let rules = build(policy, [&read, &written, &remove], &ports, scope)?;
        rules.restrict_self().map(|status| status.landlock)
    };
    // There are kernels that claim to know scopes and do not (some of RHEL 9).
    let (raised, scope_refused) = match raised(Scope::from_all(NEWEST)) {
        Err(error) => (raised(BitFlags::empty()), Some(error)),
        raised => (raised, None),
    };
    let status = match raised {
        Ok(status) => status,
        Err(error) => return none(&error),
    };
    let since = |abi: ABI, what: &str, release: &str| match status {
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= abi => State::InForce,
        LandlockStatus::Available { .. } => {
            State::Missing(format!("{what} (Landlock of before Linux {release})"))
        }
        LandlockStatus::NotEnabled => State::Missing(format!("{what} (Landlock is switched off)")),
        LandlockStatus::NotImplemented => {
            State::Missing(format!("{what} (no Landlock in this kernel)"))
        }
    };
    let state = match since(ABI::V1, "files", "5.13") {
        // What was opened to be written can be cut off by that, also where it may not be written.
        State::InForce if !since(ABI::V3, "", "").is_in_force() => {
            State::Partly("truncation of files (Landlock of before Linux 6.2)".to_owned())
        }
        state => state,
    };
    FileFence {
        state,
        read: whole(read),
        written: whole(written),
        tcp: since(ABI::V4, "TCP ports", "6.7"),
        tcp_ports: ports,
        scope: match scope_refused {
            Some(error) => State::Missing(format!("signals to other processes ({error})")),
            None => since(ABI::V6, "signals to other processes", "6.12"),
        },
    }
}

/// A kernel that has Landlock and takes no rules, which is not known of any.
fn none(error: &RulesetError) -> FileFence {
    let missing = |what: &str| State::Missing(format!("{what} ({error})"));
    FileFence {
        state: missing("files"),
        read: Vec::new(),
        written: Vec::new(),
        tcp: missing("TCP ports"),
        tcp_ports: Vec::new(),
        scope: missing("signals to other processes"),
    }
}

fn build(
    policy: &Policy,
    [read, written, remove]: [&[PathBuf]; 3],
    ports: &[u16],
    scope: BitFlags<Scope>,
) -> Result<RulesetCreated, RulesetError> {
    // What is not handled is not denied: so everything is, as far as the kernel knows it.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?;
    if !scope.is_empty() {
        rules = rules.scope(scope)?;
    }
    let mut rules = rules.create()?;
    for (paths, access) in
        [(read, readable()), (written, writable()), (remove, AccessFs::RemoveFile.into())]
    {
        for path in paths {
            allow(&mut rules, path, access)?;
        }
    }
    // Where SCTP is taken for TCP (before Linux 6.14) its ports have to be in the list.
    let ports = ports.iter().chain(&policy.network.sctp_ports);
    for &port in ports {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    if policy.network.binds {
        // An address of ours, and a port of the kernel's choice.
        rules = rules.add_rule(NetPort::new(0, AccessNet::BindTcp))?;
    }
    Ok(rules)
}

/// What is in memory only, such as the pipe behind `/dev/fd/3`, is in no hierarchy: it can be opened
/// without a rule, and the kernel takes none for it.
fn allow(
    rules: &mut RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<(), RulesetError> {
    let Ok(place) = PathFd::new(path) else { return Ok(()) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    match rules.add_rule(PathBeneath::new(place, access)).map(drop) {
        Err(RulesetError::AddRules(AddRulesError::Fs(AddRuleError::AddRuleCall {
            source,
            ..
        }))) if source.raw_os_error() == Some(libc::EBADFD) => Ok(()),
        done => done,
    }
}

fn readable() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// Regular files and directories come and go; no devices, links or sockets.
fn writable() -> BitFlags<AccessFs> {
    readable()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
}

fn there<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.exists()).cloned().collect()
}

/// Names that say where a place is to whoever reads them elsewhere.
fn whole(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| fs::canonicalize(&path).unwrap_or(path)).collect()
}

/// The newest version whose rights we know: files (5), TCP (4), and other processes (6).
const NEWEST: ABI = ABI::V6;

/// The port of the Domain Name System.
const DOMAIN: u16 = 53;
