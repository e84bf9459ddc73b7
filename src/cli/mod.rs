//! (being written)

pub mod show;
pub mod table;
