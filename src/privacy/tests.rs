//! The laws of pseudonyms, over any addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::decode::{Address, IpVersion, MacAddresses, Tunnel, TunnelKind};
use crate::flow::{Direction, FlowRecord};
use crate::key_file::SecretKey;
use crate::time::Timestamp;

#[test]
fn addresses_become_what_was_published_and_classes_stay() {
    let mut obfuscator = obfuscator(&pseudonyms(), *b"32-char-str-for-AES-key-and-pad.");
    for (address, pseudonym) in
        [("192.0.2.1", "192.0.125.244"), ("2001:db8::1", "27fe:8bc7:fee:1e:1e1f:f0fe:f0e1:83fd")]
    {
        assert_eq!(told(&mut obfuscator, ip(address)), ip(pseudonym));
    }
    for address in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "255.255.255.255",
        "::",
        "::1",
        "ff02::1",
        "ff02::fb",
        "ff05::1:3",
    ] {
        assert_eq!(told(&mut obfuscator, ip(address)), ip(address));
    }
    // These stay in their class, and tell of no host in it.
    for (address, class) in [
        ("169.254.1.2", "169.254.0.0/16"),
        ("234.192.0.2", "234.0.0.0/8"),
        ("fe80::211:22ff:fe33:4455", "fe80::/10"),
        ("ff02::1:ff33:4455", "ff02::1:ff00:0/104"),
        ("ff3e:30:2001:db8::1", "ff3e::/16"),
        ("2a00:1450::1", "2000::/3"),
        ("fd12:3456::1", "fc00::/7"),
    ] {
        let pseudonym = told(&mut obfuscator, ip(address));
        assert!(pseudonym != ip(address) && is_in(pseudonym, class), "{address} {pseudonym}");
    }
}

