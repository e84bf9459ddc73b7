//! BPF expressions (pcap-filter(7)), compiled by libpcap for the kernel to run.

use std::num::ParseIntError;

use pcap::Active;
use pcap::BpfProgram;
use pcap::Capture;
use pcap::Linktype;

use crate::capture::CaptureError;
use crate::capture::live::FilterFault;
use crate::capture::pcap_handle::message;
use crate::capture::truncation::program::Instruction;
use crate::frame::LinkType;

/// Compiles `expression` for packet sockets on `interface`: as [`compile_for`].
pub(super) fn compile(
    interface: &str,
    link_type: LinkType,
    expression: &str,
) -> Result<Vec<Instruction>, CaptureError> {
    compile_for(&[interface], link_type, expression)
}

/// Compiles `expression`, once, for packet sockets on `interfaces` of one link type. Names of hosts in it are asked
/// for: that may take long.
///
/// The kernel takes VLAN tags out of frames before a socket filter sees them. libpcap knows to look
/// for them in the kernel's metadata, but only when it compiles for an open live handle; for a
/// handle that is not live (`Capture::dead`) `vlan 5` would test octets that are not there and
/// never match. So a handle on the interface is opened just to compile, where one can be.
pub(super) fn compile_for(
    interfaces: &[&str],
    link_type: LinkType,
    expression: &str,
) -> Result<Vec<Instruction>, CaptureError> {
    let error = |what| CaptureError::Filter { expression: expression.into(), what };
    let number = link_type_number(link_type)
        .ok_or_else(|| error(String::from("filters do not go with this link layer")))?;

    let live =
        |interface: &&str| live_handle(interface).ok().filter(|live| live.get_datalink() == number);
    let live = interfaces.iter().find_map(live);
    let compiled = match &live {
        Some(live) => live.compile(expression, true),
        None if mentions_vlan(expression) => {
            return Err(error(format!(
                "a filter on VLAN tags needs {} to be up; set it up and start again",
                interfaces.join(" or ")
            )));
        }
        None => Capture::dead(number).and_then(|dead| dead.compile(expression, true)),
    };
    let compiled = compiled.map_err(|problem| error(message(&problem)))?;
    instructions(&compiled).map_err(|problem| error(problem.to_string()))
}

/// Whether `expression` makes sense to libpcap: what can be known without an interface.
pub(super) fn check(expression: &str) -> Result<(), FilterFault> {
    let compile = |link_type| {
        let compiled = Capture::dead(link_type).and_then(|it| it.compile(expression, true));
        compiled.map(|_| ()).map_err(|problem| message(&problem))
    };
    // What most interfaces are.
    let Err(fault) = compile(Linktype::ETHERNET) else { return Ok(()) };
    let what = format!("`{expression}`: {fault}");
    // Names of hosts, networks, ports and protocols (pcap-filter(7)): another machine may have them.
    if fault.starts_with("unknown ") {
        return Err(FilterFault::Here(what));
    }
    let others = [LinkType::RawIp, LinkType::Ieee80211, LinkType::Radiotap];
    let mut others = others.into_iter().filter_map(link_type_number);
    // libpcap does not see of every link layer that two conditions exclude each other.
    let is_empty = fault.contains("rejects all packets");
    match !is_empty && others.any(|number| compile(number).is_ok()) {
        true => Err(FilterFault::Here(format!("{what}; on an interface of Ethernet, that is"))),
        false => Err(FilterFault::Anywhere(what)),
    }
}

fn live_handle(interface: &str) -> Result<Capture<Active>, pcap::Error> {
    // Never read: as small and as short-lived as can be, and it changes nothing on the interface.
    Capture::from_device(interface)?.promisc(false).snaplen(SNAP_LENGTH).buffer_size(1 << 20).open()
}

/// The instructions of a program that libpcap compiled.
pub(super) fn instructions(compiled: &BpfProgram) -> Result<Vec<Instruction>, ParseIntError> {
    let mut instructions = Vec::new();
    for instruction in compiled.get_instructions() {
        // The crate keeps the fields to itself and prints them as `tcpdump -ddd` does: code, jump
        // if true, jump if false, operand, in decimal.
        let text = instruction.to_string();
        let mut fields = text.split_ascii_whitespace();
        let mut field = || fields.next().unwrap_or_default();
        instructions.push(Instruction {
            code: field().parse()?,
            jump_true: field().parse()?,
            jump_false: field().parse()?,
            operand: field().parse()?,
        });
    }
    Ok(instructions)
}

/// Whether an expression has the primitive `vlan` (as a word; `host vlan` would be one too many).
fn mentions_vlan(expression: &str) -> bool {
    expression
        .split(|character: char| !character.is_ascii_alphanumeric())
        .any(|word| word == "vlan")
}

/// The DLT_ number libpcap compiles for.
const fn link_type_number(link_type: LinkType) -> Option<Linktype> {
    match link_type {
        LinkType::Ethernet => Some(Linktype::ETHERNET),
        LinkType::RawIp => Some(Linktype(DLT_RAW)),
        LinkType::Ieee80211 => Some(Linktype::IEEE802_11),
        LinkType::Radiotap => Some(Linktype::IEEE802_11_RADIOTAP),
        _ => None,
    }
}

/// DLT_RAW as libpcap numbers it on Linux; LINKTYPE_RAW, 101, is for files only.
const DLT_RAW: i32 = 12;
/// Octets of a frame that pass the filter: more than any frame has.
const SNAP_LENGTH: i32 = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_survives_the_way_through_text() {
        let dead = Capture::dead(Linktype::ETHERNET).unwrap();
        let compiled = dead.compile("udp port 53", true).unwrap();
        let expected = compiled.get_instructions().len();
        assert!(expected > 5);
        let program = instructions(&compiled).unwrap();
        assert_eq!(program.len(), expected);
        // BPF_RET | BPF_K, twice: all or nothing of the frame.
        for operand in [65_535, 0] {
            let end = Instruction { code: 6, jump_true: 0, jump_false: 0, operand };
            assert!(program.contains(&end), "{program:?}");
        }
    }

    #[test]
    fn nonsense_is_an_error_with_the_words_of_libpcap() {
        let error = compile("no-such-link", LinkType::Ethernet, "udp prot 53").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("filter \"udp prot 53\": ") && text.contains("error"), "{text}");
    }

    #[test]
    fn a_syntax_error_is_one_everywhere_and_a_name_or_a_link_type_is_not() {
        for expression in ["not port 22", "vlan 5 and udp", "", "net 10.0.0.0/8"] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
        for expression in ["not prot 22", "and", "port 99999", "net 10.0.0.1/8", "tcp and udp"] {
            let fault = check(expression);
            assert!(matches!(fault, Err(FilterFault::Anywhere(_))), "{expression}: {fault:?}");
        }
        for expression in ["type mgt", "port no-such-service", "proto no-such-protocol"] {
            let fault = check(expression);
            assert!(matches!(fault, Err(FilterFault::Here(_))), "{expression}: {fault:?}");
        }
    }

    #[test]
    fn a_vlan_filter_is_refused_where_it_could_not_match() {
        for (expression, refused) in
            [("vlan 5", true), ("(vlan and udp)", true), ("udp", false), ("not tcp[0]=1", false)]
        {
            let result = compile("no-such-link", LinkType::Ethernet, expression);
            assert_eq!(result.is_err(), refused, "{expression}");
        }
    }
}
