//! The cut as a classic BPF program, for the kernel to run on every frame before it copies any of it.
//!
//! The program has no loops (the machine has none), so each turn is written out: as many VLAN tags,
//! labels, extension headers and tunnels as [`crate::frame::nesting`] says. It is laid out in the
//! order in which headers may follow each other, and every jump goes forward:
//!
//! ```text
//!  level 0: Ethernet, tags, [LLC, PPPoE, PPP, MPLS], Ethernet, …, IPv4, IPv6, extensions, tunnels ─┐
//!  level 1: the same, of the packet in the tunnel ◀────────────────────────────────────────────────┘
//!  …
//!  the ends: after so many octets, after the TCP header, here
//! ```
//!
//! What is remembered between headers stands in scratch memory (`Word`). Nothing is loaded that was
//! not compared with the end first: a load beyond the frame would drop it.

mod assembler;
mod ip;
mod link;
mod tunnel;

use crate::capture::truncation::Reach;
use crate::frame::{LinkType, nesting};

pub use assembler::{Instruction, op};

use assembler::{Assembler, Place, Word};
use tunnel::Tunnels;

/// The program that lets pass what [`header_end`](super::header_end) says, for frames of that link type;
/// none for link types of which the kernel cuts nothing.
///
/// It lets some of every frame pass, but of an empty one.
pub fn program(link_type: LinkType, reach: Reach) -> Option<Vec<Instruction>> {
    match reach {
        Reach::Inner => written(link_type, nesting::LEVELS.len(), Beyond::Unread),
        Reach::Outer => written(link_type, 1, Beyond::Payload),
    }
}

/// A third of the program for [`Reach::Inner`], for a kernel that has no room for more: frames of a
/// packet in a tunnel pass whole, all others end where they would with it.
pub fn without_tunnels(link_type: LinkType) -> Option<Vec<Instruction>> {
    written(link_type, 1, Beyond::Whole)
}

/// What the innermost packet that is followed carries, if it is a tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Beyond {
    /// More than the decoder follows.
    Unread,
    /// What is not to be let through.
    Payload,
    /// What is let through whole.
    Whole,
}

fn written(link_type: LinkType, depth: usize, beyond: Beyond) -> Option<Vec<Instruction>> {
    let mut code = Assembler::default();
    let ends = Ends::new(&mut code, beyond);
    let levels = nesting::LEVELS.iter().take(depth);
    let levels: Vec<_> = levels.map(|followed| Level::new(&mut code, *followed)).collect();
    let outermost = levels.first()?;
    let first = match link_type {
        LinkType::Ethernet => outermost.ethernet(),
        LinkType::RawIp => outermost.ip,
        _ => return None,
    };
    code.load_length();
    code.store(Word::End);
    code.store(Word::EndOnWire);
    code.load_value(0);
    code.store(Word::At);
    code.go(first);
    for (level, inside) in levels.iter().zip(levels.iter().skip(1).map(Some).chain([None])) {
        link::write(&mut code, level, &ends);
        ip::write(&mut code, level, inside, &ends);
        if let Some(inside) = inside {
            tunnel::write(&mut code, level, inside, &ends);
        }
    }
    ends.write(&mut code);
    code.assemble().filter(|program| program.len() <= op::LONGEST)
}

/// `filter` with the cut behind it: what the filter lets pass is cut, what it drops stays dropped.
///
/// # Errors
///
/// [`TooLong`] when both together are more than the kernel takes.
pub fn behind(filter: &[Instruction], cut: &[Instruction]) -> Result<Vec<Instruction>, TooLong> {
    let instructions = filter.len() + cut.len();
    if instructions > op::LONGEST {
        return Err(TooLong { filter: filter.len(), most: op::LONGEST - cut.len() });
    }
    let passes = |instruction: &Instruction| match instruction.code {
        op::RETURN => instruction.operand != 0,
        // Of a filter that computes what it returns there is none; it would be all it lets pass.
        op::RETURN_A => true,
        _ => false,
    };
    let joined = filter.iter().enumerate().map(|(at, instruction)| {
        if passes(instruction) { Instruction::go(filter.len() - at - 1) } else { *instruction }
    });
    Ok(joined.chain(cut.iter().copied()).collect())
}

/// A filter that leaves no room for the cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the filter has {filter} instructions, and the kernel room for {most} in front of the cut")]
pub struct TooLong {
    /// Instructions of the filter.
    pub filter: usize,
    /// Instructions it may have.
    pub most: usize,
}

/// Where the headers of one IP packet are read, those in front of it included.
#[derive(Debug)]
struct Level {
    /// How far they are followed.
    followed: nesting::Level,
    /// From one encapsulation to the next.
    segments: Vec<Segment>,
    /// An IP header of either version.
    ip: Place,
    ipv4: Place,
    ipv6: Place,
    tunnels: Tunnels,
}

