//! The checklist of conformance, row by row, through the program and the public API: what is not held
//! by a test beside the code, and what only whole sessions can show. Each test is named by its row
//! and cites the standard.

#[path = "conformance/biflows.rs"]
mod biflows;
#[path = "conformance/capture.rs"]
mod capture;
#[path = "conformance/encoding.rs"]
mod encoding;
#[path = "conformance/exporter.rs"]
mod exporter;
#[path = "conformance/files.rs"]
mod files;
#[path = "support/generate.rs"]
mod generate;
#[path = "conformance/messages.rs"]
mod messages;
#[expect(dead_code, reason = "shared by several test files, each of which uses a part")]
#[path = "support/netns.rs"]
mod netns;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/program.rs"]
mod program;
#[path = "support/receiver.rs"]
mod receiver;
#[path = "support/records.rs"]
mod records;
#[path = "support/replayed.rs"]
mod replayed;
#[path = "support/run.rs"]
mod run;
#[path = "conformance/several.rs"]
mod several;
#[path = "support/strict.rs"]
mod strict;
#[path = "conformance/templates.rs"]
mod templates;
#[path = "conformance/transport.rs"]
mod transport;
#[path = "support/wire.rs"]
mod wire;
