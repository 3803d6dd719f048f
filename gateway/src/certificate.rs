//! The certificate that clients find: read from its files, looked at again every few seconds, and offered to the shards.
//!
//! In: `tls.certFile` and `tls.keyFile`, which one thread reads, by itself and when asked. Out: offers to the shards and to the
//! operators' port, which take them at their next connection; links stay as they are. Files that will not do leave the old ones in use, and are
//! told once. Never: on a shard's thread, or a key in a log.

mod expiry;
mod files;
mod tickets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use openim_config::{Config, Tls};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use self::files::{Files, Read};
use self::tickets::Tickets;
use crate::newest::Newest;
use crate::socket::Offer;
use crate::watched::{Figure, Watched};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(3);
/// How old the key of tickets gets; the one before is known as long again.
const TICKETS_FOR: Duration = Duration::from_secs(6 * 60 * 60);
/// Before the end of a certificate this is told.
const WARN_BEFORE_S: i64 = 7 * 24 * 60 * 60;

/// Why the files will not do: one line with key and path.
pub fn fault(config: &Config) -> Option<String> {
    // What is got by ACME and will not do is got again.
    let is_given = config.tls.is_on() && !config.tls.acme.is_on();
    let files = is_given.then(|| Files::of(&config.tls))?;
    files.read().and_then(|read| read.terms()).err()
}

/// The certificate that the server with these settings, which has TLS, has now.
///
/// # Errors
/// One line with key and path.
pub(crate) fn own(tls: &Tls) -> Result<CertificateDer<'static>, String> {
    Files::of(tls).own()
}

/// From when to when a certificate is good, unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) begins_s: i64,
    pub(crate) ends_s: i64,
}

impl Span {
    /// When it is told that it ends: a week before, or with a quarter of its life left where that is short.
    fn warns_s(self) -> i64 {
        let quarter_s = self.ends_s.saturating_sub(self.begins_s) / 4;
        self.ends_s - WARN_BEFORE_S.min(quarter_s)
    }
}

/// From when to when what lies in one file with its key is good.
///
/// # Errors
/// One line: it will not do.
pub(crate) fn span_of(file: &Path) -> Result<Span, String> {
    let files = Files { certificate: file.to_owned(), key: file.to_owned() };
    files.read()?.terms().map(|(_, span)| span)
}

/// Who looks at the files.
#[derive(Debug)]
pub(crate) struct Looking {
    pub(crate) state: Arc<State>,
    /// It looks as long as this lives.
    pub(crate) ask: Ask,
    /// Where each shard finds what is offered.
    pub(crate) offers: Vec<Offer>,
    /// And the operators' port, if it speaks TLS.
    pub(crate) operators: Option<Offer>,
}

/// Has the files looked at now.
#[derive(Clone, Debug)]
pub(crate) struct Ask(Sender<()>);

/// What is told of the certificate.
#[derive(Debug)]
pub(crate) struct State {
    file: PathBuf,
    /// Unix seconds at which the one in use ends.
    ends_s: AtomicI64,
    /// Those from which on that is told.
    warns_s: AtomicI64,
    /// What is wrong with what the files hold now.
    fault: Mutex<Option<String>>,
}

/// Reads the files and offers them to so many shards, and to the operators' port if it is to have TLS, and looks at them from
/// then on. None: nobody has TLS.
///
/// # Errors
/// One line of why the files will not do.
pub(crate) fn look(config: &Config, shards: u16) -> anyhow::Result<Option<Looking>> {
    let for_operators = config.tls.is_for_operators(config.admin.listen);
    if !config.tls.is_on() || (shards == 0 && !for_operators) {
        return Ok(None);
    }
    let many = shards + u16::from(for_operators);
    let mut look = Look::begin(Files::of(&config.tls), many).map_err(anyhow::Error::msg)?;
    let (state, mut offers) = (Arc::clone(&look.state), look.newest.ends());
    let operators = if for_operators { offers.pop() } else { None };
    let (ask, asked) = crossbeam_channel::bounded(1);
    // Not joined: it may be waiting for a disk that hangs.
    let thread = std::thread::Builder::new().name("certificate".to_owned());
    thread.spawn(move || look.run(&asked))?;
    Ok(Some(Looking { state, ask: Ask(ask), offers, operators }))
}

impl Ask {
    /// Does not wait for it. Who asks while it is asked already asks for the same look.
    pub(crate) fn look(&self) {
        let _is_asked_already = self.0.try_send(()).is_err();
    }
}

/// What the thread that looks has to itself.
struct Look {
    files: Files,
    newest: Newest<Arc<ServerConfig>>,
    state: Arc<State>,
    /// What is in use.
    terms: ServerConfig,
    tickets: Tickets,
    /// When they are to be replaced.
    tickets_until: Instant,
    /// What the files held when it was made.
    in_use: Read,
    fault: Option<Fault>,
}

struct Fault {
    why: String,
    told: bool,
}

