//! A Collector that speaks TLS by rustls, in a thread.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use super::certificates::{Authority, Identity};

/// How a Collector behaves.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(crate) identity: Identity,
    /// Whose Exporters it takes; anybody's if `None`.
    pub(crate) takes: Option<String>,
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) tickets: usize,
}

pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

impl Behaviour {
    /// A Collector that takes Exporters of `authority` only.
    pub(crate) fn new(identity: Identity, authority: &Authority) -> Self {
        Self { identity, takes: Some(authority.pem()), version: None, tickets: 2 }
    }

    fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(super::provider());
        let versions: &[&'static SupportedProtocolVersion] = match self.version {
            Some(ProtocolVersion::TLSv1_2) => &[&TLS12],
            Some(ProtocolVersion::TLSv1_3) => &[&TLS13],
            _ => &[&TLS12, &TLS13],
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = match &self.takes {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = CertificateDer::pem_slice_iter(self.identity.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.identity.key.as_bytes()).unwrap();
        let mut config =
            builder.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap();
        config.send_tls13_tickets = self.tickets;
        Arc::new(config)
    }

    /// Takes one session and does `what` with it.
    pub(crate) fn serve<T: Send + 'static>(
        &self,
        what: impl FnOnce(Stream) -> T + Send + 'static,
    ) -> (SocketAddr, JoinHandle<T>) {
        let config = self.config();
        serve_plainly(move |stream| {
            what(StreamOwned::new(ServerConnection::new(config).unwrap(), stream))
        })
    }

    /// Takes one session and reads it to its end.
    pub(crate) fn read(&self) -> (SocketAddr, JoinHandle<Received>) {
        self.serve(|mut stream| {
            let mut octets = Vec::new();
            let end = stream.read_to_end(&mut octets).map(|_| ());
            stream.conn.send_close_notify();
            let _ = stream.conn.complete_io(&mut stream.sock);
            Received { octets, end, version: stream.conn.protocol_version() }
        })
    }
}

/// What a Collector has.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) octets: Vec<u8>,
    pub(crate) end: io::Result<()>,
    pub(crate) version: Option<ProtocolVersion>,
}

/// Takes one TCP connection and does `what` with it.
pub(crate) fn serve_plainly<T: Send + 'static>(
    what: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || what(listener.accept().unwrap().0)))
}
