//! Judgements on the machine.

use std::time::Duration;

use crate::cli::finding::{Check, Finding, Verdict};
use crate::confine::{Confinement, State};
use crate::sys::kernel_clock::KernelClock;

pub(super) fn privilege(may_capture: bool) -> Finding {
    if may_capture {
        return Finding::new(Check::Privilege, Verdict::Ok, "this process may see packets");
    }
    let program = std::env::current_exe()
        .map_or_else(|_| "$(command -v flowtap)".to_owned(), |path| path.display().to_string());
    Finding::new(Check::Privilege, Verdict::Error, "CAP_NET_RAW is missing")
        .fixed_by(format!("setcap cap_net_raw+ep {program}; or run it by sudo"))
}

pub(in crate::cli) fn clock(clock: Option<KernelClock>) -> Finding {
    let found = |verdict, text| Finding::new(Check::Clock, verdict, text);
    match clock {
        None => found(Verdict::Unknown, "the kernel does not tell of its clock".to_owned()),
        Some(KernelClock { synchronised: false, .. }) => {
            found(Verdict::Warning, "nobody synchronises the system clock".to_owned())
                .fixed_by("timedatectl set-ntp true; or install chrony")
        }
        Some(KernelClock { maximum_error, .. }) if maximum_error > LARGEST_ERROR => found(
            Verdict::Warning,
            format!("the system clock may be off by {} ms", maximum_error.as_millis()),
        )
        .fixed_by("chronyc sources; timedatectl timesync-status: is a time server reached?"),
        Some(KernelClock { maximum_error, .. }) => found(
            Verdict::Ok,
            format!("the system clock is synchronised to {} ms", maximum_error.as_millis()),
        ),
    }
}

/// `governors` are those of the processors that have one.
pub(super) fn governor(governors: &[String]) -> Finding {
    let found = |verdict, text: &str| Finding::new(Check::Governor, verdict, text);
    if governors.is_empty() {
        return found(Verdict::Unknown, "the clock of processors is not ours to see here");
    }
    if governors.iter().all(|governor| governor == "performance") {
        return found(Verdict::Ok, "all processors run at full clock");
    }
    found(Verdict::Note, "processors may clock down")
        .fixed_by("cpupower frequency-set -g performance")
}

/// What a probe gives up here, and what this kernel cannot do of it.
pub(super) fn confinement(confinement: &Confinement) -> Finding {
    let lacks = confinement.lacks();
    if lacks.is_empty() {
        return Finding::new(
            Check::Confinement,
            Verdict::Ok,
            "the kernel confines a probe in every way that flowtap asks for",
        );
    }
    // The two that count; the rest came with later kernels and fences off a little more.
    let is_missing = |&(name, state): &(&str, &State)| {
        ["system_calls", "files"].contains(&name) && matches!(state, State::Missing(_))
    };
    let verdict =
        if confinement.parts().iter().any(is_missing) { Verdict::Warning } else { Verdict::Note };
    let text = format!("this kernel cannot confine: {}", lacks.join("; "));
    Finding::new(Check::Confinement, verdict, text).fixed_by(
        "boot a kernel with CONFIG_SECCOMP_FILTER and CONFIG_SECURITY_LANDLOCK, 6.12 or newer, and \
         landlock in lsm=",
    )
}

/// What daemons of NTP keep below on any network.
const LARGEST_ERROR: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_good_if_somebody_sets_it_and_knows_how_well() {
        let verdict = |synchronised, milliseconds| {
            let maximum_error = Duration::from_millis(milliseconds);
            clock(Some(KernelClock { synchronised, maximum_error })).verdict
        };
        assert_eq!(verdict(true, 20), Verdict::Ok);
        assert_eq!(verdict(true, 1001), Verdict::Warning);
        assert_eq!(verdict(false, 20), Verdict::Warning);
        assert_eq!(clock(None).verdict, Verdict::Unknown);
    }

    #[test]
    fn who_may_see_no_packets_is_told_how_he_may() {
        assert_eq!(privilege(true).verdict, Verdict::Ok);
        let finding = privilege(false);
        assert_eq!(finding.verdict, Verdict::Error);
        assert!(finding.fix.unwrap().starts_with("setcap cap_net_raw+ep /"));
    }

    #[test]
    fn processors_that_clock_down_are_noted() {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(governor(&[]).verdict, Verdict::Unknown);
        assert_eq!(governor(&all(&["performance"; 2])).verdict, Verdict::Ok);
        assert_eq!(governor(&all(&["performance", "powersave"])).verdict, Verdict::Note);
    }

    #[test]
    fn a_fence_that_is_missing_is_worse_than_a_gap_in_it() {
        use crate::confine::State::{InForce, Missing};
        use crate::confine::{Fence, FileFence, Privileges, SystemCallFence};
        let with = |files: State, scope: State| {
            let fence = Fence {
                files: FileFence {
                    state: files,
                    read: Vec::new(),
                    written: Vec::new(),
                    tcp: InForce,
                    tcp_ports: Vec::new(),
                    scope,
                },
                system_calls: SystemCallFence { state: InForce, allowed: 80 },
            };
            let privileges = Privileges {
                user: "flowtap".to_owned(),
                is_root: false,
                capabilities: Vec::new(),
                bounding: 0,
                no_new_privileges: InForce,
                no_core_dumps: InForce,
            };
            confinement(&Confinement::On { privileges, fence }).verdict
        };
        assert_eq!(with(InForce, InForce), Verdict::Ok);
        assert_eq!(with(InForce, Missing("signals".to_owned())), Verdict::Note);
        assert_eq!(with(Missing("files".to_owned()), InForce), Verdict::Warning);
    }
}
