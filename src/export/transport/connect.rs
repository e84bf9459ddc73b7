//! From the name of a Collector to a session with it.

use std::io::{self, ErrorKind};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::export::clock::Clock;
use crate::export::config::Config;
use crate::export::counted::{Counting, CountingSession};
use crate::export::error::ExportError;
use crate::export::target::{Collector, Transport};
use crate::export::transport::sctp::SctpSession;
use crate::export::transport::tcp::TcpSession;
use crate::export::transport::tls::{self, TlsError, TlsSettings};
use crate::export::transport::udp::UdpSession;
use crate::export::transport::{MINIMUM_MESSAGE_SIZE, Session};

/// What sessions are opened with, besides what stands in the options of the Collector.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long one attempt to connect to one address may take.
    pub(crate) connect_timeout: Duration,
    /// A peer that answers nothing for so long is gone.
    pub(crate) dead_after: Duration,
    /// Octets of a Message at most, over TCP, TLS and SCTP.
    pub(crate) message_size: usize,
    /// Octets of a Message at most, over UDP; what the path takes if `None`, and never more.
    pub(crate) udp_message_size: Option<usize>,
    /// There are no sessions: what they would carry is counted.
    pub(crate) counting: Option<Counting>,
}

impl Settings {
    /// Those of a configuration.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            connect_timeout: config.tcp.connect_timeout,
            // The kernel ends sessions that take nothing by the same clock: not before we do.
            dead_after: config.tcp.stall_timeout.saturating_add(GRACE).max(SHORTEST_DEATH),
            message_size: config.tcp.message_size,
            udp_message_size: config.udp.message_size,
            counting: config.counting.clone(),
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name gives no address.
    #[error("cannot find the address: {0}")]
    Resolve(io::Error),
    /// No address took the session; what the last one said.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// The Collector is not who it should be, or does not want us, or our own files are no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It cannot be done here, now or later.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Several were tried: each by its address, and what became of it.
    #[error("{}", told(.0))]
    Members(Vec<(String, Self)>),
}

fn told(members: &[(String, ConnectError)]) -> String {
    let each = members.iter().map(|(address, error)| format!("{address}: {error}"));
    each.collect::<Vec<_>>().join("; ")
}

impl ConnectError {
    /// Whether one side did not accept the other.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_refusal(),
            Self::Members(members) => members.iter().any(|(_, error)| error.is_refusal()),
            _ => false,
        }
    }

    /// This error, of the target with that name.
    pub(crate) fn of(self, target: &str) -> ExportError {
        let target = target.to_owned();
        match self {
            Self::Resolve(source) => ExportError::Resolve { target, source },
            Self::Connect(source) => ExportError::Connect { target, source },
            Self::Members(_) => ExportError::Members { target, causes: self.to_string() },
            Self::Tls(source) => ExportError::Tls { target, source },
            Self::Unsupported(text) => {
                let source = io::Error::new(ErrorKind::Unsupported, text);
                ExportError::Connect { target, source }
            }
        }
    }
}

/// Opens a session with `collector`.
///
/// Its name is resolved anew each time, and each address is tried in turn, IPv4 or IPv6, as the
/// resolver orders them.
pub(crate) fn connect(
    collector: &Collector,
    settings: &Settings,
    clock: &Arc<dyn Clock>,
) -> Result<Box<dyn Session>, ConnectError> {
    let Collector { transport, options, .. } = collector;
    if options.mtu.is_some_and(|mtu| mtu < SMALLEST_PACKET) {
        return Err(ConnectError::Unsupported("an mtu below 512 leaves no room for records"));
    }
    if let Some(counting) = &settings.counting {
        let counter = counting.counter(&collector.to_string());
        return Ok(Box::new(CountingSession::new(collector, counter, settings.message_size)));
    }
    let addresses = resolve(collector)?;
    let source = options.source;
    match transport {
        Transport::Udp => each_address(addresses, source, |address, source| {
            let session = UdpSession::new(
                udp_socket(address, source)?,
                options.mtu,
                settings.udp_message_size,
                Arc::clone(clock),
            )?;
            Ok(Box::new(session.following(collector, resolve)) as Box<dyn Session>)
        }),
        Transport::Tcp => each_address(addresses, source, |address, source| {
            let stream = tcp_stream(address, source, options.mtu, settings.connect_timeout)?;
            let session = TcpSession::new(stream, settings.message_size, settings.dead_after)?;
            Ok(Box::new(session) as Box<dyn Session>)
        }),
        Transport::Sctp => each_address(addresses, source, |address, source| {
            let socket = SctpSession::connect(address, source, settings.connect_timeout)?;
            let message_size = sctp_message_size(address, options.mtu, settings.message_size);
            Ok(Box::new(SctpSession::new(socket, message_size)?) as Box<dyn Session>)
        })
        .map_err(without_sctp),
        Transport::Tls => {
            let stream = connect_tcp(collector, settings)?;
            let session = tls::open(stream, collector, TlsSettings::new(settings), clock)?;
            Ok(Box::new(session))
        }
    }
}

