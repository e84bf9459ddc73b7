//! Whether an interface is the one by which this machine is reached: who prepares that one for a probe
//! locks himself out. `systemd/flowtap-interface` refuses by the same rules.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cli::stacking;

/// How this machine is reached by an interface; the name is that of the interface itself, or of one
/// above it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Way {
    /// Programs of this machine reach each other by it.
    Loopback,
    /// It has a default route.
    DefaultRoute(String),
    /// It has our address of a session of ssh.
    Session(String),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => write!(f, "it is the loopback interface"),
            Self::DefaultRoute(name) => write!(f, "{name} has a default route"),
            Self::Session(name) => write!(f, "{name} has the address of a session of ssh"),
        }
    }
}

/// How this machine is reached by interface `name`, if it is.
pub(super) fn by(name: &str, is_loopback: bool) -> Option<Way> {
    if is_loopback {
        return Some(Way::Loopback);
    }
    let stack: Vec<_> = [name.to_owned()].into_iter().chain(stacking::above(name)).collect();
    let routes = default_routes();
    if let Some(name) = stack.iter().find(|name| routes.contains(*name)) {
        return Some(Way::DefaultRoute(name.clone()));
    }
    let sessions = sessions();
    let has_session = |name: &&String| addresses(name).iter().any(|it| sessions.contains(it));
    stack.iter().find(has_session).map(|name| Way::Session(name.clone()))
}

/// The addresses of an interface.
pub(super) fn addresses(name: &str) -> Vec<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let addresses = all.filter(|it| it.interface_name == name).filter_map(|it| it.address);
    let address = |address: nix::sys::socket::SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    };
    addresses.filter_map(address).collect()
}

/// Interfaces that have a default route. Of one with several next hops the kernel shows the first here.
fn default_routes() -> BTreeSet<String> {
    let read = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let v4 = read("route").lines().filter_map(default_v4).collect::<BTreeSet<_>>();
    v4.into_iter().chain(read("ipv6_route").lines().filter_map(default_v6)).collect()
}

/// Of `/proc/net/route`: interface, destination, gateway, flags, three counts, mask.
fn default_v4(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [interface, "00000000", _, flags, _, _, _, "00000000", ..] = words[..] else { return None };
    leads_somewhere(flags).then(|| interface.to_owned())
}

/// Of `/proc/net/ipv6_route`: destination and its length, source and its length, next hop, metric, two
/// counts, flags, interface.
fn default_v6(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [destination, "00", _, _, _, _, _, _, flags, interface] = words[..] else { return None };
    let is_default = destination.bytes().all(|digit| digit == b'0');
    (is_default && leads_somewhere(flags)).then(|| interface.to_owned())
}

fn leads_somewhere(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & REJECT == 0)
}

/// Our ends of sessions of ssh: the one that we run in, and as sudo forgets that, all at its usual port.
fn sessions() -> BTreeSet<IpAddr> {
    let told = std::env::var("SSH_CONNECTION").unwrap_or_default();
    let read = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let (v4, v6) = (read("tcp"), read("tcp6"));
    let open = v4.lines().chain(v6.lines()).filter_map(session);
    open.chain(own_session(&told)).collect()
}

/// `SSH_CONNECTION`: address and port of the client, then ours.
fn own_session(told: &str) -> Option<IpAddr> {
    let ours = told.split_whitespace().nth(2)?;
    let address: IpAddr = ours.split('%').next()?.parse().ok()?;
    Some(address.to_canonical())
}

/// Of `/proc/net/tcp` and `tcp6`: number, our address and port, theirs, state.
fn session(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    if port != SSH_PORT || words.nth(1)? != ESTABLISHED {
        return None;
    }
    // Words of 32 bits, each as the processor has it.
    let word = |place: usize| {
        let digits = address.get(8 * place..8 * place + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    if address.len() == 8 {
        return Some(IpAddr::V4(Ipv4Addr::from(word(0)?)));
    }
    let mut octets = [0; 16];
    for (place, to) in octets.chunks_exact_mut(4).enumerate() {
        to.copy_from_slice(&word(place)?);
    }
    Some(IpAddr::V6(Ipv6Addr::from(octets)).to_canonical())
}

/// RTF_REJECT of linux/route.h: a route that says that there is none.
const REJECT: u32 = 0x200;
/// 22.
const SSH_PORT: &str = "0016";
/// TCP_ESTABLISHED.
const ESTABLISHED: &str = "01";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_one_to_everywhere_that_leads_somewhere() {
        let v4 = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0";
        assert_eq!(default_v4(v4).as_deref(), Some("eth0"));
        assert_eq!(default_v4(&v4.replacen("00000000", "000200C0", 1)), None);
        assert_eq!(default_v4(&v4.replace("0003", "0203")), None);
        // 0.0.0.0/1 is half of everywhere.
        assert_eq!(default_v4("eth0 00000000 010200C0 0003 0 0 0 00000080 0 0 0"), None);
        assert_eq!(default_v4("Iface Destination Gateway Flags RefCnt Use Metric Mask MTU"), None);
        let zero = "0".repeat(32);
        let v6 = |length: &str, flags: &str| {
            let line = format!("{zero} {length} {zero} 00 {zero} 00000400 1 0 {flags}     eth0");
            default_v6(&line)
        };
        assert_eq!(v6("00", "00000001").as_deref(), Some("eth0"));
        assert_eq!([v6("01", "00000001"), v6("00", "00200200")], [None, None]);
    }

    #[test]
    fn a_session_is_one_at_the_port_of_ssh_under_way() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let word =
            |octets: &[u8]| format!("{:08X}", u32::from_ne_bytes(octets.try_into().expect("four")));
        let line = |address: &str, port: &str, state: &str| {
            session(&format!("   3: {address}:{port} 0902000A:C350 {state} 00000000:00000000"))
        };
        let v4 = word(&address.octets());
        assert_eq!(line(&v4, "0016", "01"), Some(address.into()));
        // Another port, a listener.
        assert_eq!([line(&v4, "0050", "01"), line(&v4, "0016", "0A")], [None, None]);
        for (written, meant) in [("2001:db8::1", "2001:db8::1"), ("::ffff:192.0.2.1", "192.0.2.1")]
        {
            let octets = written.parse::<Ipv6Addr>().expect("an address").octets();
            let v6: String = octets.chunks(4).map(word).collect();
            assert_eq!(line(&v6, "0016", "01"), Some(meant.parse().expect("an address")));
        }
        let told = |told: &str| own_session(told).map(|it| it.to_string());
        assert_eq!(told("203.0.113.9 50000 192.0.2.1 22").as_deref(), Some("192.0.2.1"));
        assert_eq!(told("fe80::9%eth0 50000 fe80::1%eth0 22").as_deref(), Some("fe80::1"));
        assert_eq!([told(""), told("a b c d")], [None, None]);
    }
}
