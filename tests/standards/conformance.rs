//! The checklist of conformance, row by row, through the program and the public API: what is not held
//! by a test beside the code, and what only whole sessions can show. Each test is named by its row
//! and cites the standard.

mod biflows;
mod capture;
mod encoding;
mod exporter;
mod files;
mod messages;
mod several;
mod templates;
mod transport;
