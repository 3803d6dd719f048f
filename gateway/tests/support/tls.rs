//! TLS as clients see it: an authority that they trust, certificates that it signs, and a bridge by which every other
//! client here, which speaks plain, comes to a server with TLS.

use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SerialNumber,
    date_time_ymd,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::io::copy_bidirectional;
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use super::http;
use super::server::Setup;

/// What a bridge leaves the system for each direction.
const BUFFER_BYTES: u32 = 128 * 1024;

/// Who signs certificates, and whom clients trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate and its key, in files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Who signed the certificate of a server, and where it is.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) authority: Arc<Authority>,
    pub(crate) files: Files,
}

impl Setup {
    /// Gives websocket and REST a certificate. Clients that speak plain come over bridges.
    pub(crate) fn with_tls(mut self) -> Setup {
        let files = Files { certificate: self.path("cert.pem"), key: self.path("key.pem") };
        let tls = Tls { authority: Arc::new(Authority::new()), files };
        tls.authority.sign(&tls.files, 1, 2049);
        let Files { certificate, key } = tls.files.clone();
        self.tls = Some(tls);
        self.set("OPENIM_TLS_CERTFILE", certificate.display())
            .set("OPENIM_TLS_KEYFILE", key.display())
    }

    /// Gives the operators' port the certificate, too.
    pub(crate) fn with_tls_for_operators(self) -> Setup {
        self.with_tls().set("OPENIM_TLS_OPERATORS", "on")
    }

    /// The certificate that it was given.
    pub(crate) fn tls(&self) -> &Tls {
        self.tls.as_ref().expect("it has a certificate")
    }
}

impl Tls {
    pub(crate) fn bridge(&self, to: SocketAddr) -> Bridge {
        Bridge::to(to, self.authority.trusting())
    }
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        Authority { issuer }
    }

    /// Writes a new certificate of loopback with this number, good until the end of `year`, and its key.
    pub(crate) fn sign(&self, files: &Files, number: u64, year: i32) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
        params.serial_number = Some(SerialNumber::from(number));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&files.key);
        file.and_then(|mut file| file.write_all(key.serialize_pem().as_bytes())).expect("written");
        fs::write(&files.certificate, certificate.pem()).expect("written");
    }

    /// What is written of it for who is to trust it.
    pub(crate) fn write(&self, file: &Path) {
        fs::write(file, self.issuer.pem()).expect("written");
    }

    /// What clients that trust it connect with. They come again by the tickets that they got.
    pub(crate) fn trusting(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has these")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// A connection with TLS, held by hand.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands.
pub(crate) fn dial(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let name = ServerName::from(to.ip());
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, http::try_dial(to)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    stream.flush()?;
    Ok(stream)
}

/// Listens without TLS and passes on to a server with TLS, as long as it lives.
pub(crate) struct Bridge {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Bridge {
    pub(crate) fn to(server: SocketAddr, config: Arc<ClientConfig>) -> Bridge {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it listens");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let accepting = async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
                while let Ok((plain, _)) = listener.accept().await {
                    let config = Arc::clone(&config);
                    // Whatever ends one side ends the other.
                    tokio::task::spawn_local(
                        async move { drop(pass(plain, server, config).await) },
                    );
                }
            };
            let both = async {
                tokio::select! { () = accepting => {} _ = stopped => {} }
            };
            LocalSet::new().block_on(&runtime.expect("a runtime"), both);
        });
        Bridge { address, stop: Some(stop), thread: Some(thread) }
    }
}

async fn pass(
    mut plain: tokio::net::TcpStream,
    server: SocketAddr,
    config: Arc<ClientConfig>,
) -> io::Result<()> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    // Little lies between, so that a server feels a client that does not read.
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket2::SockRef::from(&plain).set_send_buffer_size(BUFFER_BYTES as usize)?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    plain.set_nodelay(true)?;
    let name = ServerName::from(server.ip());
    let mut stream = TlsConnector::from(config).connect(name, stream).await?;
    copy_bidirectional(&mut plain, &mut stream).await?;
    Ok(())
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("a bridge never panics");
        }
    }
}