/// Where headers between two encapsulations are read, and the encapsulation behind them.
#[derive(Clone, Copy, Debug)]
struct Segment {
    ethernet: Place,
    /// What the EtherType, or length, in A says.
    ethertype: Place,
    llc: Place,
    pppoe: Place,
    ppp: Place,
    mpls: Place,
}

impl Level {
    fn new(code: &mut Assembler, followed: nesting::Level) -> Self {
        let mut place = || code.place();
        let mut segment = || Segment {
            ethernet: place(),
            ethertype: place(),
            llc: place(),
            pppoe: place(),
            ppp: place(),
            mpls: place(),
        };
        let segments = (0..=followed.encapsulations).map(|_| segment()).collect();
        let tunnels = Tunnels { udp: place(), gre: place(), l2tp_3: place() };
        Self { followed, segments, ip: place(), ipv4: place(), ipv6: place(), tunnels }
    }

    fn ethernet(&self) -> Place {
        self.first(|segment| segment.ethernet)
    }

    fn ethertype(&self) -> Place {
        self.first(|segment| segment.ethertype)
    }

    fn ppp(&self) -> Place {
        self.first(|segment| segment.ppp)
    }

    fn mpls(&self) -> Place {
        self.first(|segment| segment.mpls)
    }

    /// A place in front of everything else of this packet.
    fn first(&self, place: impl Fn(&Segment) -> Place) -> Place {
        self.segments.first().map_or(self.ip, place)
    }
}

/// Where programs end.
#[derive(Clone, Copy, Debug)]
struct Ends {
    /// With the headers that were taken.
    here: Place,
    /// With all that is left: a header that is not there in full.
    all: Place,
    /// After so many octets more, or all that is left.
    after_1: Place,
    after_2: Place,
    after_4: Place,
    after_8: Place,
    after_12: Place,
    after_18: Place,
    /// After the TCP header.
    tcp: Place,
    /// After the transport header of the protocol in A, whatever the version of IP.
    transport: Place,
    /// As `transport`, of a fragment; its protocol is in [`Word::Protocol`].
    fragment_v4: Place,
    fragment_v6: Place,
    /// With the whole frame, behind a tunnel.
    whole: Option<Place>,
}

impl Ends {
    fn new(code: &mut Assembler, beyond: Beyond) -> Self {
        let mut place = || code.place();
        let ends = Self {
            here: place(),
            all: place(),
            after_1: place(),
            after_2: place(),
            after_4: place(),
            after_8: place(),
            after_12: place(),
            after_18: place(),
            tcp: place(),
            transport: place(),
            fragment_v4: place(),
            fragment_v6: place(),
            whole: (beyond == Beyond::Whole).then(place),
        };
        code.set_ends(ends.here, ends.all);
        ends
    }

    fn write(&self, code: &mut Assembler) {
        code.here(self.fragment_v6);
        code.load(Word::Protocol);
        code.if_equal(ICMPV6, self.after_4);
        code.if_equal(ICMP, self.here);
        code.go(self.transport);

        code.here(self.fragment_v4);
        code.load(Word::Protocol);
        code.if_equal(ICMP, self.after_8);

        code.here(self.transport);
        code.if_equal(TCP, self.tcp);
        code.if_equal(UDP, self.after_8);
        code.if_equal(UDP_LITE, self.after_8);
        code.if_equal(DCCP, self.after_12);
        code.if_equal(AUTHENTICATION, self.after_12);
        code.if_equal(SCTP, self.after_12);
        code.go(self.here);

        code.here(self.tcp);
        code.take(20);
        code.load_octet(12);
        code.shift_right(4);
        code.shift_left(2);
        code.if_less(20, self.here);
        code.add_x();
        code.if_beyond(Word::End, self.here);
        code.end_at_a();

        for (octets, place) in [
            (1, self.after_1),
            (2, self.after_2),
            (4, self.after_4),
            (8, self.after_8),
            (12, self.after_12),
            (18, self.after_18),
        ] {
            code.here(place);
            code.load(Word::At);
            code.add(octets);
            code.if_beyond(Word::End, self.all);
            code.end_at_a();
        }

        code.here(self.here);
        code.load(Word::At);
        code.end_at_a();
        code.here(self.all);
        code.load(Word::End);
        code.end_at_a();
        if let Some(whole) = self.whole {
            code.here(whole);
            code.end_whole();
        }
    }
}

const ICMP: u32 = 1;
const TCP: u32 = 6;
const UDP: u32 = 17;
const DCCP: u32 = 33;
const AUTHENTICATION: u32 = 51;
const ICMPV6: u32 = 58;
const SCTP: u32 = 132;
const UDP_LITE: u32 = 136;

#[cfg(test)]
mod tests;
