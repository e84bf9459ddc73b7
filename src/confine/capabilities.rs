//! Capabilities (capabilities(7)): all but those kept are given up, in every set.

use caps::{CapSet, Capability, CapsHashSet};

use crate::confine::{ConfineError, Reopens};

/// What is kept: opening a packet socket takes CAP_NET_RAW; promiscuous mode, a ring, a fanout group
/// and a filter on it take nothing more.
pub(super) fn kept(reopens: Option<Reopens>) -> CapsHashSet {
    reopens.map(|_| Capability::CAP_NET_RAW).into_iter().collect()
}

/// Empties the bounding set, so that nothing that is started later gets any capability back, and
/// returns how many are left in it.
///
/// That takes a capability of its own (CAP_SETPCAP), which a service that starts with CAP_NET_RAW
/// alone does not have; without new privileges what is left in the set cannot be had.
pub(super) fn empty_bounding_set() -> usize {
    let _ = caps::clear(None, CapSet::Bounding);
    caps::read(None, CapSet::Bounding).map_or(0, |left| left.len())
}

/// Gives up everything but `kept`, as far as that is there, and returns the names of what is left.
///
/// # Errors
///
/// [`ConfineError::Refused`]: to give up is everybody's right.
pub(super) fn keep_only(kept: &CapsHashSet) -> Result<Vec<String>, ConfineError> {
    let permitted = caps::read(None, CapSet::Permitted).map_err(refused)?;
    let left: CapsHashSet = permitted.intersection(kept).copied().collect();
    // Ambient ones (Linux 4.3) are gone with the inheritable ones, also where this call fails.
    let _ = caps::clear(None, CapSet::Ambient);
    let inheritable = caps::clear(None, CapSet::Inheritable);
    // Who has no more than that need not ask: the unit of the service does not allow capset(2), with
    // which there would be nothing to gain, and what is inheritable goes to no program (execve(2)).
    if permitted != left {
        inheritable.map_err(refused)?;
        caps::set(None, CapSet::Effective, &left).map_err(refused)?;
        caps::set(None, CapSet::Permitted, &left).map_err(refused)?;
    }
    let mut names: Vec<_> = left.iter().map(ToString::to_string).collect();
    names.sort();
    Ok(names)
}

fn refused(error: caps::errors::CapsError) -> ConfineError {
    ConfineError::Refused {
        action: "give up capabilities",
        source: std::io::Error::other(error.to_string()),
    }
}
