//! What waits for a Collector.

use crate::export::account::Totals;

/// The Data Sets of one Message to be, without its header: what is known before it is sent.
///
/// Sequence number and Export Time belong to the session that will carry it, and so do Templates:
/// the ID of a Template tells its layout, in every session and in every run.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Body {
    /// Whole Data Sets, one after the other (RFC 7011 §3.3); never empty.
    pub(crate) sets: Vec<u8>,
    /// What they tell of. `records` are Data Records, by which the sequence number grows.
    pub(crate) totals: Totals,
}
