//! What sockets of Transport Sessions know and the standard library does not ask them.

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

/// The MTU of the path to the peer of a connected socket, as far as the kernel knows it.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn path_mtu(socket: &UdpSocket) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        let (level, name) = if socket.peer_addr()?.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_MTU)
        } else {
            (libc::IPPROTO_IP, libc::IP_MTU)
        };
        let mut value: libc::c_int = 0;
        let mut length = socket_length::<libc::c_int>();
        // SAFETY: `value` and `length` are live, and `length` is the size of `value`.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                level,
                name,
                std::ptr::from_mut(&mut value).cast(),
                &mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        usize::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Sets Don't Fragment on every datagram: one that is larger than the path takes is refused.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn forbid_fragmentation(socket: &UdpSocket) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (level, name, value) = if socket.local_addr()?.is_ipv6() {
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO)
        } else {
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO)
        };
        // SAFETY: `value` is a live integer, and the length passed is its size.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(&value).cast(),
                socket_length::<libc::c_int>(),
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Octets given to the socket that the peer's host has not acknowledged; stays true after the
/// session broke.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn unacknowledged_octets(stream: &impl AsRawFd) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        let mut value: libc::c_int = 0;
        // SAFETY: SIOCOUTQ, which is the number of TIOCOUTQ, writes one integer, and `value` is
        // one that lives.
        let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &mut value) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        u64::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What the peer of a TCP connection lets us send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerWindow {
    /// Octets that the peer takes beyond what it has acknowledged (RFC 9293 §3.8.6).
    pub octets: u32,
    /// How far the peer shifts its windows (RFC 7323 §2); `None` without window scaling.
    pub scale: Option<u8>,
}

/// The receive window of the peer, as of its last segment.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked or, before Linux
/// 5.4, does not tell.
pub fn peer_window(stream: &TcpStream) -> io::Result<PeerWindow> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: a structure of integers, for which zero is a value.
        let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
        let mut length = socket_length::<libc::tcp_info>();
        // SAFETY: `info` and `length` are live, and `length` is the size of `info`.
        let result = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                std::ptr::from_mut(&mut info).cast(),
                &mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // The structure grows at its end from one version of Linux to the next.
        let end = std::mem::offset_of!(libc::tcp_info, tcpi_snd_wnd) + size_of::<u32>();
        if usize::try_from(length).is_ok_and(|length| length < end) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        // The first of two bit fields is at the low end, unless the machine is big-endian.
        let shifts = info.tcpi_snd_rcv_wscale;
        let shift = if cfg!(target_endian = "big") { shifts >> 4 } else { shifts & 0x0f };
        let scaled = info.tcpi_options & TCPI_OPT_WSCALE != 0;
        Ok(PeerWindow { octets: info.tcpi_snd_wnd, scale: scaled.then_some(shift) })
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = stream;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads what has come, without waiting; `None` if nothing has, and 0 octets at the end of input.
///
/// # Errors
///
/// What the kernel says.
pub fn receive_now(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    // SAFETY: `buffer` is live, ours, and as long as the length passed.
    let received = unsafe {
        libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
    };
    if let Ok(octets) = usize::try_from(received) {
        return Ok(Some(octets));
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
        _ => Err(error),
    }
}

