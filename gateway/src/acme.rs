//! Certificates by ACME (RFC 8555): had when there is none, and renewed, by a thread of its own.
//!
//! In: `tls.acme`, and what an earlier run has kept in the data directory. Out: the file of the certificate, which whoever looks
//! at certificates offers to the shards as any other that changes, and answers to the authority's question at
//! `tls.acme.httpListen`. Until there is a certificate the file holds one that the server has signed itself. Bounded: one order
//! at a time, within [`ORDER_TIME_MAX`]; what failed is tried again behind a pause that doubles. Never: on a shard's thread.

mod answers;
mod kept;
mod order;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use openim_config::{Acme, Config};
use openim_record::{Pauses, spread};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use self::answers::Answers;
use self::kept::{Found, Kept};
use crate::certificate::{Ask, Span};
use crate::visit::Trust;
use crate::watched::{Figure, Watched};

/// For all of one order.
const ORDER_TIME_MAX: Duration = Duration::from_secs(5 * 60);
/// Behind a failure: authorities let few orders of a name fail in an hour.
const AGAIN: Pauses = Pauses::new(Duration::from_secs(2 * 60), Duration::from_secs(6 * 60 * 60));
/// Between two looks whether it is time: the clock may be put right.
const LOOK_EVERY: Duration = Duration::from_secs(10 * 60);

/// What lies in the data directory, before anybody looks at it; there is a certificate from then on.
pub(crate) struct Prepared {
    kept: Kept,
    state: Arc<State>,
}

/// How it goes.
#[derive(Debug)]
struct State {
    /// Clients find a certificate that nobody has signed.
    is_temporary: AtomicBool,
    had: AtomicU64,
    failures: AtomicU64,
    /// Why there is none, or no new one.
    failure: Mutex<Option<String>>,
}

/// Has the file of the certificate be there. None: the settings ask for none by ACME.
///
/// # Errors
/// One line: it cannot be written.
pub(crate) fn prepare(config: &Config, data_dir: &Path) -> anyhow::Result<Option<Prepared>> {
    if !config.tls.acme.is_on() {
        return Ok(None);
    }
    let kept = Kept::at(data_dir, &config.tls.acme);
    let found = match kept.found() {
        Found::Nothing => {
            kept.write_temporary()?;
            Found::Temporary
        }
        found => found,
    };
    let state = State {
        is_temporary: AtomicBool::new(found == Found::Temporary),
        had: AtomicU64::new(0),
        failures: AtomicU64::new(0),
        failure: Mutex::default(),
    };
    Ok(Some(Prepared { kept, state: Arc::new(state) }))
}

impl Prepared {
    /// Starts the thread, which has `ask` look at the file whenever that is a new one. Gives the part that says how it goes.
    ///
    /// # Errors
    /// One line: `tls.acme.httpListen` cannot be listened on, or the authorities of `tls.acme.caFile` are none.
    pub(crate) fn start(self, config: &Config, ask: Ask) -> anyhow::Result<Arc<dyn Watched>> {
        let acme = config.tls.acme.clone();
        let trust = Trust::authority(&acme.ca_file).map_err(anyhow::Error::msg)?;
        let answers = Answers::default();
        let listener = answers::listen(acme.http_listen)?;
        let state = Arc::clone(&self.state);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Not joined: it may be waiting for an authority.
        let thread = std::thread::Builder::new().name("acme".to_owned());
        let keeping = Keeping { acme, trust, answers, kept: self.kept, state: self.state, ask };
        thread
            .spawn(move || {
                runtime.block_on(async {
                    let answers = keeping.answers.clone();
                    tokio::join!(answers.serve(listener), keeping.run())
                })
            })
            .context("cannot start the thread acme")?;
        Ok(state)
    }
}

/// What the thread has.
struct Keeping {
    acme: Acme,
    trust: Trust,
    answers: Answers,
    kept: Kept,
    state: Arc<State>,
    ask: Ask,
}

