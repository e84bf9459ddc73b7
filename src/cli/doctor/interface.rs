//! Judgements on an interface, before any packet is looked at.

use crate::cli::doctor::way::Way;
use crate::cli::finding::{Check, Finding, Verdict};
use crate::sys::ethtool::{Hashing, Offloads, ReceiveRing};

/// An interface as the system describes it; `None` is what it does not tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::cli) struct Interface {
    pub(in crate::cli) name: String,
    /// None if there is no such interface.
    pub(in crate::cli) index: Option<u32>,
    pub(in crate::cli) up: bool,
    pub(in crate::cli) carrier: Option<bool>,
    pub(in crate::cli) mtu: Option<u32>,
    /// It is the one by which this machine is reached.
    pub(in crate::cli) way: Option<Way>,
    /// Addresses but for link-local ones of IPv6.
    pub(in crate::cli) addresses: usize,
    /// IPv6 is not switched off on it.
    pub(in crate::cli) speaks_ipv6: Option<bool>,
    pub(in crate::cli) offloads: Offloads,
    pub(in crate::cli) ring: Option<ReceiveRing>,
    /// Receive queues.
    pub(in crate::cli) queues: usize,
    pub(in crate::cli) hashing: Option<Hashing>,
    pub(in crate::cli) losses: Losses,
}

/// Frames lost since the interface is there.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::cli) struct Losses {
    /// For lack of room in the ring.
    pub(in crate::cli) missed: u64,
    /// Broken on the wire.
    pub(in crate::cli) damaged: u64,
    /// Too long, or too short.
    pub(in crate::cli) length: u64,
}

/// Everything that can be told of an interface without its traffic, but for the ring.
pub(super) fn state(interface: &Interface) -> Vec<Finding> {
    if interface.index.is_none() {
        let text = "there is no such interface";
        return vec![
            Finding::new(Check::Carrier, Verdict::Error, text)
                .of(&interface.name)
                .fixed_by("ip link show"),
        ];
    }
    // What else would be told to be taken from it is what this machine is reached by.
    let quiet: &[fn(&Interface) -> Finding] = match &interface.way {
        Some(_) => &[],
        None => &[addresses, autoconfiguration],
    };
    let checks: [fn(&Interface) -> Finding; 5] =
        [carrier, reached, offloads, vlan_stripping, queues];
    checks.iter().chain(quiet).map(|check| check(interface).of(&interface.name)).collect()
}

fn reached(interface: &Interface) -> Finding {
    let Some(way) = &interface.way else {
        let text = "this machine is not reached by it";
        return Finding::new(Check::Reached, Verdict::Ok, text);
    };
    let text = format!("this is how the machine is reached: {way}");
    Finding::new(Check::Reached, Verdict::Error, text).fixed_by(
        "observe another one: flowtap doctor -i IFACE, one that only a TAP or a mirror leads to",
    )
}

fn carrier(interface: &Interface) -> Finding {
    let found = |verdict, text: &str| Finding::new(Check::Carrier, verdict, text);
    match (interface.up, interface.carrier) {
        (false, _) => found(Verdict::Error, "the interface is down")
            .fixed_by(format!("ip link set dev {} up", interface.name)),
        (true, Some(false)) => found(Verdict::Error, "there is no link").fixed_by(format!(
            "ethtool {}: cable, transceiver, and the port of the switch",
            interface.name
        )),
        (true, Some(true)) => found(Verdict::Ok, "there is a link"),
        (true, None) => found(Verdict::Unknown, "the interface does not tell of a link"),
    }
}

fn addresses(interface: &Interface) -> Finding {
    match interface.addresses {
        0 => Finding::new(Check::Addresses, Verdict::Ok, "the interface has no address"),
        count => {
            let text =
                format!("the interface has {count} address{}", if count == 1 { "" } else { "es" });
            Finding::new(Check::Addresses, Verdict::Warning, text)
                .fixed_by(format!("ip address flush dev {}", interface.name))
        }
    }
}

fn autoconfiguration(interface: &Interface) -> Finding {
    if interface.speaks_ipv6 == Some(true) {
        let text = "IPv6 configures itself on the interface";
        return Finding::new(Check::Autoconfiguration, Verdict::Warning, text)
            .fixed_by(format!("sysctl -w net/ipv6/conf/{}/disable_ipv6=1", interface.name));
    }
    Finding::new(Check::Autoconfiguration, Verdict::Ok, "IPv6 is off on the interface")
}

