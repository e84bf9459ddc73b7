//! The filter of system calls (seccomp(2)).
//!
//! Two kinds of trouble, two answers. A call that nobody thought of, say of a C library that was
//! renewed under us, fails with EPERM: the probe goes on as far as it can, and the kernel logs it
//! (`audit: type=1326`, with the number of the call). What is newer than the list is not there
//! (ENOSYS), for which a C library has other ways. A call that only makes sense to whoever has
//! taken over the process, such as execve(2) or ptrace(2), ends the process at once: better no probe
//! until the service manager starts it again than one that works for somebody else.
//!
//! What is in memory is compared, not what pointers lead to: sockets are told apart by family, kind
//! and protocol; to which ports TCP connects, Landlock sees to.

mod lists;

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::confine::report::SystemCallFence;
use crate::confine::{ConfineError, Policy, Reopens, State};
use crate::sys::seccomp::filter_all_threads;

/// Numbers of system calls, each with the arguments that it may have: any if there are no rules.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Filters system calls from here on, in all threads.
///
/// # Errors
///
/// [`ConfineError::Refused`] for a filter that cannot be made, which would be a defect.
pub(super) fn raise(policy: &Policy) -> Result<SystemCallFence, ConfineError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        let what = format!("system calls (no filter for {})", std::env::consts::ARCH);
        return Ok(SystemCallFence { state: State::Missing(what), allowed: 0 });
    };
    let refused = |error: BackendError| ConfineError::Refused {
        action: "make the filter of system calls",
        source: std::io::Error::other(error.to_string()),
    };
    let rules = allowed(policy).map_err(refused)?;
    let allowed = rules.len();
    let programs = compile(rules, arch).map_err(refused)?;
    for Program { program, logged } in programs {
        let instructions = program.into_iter().map(|instruction| libc::sock_filter {
            code: instruction.code,
            jt: instruction.jt,
            jf: instruction.jf,
            k: instruction.k,
        });
        match filter_all_threads(&instructions.collect::<Vec<_>>(), logged) {
            Ok(()) => {}
            Err(error) => {
                let what = match error.raw_os_error() {
                    Some(libc::EINVAL | libc::ENOSYS) => "no filters in this kernel",
                    _ => "refused by this kernel",
                };
                let what = format!("system calls ({what}: {error})");
                return Ok(SystemCallFence { state: State::Missing(what), allowed: 0 });
            }
        }
    }
    Ok(SystemCallFence { state: State::InForce, allowed })
}

/// The programs in the order of their installation. Of what they say of a call the strictest counts,
/// and of two errors that of the last program. The one that allows the call that installs them has to
/// be the last.
fn compile(rules: Rules, arch: TargetArch) -> Result<Vec<Program>, BackendError> {
    let fatal = lists::FATAL.iter().map(|&number| (number, Vec::new())).collect();
    // Tried by a C library for each thread, which is nobody's news.
    let hidden: Rules = lists::hidden().map(|number| (number, Vec::new())).collect();
    // Of two errors that of the last filter would count.
    let rules = rules.into_iter().chain(hidden.clone()).collect();
    let errno = |number: libc::c_int| SeccompAction::Errno(number.unsigned_abs());
    let filters = [
        (SeccompFilter::new(fatal, SeccompAction::Allow, SeccompAction::KillProcess, arch)?, true),
        (SeccompFilter::new(hidden, SeccompAction::Allow, errno(libc::ENOSYS), arch)?, false),
        (SeccompFilter::new(rules, errno(libc::EPERM), SeccompAction::Allow, arch)?, true),
    ];
    let program = |(filter, logged): (SeccompFilter, bool)| {
        Ok(Program { program: filter.try_into()?, logged })
    };
    filters.into_iter().map(program).collect()
}

/// A filter as the kernel takes it.
struct Program {
    program: BpfProgram,
    /// What it refuses is worth a line in the kernel's log.
    logged: bool,
}