/// Octets of memory that an SCTP socket holds for what it was given and the peer's host has not
/// acknowledged: at least the octets of it, and 0 exactly when there are none.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn queued_memory(socket: &impl AsRawFd) -> io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        let mut values = [0_u32; MEMINFO_LENGTH];
        let read = socket_option(socket, libc::SOL_SOCKET, SO_MEMINFO, &mut values)?;
        match values.get(MEMINFO_WRITE_QUEUED) {
            Some(&queued) if read > MEMINFO_WRITE_QUEUED * size_of::<u32>() => Ok(queued.into()),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The receive window of the peer of an SCTP association, less what is on its way to it.
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn sctp_window(socket: &impl AsRawFd) -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    {
        // RFC 6458 §8.2.1: association, state, window, and then more than is of interest here.
        let mut status = [0_u32; SCTP_STATUS_LENGTH];
        socket_option(socket, SOL_SCTP, SCTP_STATUS, &mut status)?;
        let [_, _, window, ..] = status;
        Ok(window)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Lets an SCTP association send a message at once, however small it is (RFC 6458 §8.1.5).
///
/// # Errors
///
/// What the kernel says; [`io::ErrorKind::Unsupported`] where it cannot be asked.
pub fn forbid_sctp_delay(socket: &impl AsRawFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let value: libc::c_int = 1;
        // SAFETY: `value` is a live integer, and the length passed is its size.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                SOL_SCTP,
                SCTP_NODELAY,
                std::ptr::from_ref(&value).cast(),
                socket_length::<libc::c_int>(),
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads a socket option of integers; returns how many octets of it there are.
#[cfg(target_os = "linux")]
fn socket_option<const N: usize>(
    socket: &impl AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    values: &mut [u32; N],
) -> io::Result<usize> {
    let mut length = socket_length::<[u32; N]>();
    // SAFETY: `values` and `length` are live, and `length` is the size of `values`.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, values.as_mut_ptr().cast(), &mut length)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData.into())
}

// Of asm-generic/socket.h, linux/sock_diag.h and linux/sctp.h; libc does not have them.
#[cfg(target_os = "linux")]
const SO_MEMINFO: libc::c_int = 55;
#[cfg(target_os = "linux")]
const MEMINFO_LENGTH: usize = 16;
/// `SK_MEMINFO_WMEM_QUEUED`
#[cfg(target_os = "linux")]
const MEMINFO_WRITE_QUEUED: usize = 5;
#[cfg(target_os = "linux")]
const SOL_SCTP: libc::c_int = 132;
#[cfg(target_os = "linux")]
const SCTP_NODELAY: libc::c_int = 3;
#[cfg(target_os = "linux")]
const SCTP_STATUS: libc::c_int = 14;
/// `struct sctp_status`: 24 octets, and a `struct sctp_paddrinfo` of 152.
#[cfg(target_os = "linux")]
const SCTP_STATUS_LENGTH: usize = 176 / size_of::<u32>();

/// Of linux/tcp.h; libc does not have it for every C library.
#[cfg(target_os = "linux")]
const TCPI_OPT_WSCALE: u8 = 4;

#[cfg(target_os = "linux")]
#[expect(clippy::cast_possible_truncation, reason = "the size of an integer")]
const fn socket_length<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn loopback_has_its_own_path_mtu() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let peer = UdpSocket::bind(address).unwrap();
            let socket = UdpSocket::bind(address).unwrap();
            socket.connect(peer.local_addr().unwrap()).unwrap();
            forbid_fragmentation(&socket).unwrap();
            assert!(path_mtu(&socket).unwrap() >= 1280, "{address}");
        }
    }

    #[test]
    fn a_path_is_not_known_without_a_peer() {
        assert!(path_mtu(&UdpSocket::bind("127.0.0.1:0").unwrap()).is_err());
    }

    #[test]
    fn octets_count_until_the_peer_has_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.write_all(&[1; 100]).unwrap();
        peer.read_exact(&mut [0; 100]).unwrap();
        while unacknowledged_octets(&stream).unwrap() > 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_window_of_the_peer_follows_its_buffer() {
        let window = |buffer: usize| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            socket2::SockRef::from(&listener).set_recv_buffer_size(buffer).unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            peer_window(&stream).unwrap()
        };
        let (small, large) = (window(2_048), window(150_000));
        assert!(small.octets > 0 && small.octets <= 4_096, "{small:?}");
        assert!(large.octets > 32_768, "{large:?}");
        assert!(small.scale < large.scale, "RFC 7323 §2.2: {small:?}, {large:?}");
    }
}
