//! What confinement came to: a value for the summary, metrics and the manifest, and a line for people.

use std::fmt;
use std::path::PathBuf;

/// Whether a part is in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// All of it.
    InForce,
    /// Some of it; what is missing, and why.
    Partly(String),
    /// None of it; why.
    Missing(String),
}

/// How the process is confined.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a process has one of it")]
pub enum Confinement {
    /// Not at all: it was switched off.
    Off,
    /// As far as the kernel goes.
    On {
        /// What it may as whom.
        privileges: Privileges,
        /// What it can do at all.
        fence: Fence,
    },
}

/// Who the process is, and what it may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Privileges {
    /// The user, by name if it has one.
    pub user: String,
    /// The user is root.
    pub is_root: bool,
    /// Capabilities that are left, by name.
    pub capabilities: Vec<String>,
    /// Capabilities in the bounding set. To empty it takes CAP_SETPCAP; without new privileges what is
    /// left in it cannot be had.
    pub bounding: usize,
    /// `PR_SET_NO_NEW_PRIVS` (Linux 3.5).
    pub no_new_privileges: State,
    /// `PR_SET_DUMPABLE` 0 and `RLIMIT_CORE` 0.
    pub no_core_dumps: State,
}

/// What is allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fence {
    /// Files, TCP ports, signals (Landlock, Linux 5.13).
    pub files: FileFence,
    /// System calls (seccomp, Linux 4.14).
    pub system_calls: SystemCallFence,
}

/// What Landlock leaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileFence {
    /// Whether files are fenced.
    pub state: State,
    /// What can be read.
    pub read: Vec<PathBuf>,
    /// What can be written.
    pub written: Vec<PathBuf>,
    /// Whether TCP is fenced (Linux 6.7).
    pub tcp: State,
    /// Ports that can be connected to over TCP.
    pub tcp_ports: Vec<u16>,
    /// Whether signals and abstract sockets of other processes are out of reach (Linux 6.12).
    pub scope: State,
}

/// What seccomp leaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SystemCallFence {
    /// Whether system calls are filtered.
    pub state: State,
    /// How many of them are allowed, some of these with certain arguments only.
    pub allowed: usize,
}

impl State {
    /// Whether all of it is in force.
    pub const fn is_in_force(&self) -> bool {
        matches!(self, Self::InForce)
    }

    /// What is missing.
    pub fn lack(&self) -> Option<&str> {
        match self {
            Self::InForce => None,
            Self::Partly(what) | Self::Missing(what) => Some(what),
        }
    }

    /// One word for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Partly(_) => "partly",
            Self::Missing(_) => "missing",
        }
    }
}

impl Confinement {
    /// Its parts, by name.
    pub fn parts(&self) -> Vec<(&'static str, &State)> {
        let Self::On { privileges, fence } = self else { return Vec::new() };
        vec![
            ("no_new_privileges", &privileges.no_new_privileges),
            ("no_core_dumps", &privileges.no_core_dumps),
            ("system_calls", &fence.system_calls.state),
            ("files", &fence.files.state),
            ("tcp", &fence.files.tcp),
            ("scope", &fence.files.scope),
        ]
    }

    /// What is missing, if anything.
    pub fn lacks(&self) -> Vec<&str> {
        self.parts().into_iter().filter_map(|(_, state)| state.lack()).collect()
    }
}

/// One line.
impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::On { privileges, fence } = self else {
            return f.write_str(
                "UNCONFINED: whoever takes over this process has all its rights; \
                 leave --unconfined to debugging",
            );
        };
        write!(f, "confined: user {}, capabilities {}", privileges.user, listed(privileges))?;
        let simple = [
            (&privileges.no_new_privileges, "no new privileges"),
            (&privileges.no_core_dumps, "no core dumps"),
        ];
        for (state, text) in simple {
            if state.is_in_force() {
                write!(f, ", {text}")?;
            }
        }
        if !matches!(fence.system_calls.state, State::Missing(_)) {
            write!(f, ", {} system calls", fence.system_calls.allowed)?;
        }
        let FileFence { state, read, written, tcp, tcp_ports, .. } = &fence.files;
        if !matches!(state, State::Missing(_)) {
            write!(f, ", files: {} places read, {} written", read.len(), written.len())?;
        }
        if tcp.is_in_force() {
            match &tcp_ports[..] {
                [] => f.write_str(", no TCP")?,
                ports => {
                    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
                    write!(f, ", TCP to ports {}", ports.join(" "))?;
                }
            }
        }
        let lacks = self.lacks();
        if !lacks.is_empty() {
            write!(f, "; NOT in force: {}", lacks.join("; "))?;
        }
        Ok(())
    }
}

fn listed(privileges: &Privileges) -> String {
    match &privileges.capabilities[..] {
        [] => "none".to_owned(),
        names => names.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confinement() -> Confinement {
        Confinement::On {
            privileges: Privileges {
                user: "flowtap".to_owned(),
                is_root: false,
                capabilities: vec!["CAP_NET_RAW".to_owned()],
                bounding: 0,
                no_new_privileges: State::InForce,
                no_core_dumps: State::InForce,
            },
            fence: Fence {
                files: FileFence {
                    state: State::InForce,
                    read: vec!["/sys/devices".into()],
                    written: vec!["/var/lib/flowtap".into(), "/srv/flows".into()],
                    tcp: State::InForce,
                    tcp_ports: vec![4739, 4740],
                    scope: State::InForce,
                },
                system_calls: SystemCallFence { state: State::InForce, allowed: 84 },
            },
        }
    }

    #[test]
    fn what_is_in_force_is_said_in_one_line() {
        assert_eq!(
            confinement().to_string(),
            "confined: user flowtap, capabilities CAP_NET_RAW, no new privileges, no core dumps, \
             84 system calls, files: 1 places read, 2 written, TCP to ports 4739 4740"
        );
        assert!(confinement().lacks().is_empty());
    }

    #[test]
    fn what_an_old_kernel_lacks_is_said_and_not_claimed() {
        let mut confinement = confinement();
        let Confinement::On { fence, .. } = &mut confinement else { unreachable!() };
        fence.files.state = State::Missing("files (no Landlock in this kernel)".to_owned());
        fence.files.tcp = State::Missing("TCP ports (Landlock before Linux 6.7)".to_owned());
        let line = confinement.to_string();
        assert!(!line.contains("places"), "{line}");
        assert!(!line.contains("TCP to"), "{line}");
        assert!(
            line.ends_with(
                "; NOT in force: files (no Landlock in this kernel); TCP ports (Landlock before \
                 Linux 6.7)"
            ),
            "{line}"
        );
    }

    #[test]
    fn nobody_can_overlook_that_there_is_none() {
        assert!(Confinement::Off.to_string().starts_with("UNCONFINED"));
        assert!(Confinement::Off.parts().is_empty());
    }
}
