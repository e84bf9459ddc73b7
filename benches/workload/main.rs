//! Writes the captures of the benches: `cargo run --release --example workload -- w3 w3.pcap`.

#[path = "mod.rs"]
mod workload;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;

use crate::workload::Workload;

/// Writes one of the captures that the benches read: the same octets on every machine
#[derive(Debug, Parser)]
#[command(after_help = WORKLOADS)]
struct Arguments {
    /// Which one
    name: String,
    /// The file to write; nothing is there under this name before it is complete
    file: PathBuf,
    /// Another size, with the number of flows in proportion
    #[arg(long, value_name = "N")]
    packets: Option<u64>,
}

const WORKLOADS: &str = "\
Workloads, with their packets and octets:
  w1        10 M  1.1 GB  cut at 96 octets, 100,000 flows drawn evenly
  w2        10 M  1.1 GB  the same over 1,000,000 flows
  w3         5 M  1.9 GB  whole packets, IMIX sizes, 600,000 flows by Zipf, 30 % IPv6, 80 % TCP
  w4        10 M  1.1 GB  cut at 96 octets, every packet a flow of its own
  w5         5 M  2.3 GB  the packets of w3 behind a VLAN tag, in VXLAN and GTP-U
  flows1m    2 M  0.2 GB  1,000,000 flows with a packet each way, all there at once
  flows10m  20 M  2.2 GB  10,000,000 of them";

fn main() -> anyhow::Result<()> {
    let Arguments { name, file, packets } = Arguments::parse();
    let Some(workload) = Workload::named(&name, packets) else {
        bail!("there is no workload {name:?}: see --help");
    };
    let mut part = file.clone().into_os_string();
    part.push(".part");
    let written = workload.write_to(part.as_ref()).and_then(|()| fs::rename(&part, &file));
    if written.is_err() {
        // It may be what filled the disk.
        let _ = fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot write {}", file.display()))
}
