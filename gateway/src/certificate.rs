//! The certificate that clients find: read from its files, looked at again every few seconds, and offered to the shards.
//!
//! In: `tls.certFile` and `tls.keyFile`. Out: offers to the shards, which take them at their next connection; links stay
//! as they are. Files that will not do leave the old ones in use, and are told once. Never: on a shard's thread, or a
//! key in a log.

mod expiry;
mod tickets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{RecvTimeoutError, Sender};
use openim_config::{Config, Tls};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, InconsistentKeys, ServerConfig};

use self::tickets::Tickets;
use crate::socket::{Offer, Offers};
use crate::watched::{Figure, Watched};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(3);
/// No certificate or key is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How old the key of tickets gets; the one before is known as long again.
const TICKETS_FOR: Duration = Duration::from_secs(6 * 60 * 60);
/// Before the end of a certificate this is told.
const WARN_BEFORE_S: i64 = 7 * 24 * 60 * 60;
/// What is spoken inside.
const PROTOCOL: &[u8] = b"http/1.1";

/// Why the files will not do: one line with key and path.
pub fn fault(config: &Config) -> Option<String> {
    let files = config.tls.is_on().then(|| Files::of(&config.tls))?;
    files.read().and_then(|read| read.terms()).err()
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Files,
    offers: Offers,
    state: Mutex<State>,
    /// Unix seconds at which the certificate in use ends.
    ends_s: AtomicI64,
}

/// Looks for as long as it lives.
#[derive(Debug)]
pub(crate) struct Looking {
    pub(crate) certificates: Arc<Certificates>,
    _stop: Sender<()>,
}

#[derive(Debug)]
struct State {
    /// What is in use.
    terms: Arc<ServerConfig>,
    tickets: Tickets,
    tickets_since: Instant,
    /// What the files held when it was made.
    in_use: Read,
    /// What is wrong with what they hold now.
    fault: Option<Fault>,
}

#[derive(Debug)]
struct Fault {
    why: String,
    told: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What the files held.
#[derive(PartialEq, Eq)]
struct Read {
    files: Files,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Read").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What the shards take connections with, and when it ends.
type Made = (ServerConfig, i64);

impl Looking {
    /// Reads the files and offers them to so many shards, and looks at them from then on. None: the settings name none.
    ///
    /// # Errors
    /// One line of why the files will not do.
    pub(crate) fn begin(config: &Config, shards: u16) -> anyhow::Result<Option<Self>> {
        if !config.tls.is_on() {
            return Ok(None);
        }
        let files = Files::of(&config.tls);
        let read = files.read().map_err(anyhow::Error::msg)?;
        let (terms, ends_s) = read.terms().map_err(anyhow::Error::msg)?;
        let tickets = new_tickets().map_err(anyhow::Error::msg)?;
        let terms = Arc::new(with_tickets(terms, &tickets));
        let offers = Offers::to(shards);
        offers.make(&terms);
        let state =
            State { terms, tickets, tickets_since: Instant::now(), in_use: read, fault: None };
        let ends_s = AtomicI64::new(ends_s);
        let certificates = Arc::new(Certificates { files, offers, state: state.into(), ends_s });
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let looked_at = Arc::clone(&certificates);
        // Not joined: it may be waiting for a disk that hangs.
        std::thread::Builder::new().name("certificate".to_owned()).spawn(move || {
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                looked_at.look(false);
            }
        })?;
        Ok(Some(Self { certificates, _stop: stop }))
    }
}

impl Certificates {
    /// Where each shard finds what is offered.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.offers.ends()
    }

    /// Reads the files, and offers what is in them if it is new and will do. What will not do is told at once if somebody
    /// `asked`, else when it is the same at the next look: of two files one is written first.
    pub(crate) fn look(&self, asked: bool) {
        let read = self.files.read();
        let mut state = self.state.lock();
        if read.as_ref().is_ok_and(|read| *read == state.in_use) {
            state.fault = None;
            if state.tickets_since.elapsed() >= TICKETS_FOR
                && let Ok(tickets) = state.tickets.next()
            {
                let terms = (*state.terms).clone();
                self.offer(&mut state, terms, tickets);
            }
            return;
        }
        match read.and_then(|read| Ok((read.terms()?, new_tickets()?, read))) {
            Ok(((terms, ends_s), tickets, read)) => {
                // Sessions of the certificate before are none of this one's.
                self.offer(&mut state, terms, tickets);
                (state.in_use, state.fault) = (read, None);
                self.ends_s.store(ends_s, Ordering::Relaxed);
                let file = self.files.certificate.display();
                tracing::info!(%file, ends_s, "new connections get the new certificate");
            }
            Err(why) => {
                let before = state.fault.take().filter(|fault| fault.why == why);
                let (told, again) = before.map_or((false, false), |fault| (fault.told, true));
                if !told && (again || asked) {
                    tracing::warn!("the certificate in use stays: {why}");
                }
                state.fault = Some(Fault { why, told: told || again || asked });
            }
        }
    }

