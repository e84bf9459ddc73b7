//! `udp://HOST:PORT`: one Message a datagram (RFC 7011 §10.3).
//!
//! UDP loses datagrams without a word. Only use it where some loss can be borne, and on a path that
//! is yours (RFC 7011 §10.3.2).

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use crate::export::account::{Account, LossReason};
use crate::export::clock::Clock;
use crate::export::config::{Config, Pace, UdpConfig};
use crate::export::encoder::{Backlog, Encoder};
use crate::export::error::ExportError;
use crate::export::exporter::RecordBatch;
use crate::export::layout::Layout;
use crate::export::mapping::data_records;
use crate::export::pacing::{FlushTimer, Pacer};
use crate::export::profile::Mapping;
use crate::export::sink::RecordSink;
use crate::export::target::Collector;
use crate::ipfix::message::Refused;
use crate::sys::transport;

/// Exports to one Collector over UDP.
#[derive(Debug)]
pub(crate) struct UdpSink {
    target: String,
    socket: UdpSocket,
    encoder: Encoder,
    backlog: Backlog,
    mapping: Mapping,
    pace: Pace,
    config: UdpConfig,
    clock: Arc<dyn Clock>,
    pacer: Pacer,
    flush_timer: FlushTimer,
    /// Octets of a Message at most.
    message_size: usize,
    /// Packet time of the last batch.
    export_seconds: u64,
    /// When Templates were last sent again, and how many Messages left since.
    refreshed_at: Duration,
    messages_since_refresh: u32,
    /// A datagram was too large: Templates may have been in it.
    refresh_at_once: bool,
    /// Nothing listened at the Collector's port; said once.
    refused: bool,
    /// The last datagram could not be sent.
    failing: bool,
}

impl UdpSink {
    /// Resolves the Collector and opens a socket of our own for it, so that no two sessions share
    /// a source port.
    pub(crate) fn connect(
        collector: &Collector,
        target: &str,
        config: &Config,
    ) -> Result<Self, ExportError> {
        if let Some(size) = config.udp.message_size
            && size < MINIMUM_MESSAGE_SIZE
        {
            let (target, minimum) = (target.to_owned(), MINIMUM_MESSAGE_SIZE);
            return Err(ExportError::MessageSize { target, size, minimum });
        }
        let addresses = (collector.host.as_str(), collector.port)
            .to_socket_addrs()
            .map_err(|source| ExportError::Resolve { target: target.to_owned(), source })?;
        let mut outcome = Err(io::Error::from(ErrorKind::AddrNotAvailable));
        for address in addresses {
            outcome = open_socket(address);
            if outcome.is_ok() {
                break;
            }
        }
        let socket =
            outcome.map_err(|source| ExportError::Connect { target: target.to_owned(), source })?;
        let mapping = Mapping { biflow: config.biflow, ..Mapping::default() };
        let mut sink = Self {
            target: target.to_owned(),
            socket,
            encoder: Encoder::new(config.observation_domain, MINIMUM_MESSAGE_SIZE, mapping),
            backlog: Backlog::default(),
            mapping,
            pace: config.pace,
            config: config.udp.clone(),
            clock: Arc::clone(&config.clock),
            pacer: Pacer::new(config.udp.datagram_rate, config.udp.datagram_burst),
            flush_timer: FlushTimer::new(config.flush_timer()),
            message_size: 0,
            export_seconds: 0,
            refreshed_at: config.clock.monotonic(),
            messages_since_refresh: 0,
            refresh_at_once: false,
            refused: false,
            failing: false,
        };
        sink.limit_messages(sink.path_message_size());
        Ok(sink)
    }

    /// Octets of a Message that IP and UDP headers and the path leave (RFC 7011 §10.3.3).
    fn path_message_size(&self) -> usize {
        let headers = match self.socket.peer_addr() {
            Ok(SocketAddr::V6(_)) => IPV6_HEADER_LENGTH + UDP_HEADER_LENGTH,
            Ok(SocketAddr::V4(_)) | Err(_) => IPV4_HEADER_LENGTH + UDP_HEADER_LENGTH,
        };
        let packet = transport::path_mtu(&self.socket)
            .map_or(PACKET_SIZE_WITHOUT_PATH_MTU, |mtu| mtu.min(LARGEST_PACKET));
        let size = packet.saturating_sub(headers);
        self.config.message_size.map_or(size, |wanted| wanted.min(size))
    }