pub(in crate::cli) fn offloads(interface: &Interface) -> Finding {
    let Offloads { gro, lro, tso, .. } = interface.offloads;
    if gro.is_none() && lro.is_none() {
        let text = "the driver does not tell of its offloads";
        return Finding::new(Check::Offloads, Verdict::Unknown, text);
    }
    let named = [("gro", gro), ("lro", lro)];
    let on: Vec<_> =
        named.into_iter().filter(|(_, on)| *on == Some(true)).map(|(name, _)| name).collect();
    if on.is_empty() {
        let tso =
            if tso == Some(true) { " (TSO is on: it merges nothing that is received)" } else { "" };
        let text = format!("no offload merges received packets{tso}");
        return Finding::new(Check::Offloads, Verdict::Ok, text);
    }
    let text = format!("{} merges received packets", on.join(" and ").to_uppercase());
    Finding::new(Check::Offloads, Verdict::Warning, text).fixed_by(format!(
        "ethtool -K {} {} off",
        interface.name,
        on.join(" off ")
    ))
}

pub(in crate::cli) fn vlan_stripping(interface: &Interface) -> Finding {
    match interface.offloads.vlan_stripping {
        None => {
            let text = "the driver does not tell of VLAN tags";
            Finding::new(Check::VlanStripping, Verdict::Unknown, text)
        }
        Some(false) => {
            Finding::new(Check::VlanStripping, Verdict::Ok, "VLAN tags stay in the frame")
        }
        Some(true) => {
            let text = "the interface takes the outermost VLAN tag out of frames";
            // Nothing is wrong with that.
            Finding::new(Check::VlanStripping, Verdict::Note, text)
        }
    }
}

fn queues(interface: &Interface) -> Finding {
    let (queues, name) = (interface.queues, &interface.name);
    if queues <= 1 {
        let text = "all packets come through one queue";
        return Finding::new(Check::Queues, Verdict::Ok, text);
    }
    match interface.hashing.as_ref().map(Hashing::is_symmetric) {
        Some(Some(true)) => {
            let text = format!("both directions of a connection reach one of {queues} queues");
            Finding::new(Check::Queues, Verdict::Ok, text)
        }
        Some(Some(false)) => {
            let text = format!(
                "the two directions of a connection reach different ones of {queues} queues"
            );
            let key = ["6d:5a"; 20].join(":");
            Finding::new(Check::Queues, Verdict::Note, text).fixed_by(format!(
                "ethtool -X {name} hkey {key} equal {queues}; or ethtool -L {name} combined 1"
            ))
        }
        Some(None) | None => {
            let text = format!("the driver does not tell how it chooses one of {queues} queues");
            Finding::new(Check::Queues, Verdict::Unknown, text)
        }
    }
}

