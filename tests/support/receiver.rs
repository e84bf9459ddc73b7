//! Collectors that keep what they are sent, octet for octet, and do nothing else.

#![allow(dead_code, reason = "shared by several test files, each of which uses a part")]

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// Takes datagrams.
#[derive(Debug)]
pub(crate) struct UdpReceiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Where the datagrams came from, each address once, in order.
    senders: Arc<Mutex<Vec<SocketAddr>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Takes connections, one after the other.
#[derive(Debug)]
pub(crate) struct TcpReceiver {
    address: SocketAddr,
    /// One stream for each connection.
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UdpReceiver {
    /// Listens at a port of the loopback that nobody has.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0")
    }

    pub(crate) fn start_at(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("a port");
        // A replay is faster than any network.
        SockRef::from(&socket).set_recv_buffer_size(8_000_000).expect("some buffer");
        socket.set_read_timeout(Some(STEP)).expect("a timeout");
        let address = socket.local_addr().expect("it is bound");
        let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let senders = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let end = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let (received, senders, end) =
                (Arc::clone(&received), Arc::clone(&senders), Arc::clone(&end));
            move || {
                let mut octets = vec![0; 65_536];
                loop {
                    match socket.recv_from(&mut octets) {
                        Ok((length, sender)) => {
                            let datagram = octets.get(..length).expect("it was filled").to_vec();
                            received.lock().expect("no panic").push(datagram);
                            let mut senders = senders.lock().expect("no panic");
                            if !senders.contains(&sender) {
                                senders.push(sender);
                            }
                        }
                        // Only when nothing is left to read.
                        Err(error) if is_timeout(&error) => {
                            if end.load(Ordering::Relaxed) {
                                break;
                            }
                        }
                        Err(error) => panic!("a socket fails: {error}"),
                    }
                }
            }
        });
        Self { address, received, senders, end, thread: Some(thread) }
    }

    /// Where to send to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come so far.
    pub(crate) fn so_far(&self) -> Vec<Vec<u8>> {
        self.received.lock().expect("no panic").clone()
    }

    /// Where it came from.
    pub(crate) fn senders(&self) -> Vec<SocketAddr> {
        self.senders.lock().expect("no panic").clone()
    }

    /// Every datagram, once there are no more of them in the socket.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        self.stop();
        std::mem::take(&mut self.received.lock().expect("no panic"))
    }

    fn stop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the receiver does not panic");
        }
    }
}

impl TcpReceiver {
    /// Listens at a port of the loopback that nobody has.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0", 0)
    }

    /// Cuts each of the first `hang_up` connections as soon as it has sent something.
    pub(crate) fn start_at(address: &str, hang_up: usize) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("it can be polled");
        let address = listener.local_addr().expect("it is bound");
        let received = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let end = Arc::<AtomicBool>::default();
        let thread = thread::spawn({
            let (received, end) = (Arc::clone(&received), Arc::clone(&end));
            move || {
                while !end.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((mut stream, _)) => {
                            let number = received.lock().expect("no panic").len();
                            received.lock().expect("no panic").push(Vec::new());
                            stream.set_nonblocking(false).expect("it can wait");
                            stream.set_read_timeout(Some(STEP)).expect("a timeout");
                            if number < hang_up {
                                let mut octets = [0; 4096];
                                let _ = stream.read(&mut octets);
                                continue;
                            }
                            read_all(&mut stream, &end, |octets| {
                                let mut received = received.lock().expect("no panic");
                                let stream = received.get_mut(number).expect("it was pushed");
                                stream.extend_from_slice(octets);
                            });
                        }
                        Err(error) if is_timeout(&error) => thread::sleep(STEP),
                        Err(error) => panic!("a socket fails: {error}"),
                    }
                }
            }
        });
        Self { address, received, end, thread: Some(thread) }
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come so far, by connection.
    pub(crate) fn so_far(&self) -> Vec<Vec<u8>> {
        self.received.lock().expect("no panic").clone()
    }

    /// What came over each connection; the exporter has closed the last one.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        self.stop();
        std::mem::take(&mut self.received.lock().expect("no panic"))
    }

    fn stop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the receiver does not panic");
        }
    }
}

impl Drop for UdpReceiver {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for TcpReceiver {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Reads until the other side has closed, or nothing came for a while after `end`.
fn read_all(stream: &mut impl Read, end: &AtomicBool, mut take: impl FnMut(&[u8])) {
    let mut octets = vec![0; 65_536];
    let mut idle = 0;
    loop {
        match stream.read(&mut octets) {
            Ok(0) => return,
            Ok(length) => {
                idle = 0;
                take(octets.get(..length).expect("it was filled"));
            }
            Err(error) if is_timeout(&error) => {
                idle += 1;
                if idle > 20 && end.load(Ordering::Relaxed) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("a connection fails: {error}"),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

const STEP: Duration = Duration::from_millis(50);
