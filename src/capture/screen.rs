//! What the kernel runs on every frame of an interface: the user's filter, and the cut behind it.

use std::io;
use std::os::fd::BorrowedFd;

use crate::capture::live::Cut;
use crate::capture::truncation::Reach;
use crate::capture::truncation::program;
use crate::capture::truncation::program::Instruction;
use crate::frame::LinkType;
use crate::sys::packet_socket;
use crate::sys::packet_socket::Program;

/// The programs for an interface, from the best on.
#[derive(Debug)]
pub(super) struct Screen {
    /// The filter and the cut, or why there is none.
    cutting: Result<Program, String>,
    /// The filter and a shorter cut, if there is one.
    cutting_less: Option<Program>,
    /// The filter alone; none lets everything pass.
    filter: Option<Program>,
}

impl Screen {
    /// The screen for frames of `link_type`, with this filter.
    pub(super) fn new(filter: Option<&[Instruction]>, link_type: LinkType, reach: Reach) -> Self {
        let behind_filter = |cut: Vec<Instruction>| match filter {
            Some(filter) => program::behind(filter, &cut).map_err(|error| error.to_string()),
            None => Ok(cut),
        };
        let cut = program::program(link_type, reach).ok_or_else(|| NOT_OF_THIS_LINK.to_owned());
        let cutting = cut.and_then(behind_filter);
        let shorter = match reach {
            Reach::Inner => program::without_tunnels(link_type),
            // Tunnels are payload.
            Reach::Outer => None,
        };
        let cutting_less = shorter.and_then(|cut| behind_filter(cut).ok());
        Self {
            cutting: cutting.as_deref().map(attachable).map_err(Clone::clone),
            cutting_less: cutting_less.as_deref().map(attachable),
            filter: filter.map(attachable),
        }
    }

    /// Puts it before `socket`, which has some program before it, and says what is cut where.
    ///
    /// # Errors
    ///
    /// What the kernel says of the filter.
    pub(super) fn attach(&self, socket: BorrowedFd<'_>) -> io::Result<Cut> {
        let why_not = match &self.cutting {
            Ok(program) => match program.attach(socket) {
                Ok(()) => return Ok(Cut::InKernel),
                Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => NO_ROOM.into(),
                Err(error) => format!("the kernel does not take the program: {error}"),
            },
            Err(why_not) => why_not.clone(),
        };
        if let Some(program) = &self.cutting_less
            && program.attach(socket).is_ok()
        {
            return Ok(Cut::InKernelButTunnels(why_not));
        }
        match &self.filter {
            Some(filter) => filter.attach(socket)?,
            None => packet_socket::detach_program(socket)?,
        }
        Ok(Cut::OnArrival(why_not))
    }
}

fn attachable(program: &[Instruction]) -> Program {
    let parts = |it: &Instruction| (it.code, it.jump_true, it.jump_false, it.operand);
    Program::from_instructions(program.iter().map(parts))
}

/// A program counts as memory of its socket, and before Linux 6.7 there is little of it by default.
const NO_ROOM: &str =
    "the kernel has no room for the whole program (set the sysctl net.core.optmem_max to 131072)";
const NOT_OF_THIS_LINK: &str = "the kernel's program does not know this link layer";

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn what_the_kernel_cannot_cut_is_said_and_filtered_all_the_same() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let drop = [Instruction { code: 6, jump_true: 0, jump_false: 0, operand: 0 }];
        for filter in [None, Some(&drop[..])] {
            for (link_type, in_kernel) in [
                (LinkType::Ethernet, true),
                (LinkType::RawIp, true),
                (LinkType::Radiotap, false),
                (LinkType::Other(147), false),
            ] {
                Program::drop_everything().attach(socket.as_fd()).unwrap();
                let screen = Screen::new(filter, link_type, Reach::Inner);
                let cut = screen.attach(socket.as_fd()).unwrap();
                assert_eq!(cut == Cut::InKernel, in_kernel, "{link_type:?}: {cut}");
            }
        }
    }

    #[test]
    fn a_filter_that_leaves_no_room_filters_and_says_that_nothing_is_cut() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut long = vec![Instruction { code: 5, jump_true: 0, jump_false: 0, operand: 0 }; 4000];
        long.push(Instruction { code: 6, jump_true: 0, jump_false: 0, operand: 0 });
        let screen = Screen::new(Some(&long), LinkType::Ethernet, Reach::Inner);
        let cut = screen.attach(socket.as_fd()).unwrap().to_string();
        assert!(cut.contains("the filter has 4001 instructions"), "{cut}");
        // One of half that length leaves room for the shorter cut.
        let screen = Screen::new(Some(&long[2000..]), LinkType::Ethernet, Reach::Inner);
        let cut = screen.attach(socket.as_fd()).unwrap().to_string();
        assert!(
            cut.starts_with("payload cut in the kernel, in tunnels on arrival: the filter"),
            "{cut}"
        );
        // The filter is there: what comes is dropped.
        socket.set_nonblocking(true).unwrap();
        socket.send_to(b"dropped", socket.local_addr().unwrap()).unwrap();
        let received = socket.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(received.kind(), io::ErrorKind::WouldBlock);
    }
}