/// What is allowed.
fn allowed(policy: &Policy) -> Result<Rules, BackendError> {
    let mut rules: Rules = lists::ALWAYS.iter().map(|&number| (number, Vec::new())).collect();
    let is_networked = is_networked(policy);
    if is_networked || policy.reopens.is_some() {
        rules.extend(lists::SOCKETS.iter().map(|&number| (number, Vec::new())));
        let sockets = sockets(policy)?;
        rules.insert(libc::SYS_socket, sockets);
    }
    if policy.network.answers {
        rules.extend(lists::ANSWERS.iter().map(|&number| (number, Vec::new())));
    }
    if policy.reopens == Some(Reopens::Libpcap) {
        rules.extend(lists::LIBPCAP.iter().map(|&number| (number, Vec::new())));
    }
    if policy.looks {
        // What could be set by these, too, takes CAP_SYS_TIME, which was given up.
        rules.insert(libc::SYS_adjtimex, Vec::new());
        let system = flags(libc::CLOCK_REALTIME);
        rules.insert(libc::SYS_clock_adjtime, vec![rule([(0, equal(system))])?]);
    }
    // Threads, and no processes.
    let threads = flags(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, vec![rule([(0, masked(threads, threads))])?]);
    // The signals of a thread that panics or aborts, to nobody else.
    let process = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![rule([(0, equal(process))])?]);
    // Limits are read, not set; affinity is that of the thread.
    rules.insert(libc::SYS_prlimit64, vec![rule([(0, equal(0)), (2, null())])?]);
    rules.insert(libc::SYS_sched_setaffinity, vec![rule([(0, equal(0))])?]);
    let names = [libc::PR_SET_NAME, libc::PR_SET_VMA];
    rules.insert(libc::SYS_prctl, one_of(0, names.map(flags))?);
    rules.insert(libc::SYS_ioctl, one_of(1, lists::requests(policy))?);
    // Nothing that can be written is executed, ever. What a resolver loads is mapped to be executed.
    let (write, execute) = (flags(libc::PROT_WRITE), flags(libc::PROT_EXEC));
    let mut mapped = vec![rule([(2, masked(execute, 0))])?];
    if policy.network.resolves {
        mapped.push(rule([(2, masked(write, 0))])?);
    }
    rules.insert(libc::SYS_mmap, mapped);
    rules.insert(libc::SYS_mprotect, vec![rule([(2, masked(execute, 0))])?]);
    Ok(rules)
}

fn is_networked(policy: &Policy) -> bool {
    let network = &policy.network;
    network.udp
        || network.resolves
        || !network.tcp_ports.is_empty()
        || !network.sctp_ports.is_empty()
}

/// Which sockets there may be: by family, kind and protocol.
fn sockets(policy: &Policy) -> Result<Vec<SeccompRule>, BackendError> {
    let network = &policy.network;
    let mut sockets = Vec::new();
    let mut add = |families: &[libc::c_int], kind: libc::c_int, protocols: &[libc::c_int]| {
        for &family in families {
            for &protocol in protocols {
                sockets.push(rule([
                    (0, equal(flags(family))),
                    (1, masked(SOCKET_KIND, flags(kind))),
                    (2, equal(flags(protocol))),
                ])?);
            }
        }
        Ok::<_, BackendError>(())
    };
    let internet = &[libc::AF_INET, libc::AF_INET6];
    // A resolver asks by datagrams, and by TCP for what is long.
    if network.udp || network.resolves {
        add(internet, libc::SOCK_DGRAM, &[0, libc::IPPROTO_UDP])?;
    }
    if !network.tcp_ports.is_empty() || network.resolves {
        add(internet, libc::SOCK_STREAM, &[0, libc::IPPROTO_TCP])?;
    }
    if !network.sctp_ports.is_empty() {
        add(internet, libc::SOCK_STREAM, &[libc::IPPROTO_SCTP])?;
    }
    if network.resolves {
        // nscd and systemd-resolved; and which addresses this host has, to sort those of another.
        add(&[libc::AF_UNIX], libc::SOCK_STREAM, &[0])?;
        add(&[libc::AF_NETLINK], libc::SOCK_RAW, &[libc::NETLINK_ROUTE])?;
    }
    match policy.reopens {
        None => {}
        Some(Reopens::PacketSocket) => add(&[libc::AF_PACKET], libc::SOCK_RAW, &[0])?,
        Some(Reopens::Libpcap) => {
            let all = libc::c_int::from(ALL_PROTOCOLS.to_be());
            add(&[libc::AF_PACKET], libc::SOCK_RAW, &[0, all])?;
            add(&[libc::AF_PACKET], libc::SOCK_DGRAM, &[0, all])?;
            // On which it asks what an interface is and can do.
            add(&[libc::AF_NETLINK], libc::SOCK_RAW, &[libc::NETLINK_GENERIC])?;
            add(&[libc::AF_UNIX], libc::SOCK_RAW, &[0])?;
            add(&[libc::AF_UNIX], libc::SOCK_DGRAM, &[0])?;
            add(&[libc::AF_INET], libc::SOCK_DGRAM, &[0])?;
        }
    }
    Ok(sockets)
}

