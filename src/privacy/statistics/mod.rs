//! Aggregated Flows (RFC 7015): what is left of Flow Records where none may leave.
//!
//! [`AggregationTable`] takes Flow Records and gives, once an interval, sums over classes of them.
//! What comes out has no place for an address, a port or a MAC address: a class is a number in a
//! table of ours or in the list of networks that the operator gave.
//!
//! **Key Aggregation** (RFC 7015 §5.2): by interface, IP version, protocol, side that sent, networks
//! of source and destination, class of ports and class of sizes. Each direction of a Flow is in a cell
//! of its own.
//!
//! **No cell of fewer than k Flows.** Cells with fewer *distinct* Flows are put together with others
//! that are alike but for the finest of these properties, and so on up to the sum of all ([`Level`]);
//! what is fewer than k even then waits for the next interval. Every Flow Record is in one cell of
//! what leaves and no sum over cells leaves beside them, so a difference of published numbers is again
//! one of published cells: none is of fewer than k Flows.
//!
//! What that is not worth: ten Flows may be those of one host. Nor does k hide a Flow from whoever
//! sent the other k - 1.

mod cell;
mod classes;
mod key;
mod networks;
mod table;

pub use classes::{PortClass, SizeClass};
pub use key::{Key, Level, Sender};
pub use networks::{ConfiguredNetworks, NetworkClass};
pub use table::{AggregatedFlow, AggregationTable, Waiting};
