//! On what machine, told so that no two machines of a kind differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::{Map, Value, json};

pub(super) fn facts() -> Value {
    json!({
        "kernel": kernel(),
        "distribution": distribution(),
        "processors": thread::available_parallelism().map_or(0, usize::from),
        "processor": processor(),
        "memory_mib": memory_mib(),
        "security_modules": security_modules(),
        "network_cards_by_driver": drivers(),
        "sysctl": sysctl(),
    })
}

/// Numbers only: what follows them is free text of whoever built the kernel.
fn kernel() -> Option<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(leading_version(release.trim()))
}

fn leading_version(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.get(..end).unwrap_or_default().trim_end_matches('.').to_owned()
}

fn distribution() -> Option<Value> {
    let text = fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_owned())
    };
    let known = value("ID").filter(|id| DISTRIBUTIONS.contains(&id.as_str()));
    let version = value("VERSION_ID").map(|version| leading_version(&version));
    Some(json!({ "id": known.unwrap_or_else(|| "other".to_owned()), "version": version }))
}

/// Numbers of the processor's kind, and which instructions it has of those that matter to us.
fn processor() -> Value {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        })
    };
    let number = |key| value(key).and_then(|text| text.parse::<u32>().ok());
    let vendor = value("vendor_id").filter(|vendor| VENDORS.contains(&vendor.as_str()));
    let flags = value("flags").or_else(|| value("Features")).unwrap_or_default();
    let has: Vec<_> = INSTRUCTIONS
        .iter()
        .filter(|name| flags.split_whitespace().any(|flag| flag == **name))
        .collect();
    json!({
        "vendor": vendor.unwrap_or_else(|| "other".to_owned()),
        "family": number("cpu family"),
        "model": number("model"),
        "stepping": number("stepping"),
        "instructions": has,
    })
}

fn memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

fn security_modules() -> Vec<String> {
    let text = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    let known = text.trim().split(',').filter(|name| MODULES.contains(name));
    known.map(str::to_owned).collect()
}

/// How many interfaces each driver has; neither their names nor their addresses.
fn drivers() -> Map<String, Value> {
    let mut drivers = BTreeMap::<String, u64>::new();
    for entry in fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let driver = fs::read_link(entry.path().join("device/driver")).ok();
        let name = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        // A driver of somebody's own would tell whose it is.
        let name = match name {
            None => "none",
            Some(name) if DRIVERS.contains(&name) => name,
            Some(_) => "other",
        };
        *drivers.entry(name.to_owned()).or_default() += 1;
    }
    drivers.into_iter().map(|(name, count)| (name, count.into())).collect()
}

fn sysctl() -> Map<String, Value> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let names = SYSCTL.iter().map(|path| {
        let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
        (name, number(path).map_or(Value::Null, Into::into))
    });
    names.collect()
}

const DISTRIBUTIONS: [&str; 14] = [
    "debian",
    "ubuntu",
    "fedora",
    "rhel",
    "centos",
    "rocky",
    "almalinux",
    "ol",
    "sles",
    "opensuse-leap",
    "opensuse-tumbleweed",
    "arch",
    "alpine",
    "amzn",
];
const VENDORS: [&str; 2] = ["GenuineIntel", "AuthenticAMD"];
const INSTRUCTIONS: [&str; 10] =
    ["sse4_2", "avx2", "avx512f", "aes", "pclmulqdq", "bmi2", "sha_ni", "vaes", "asimd", "atomics"];
const MODULES: [&str; 9] =
    ["capability", "landlock", "lockdown", "yama", "loadpin", "selinux", "apparmor", "bpf", "ima"];
const DRIVERS: [&str; 28] = [
    "atlantic",
    "bnx2",
    "bnx2x",
    "bnxt_en",
    "cxgb4",
    "e1000",
    "e1000e",
    "ena",
    "gve",
    "hv_netvsc",
    "i40e",
    "iavf",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mlx4_core",
    "mlx5_core",
    "nfp",
    "qede",
    "r8169",
    "sfc",
    "tg3",
    "thunderbolt-net",
    "virtio_net",
    "vmxnet3",
    "xen_netfront",
];
const SYSCTL: [&str; 5] = [
    "/proc/sys/net/core/rmem_max",
    "/proc/sys/net/core/wmem_max",
    "/proc/sys/net/core/netdev_max_backlog",
    "/proc/sys/net/core/bpf_jit_enable",
    "/proc/sys/vm/swappiness",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_version_only_its_numbers_are_told() {
        for (text, version) in [
            ("6.18.44-acme-v657", "6.18.44"),
            ("6.1.0.acme", "6.1.0"),
            ("12", "12"),
            ("acme", ""),
            ("", ""),
        ] {
            assert_eq!(leading_version(text), version);
        }
    }

    #[test]
    fn this_machine_has_a_kernel_and_processors() {
        let facts = facts();
        assert!(facts["processors"].as_u64() > Some(0), "{facts}");
        assert!(facts["kernel"].as_str().is_some_and(|it| it.contains('.')), "{facts}");
    }
}
