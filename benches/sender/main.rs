//! Sends known traffic over a virtual cable, fast or evenly paced, so that live capture can be
//! measured and its books be checked against a sum of somebody else.
//!
//! ```text
//! ip netns add lab && ip netns exec lab ip link add src0 type veth peer name tap0
//! ip netns exec lab ip link set src0 up && ip netns exec lab ip link set tap0 up
//! ip netns exec lab sender -i src0 --octets 1400 --rate 600000 --seconds 10
//! ```
//!
//! At the end one line of JSON says how many packets were sent, in how many seconds, at what rate.
//! Packet `n` belongs to flow `n` modulo `--flows`, so whoever captures can tell what each flow must
//! have. It takes a veth interface and nothing else: traffic of ours never leaves the machine.

#[cfg(target_os = "linux")]
mod frames;

#[cfg(target_os = "linux")]
mod pace;

#[cfg(target_os = "linux")]
mod run;

#[cfg(target_os = "linux")]
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    let result = run::run();
    #[cfg(not(target_os = "linux"))]
    let result: anyhow::Result<()> =
        Err(anyhow::anyhow!("the sender needs veth interfaces, which are of Linux"));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sender: {error:#}");
            ExitCode::FAILURE
        }
    }
}