    fn limit_messages(&mut self, size: usize) {
        self.message_size = size.max(MINIMUM_MESSAGE_SIZE);
        self.encoder.limit_message_size(self.message_size);
    }

    /// Writes what waits into Messages, and sends those that are full.
    fn drain_backlog(&mut self, account: &mut Account) -> Result<(), ExportError> {
        while let Some(record) = self.backlog.next() {
            let layout = record.shape.layout;
            if self.refresh_is_due() {
                self.refresh_templates(account)?;
            } else if self.encoder.knows_template(layout) {
                match self.encoder.add(&record) {
                    Ok(()) => self.backlog.next_is_written(),
                    Err(Refused::MessageFull) => self.end_message(account)?,
                    Err(refused) => return Err(self.unencodable(refused)),
                }
            } else {
                self.announce_template(layout, account)?;
            }
        }
        Ok(())
    }

    /// RFC 7011 §8.4: a new Template goes ahead in a Message of its own, and once more with its
    /// first data.
    fn announce_template(
        &mut self,
        layout: Layout,
        account: &mut Account,
    ) -> Result<(), ExportError> {
        self.end_message(account)?;
        self.encoder.add_template(layout).map_err(|refused| self.unencodable(refused))?;
        self.end_message(account)?;
        self.encoder.add_template(layout).map_err(|refused| self.unencodable(refused))
    }

    fn refresh_is_due(&self) -> bool {
        self.refresh_at_once
            || self.messages_since_refresh >= self.config.template_refresh_messages.max(1)
            || self.clock.monotonic().saturating_sub(self.refreshed_at)
                >= self.config.template_refresh_timeout.max(SHORTEST_REFRESH)
    }

    /// RFC 7011 §8.4: sends every Template of the session again, in Messages of their own.
    fn refresh_templates(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.end_message(account)?;
        self.refresh_at_once = false;
        let mut index = 0;
        loop {
            match self.encoder.add_template_again(index) {
                Ok(true) => index += 1,
                Ok(false) => break,
                Err(Refused::MessageFull) => self.end_message(account)?,
                Err(refused) => return Err(self.unencodable(refused)),
            }
        }
        self.end_message(account)?;
        self.refreshed_at = self.clock.monotonic();
        self.messages_since_refresh = 0;
        // The path may have changed; growing needs no haste.
        let size = self.path_message_size();
        if size != self.message_size && !self.refresh_at_once {
            self.limit_messages(size);
        }
        Ok(())
    }

    /// Sends the Message in hand. If it is too large for the path its records wait again, and it is
    /// as if it had never been.
    fn end_message(&mut self, account: &mut Account) -> Result<(), ExportError> {
        self.flush_timer.restart();
        let export_seconds = match self.pace {
            Pace::Replay => self.export_seconds,
            Pace::Live => self.clock.wall().as_secs(),
        };
        let Some(message) = self.encoder.finish(export_seconds) else { return Ok(()) };
        self.pacer.wait(&*self.clock);
        let (size, totals) = (message.octets.len(), message.totals);
        match transmit(&self.socket, message.octets, &*self.clock) {
            Ok(refused) => {
                account.sent(totals);
                account.messages(1, size);
                self.messages_since_refresh += 1;
                if std::mem::take(&mut self.failing) {
                    account.recovered(&self.target);
                }
                if refused && !std::mem::replace(&mut self.refused, true) {
                    let source = ErrorKind::ConnectionRefused.into();
                    account.trouble(ExportError::Send { target: self.target.clone(), source });
                }
            }
            Err(error) if is_too_large(&error) && self.message_size > MINIMUM_MESSAGE_SIZE => {
                let path = self.path_message_size();
                // The kernel may know less than the device does.
                let smaller = if path < size { path } else { size / 2 };
                self.limit_messages(smaller.min(self.message_size - 1));
                self.encoder.renumber();
                self.backlog.take_message_back();
                self.refresh_at_once = true;
                return Ok(());
            }
            Err(source) => {
                // The records keep their sequence numbers, so that the Collector sees the gap.
                account.lost(LossReason::NotSent, totals);
                if !std::mem::replace(&mut self.failing, true) {
                    account.trouble(ExportError::Send { target: self.target.clone(), source });
                }
            }
        }
        self.backlog.message_is_done();
        Ok(())
    }

