//! Interfaces that stand on others, as the kernel shows them below /sys: a bridge or bond on its members,
//! VLANs and macvlans on their parents.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cli::finding::{Check, Finding, Verdict};

/// All interfaces above `name`, however far.
pub(super) fn above(name: &str) -> BTreeSet<String> {
    all(Path::new(CLASS), name, "upper_")
}

/// Whether what comes by one observed interface comes by another once more; of one alone there is nothing
/// to say.
pub(super) fn findings(names: &[String]) -> Vec<Finding> {
    if names.len() < 2 {
        return Vec::new();
    }
    let stacked = stacked(Path::new(CLASS), names);
    if stacked.is_empty() {
        let text = "no interface stands on another that is observed";
        return vec![Finding::new(Check::Stacked, Verdict::Ok, text)];
    }
    stacked.iter().map(Stacked::finding).collect()
}

/// Two interfaces of which one hands to the other what it receives.
#[derive(Debug)]
struct Stacked {
    upper: String,
    lower: String,
    /// Whatever comes by the upper one comes by an observed one below it.
    is_covered: bool,
}

impl Stacked {
    fn finding(&self) -> Finding {
        let Self { upper, lower, is_covered } = self;
        let text = format!("it stands on {lower}, which is observed too");
        // Of a bond with another member, the bond is the one that hears all.
        let superfluous = if *is_covered { upper } else { lower };
        let fix = format!("flowtap capture, without -i {superfluous}");
        Finding::new(Check::Stacked, Verdict::Error, text).of(upper).fixed_by(fix)
    }
}

/// Each pair, at whatever distance.
fn stacked(class: &Path, names: &[String]) -> Vec<Stacked> {
    let mut found = Vec::new();
    for upper in names {
        let below = all(class, upper, "lower_");
        let is_covered = covers(class, upper, names);
        let lower = names.iter().filter(|name| below.contains(*name));
        found.extend(lower.map(|lower| Stacked {
            upper: upper.clone(),
            lower: lower.clone(),
            is_covered,
        }));
    }
    found
}

/// Whether each of those right below `name` is observed, or what is below that.
fn covers(class: &Path, name: &str, observed: &[String]) -> bool {
    let below = next(class, name, "lower_");
    let is_covered = |lower: &String| observed.contains(lower) || covers(class, lower, observed);
    !below.is_empty() && below.iter().all(is_covered)
}

fn all(class: &Path, name: &str, direction: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = next(class, name, direction);
    while let Some(name) = left.pop() {
        left.extend(next(class, &name, direction));
        found.insert(name);
    }
    found
}

/// The kernel has no circles: eight storeys at most.
fn next(class: &Path, name: &str, direction: &str) -> Vec<String> {
    let entries = fs::read_dir(class.join(name)).into_iter().flatten().flatten();
    let named =
        |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_prefix(direction)?.to_owned());
    entries.filter_map(named).collect()
}

const CLASS: &str = "/sys/class/net";

#[cfg(test)]
mod tests {
    use super::*;

    /// bond0 on eth0 and eth1, bond0.10 on bond0, br0 on bond0.10 and eth2.
    fn machine() -> tempfile::TempDir {
        let class = tempfile::tempdir().unwrap();
        for (upper, lower) in [
            ("bond0", "eth0"),
            ("bond0", "eth1"),
            ("bond0.10", "bond0"),
            ("br0", "bond0.10"),
            ("br0", "eth2"),
        ] {
            fs::create_dir_all(class.path().join(upper).join(format!("lower_{lower}"))).unwrap();
            fs::create_dir_all(class.path().join(lower).join(format!("upper_{upper}"))).unwrap();
        }
        class
    }

    #[test]
    fn what_stands_above_is_found_over_several_storeys() {
        let class = machine();
        let above = |name| all(class.path(), name, "upper_").into_iter().collect::<Vec<_>>();
        assert_eq!(above("eth0"), ["bond0", "bond0.10", "br0"]);
        assert_eq!(above("eth2"), ["br0"]);
        assert_eq!(above("br0"), [""; 0]);
        assert_eq!(above("eth9"), [""; 0]);
    }

    #[test]
    fn two_observed_interfaces_are_stacked_at_any_distance() {
        let class = machine();
        let pairs = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            let found = stacked(class.path(), &names);
            let pair = |it: &Stacked| format!("{} {} {}", it.upper, it.lower, it.is_covered);
            found.iter().map(pair).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&["eth0", "eth1", "eth2"]), [""; 0]);
        assert_eq!(pairs(&["bond0", "bond0.10"]), ["bond0.10 bond0 true"]);
        assert_eq!(pairs(&["bond0", "eth0"]), ["bond0 eth0 false"], "eth1 would be missed");
        assert_eq!(pairs(&["eth0", "bond0", "eth1"]), ["bond0 eth0 true", "bond0 eth1 true"]);
        assert_eq!(pairs(&["br0", "eth0"]), ["br0 eth0 false"]);
        assert_eq!(pairs(&["br0", "eth2", "bond0"]), ["br0 eth2 true", "br0 bond0 true"]);

        let without = |is_covered| {
            let (upper, lower) = ("bond0".to_owned(), "eth0".to_owned());
            Stacked { upper, lower, is_covered }.finding().fix
        };
        assert_eq!(without(true).as_deref(), Some("flowtap capture, without -i bond0"));
        assert_eq!(without(false).as_deref(), Some("flowtap capture, without -i eth0"));
        assert_eq!(findings(&["eth0".to_owned()]), []);
    }
}
