//! Kernels that lack a part, as a filter before ours makes them: what is lacking is said, the rest is
//! done, and nothing fails.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::Command;

use flowtap::confine::{self, Confinement, Policy};
use nix::errno::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

#[test]
fn a_kernel_without_landlock_is_said_to_have_none() {
    assert_eq!(
        child(libc::SYS_landlock_create_ruleset, Errno::ENOSYS),
        "files (no Landlock in this kernel); TCP ports (no Landlock in this kernel); signals to \
         other processes (no Landlock in this kernel)"
    );
    let off = child(libc::SYS_landlock_create_ruleset, Errno::EOPNOTSUPP);
    assert!(off.starts_with("files (Landlock is switched off)"), "{off}");
}

#[test]
fn a_kernel_without_filters_is_said_to_have_none() {
    for error in [Errno::ENOSYS, Errno::EINVAL] {
        let lacks = child(libc::SYS_seccomp, error);
        assert!(lacks.starts_with("system calls (no filters in this kernel"), "{lacks}");
        assert!(!lacks.contains(';'), "nothing else: {lacks}");
    }
}

#[test]
fn a_kernel_that_takes_no_rules_is_said_to_have_none() {
    let lacks = child(libc::SYS_landlock_restrict_self, Errno::EPERM);
    assert!(lacks.starts_with("files (") && lacks.contains("TCP ports ("), "{lacks}");
}

/// What a process lacks in which this system call fails like this.
fn child(number: i64, error: Errno) -> String {
    let output = Command::new(env::current_exe().expect("a test knows its own binary"))
        .args([
            "--exact",
            "confine::old_kernels::child_of_an_old_kernel",
            "--ignored",
            "--nocapture",
        ])
        .env(REFUSED, format!("{number} {}", error as i32))
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let lacks = told.lines().find_map(|line| line.split_once("lacks: "));
    lacks.expect("it tells").1.to_owned()
}

#[test]
#[ignore = "started by the tests above"]
fn child_of_an_old_kernel() {
    let order = env::var(REFUSED).expect("started by another test");
    let (number, error) = order.split_once(' ').unwrap();
    let filter = SeccompFilter::new(
        BTreeMap::from([(number.parse().unwrap(), Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(error.parse().unwrap()),
        TargetArch::try_from(env::consts::ARCH).unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();

    let privileges = confine::give_up_privileges(None, None).unwrap();
    let fence = confine::raise_fence(&Policy::default()).unwrap();
    let confinement = Confinement::On { privileges, fence };
    let line = confinement.to_string();
    assert!(line.contains("NOT in force: "), "{line}");
    assert!(line.contains("no new privileges, no core dumps"), "the rest is done: {line}");
    // What is said to be open is open, and what is said to be closed is closed.
    let is_fenced = !line.contains("files (");
    assert_eq!(fs::read("/etc/passwd").is_err(), is_fenced, "{line}");
    println!("lacks: {}", confinement.lacks().join("; "));
}

/// Tells the child which system call its kernel does not have, and how it says so.
const REFUSED: &str = "FLOWTAP_TEST_REFUSED";
