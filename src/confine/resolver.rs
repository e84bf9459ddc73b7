//! Files by which the C library finds the addresses of a name.

use std::path::PathBuf;

/// What a resolver reads: its configuration, where links of it lead, and the modules it loads.
///
/// All of it can be replaced while the probe runs, and a file that takes the place of another in `/etc`
/// is not in a fence around that other. Who is not root cannot read a secret in `/etc`, so for that
/// user all of `/etc` is in; root has the files that are there now.
pub fn resolver_files(is_root: bool) -> Vec<PathBuf> {
    let etc: &[&str] = if is_root { CONFIGURATION } else { &["/etc"] };
    etc.iter().chain(ELSEWHERE).map(PathBuf::from).collect()
}

const CONFIGURATION: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/hostname",
    "/etc/services",
    "/etc/protocols",
    "/etc/networks",
    "/etc/ethers",
    "/etc/ld.so.cache",
];

/// Where `/etc/resolv.conf` leads to on many systems, and modules of the C library.
const ELSEWHERE: &[&str] = &[
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
];
