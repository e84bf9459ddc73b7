//! The privacy policy of a target: what of a Flow Record leaves the probe, and in which form.
//!
//! [`Policy`] is what was configured, [`Obfuscator`] what it does to a Flow Record before any element
//! of it is encoded, [`statistics`] what is made of Flow Records where none may leave, and [`elements`] what it comes to, element by element: the one table that the
//! records of RFC 6235, the documentation and the tests are made of.
//!
//! What pseudonyms are worth: nobody without the key can turn one back by reckoning. But they keep
//! prefixes, and counters and sizes are true, so whoever can send packets past the probe, or knows
//! when a host spoke with whom, can learn the pseudonym of that host and something of those near it.
//! Pseudonymous is not anonymous (RFC 6235 §4.1, §9).

mod addresses;
mod classes;
mod crypto_pan;
pub mod elements;
mod flow_id;
mod mac;
mod network;
mod obfuscator;
mod policy;
mod ports;
mod pseudonyms;
pub mod statistics;
mod table;
#[cfg(test)]
mod tests;

pub use elements::{Subject, Treatment};
pub use network::{Network, NetworkError};
pub use obfuscator::Obfuscator;
pub use policy::{
    AddressTreatment, Aggregation, Level, MacTreatment, OwnNetworks, Policy, PortTreatment,
    PrefixLengths, UnknownWord, Withheld,
};