impl Look {
    fn begin(files: Files, shards: u16) -> Result<Self, String> {
        let read = files.read()?;
        let (terms, span) = read.terms()?;
        let state = State {
            file: files.certificate.clone(),
            ends_s: AtomicI64::new(span.ends_s),
            warns_s: AtomicI64::new(span.warns_s()),
            fault: Mutex::default(),
        };
        let look = Self {
            files,
            newest: Newest::to(shards),
            state: Arc::new(state),
            terms,
            tickets: new_tickets()?,
            tickets_until: Instant::now() + TICKETS_FOR,
            in_use: read,
            fault: None,
        };
        look.in_use.warn();
        look.offer();
        Ok(look)
    }

    /// Until nobody can ask any more.
    fn run(&mut self, asked: &Receiver<()>) {
        loop {
            let asked = match asked.recv_timeout(LOOK) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Whatever the files hold.
            self.renew_tickets();
            self.look(asked);
        }
    }

    /// Seals tickets with a new key when the one in use is old.
    fn renew_tickets(&mut self) {
        if Instant::now() < self.tickets_until {
            return;
        }
        if let Ok(tickets) = self.tickets.next() {
            self.seal_with(tickets);
            self.offer();
        }
    }

    /// Reads the files, and offers what is in them if it is new and will do. What will not do is told at once if somebody
    /// `asked`, else when it is the same at the next look: of two files one is written first.
    fn look(&mut self, asked: bool) {
        let read = self.files.read();
        let new = match read {
            Ok(read) if read.is(&self.in_use) => {
                if self.in_use.opens(&read) {
                    self.in_use.warn();
                }
                Ok(None)
            }
            read => read.and_then(|read| Ok(Some((read.terms()?, new_tickets()?, read)))),
        };
        match new {
            Ok(None) => self.fault = None,
            Ok(Some(((terms, span), tickets, read))) => {
                (self.terms, self.in_use, self.fault) = (terms, read, None);
                // Sessions of the certificate before are none of this one's.
                self.seal_with(tickets);
                self.in_use.warn();
                self.offer();
                let ends_s = span.ends_s;
                self.state.ends_s.store(ends_s, Ordering::Relaxed);
                self.state.warns_s.store(span.warns_s(), Ordering::Relaxed);
                let file = self.files.certificate.display();
                tracing::info!(%file, ends_s, "new connections get the new certificate");
            }
            Err(why) => {
                let before = self.fault.take().filter(|fault| fault.why == why);
                let (told, again) = before.map_or((false, false), |fault| (fault.told, true));
                if !told && (again || asked) {
                    tracing::warn!("the certificate in use stays: {why}");
                }
                self.fault = Some(Fault { why, told: told || again || asked });
            }
        }
        *self.state.fault.lock() = self.fault.as_ref().map(|fault| fault.why.clone());
    }

    fn seal_with(&mut self, tickets: Tickets) {
        (self.tickets, self.tickets_until) = (tickets, Instant::now() + TICKETS_FOR);
    }

    /// What is in use, to the shards.
    fn offer(&self) {
        let mut terms = self.terms.clone();
        terms.ticketer = Arc::new(self.tickets.clone());
        self.newest.put(&Arc::new(terms));
    }
}

impl Watched for State {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        let fault = self.fault.lock().clone();
        let now_s = now_s();
        let left_s = self.ends_s.load(Ordering::Relaxed) - now_s;
        let file = self.file.display();
        let ends = (now_s > self.warns_s.load(Ordering::Relaxed)).then(|| match left_s {
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

fn new_tickets() -> Result<Tickets, String> {
    Tickets::new().map_err(|_| "the system gives no random numbers".to_owned())
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// What looks at good files, and where one shard finds what it offers.
    fn looking(dir: &Path) -> (Look, Offer) {
        let files = Files { certificate: dir.join("cert.pem"), key: dir.join("key.pem") };
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2049, 12, 31);
        let key = KeyPair::generate().unwrap();
        fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        let look = Look::begin(files, 1).unwrap();
        let offer = look.newest.ends().remove(0);
        (look, offer)
    }

    #[test]
    fn the_key_of_tickets_changes_though_the_files_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let (mut look, offer) = looking(dir.path());
        let first = offer.try_recv().unwrap();
        let ticket = first.ticketer.encrypt(b"a session").unwrap();
        fs::remove_file(&look.files.certificate).unwrap();
        // Six hours later, and six hours after that.
        for known in [true, false] {
            look.tickets_until = Instant::now();
            let (ask, asked) = crossbeam_channel::bounded(1);
            ask.send(()).unwrap();
            drop(ask);
            look.run(&asked);
            assert!(look.fault.is_some(), "the files are none");
            let terms = offer.try_recv().expect("new terms are offered");
            let opened = terms.ticketer.decrypt(&ticket);
            assert_eq!(opened.as_deref(), known.then_some(&b"a session"[..]));
        }
    }

    #[test]
    fn who_asks_waits_for_nobody() {
        let (ask, asked) = crossbeam_channel::bounded(1);
        let ask = Ask(ask);
        // Nobody looks yet.
        (0..3).for_each(|_| ask.look());
        assert_eq!(asked.try_iter().count(), 1);
        drop(asked);
        ask.look();
    }
}
