//! The command line, and the loop.

use std::time::{Duration, Instant};

use clap::Parser;
use core_affinity::CoreId;
use nix::errno::Errno;

use super::frames::{Batch, MOST_FLOWS};
use super::pace::Pace;
use super::wire::Wire;

/// Sends IPv4 packets of known flows over a veth interface.
#[derive(Debug, Parser)]
#[command(name = "sender")]
struct Arguments {
    /// The veth interface to send on.
    #[arg(short, long)]
    interface: String,
    /// Octets of a frame, Ethernet header included, frame check sequence not.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16)
        .range(i64::from(SMALLEST_FRAME)..=i64::from(LARGEST_FRAME)))]
    octets: u16,
    /// Packets a second; without it as fast as the machine can.
    #[arg(long)]
    rate: Option<u32>,
    /// Stop after so many packets.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds (without --count: 10).
    #[arg(long)]
    seconds: Option<f64>,
    /// How many flows take turns.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32)
        .range(1..=i64::from(MOST_FLOWS)))]
    flows: u32,
    /// The number of the first flow, so that two senders send different ones.
    #[arg(long, default_value_t = 0)]
    first_flow: u32,
    /// The processor to run on; without it where the system puts it.
    #[arg(long)]
    core: Option<usize>,
}

/// Does what the command line says.
pub(crate) fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(id) = arguments.core {
        anyhow::ensure!(core_affinity::set_for_current(CoreId { id }), "no processor {id}");
    }
    let mut wire = Wire::open(&arguments.interface)?;
    let mut batch = Batch::new(arguments.octets, arguments.first_flow, arguments.flows);
    let count = arguments.count.unwrap_or(u64::MAX);
    let seconds = match (arguments.seconds, arguments.count) {
        (Some(seconds), _) => Some(seconds),
        (None, Some(_)) => None,
        (None, None) => Some(DEFAULT_SECONDS),
    };

    let started = now();
    let until = match seconds.map(Duration::try_from_secs_f64).transpose()? {
        Some(seconds) => started.checked_add(seconds),
        None => None,
    };
    let mut pace = Pace::new(arguments.rate, started);
    let (mut sent, mut at) = (0, started);
    while sent < count && until.is_none_or(|until| at < until) {
        let burst = pace.wait(sent, now).min(usize::try_from(count - sent).unwrap_or(usize::MAX));
        let frames = batch.write(sent, burst);
        let accepted = match wire.send(frames) {
            Ok(accepted) => accepted,
            // The other end was not fast enough for a moment, and the frame was not taken.
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        sent += u64::try_from(accepted)?;
        at = now();
    }
    let seconds = now().duration_since(started).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate to sixteen digits is enough")]
    let rate = (sent as f64 / seconds).round();
    println!("{}", serde_json::json!({ "sent": sent, "seconds": seconds, "rate": rate }));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a sender is paced by the clock on the wall")]
fn now() -> Instant {
    Instant::now()
}

/// Ethernet, IPv4 and TCP headers without options.
const SMALLEST_FRAME: u16 = 54;
const LARGEST_FRAME: u16 = 1514;
const DEFAULT_SECONDS: f64 = 10.0;