    fn offer(&self, state: &mut State, terms: ServerConfig, tickets: Tickets) {
        state.terms = Arc::new(with_tickets(terms, &tickets));
        (state.tickets, state.tickets_since) = (tickets, Instant::now());
        self.offers.make(&state.terms);
    }
}

impl Watched for Certificates {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        let fault = self.state.lock().fault.as_ref().map(|fault| fault.why.clone());
        let left_s = self.ends_s.load(Ordering::Relaxed) - now_s();
        let file = self.files.certificate.display();
        let ends = (left_s < WARN_BEFORE_S).then(|| match left_s {
            ..=0 => format!("tls.certFile: {file} has ended, and clients refuse it"),
            _ => format!("tls.certFile: {file} ends in {} hours", left_s / 3600),
        });
        fault
            .map(|why| format!("the certificate in use stays: {why}"))
            .into_iter()
            .chain(ends)
            .collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        show(Figure::CertificateEnds, self.ends_s.load(Ordering::Relaxed) as f64);
    }
}

impl Files {
    fn of(tls: &Tls) -> Self {
        Self { certificate: tls.cert_file.clone(), key: tls.key_file.clone() }
    }

    fn read(&self) -> Result<Read, String> {
        Ok(Read {
            certificate: read("tls.certFile", &self.certificate)?,
            key: read("tls.keyFile", &self.key)?,
            files: self.clone(),
        })
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    let named =
        |why: &dyn std::fmt::Display| format!("{key}: {} cannot be read ({why})", path.display());
    let meta = std::fs::metadata(path).map_err(|cause| named(&cause))?;
    if !meta.is_file() || meta.len() > FILE_BYTES_MAX {
        return Err(named(&"it is no file, or a very large one"));
    }
    std::fs::read(path).map_err(|cause| named(&cause))
}

impl Read {
    /// What shards take connections with, and the second at which the certificate ends.
    fn terms(&self) -> Result<Made, String> {
        let at = |key: &str, path: &Path, why: &dyn std::fmt::Display| {
            format!("{key}: {} {why}", path.display())
        };
        let Files { certificate, key } = &self.files;
        let of_certificate = |why: &dyn std::fmt::Display| at("tls.certFile", certificate, why);
        let of_key = |why: &dyn std::fmt::Display| at("tls.keyFile", key, why);
        let chain =
            CertificateDer::pem_slice_iter(&self.certificate).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| {
            of_certificate(&"holds no certificate: it wants PEM, the server's own first, then those between it and the root")
        })?;
        let ends_s = expiry::of(&chain[0]);
        let ends_s = ends_s.ok_or_else(|| of_certificate(&"holds what is no certificate"))?;
        if ends_s <= now_s() {
            return Err(of_certificate(&"has expired: clients would refuse it; get a new one"));
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| of_key(&"holds no private key: it wants PEM, without a password"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let terms = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key);
        let mut terms = terms.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                of_key(&format!("is not the key of the certificate in {}", certificate.display()))
            }
            error => of_key(&format!(
                "will not do with the certificate in {} ({error})",
                certificate.display()
            )),
        })?;
        // Sessions are in the clients' tickets: nothing of them is kept here, and no lock guards it.
        terms.session_storage = Arc::new(NoServerSessionStorage {});
        terms.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok((terms, ends_s))
    }
}

fn with_tickets(mut terms: ServerConfig, tickets: &Tickets) -> ServerConfig {
    terms.ticketer = Arc::new(tickets.clone());
    terms
}

fn new_tickets() -> Result<Tickets, String> {
    Tickets::new().map_err(|_| "the system gives no random numbers".to_owned())
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