#[test]
fn prefixes_are_left_and_nothing_behind_them() {
    let policy = Policy { addresses: AddressTreatment::Prefix, ..pseudonyms() };
    let mut default = Obfuscator::open(&policy).unwrap().unwrap();
    let prefixes = PrefixLengths { v4: 16, v6: 56 };
    let mut short = Obfuscator::open(&Policy { prefixes, ..policy }).unwrap().unwrap();
    for (address, one, other) in [
        ("192.0.2.77", "192.0.2.0", "192.0.0.0"),
        ("2001:db8:1:ffff::9", "2001:db8:1::", "2001:db8:1:ff00::"),
        ("fe80::211:22ff:fe33:4455", "fe80::", "fe80::"),
        // As recognisable as before.
        ("224.0.0.251", "224.0.0.251", "224.0.0.251"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("ff02::fb", "ff02::fb", "ff02::fb"),
        ("ff02::1:ff33:4455", "ff02::1:ff00:0", "ff02::1:ff00:0"),
    ] {
        assert_eq!(told(&mut default, ip(address)), ip(one));
        assert_eq!(told(&mut short, ip(address)), ip(other));
    }
}

#[test]
fn own_networks_are_treated_otherwise() {
    use AddressTreatment::{AsIs, Prefix, Pseudonym};
    let key = [3; 32];
    for (own, addresses) in
        [(AsIs, Pseudonym), (Pseudonym, AsIs), (Prefix, Pseudonym), (Pseudonym, Prefix)]
    {
        let policy = Policy { addresses, own: own_networks(own), ..pseudonyms() };
        let mut obfuscator = obfuscator(&policy, key);
        for (address, treatment) in [
            ("10.1.2.3", own),
            ("198.51.100.9", own),
            ("2001:db8::77", own),
            ("11.1.2.3", addresses),
            ("198.51.101.9", addresses),
            ("2001:db9::77", addresses),
        ] {
            let name = told(&mut obfuscator, ip(address));
            let is_zero_behind = match name {
                IpAddr::V4(address) => address.octets()[3] == 0,
                IpAddr::V6(address) => address.octets()[6..] == [0; 10],
            };
            let about = format!("{address} {name} {treatment}");
            match treatment {
                AsIs => assert_eq!(name, ip(address)),
                Prefix => assert!(name != ip(address) && is_zero_behind, "{about}"),
                Pseudonym => assert!(name != ip(address) && !is_zero_behind, "{about}"),
            }
        }
    }
}

#[test]
fn an_address_has_one_name_wherever_it_stands() {
    let (one, other) = (Address::v4([10, 0, 0, 1]), Address::v4([203, 0, 113, 9]));
    let record = FlowRecord {
        source: one,
        destination: other,
        tunnel: Some(Tunnel {
            kind: TunnelKind::GtpU,
            version: IpVersion::V4,
            source: other,
            destination: one,
            id: Some(7),
        }),
        ..FlowRecord::BLANK
    };
    let record = obfuscator(&pseudonyms(), [1; 32]).obfuscated(&record);
    let tunnel = record.tunnel.unwrap();
    assert_eq!((tunnel.source, tunnel.destination), (record.destination, record.source));
    assert!(record.source != one && record.destination != other);
    assert_eq!(tunnel.id, None);
}

#[test]
fn what_is_withheld_is_not_in_the_record_either() {
    let direction = Direction { tcp_sequence: 5, flow_label: 6, ..FlowRecord::BLANK.forward };
    let none = Address::v4([0; 4]);
    let blank = FlowRecord { source: none, destination: none, ..FlowRecord::BLANK };
    let record = FlowRecord {
        flow_id: 4,
        source_port: 40_000,
        destination_port: 443,
        forward: direction,
        reverse: direction,
        mac: Some(MacAddresses { source: [1; 6], destination: [2; 6] }),
        ..blank
    };
    let policy =
        Policy { addresses: AddressTreatment::Prefix, ports: PortTreatment::Drop, ..pseudonyms() };
    let told = Obfuscator::open(&policy).unwrap().unwrap().obfuscated(&record);
    assert_eq!(told, blank);
    let mild = Policy {
        addresses: AddressTreatment::AsIs,
        ports: PortTreatment::AsIs,
        macs: MacTreatment::AsIs,
        ..pseudonyms()
    };
    let told = Obfuscator::open(&mild).unwrap().unwrap().obfuscated(&record);
    let (forward, reverse) = (blank.forward, blank.reverse);
    assert_eq!(told, FlowRecord { flow_id: 0, forward, reverse, ..record });
    assert!(Obfuscator::open(&Policy::default()).unwrap().is_none());
}

#[test]
fn times_are_cut_to_steps() {
    let direction = |first, last| Direction {
        first: Timestamp::from_nanos(first),
        last: Timestamp::from_nanos(last),
        ..FlowRecord::BLANK.forward
    };
    let minute = 60_000_000_000;
    let record = FlowRecord {
        forward: direction(3 * minute, 4 * minute - 1),
        reverse: direction(4 * minute + 1, u64::MAX),
        ..FlowRecord::BLANK
    };
    let policy = Policy { time_step: Some(Duration::from_secs(60)), ..pseudonyms() };
    let told = obfuscator(&policy, [0; 32]).obfuscated(&record);
    assert_eq!(told.forward, direction(3 * minute, 3 * minute));
    assert_eq!(told.reverse, direction(4 * minute, u64::MAX - u64::MAX % minute));
}

#[test]
fn a_key_file_gives_the_same_names_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let policy = Policy { key_file: Some(path.clone()), ..pseudonyms() };
    let name = || told(&mut Obfuscator::open(&policy).unwrap().unwrap(), ip("192.0.2.1"));
    let first = name();
    assert_eq!(name(), first);
    std::fs::remove_file(&path).unwrap();
    assert_ne!(name(), first, "a new key was made");
    // A key in memory ends with it.
    let forgotten =
        || told(&mut Obfuscator::open(&pseudonyms()).unwrap().unwrap(), ip("192.0.2.1"));
    assert_ne!(forgotten(), forgotten());
    std::fs::write(&path, "too short").unwrap();
    assert!(Obfuscator::open(&policy).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Crypto-PAn, and what keeps classes beside it: as many leading bits are shared after as before,
    /// and so no two addresses become one.
    #[test]
    fn pseudonyms_share_the_prefixes_of_their_addresses(
        key in any::<[u8; 32]>(),
        addresses in prop::collection::vec(any_address(), 2..12),
        own in prop::option::of(prop::sample::select(vec![
            (AddressTreatment::AsIs, AddressTreatment::Pseudonym),
            (AddressTreatment::Pseudonym, AddressTreatment::AsIs),
        ])),
    ) {
        let mut policy = pseudonyms();
        if let Some((own, addresses)) = own {
            (policy.own, policy.addresses) = (own_networks(own), addresses);
        }
        let mut obfuscator = obfuscator(&policy, key);
        for &one in &addresses {
            for &other in &addresses {
                let (name, other_name) = (told(&mut obfuscator, one), told(&mut obfuscator, other));
                prop_assert_eq!(shared(one, other), shared(name, other_name), "{} {}", one, other);
            }
        }
    }

    /// A name is taken for that of a class or an own network only if the address is of it.
    #[test]
    fn no_pseudonym_is_in_a_class_that_its_address_is_not_in(
        key in any::<[u8; 32]>(),
        address in any_address(),
        keeps_own: bool,
    ) {
        let mut policy = pseudonyms();
        let mut classes = CLASSES.to_vec();
        if keeps_own {
            policy.own = own_networks(AddressTreatment::AsIs);
            classes.extend(OWN);
        }
        let name = told(&mut obfuscator(&policy, key), address);
        for class in classes {
            prop_assert_eq!(is_in(name, class), is_in(address, class), "{} {}", address, class);
        }
    }

    /// Whatever was reckoned before, and however often the tables were overwritten.
    #[test]
    fn a_name_does_not_depend_on_what_was_named_before(
        key in any::<[u8; 32]>(),
        addresses in prop::collection::vec(any_address(), 1..40),
    ) {
        let mut used = obfuscator(&pseudonyms(), key);
        for round in 0..2 {
            for &address in &addresses {
                let fresh = told(&mut obfuscator(&pseudonyms(), key), address);
                prop_assert_eq!(told(&mut used, address), fresh, "{} {}", round, address);
            }
        }
    }
}

/// Every class that is recognised, said once more.
const CLASSES: [&str; 11] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
    "ff00::/12",
    "ff02::1:ff00:0/104",
];

