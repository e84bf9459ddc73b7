//! RFC 7011 messages without I/O: Information Elements, Templates, messages, and their reader.
//!
//! Knows nothing of Flows: [`crate::export`] maps a Flow Record to these.

pub mod date_time;
pub mod element;
mod element_table;
pub mod encode;
pub mod exported;
pub mod field;
pub mod json;
pub mod list;
pub mod message;
pub mod reader;
pub mod sets;
pub mod template;
pub mod value;