    fn unencodable(&self, source: Refused) -> ExportError {
        ExportError::Encode { target: self.target.clone(), source }
    }
}

impl RecordSink for UdpSink {
    fn write(&mut self, batch: &RecordBatch, account: &mut Account) -> Result<(), ExportError> {
        self.export_seconds = batch.clock.as_secs();
        for record in &batch.records {
            for data in data_records(record, self.mapping) {
                self.backlog.push(data);
            }
            self.drain_backlog(account)?;
        }
        Ok(())
    }

    fn tick(&mut self, account: &mut Account) -> Result<(), ExportError> {
        // RFC 7011 §8.4: also while there is nothing to export.
        if self.refresh_is_due() {
            self.refresh_templates(account)?;
        }
        if self.flush_timer.is_due(!self.encoder.is_empty(), self.clock.monotonic()) {
            self.end_message(account)?;
        }
        self.drain_backlog(account)
    }

    fn finish(&mut self, account: &mut Account) -> Result<(), ExportError> {
        // RFC 7011 §8.4: Templates are not withdrawn over UDP.
        while !self.backlog.is_empty() {
            self.drain_backlog(account)?;
            self.end_message(account)?;
        }
        self.end_message(account)
    }
}

fn open_socket(collector: SocketAddr) -> io::Result<UdpSocket> {
    let any = match collector {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    // Where that cannot be set the size limit alone has to do.
    let _ = transport::forbid_fragmentation(&socket);
    socket.connect(collector)?;
    Ok(socket)
}

/// Sends a datagram; `Ok(true)` if the Collector had refused an earlier one.
///
/// On a connected socket most errors tell of a datagram sent before, and the one in hand did not
/// leave. So it is tried again; only an error that stays is about this one.
fn transmit(socket: &UdpSocket, octets: &[u8], clock: &dyn Clock) -> io::Result<bool> {
    let mut refused = false;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Err(error) = socket.send(octets) else { return Ok(refused) };
        refused |= error.kind() == ErrorKind::ConnectionRefused;
        if attempts >= ATTEMPTS {
            return Err(error);
        }
        if error.raw_os_error() == Some(libc::ENOBUFS) {
            clock.sleep(QUEUE_FULL_DELAY);
        }
    }
}

fn is_too_large(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// A datagram and two errors of others.
const ATTEMPTS: u32 = 3;

/// A refresh in every moment would leave no time for anything else.
const SHORTEST_REFRESH: Duration = Duration::from_millis(100);

/// After which a full queue of the network device has probably moved.
const QUEUE_FULL_DELAY: Duration = Duration::from_millis(1);

/// Every path of IP in practice takes this; larger MTUs are those of one link.
const LARGEST_PACKET: usize = 1500;

/// RFC 7011 §10.3.3: 512 octets while the path MTU is unknown.
const PACKET_SIZE_WITHOUT_PATH_MTU: usize = 512;

const IPV4_HEADER_LENGTH: usize = 20;
const IPV6_HEADER_LENGTH: usize = 40;
const UDP_HEADER_LENGTH: usize = 8;

/// 512 octets less IPv6 and UDP headers. Every Template and every record of ours fits.
pub(crate) const MINIMUM_MESSAGE_SIZE: usize =
    PACKET_SIZE_WITHOUT_PATH_MTU - IPV6_HEADER_LENGTH - UDP_HEADER_LENGTH;

#[cfg(test)]
mod tests;
