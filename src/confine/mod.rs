//! What the process gives up before the first frame: privileges, system calls, files.
//!
//! A probe reads what strangers send. Should one of them find a way in, there is to be little to
//! find: no capability but the one that opens a lost interface again, no program to start, no file
//! but those of the run, no Collector but those of the run.
//!
//! Capabilities and the file fence are of a thread and go over to those it starts, so all of this
//! happens while there is only one: interfaces first, which take privileges to open; then
//! [`give_up_privileges`] and [`raise_fence`]; then everything that starts threads. [`threads`] tells
//! whether that order was kept.
//!
//! | part | what is left |
//! |---|---|
//! | user | `--user`, with its groups; who started us without |
//! | capabilities | CAP_NET_RAW, by which a lost interface is opened again; none with `--no-reopen`, none in a replay; bounding, inheritable and ambient set empty |
//! | programs | none: no new privileges, and execve(2) ends the process |
//! | system calls | those of the run ([`system_calls`]); others fail with EPERM, and those that only an intruder makes end the process |
//! | files | read: those of the run and, where names are resolved, of the resolver; written: spool and output directories |
//! | network | sockets of the kinds that the targets need; TCP to the ports of the Collectors only |
//! | signals, abstract sockets | none to or of other processes |
//! | memory | no core dump, no debugger without CAP_SYS_PTRACE |
//!
//! What a kernel cannot do is told, and the rest is done: see [`Confinement`].

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod capabilities;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod privileges;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub mod system_calls;

#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod other_processors;

mod policy;
mod report;
mod resolver;

#[cfg(not(target_os = "linux"))]
mod elsewhere;

use std::io;
use std::path::PathBuf;

#[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
use other_processors as system_calls;

#[cfg(target_os = "linux")]
pub use account::Account;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    Access, Account, check_place, give_up_privileges, is_root, limit_descriptors, raise_fence,
};
pub use policy::{Files, Network, Policy, Reopens};
#[cfg(target_os = "linux")]
pub use privileges::{Access, check_place, give_up_privileges, is_root, limit_descriptors};
pub use report::{Confinement, Fence, FileFence, Privileges, State, SystemCallFence};
pub use resolver::resolver_files;

/// Why the process could not be confined as it was told to; what the kernel cannot do is no error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfineError {
    /// There is no such user or group, or it cannot be looked up.
    #[error("--user {text}: {what}")]
    Account {
        /// What was asked for.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// Only root can become somebody else.
    #[error("--user {user}: only root can become another user")]
    NotRoot {
        /// Who was to be become.
        user: String,
    },
    /// The system refused what it grants to everybody.
    #[error("cannot {action}: {source}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A place that the run has to read or write is none for this user.
    #[error("{}: cannot be {verb} by user {user}{advice}", path.display())]
    Place {
        /// Where it is.
        path: PathBuf,
        /// Read or written.
        verb: &'static str,
        /// Who the process is now.
        user: String,
        /// What to do about it.
        advice: String,
    },
}

impl ConfineError {
    /// Whether it stays so until somebody changes the configuration, or what that names.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Account { .. } | Self::NotRoot { .. } | Self::Place { .. } => true,
            Self::Refused { .. } => false,
        }
    }
}

/// Raises the fence around system calls and files: from here on the process can do what `policy`
/// says and nothing else, and nothing takes that back.
///
/// What the kernel cannot do is told in what is returned.
///
/// # Errors
///
/// [`ConfineError::Refused`] for a filter that cannot be made, which would be a defect.
#[cfg(target_os = "linux")]
pub fn raise_fence(policy: &Policy) -> Result<Fence, ConfineError> {
    // Files first: the filter lets nobody make further fences.
    let files = files::raise(policy);
    let system_calls = system_calls::raise(policy)?;
    Ok(Fence { files, system_calls })
}

/// Threads of this process; `None` where the system does not tell.
pub fn threads() -> Option<usize> {
    let entries = std::fs::read_dir("/proc/self/task").ok()?;
    Some(entries.count())
}
