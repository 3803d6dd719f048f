//! A connection to the server, plain or with TLS, that never waits.
//!
//! In: a connected or connecting socket. Out: bytes as the server means them. What TLS has to say by itself goes with
//! the next read or flush. Certificates are held against those that `--ca` names, and nothing else.

use crate::args::Parsed;
use anyhow::{Context, bail};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

/// Tickets kept for connections to come; each is used once.
const TICKETS_MAX: usize = 4096;

/// What servers are known by, where there is TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(Option<Arc<ClientConfig>>);

/// How TLS is begun with one server.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// See the module.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As the socket has it.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<Encrypted>),
}

/// A connection with TLS.
#[derive(Debug)]
pub(crate) struct Encrypted {
    socket: TcpStream,
    session: ClientConnection,
}

impl Trust {
    /// Reads what the options name.
    pub(crate) fn read(parsed: &Parsed) -> anyhow::Result<Self> {
        let Some(path) = parsed.text("ca") else { return Ok(Self::default()) };
        let pem = std::fs::read(path).with_context(|| format!("--ca: cannot read {path}"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.with_context(|| format!("--ca: {path} is no PEM"))?;
            roots.add(certificate).with_context(|| format!("--ca: {path}"))?;
        }
        if roots.is_empty() {
            bail!("--ca: {path} holds no certificate");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = match parsed.has("resume") {
            true => Resumption::store(Arc::new(Tickets::default())),
            false => Resumption::disabled(),
        };
        Ok(Self(Some(Arc::new(config))))
    }

    /// For a server of this name.
    pub(crate) fn of(&self, host: &str) -> anyhow::Result<Tls> {
        let config = self.0.clone().context("--ca is needed: whose certificates to trust")?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).with_context(|| format!("{host}: no name"))?;
        Ok(Tls { config, name })
    }
}

impl Stream {
    /// A socket that does not block; with TLS, what it begins with is said at the next flush.
    pub(crate) fn new(socket: TcpStream, tls: Option<&Tls>) -> io::Result<Self> {
        let Some(Tls { config, name }) = tls else { return Ok(Self::Plain(socket)) };
        let session = ClientConnection::new(Arc::clone(config), name.clone());
        let session = session.map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(Encrypted { socket, session })))
    }

    /// The socket, for epoll.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.socket,
        }
    }

    /// Whether TLS was taken up again by a ticket.
    pub(crate) fn is_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Whether TLS has something to write that the socket has not taken.
    pub(crate) fn owes(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.session.wants_write())
    }

    /// Writes what is owed; whether nothing is owed now.
    pub(crate) fn flush(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(tls) => tls.pay(),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => {
                if !tls.pay()? {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                // Kept until there is TLS, if there is none yet.
                match tls.session.writer().write(bytes)? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    taken => tls.pay().map(|_| taken),
                }
            }
        }
    }

    /// Reads what is there. Less than `buffer` holds: there is no more now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Encrypted {
    fn pay(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
            match self.take() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What came before is taken first, as without TLS; the error comes again.
                Err(_) if filled > 0 => return Ok(filled),
                taken => taken?,
            }
        }
        Ok(filled)
    }

    /// Takes what the socket has, and answers it where TLS has an answer.
    fn take(&mut self) -> io::Result<()> {
        // Its end is told by the reader, behind what came before.
        self.session.read_tls(&mut self.socket)?;
        let processed = self.session.process_new_packets();
        // An answer of the handshake, or what the server is told about an error.
        let paid = self.pay();
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        paid.map(drop)
    }
}

/// Tickets of the one server that a run is against.
#[derive(Debug, Default)]
struct Tickets {
    kept: Mutex<VecDeque<Tls13ClientSessionValue>>,
    group: Mutex<Option<NamedGroup>>,
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        if let Ok(mut kept) = self.group.lock() {
            *kept = Some(group);
        }
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.group.lock().ok().and_then(|kept| *kept)
    }

    // Sessions of TLS 1.2 are begun anew.
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.push_back(ticket);
            if kept.len() > TICKETS_MAX {
                kept.pop_front();
            }
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.lock().ok().and_then(|mut kept| kept.pop_back())
    }
}
