//! The way out: a packet socket bound to one end of a virtual cable.

use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::Context;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, MultiHeaders, bind, sendmmsg, setsockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, Socket, Type};

use super::frames::BATCH;

/// A socket that only sends.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    headers: MultiHeaders<LinkAddr>,
}

sockopt_impl!(QueueBypass, SetOnly, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, bool);

impl Wire {
    /// Opens a socket on `interface`, which must be a veth one.
    pub(crate) fn open(interface: &str) -> anyhow::Result<Self> {
        refuse_all_but_veth(interface)?;
        // An address as the system lists it is without a protocol: bound to it, a socket sends and
        // receives nothing.
        let address = getifaddrs()?
            .filter(|entry| entry.interface_name == interface)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .with_context(|| format!("{interface}: no such interface"))?;
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)
            .context("opening a packet socket (it needs CAP_NET_RAW)")?;
        bind(socket.as_raw_fd(), &address)?;
        // Around queues and taps of the sending side.
        setsockopt(&socket, QueueBypass, &true)?;
        Ok(Self { socket, headers: MultiHeaders::preallocate(BATCH, None) })
    }

    /// Sends `frames` and returns how many were taken.
    pub(crate) fn send(&mut self, frames: Vec<[IoSlice<'_>; 1]>) -> Result<usize, Errno> {
        // The socket is bound to where they go.
        let addresses = [const { None }; BATCH];
        let fd = self.socket.as_raw_fd();
        sendmmsg(fd, &mut self.headers, &frames, addresses, [], MsgFlags::empty())
            .map(Iterator::count)
    }
}

fn refuse_all_but_veth(interface: &str) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(["-json", "-details", "link", "show", "dev", interface])
        .output()
        .context("running ip(8)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{interface}: {}", said.trim());
    let links: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let kind = links.pointer("/0/linkinfo/info_kind").and_then(serde_json::Value::as_str);
    anyhow::ensure!(kind == Some("veth"), "{interface}: not a veth interface, nothing sent");
    Ok(())
}
