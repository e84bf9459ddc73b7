//! What the Flow Cache takes of memory, by the sizes of what is in it.
//!
//! All that tells of it (help, plan, the check at the start, README) takes it from here.

use crate::flow::entry::{Cold, Extra, Hot};
use crate::flow::index;
use crate::flow::key::Endpoints;
use crate::flow::timers;

/// Octets of memory that a Flow between IPv4 addresses takes in a cache that is full.
///
/// Beside its own state a place in the index, on the wheel, and later in the list of free slots.
pub const OCTETS_PER_FLOW: usize = size_of::<Hot>()
    + size_of::<Cold>()
    + index::OCTETS_PER_ENTRY
    + timers::OCTETS_PER_SLOT
    + size_of::<index::Slot>();

/// What IPv6 addresses add to it.
pub const OCTETS_FOR_IPV6: usize = size_of::<Endpoints>();

/// What MPLS labels, a tunnel or fragments add to it.
pub const OCTETS_FOR_EXTRA: usize = size_of::<Extra>() + size_of::<u32>();

/// Octets of memory that a cache of so many Flows takes at most: all of them in IPv6 and in tunnels.
pub const fn most_octets(flows: u64) -> u64 {
    flows.saturating_mul((OCTETS_PER_FLOW + OCTETS_FOR_IPV6 + OCTETS_FOR_EXTRA) as u64)
}
