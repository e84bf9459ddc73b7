//! Which system calls a run makes, and for what.

use crate::confine::{Policy, Reopens};

/// What every run may do, with any arguments. Some further calls have conditions on theirs.
pub(super) const ALWAYS: &[i64] = &[
    // Memory; rings and buffers may be locked.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_munlock,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_membarrier,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // Who and where we are.
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getcwd,
    libc::SYS_getrandom,
    // Descriptors.
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    // Files, fenced by Landlock.
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    RENAMEAT,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    SYNC_FILE_RANGE,
    // The same by their older names, which newer architectures do not have.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    // What an open capture socket is asked, also where none is opened again.
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_getsockname,
];

/// What sockets take, besides being opened. Who connects to us is another matter ([`ANSWERS`]).
pub(super) const SOCKETS: &[i64] = &[
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_getpeername,
    libc::SYS_shutdown,
];

/// What it takes to answer at a socket that listens already.
pub(super) const ANSWERS: &[i64] =
    &[libc::SYS_accept4, libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_shutdown];

/// What libpcap takes beyond that to open an interface.
pub(super) const LIBPCAP: &[i64] = &[libc::SYS_eventfd2];

/// What only an intruder asks for: other programs and processes, the kernel's own interpreters, its
/// keys, file systems and modules, and rings that go around this filter.
pub(super) const FATAL: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
];

/// What is answered as an older kernel would, so that a C library does it in an older way: starting
/// a thread with flags that no filter can see, and whatever is newer than this list. From 424 on
/// numbers are the same on all processors; in 2026 they are at 470.
pub(super) fn hidden() -> impl Iterator<Item = i64> {
    (424..512).filter(|number| !ALWAYS.contains(number) && !FATAL.contains(number))
}

/// What may be asked by ioctl(2).
pub(super) fn requests(policy: &Policy) -> Vec<u64> {
    let mut requests = vec![
        // A terminal: is it one, and how wide. Not TIOCSTI, which types into it.
        libc::TCGETS,
        libc::TIOCGWINSZ,
        // Descriptors: what can be read, what the peer has not acknowledged, whether to wait.
        libc::FIONREAD,
        libc::TIOCOUTQ,
        libc::FIONBIO,
        // Interfaces.
        libc::SIOCGIFINDEX,
        libc::SIOCGIFNAME,
        libc::SIOCGIFFLAGS,
        libc::SIOCGIFHWADDR,
    ];
    if policy.looks {
        // What drivers do to frames. What could be set by it takes CAP_NET_ADMIN, which was given up.
        requests.push(libc::SIOCETHTOOL);
    }
    if policy.reopens == Some(Reopens::Libpcap) {
        requests.extend([libc::SIOCGIFMTU, libc::SIOCETHTOOL, SIOCBONDINFOQUERY, SIOCGIWNAME]);
    }
    requests.into_iter().map(low_half).collect()
}

/// The request is 32 bits to the kernel, whatever it is to a C library.
#[allow(clippy::unnecessary_cast, reason = "in musl it is an int")]
const fn low_half(request: libc::Ioctl) -> u64 {
    request as u64 & 0xffff_ffff
}

// libc does not have these for every processor: x86_64 has numbers of its own, others those of
// asm-generic/unistd.h.
const RENAMEAT: i64 = if cfg!(target_arch = "x86_64") { 264 } else { 38 };
const SYNC_FILE_RANGE: i64 = if cfg!(target_arch = "x86_64") { 277 } else { 84 };

const SIOCBONDINFOQUERY: libc::Ioctl = 0x8994;
const SIOCGIWNAME: libc::Ioctl = 0x8B01;