/// Opens a TCP connection to `collector`; for what is layered on top of it.
pub(crate) fn connect_tcp(
    collector: &Collector,
    settings: &Settings,
) -> Result<TcpStream, ConnectError> {
    let options = &collector.options;
    each_address(resolve(collector)?, options.source, |address, source| {
        tcp_stream(address, source, options.mtu, settings.connect_timeout)
    })
}

/// Asks the resolver, each time: Collectors move.
fn resolve(collector: &Collector) -> Result<Vec<SocketAddr>, ConnectError> {
    let addresses = (collector.host.as_str(), collector.port).to_socket_addrs();
    Ok(addresses.map_err(ConnectError::Resolve)?.collect())
}

/// Tries one address after the other; `open` gets each with our own address for it.
fn each_address<T>(
    addresses: Vec<SocketAddr>,
    source: Option<IpAddr>,
    mut open: impl FnMut(SocketAddr, Option<SocketAddr>) -> io::Result<T>,
) -> Result<T, ConnectError> {
    let mut last = None;
    for address in addresses {
        let source = match source.map(|source| own_address(source, address)) {
            None => None,
            Some(Some(source)) => Some(source),
            Some(None) => continue,
        };
        match open(address, source) {
            Ok(opened) => return Ok(opened),
            Err(error) => last = Some(error),
        }
    }
    let error = match (last, source) {
        (Some(error), _) => error,
        (None, Some(source)) => {
            let family = if source.is_ipv4() { "IPv4" } else { "IPv6" };
            let message = format!("the source address is {family}, and no address of the host is");
            io::Error::new(ErrorKind::AddrNotAvailable, message)
        }
        (None, None) => ErrorKind::AddrNotAvailable.into(),
    };
    Err(ConnectError::Connect(error))
}

/// Where we send from; `None` if `source` is of another family than `collector`.
fn own_address(source: IpAddr, collector: SocketAddr) -> Option<SocketAddr> {
    match (source, collector) {
        (IpAddr::V4(_), SocketAddr::V4(_)) => Some((source, 0).into()),
        (IpAddr::V6(source), SocketAddr::V6(collector)) => {
            // A link-local address is one of a link, and that of the Collector says which.
            let scope = if source.is_unicast_link_local() { collector.scope_id() } else { 0 };
            Some(SocketAddrV6::new(source, 0, 0, scope).into())
        }
        _ => None,
    }
}

/// A socket of our own for each session, so that no two share a source port.
fn udp_socket(collector: SocketAddr, source: Option<SocketAddr>) -> io::Result<UdpSocket> {
    let any = match collector {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(source.unwrap_or(any))?;
    socket.connect(collector)?;
    Ok(socket)
}

fn tcp_stream(
    collector: SocketAddr,
    source: Option<SocketAddr>,
    mtu: Option<u16>,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(collector), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(mtu) = mtu {
        let headers = ip_header_length(collector) + TCP_HEADER_LENGTH;
        // Where the system does not let us choose, it knows the path itself.
        let _ = socket.set_tcp_mss(u32::from(mtu).saturating_sub(headers));
    }
    connect_socket(&socket, collector, source, timeout)?;
    Ok(socket.into())
}

/// Binds and connects.
pub(super) fn connect_socket(
    socket: &Socket,
    collector: SocketAddr,
    source: Option<SocketAddr>,
    timeout: Duration,
) -> io::Result<()> {
    if let Some(source) = source {
        socket.bind(&source.into())?;
    }
    socket.connect_timeout(&collector.into(), timeout)
}

/// With an `mtu` a Message is one chunk in one packet. Without, SCTP cuts it by itself (RFC 7011
/// §10.2.3, RFC 9260 §6.9).
fn sctp_message_size(collector: SocketAddr, mtu: Option<u16>, wanted: usize) -> usize {
    let Some(mtu) = mtu else { return wanted };
    let headers = ip_header_length(collector) + SCTP_HEADER_LENGTH + SCTP_DATA_HEADER_LENGTH;
    let chunk = u32::from(mtu).saturating_sub(headers);
    usize::try_from(chunk).map_or(wanted, |chunk| wanted.min(chunk)).max(MINIMUM_MESSAGE_SIZE)
}

pub(super) const fn ip_header_length(collector: SocketAddr) -> u32 {
    match collector {
        SocketAddr::V4(_) => 20,
        SocketAddr::V6(_) => 40,
    }
}

/// Says what to do about a kernel that does not know the protocol.
fn without_sctp(error: ConnectError) -> ConnectError {
    let ConnectError::Connect(source) = &error else { return error };
    match source.raw_os_error() {
        Some(libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT) => ConnectError::Unsupported(NO_SCTP),
        _ => error,
    }
}

const NO_SCTP: &str = "this kernel has no SCTP: load the module (modprobe sctp)";

/// RFC 7011 §10.3.3: what every path takes.
const SMALLEST_PACKET: u16 = 512;

const TCP_HEADER_LENGTH: u32 = 20;

/// RFC 9260 §3.1, §3.3.1.
const SCTP_HEADER_LENGTH: u32 = 12;
const SCTP_DATA_HEADER_LENGTH: u32 = 16;

/// How much more patience the kernel has than we.
const GRACE: Duration = Duration::from_secs(5);

/// No network that is out of order for less is taken for a Collector that is gone.
const SHORTEST_DEATH: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