impl Keeping {
    async fn run(self) {
        let (mut pauses, mut chance) = (AGAIN, chance());
        loop {
            if let Found::Had(span) = self.kept.found() {
                let left = due_s(span, chance).saturating_sub(now_s());
                if let Ok(left @ 1..) = u64::try_from(left) {
                    sleep(Duration::from_secs(left).min(LOOK_EVERY)).await;
                    continue;
                }
            }
            match self.renew().await {
                Ok(()) => {
                    pauses = AGAIN;
                    chance = self::chance();
                }
                Err(why) => {
                    let pause = spread(pauses.failed(), self::chance());
                    let seconds = pause.as_secs();
                    tracing::warn!("tls.acme: no certificate: {why}; tried again in {seconds} s");
                    self.state.failures.fetch_add(1, Ordering::Relaxed);
                    *self.state.failure.lock() = Some(why);
                    sleep(pause).await;
                }
            }
        }
    }

    async fn renew(&self) -> Result<(), String> {
        let ordered = order::obtain(&self.acme, &self.trust, &self.kept, &self.answers);
        let ordered = timeout(ORDER_TIME_MAX, ordered).await;
        self.answers.forget();
        let pem = ordered.map_err(|_| "the authority takes too long".to_owned())??;
        self.kept.write(&pem)?;
        self.ask.look();
        self.state.is_temporary.store(false, Ordering::Relaxed);
        self.state.had.fetch_add(1, Ordering::Relaxed);
        *self.state.failure.lock() = None;
        let domains = self.acme.domains.join(", ");
        tracing::info!(domains, "tls.acme: there is a new certificate");
        Ok(())
    }
}

impl Watched for State {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn troubles(&self) -> Vec<String> {
        let failure = self.failure.lock().clone();
        let is = match self.is_temporary.load(Ordering::Relaxed) {
            true => {
                Some("there is no certificate yet, and clients find one that nobody has signed")
            }
            false => failure.as_ref().map(|_| "the certificate is not renewed yet"),
        };
        let why = failure.map(|why| format!(": {why}")).unwrap_or_default();
        is.map(|is| format!("tls.acme: {is}{why}")).into_iter().collect()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        let is_temporary = self.is_temporary.load(Ordering::Relaxed);
        show(Figure::AcmeTemporary, f64::from(u8::from(is_temporary)));
        show(Figure::AcmeHad, self.had.load(Ordering::Relaxed) as f64);
        show(Figure::AcmeFailures, self.failures.load(Ordering::Relaxed) as f64);
    }
}

/// The second from which on a certificate is renewed: with a third of its life left, or a little more.
fn due_s(span: Span, chance: u16) -> i64 {
    let lasts_s = span.ends_s.saturating_sub(span.begins_s);
    let early_s = (lasts_s as f64 / 30.0 * f64::from(chance) / f64::from(u16::MAX)) as i64;
    span.ends_s - lasts_s / 3 - early_s
}

/// By which servers that began together do not ask together.
fn chance() -> u16 {
    let mut bytes = [0; 2];
    // Without chance they do.
    match getrandom::fill(&mut bytes) {
        Ok(()) => u16::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_its_life_is_left_or_a_little_more() {
        let span = Span { begins_s: 1_000, ends_s: 1_900 };
        assert_eq!(due_s(span, 0), 1_600);
        assert_eq!(due_s(span, u16::MAX), 1_570);
    }

    #[test]
    fn what_lacks_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        assert!(prepare(&config, dir.path()).unwrap().is_none());
        config.tls.acme.domains = vec!["im.example.com".to_owned()];
        let Prepared { kept, state } = prepare(&config, dir.path()).unwrap().unwrap();
        assert_eq!(kept.found(), Found::Temporary);
        assert!(state.troubles()[0].contains("no certificate yet"));
        *state.failure.lock() = Some("away".to_owned());
        assert!(state.troubles()[0].ends_with("nobody has signed: away"));
        state.is_temporary.store(false, Ordering::Relaxed);
        assert_eq!(state.troubles(), ["tls.acme: the certificate is not renewed yet: away"]);
        *state.failure.lock() = None;
        assert!(state.troubles().is_empty());
    }
}