/// How an argument is compared: by operator, value and width.
type Comparison = (SeccompCmpOp, u64, SeccompCmpArgLen);

fn equal(value: u64) -> Comparison {
    (SeccompCmpOp::Eq, value, SeccompCmpArgLen::Dword)
}

/// A pointer to nothing.
fn null() -> Comparison {
    (SeccompCmpOp::Eq, 0, SeccompCmpArgLen::Qword)
}

fn masked(mask: u64, value: u64) -> Comparison {
    (SeccompCmpOp::MaskedEq(mask), value, SeccompCmpArgLen::Dword)
}

/// True if all comparisons are.
fn rule<const N: usize>(comparisons: [(u8, Comparison); N]) -> Result<SeccompRule, BackendError> {
    let condition =
        |(place, (operator, value, length))| SeccompCondition::new(place, length, operator, value);
    SeccompRule::new(comparisons.into_iter().map(condition).collect::<Result<_, _>>()?)
}

/// True if the argument at `place` is one of `values`.
fn one_of(
    place: u8,
    values: impl IntoIterator<Item = u64>,
) -> Result<Vec<SeccompRule>, BackendError> {
    values.into_iter().map(|value| rule([(place, equal(value))])).collect()
}

/// Flags and small numbers as the filter sees them: the low 32 bits of a register.
fn flags(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

/// Without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const SOCKET_KIND: u64 = 0xf;

#[expect(clippy::cast_possible_truncation, reason = "3")]
const ALL_PROTOCOLS: u16 = libc::ETH_P_ALL as u16;

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Policy {
        let network = super::super::Network {
            udp: true,
            tcp_ports: [4739].into(),
            sctp_ports: [4739].into(),
            binds: true,
            resolves: true,
            answers: true,
        };
        Policy { reopens: Some(Reopens::Libpcap), looks: true, network, ..Policy::default() }
    }

    #[test]
    fn nothing_fatal_is_allowed() {
        let rules = allowed(&everything()).unwrap();
        for number in lists::FATAL {
            assert!(!rules.contains_key(number), "system call {number}");
        }
    }

    #[test]
    fn what_is_hidden_is_neither_allowed_nor_fatal() {
        let hidden: Vec<_> = lists::hidden().collect();
        assert!(hidden.contains(&libc::SYS_clone3));
        let rules = allowed(&everything()).unwrap();
        for number in hidden {
            assert!(!rules.contains_key(&number) && !lists::FATAL.contains(&number), "{number}");
        }
    }

    #[test]
    fn a_run_without_network_has_no_sockets() {
        let rules = allowed(&Policy::default()).unwrap();
        for number in [libc::SYS_socket, libc::SYS_connect, libc::SYS_sendto, libc::SYS_bind] {
            assert!(!rules.contains_key(&number), "system call {number}");
        }
        assert!(allowed(&everything()).unwrap().contains_key(&libc::SYS_connect));
    }

    #[test]
    fn who_only_answers_can_neither_listen_anew_nor_connect() {
        let network = super::super::Network { answers: true, ..Default::default() };
        let rules = allowed(&Policy { network, ..Policy::default() }).unwrap();
        assert!(rules.contains_key(&libc::SYS_accept4));
        for number in [libc::SYS_socket, libc::SYS_bind, libc::SYS_listen, libc::SYS_connect] {
            assert!(!rules.contains_key(&number), "system call {number}");
        }
        assert!(!allowed(&Policy::default()).unwrap().contains_key(&libc::SYS_accept4));
        assert!(!allowed(&everything()).unwrap().contains_key(&libc::SYS_listen));
    }

    #[test]
    fn who_does_not_look_at_the_machine_cannot_ask_for_its_clock() {
        let calls = [libc::SYS_adjtimex, libc::SYS_clock_adjtime];
        let may = |policy: &Policy| {
            let rules = allowed(policy).unwrap();
            calls.map(|number| rules.contains_key(&number))
        };
        assert_eq!(may(&Policy::default()), [false; 2]);
        assert_eq!(may(&Policy { looks: true, ..Policy::default() }), [true; 2]);
    }

    #[test]
    fn filters_compile_for_each_processor_there_is_one_for() {
        for policy in [Policy::default(), everything()] {
            for arch in [TargetArch::x86_64, TargetArch::aarch64] {
                let programs = compile(allowed(&policy).unwrap(), arch).unwrap();
                let longest = programs.iter().map(|program| program.program.len()).max().unwrap();
                assert!(longest < 4096, "BPF_MAXINSNS: {longest}");
            }
        }
    }
}