/// Whether it takes what is not addressed to it, asked while packets are captured from it.
pub(super) fn promiscuous(name: &str, is: Option<bool>) -> Finding {
    let finding = match is {
        Some(true) => {
            let text = "the interface takes what is addressed to others, while flowtap runs";
            Finding::new(Check::Promiscuous, Verdict::Ok, text)
        }
        Some(false) => {
            let text = "the interface did not become promiscuous when asked";
            Finding::new(Check::Promiscuous, Verdict::Error, text).fixed_by(format!(
                "ip link set dev {name} promisc on; of a virtual machine allow it on the host"
            ))
        }
        None => {
            let text = "the interface does not tell whether it is promiscuous";
            Finding::new(Check::Promiscuous, Verdict::Unknown, text)
        }
    };
    finding.of(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Interface {
        Interface {
            name: "eth1".to_owned(),
            index: Some(2),
            up: true,
            carrier: Some(true),
            mtu: Some(1500),
            speaks_ipv6: Some(false),
            offloads: Offloads {
                gro: Some(false),
                lro: Some(false),
                tso: Some(true),
                vlan_stripping: Some(false),
            },
            queues: 1,
            ..Interface::default()
        }
    }

    fn of(interface: &Interface, check: Check) -> (Verdict, String) {
        let finding = state(interface).into_iter().find(|it| it.check == check).unwrap();
        assert_eq!(finding.subject.as_deref(), Some("eth1"));
        (finding.verdict, finding.fix.unwrap_or_default())
    }

    #[test]
    fn an_interface_prepared_for_a_probe_is_fine() {
        for finding in state(&healthy()) {
            assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}");
        }
    }

    /// sysctl(8): the first separator is the one, and what is a dot then is part of a name.
    #[test]
    fn a_dot_in_a_name_is_no_separator() {
        let vlan = Interface { name: "eth1.10".to_owned(), speaks_ipv6: Some(true), ..healthy() };
        let fix = autoconfiguration(&vlan).fix;
        assert_eq!(fix.as_deref(), Some("sysctl -w net/ipv6/conf/eth1.10/disable_ipv6=1"));
    }

    #[test]
    fn each_fault_is_found_with_the_command_against_it() {
        let base = healthy();
        let offloads = |offloads| Interface { offloads, ..healthy() };
        let hashing = |key: &[u8]| Some(Hashing { key: key.to_vec(), symmetric_xor: false });
        for (interface, check, verdict, fix) in [
            (
                Interface { up: false, ..base.clone() },
                Check::Carrier,
                Verdict::Error,
                "ip link set dev eth1 up",
            ),
            (
                Interface { carrier: Some(false), ..base.clone() },
                Check::Carrier,
                Verdict::Error,
                "ethtool eth1",
            ),
            (
                Interface { addresses: 2, ..base.clone() },
                Check::Addresses,
                Verdict::Warning,
                "ip address flush dev eth1",
            ),
            (
                Interface { speaks_ipv6: Some(true), ..base.clone() },
                Check::Autoconfiguration,
                Verdict::Warning,
                "sysctl -w net/ipv6/conf/eth1/disable_ipv6=1",
            ),
            (
                offloads(Offloads { gro: Some(true), ..base.offloads }),
                Check::Offloads,
                Verdict::Warning,
                "ethtool -K eth1 gro off",
            ),
            (
                offloads(Offloads { gro: Some(true), lro: Some(true), ..base.offloads }),
                Check::Offloads,
                Verdict::Warning,
                "ethtool -K eth1 gro off lro off",
            ),
            (
                Interface { way: Some(Way::DefaultRoute("br0".to_owned())), ..base.clone() },
                Check::Reached,
                Verdict::Error,
                "observe another one",
            ),
            (offloads(Offloads::default()), Check::Offloads, Verdict::Unknown, ""),
            (
                offloads(Offloads { vlan_stripping: Some(true), ..base.offloads }),
                Check::VlanStripping,
                Verdict::Note,
                "",
            ),
            (
                Interface {
                    queues: 4,
                    hashing: hashing(&[0x6d, 0x5a, 0x56, 0xda]),
                    ..base.clone()
                },
                Check::Queues,
                Verdict::Note,
                "ethtool -X eth1 hkey 6d:5a:6d:5a",
            ),
            (
                Interface {
                    queues: 4,
                    hashing: hashing(&[0x6d, 0x5a, 0x6d, 0x5a]),
                    ..base.clone()
                },
                Check::Queues,
                Verdict::Ok,
                "",
            ),
            (Interface { queues: 4, ..base.clone() }, Check::Queues, Verdict::Unknown, ""),
        ] {
            let (found, command) = of(&interface, check);
            assert_eq!(found, verdict, "{interface:?}");
            assert!(command.starts_with(fix), "{command}");
            assert_eq!(command.is_empty(), fix.is_empty(), "{command}");
        }
        let missing = Interface { index: None, ..base };
        assert_eq!(of(&missing, Check::Carrier).0, Verdict::Error);
    }

    #[test]
    fn nothing_is_told_to_be_taken_from_the_interface_that_this_machine_is_reached_by() {
        for way in [Way::Loopback, Way::Session("eth1".to_owned())] {
            let (way, speaks_ipv6) = (Some(way), Some(true));
            let interface = Interface { way, addresses: 2, speaks_ipv6, ..healthy() };
            let fixes: Vec<_> = state(&interface).into_iter().filter_map(|it| it.fix).collect();
            let [only] = &fixes[..] else { panic!("{fixes:?}") };
            assert!(only.starts_with("observe another one"), "{only}");
        }
    }

    #[test]
    fn an_interface_that_stays_as_it_is_sees_nothing_of_a_mirror() {
        let verdicts = [Some(true), Some(false), None].map(|is| promiscuous("eth1", is).verdict);
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Error, Verdict::Unknown]);
    }
}
