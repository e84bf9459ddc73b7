//! RFC 7011 messages without I/O: Information Elements, Templates, messages, and their reader.
//!
//! Knows nothing of Flows: [`crate::export`] maps a Flow Record to these.

pub mod element;
pub mod exported;
pub mod message;
pub mod template;