const OWN: [&str; 3] = ["10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32"];

fn own_networks(addresses: AddressTreatment) -> OwnNetworks {
    OwnNetworks { networks: OWN.map(|text| text.parse().unwrap()).to_vec(), addresses }
}

/// Addresses of all kinds, and near to one another more often than by chance.
fn any_address() -> impl Strategy<Value = IpAddr> {
    let known = prop::sample::select(
        [&CLASSES[..], &OWN[..], &["8.8.8.0/24", "2a00::/16", "1.1.1.1/32"]].concat(),
    );
    let near = (known, any::<u128>(), 0_u32..=128).prop_map(|(network, random, cut)| {
        let network: Network = network.parse().unwrap();
        let keep = network::prefix_mask(cut);
        let bits = network.bits() & keep | random & !keep;
        address_of(network.version(), bits)
    });
    let any_version = prop::sample::select(vec![IpVersion::V4, IpVersion::V6]);
    let far = (any_version, any::<u128>()).prop_map(|(version, bits)| address_of(version, bits));
    prop_oneof![near, far]
}

fn address_of(version: IpVersion, bits: u128) -> IpAddr {
    match version {
        IpVersion::V4 => Ipv4Addr::from_bits((bits >> 96) as u32).into(),
        IpVersion::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

fn pseudonyms() -> Policy {
    Policy { level: Level::Obfuscated, ..Policy::default() }
}

fn obfuscator(policy: &Policy, key: [u8; 32]) -> Obfuscator {
    Obfuscator::new(policy, Some(SecretKey::of(key)))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn told(obfuscator: &mut Obfuscator, address: IpAddr) -> IpAddr {
    let (version, source) = match address {
        IpAddr::V4(address) => (IpVersion::V4, Address::v4(address.octets())),
        IpAddr::V6(address) => (IpVersion::V6, Address(address.octets())),
    };
    let told = obfuscator.obfuscated(&FlowRecord { version, source, ..FlowRecord::BLANK }).source;
    match version {
        IpVersion::V4 => told.to_v4().into(),
        IpVersion::V6 => told.0.into(),
    }
}

/// Leading bits that two addresses share; `None` for addresses of two versions.
fn shared(one: IpAddr, other: IpAddr) -> Option<u32> {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        _ => None,
    }
}

fn is_in(address: IpAddr, network: &str) -> bool {
    let (first, length) = network.split_once('/').unwrap();
    shared(address, ip(first)).is_some_and(|shared| shared >= length.parse().unwrap())
}
