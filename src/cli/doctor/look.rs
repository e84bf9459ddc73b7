//! What the system says: files below /sys and /proc, and some questions to the kernel.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use caps::{CapSet, Capability};

use crate::cli::doctor::interface::{Interface, Losses};
use crate::cli::doctor::way;
use crate::sys::ethtool::Ethtool;
use crate::sys::kernel_clock::{KernelClock, kernel_clock};
use crate::sys::link::Links;

/// Whether this process may open packet sockets.
pub(super) fn may_capture() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_NET_RAW).unwrap_or(false)
}

pub(in crate::cli) fn clock() -> Option<KernelClock> {
    kernel_clock().ok()
}

/// The frequency governor of each processor that has one.
pub(super) fn governors() -> Vec<String> {
    let processors = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    processors.filter_map(|it| text(&it.path().join("cpufreq/scaling_governor"))).collect()
}

/// Whether the interface takes what is not addressed to it, now.
pub(super) fn is_promiscuous(name: &str) -> Option<bool> {
    // SIOCGIFFLAGS does not tell of sockets that asked for it; this file does.
    let flags = text(&class(name).join("flags"))?;
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
    Some(flags & u32::try_from(libc::IFF_PROMISC).unwrap_or_default() != 0)
}

pub(super) fn interface(name: &str) -> Interface {
    let link = Links::open().ok().and_then(|links| links.named(name));
    let Some(link) = link else {
        return Interface { name: name.to_owned(), ..Interface::default() };
    };
    let directory = class(name);
    let ethtool = Ethtool::open().ok();
    let queues = fs::read_dir(directory.join("queues")).into_iter().flatten().flatten();
    let is_receive = |name: &str| name.starts_with("rx-");
    let queues = queues.filter(|it| it.file_name().to_str().is_some_and(is_receive)).count();
    Interface {
        name: name.to_owned(),
        index: Some(link.index),
        up: link.up,
        carrier: number(&directory.join("carrier")).map(|on| on != 0),
        mtu: number(&directory.join("mtu")).and_then(|mtu| mtu.try_into().ok()),
        way: way::by(name, link.hardware_type == libc::ARPHRD_LOOPBACK),
        addresses: addresses(name),
        speaks_ipv6: number(&Path::new("/proc/sys/net/ipv6/conf").join(name).join("disable_ipv6"))
            .map(|disabled| disabled == 0),
        offloads: ethtool.as_ref().map(|it| it.offloads(name)).unwrap_or_default(),
        ring: ethtool.as_ref().and_then(|it| it.receive_ring(name).ok()),
        queues,
        hashing: ethtool.as_ref().and_then(|it| it.hashing(name).ok()),
        losses: losses(name),
    }
}

/// What the interface has lost. Files below /sys alone: this is asked while packets are captured, too.
pub(in crate::cli) fn losses(name: &str) -> Losses {
    let statistics = class(name).join("statistics");
    let sum = |names: [&str; 2]| -> u64 {
        names.iter().filter_map(|name| number(&statistics.join(name))).sum()
    };
    Losses {
        missed: sum(["rx_missed_errors", "rx_fifo_errors"]),
        damaged: sum(["rx_crc_errors", "rx_frame_errors"]),
        length: number(&statistics.join("rx_length_errors")).unwrap_or(0),
    }
}

/// The number of the interface, as long as it is there.
pub(in crate::cli) fn index(name: &str) -> Option<u32> {
    number(&class(name).join("ifindex"))?.try_into().ok()
}

/// How many addresses the interface has but for those of the link, which come with IPv6 itself.
fn addresses(name: &str) -> usize {
    let is_of_the_link = |address: &IpAddr| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    way::addresses(name).iter().filter(|address| !is_of_the_link(address)).count()
}

fn class(name: &str) -> std::path::PathBuf {
    Path::new("/sys/class/net").join(name)
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_looked_at() {
        let lo = interface("lo");
        assert_eq!(lo.way, Some(way::Way::Loopback));
        assert!(lo.index.is_some() && lo.mtu.is_some_and(|mtu| mtu > 1500), "{lo:?}");
        assert_eq!(lo.ring, None);
        assert_eq!(interface("not-there-1").index, None);
        assert_eq!(is_promiscuous("not-there-1"), None);
    }
}
