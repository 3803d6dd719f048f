//! The operators' console: pages for a browser on the operators' port, and the questions they ask.
//!
//! ```text
//! GET  /console, /console/...      the pages
//! POST /console/login, /logout     {"password": ...}: a cookie, and who one is
//! GET  /console/api/...            what there is, as JSON; /console/api/live once a second
//! POST /console/api/act/NAME       {"uid", "reason", ...}: kick, ban and so on, for operators
//! ```
//! In: requests of the operators' port. Out: answers, and a line of the audit for each login and each act. Apart from the shards, as
//! all of that port. Bounded: logins (`console.sessionsMax`), open pages (`console.streamsMax`), wrong passwords ([`Guesses`]),
//! bytes of a body. Never: an answer to a page of another site, or a password in one.

mod acts;
mod answers;
mod asking;
mod books;
mod figures;
mod groups;
mod lines;
mod live;
mod messages;
mod serve;
mod sessions;
mod slow;
mod users;
mod why;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use openim_auth::secrets_match;
use openim_config::{Config, Engine, Secret, Served, Standing};
use parking_lot::Mutex;

use self::live::Live;
use self::sessions::Sessions;
use crate::audit::Event;
use crate::doors::Guesses;
use crate::logging::KeptLines;
use crate::metrics::Sources;
use crate::watched::{Figure, Watched};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Look and act.
    Operator,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

use self::asking::Asking;
pub(crate) use self::asking::ways;

/// Whether the settings ask for a console.
pub(crate) fn is_wanted(config: &Config) -> bool {
    match config.console.on {
        Served::On => true,
        Served::Off => false,
        Served::Auto => config.engine == Engine::Embedded,
    }
}

/// What opens the console.
pub(crate) struct Keys {
    /// Of an operator.
    pub(crate) password: Secret,
    /// What programs show instead of logging in; they are operators.
    pub(crate) bearer: Secret,
}

/// What the console tells of besides figures.
pub(crate) struct Told {
    /// The settings of the start, and who gave them; no secret among them.
    pub(crate) settings: Vec<Standing>,
    /// The last lines of log and audit.
    pub(crate) kept: KeptLines,
}

/// See the module.
pub(crate) struct Console {
    keys: Keys,
    /// Empty: there are no viewers.
    viewer: Secret,
    /// Whether the port speaks TLS.
    is_tls: bool,
    sessions: Mutex<Sessions>,
    guesses: Mutex<Guesses>,
    begun: Instant,
    sources: Sources,
    asking: Asking,
    told: Told,
    live: Live,
    logins: AtomicU64,
    refused: AtomicU64,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

/// Nobody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shut {
    Wrong,
    /// Too many wrong ones of this address wait already.
    Slowed,
}

impl Console {
    /// A console that tells of `sources`, and asks the shards.
    pub(crate) fn new(
        keys: Keys,
        config: &Config,
        sources: Sources,
        (asking, told): (Asking, Told),
    ) -> Arc<Self> {
        let settings = &config.console;
        let lasts = Duration::from_secs(60 * settings.session_minutes);
        Arc::new(Self {
            keys,
            viewer: settings.viewer_password.clone(),
            is_tls: config.tls.is_for_operators(config.admin.listen),
            sessions: Mutex::new(Sessions::new(settings.sessions_max, lasts)),
            guesses: Mutex::default(),
            begun: Instant::now(),
            sources,
            asking,
            told,
            live: Live::new(settings.streams_max),
            logins: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Who knows this password.
    fn of_password(&self, given: &str) -> Option<Role> {
        let is = |kept: &Secret| {
            !kept.is_empty() && secrets_match(given.as_bytes(), kept.expose().as_bytes())
        };
        // Both are looked at, so that the time tells nothing.
        match (is(&self.keys.password), is(&self.viewer)) {
            (true, _) => Some(Role::Operator),
            (false, true) => Some(Role::Viewer),
            (false, false) => None,
        }
    }

    /// Lets somebody in who knows what `check` asks for, behind the wait that wrong ones of the same address have earned.
    async fn admit(
        &self,
        from: IpAddr,
        check: impl FnOnce() -> Option<Role>,
    ) -> Result<Role, Shut> {
        let wait = self.guesses.lock().wait(from, self.now_ms());
        if let Some(wait) = wait.map_err(|_| Shut::Slowed)? {
            let _waiting = Waiting { console: self, from };
            tokio::time::sleep(wait).await;
        }
        check().ok_or_else(|| {
            self.guesses.lock().wrong(from, self.now_ms());
            Shut::Wrong
        })
    }

    /// Notes in the audit what an operator did, or was refused.
    fn note(&self, act: &str, refused: Option<&str>, from: IpAddr) -> Event {
        if refused.is_some() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Event::new("operator", refused).from(Some(from)).with("act", act)
    }
}

/// A call that waits, also when nobody waits for it any more.
struct Waiting<'a> {
    console: &'a Console,
    from: IpAddr,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.console.guesses.lock().waited(self.from);
    }
}

impl Watched for Console {
    fn missing(&self) -> Vec<String> {
        Vec::new()
    }

    fn figures(&self, show: &mut dyn FnMut(Figure, f64)) {
        show(Figure::ConsoleSessions, self.sessions.lock().len(Instant::now()) as f64);
        show(Figure::ConsoleStreams, self.live.streams() as f64);
        show(Figure::ConsoleQuestions, self.asking.under_way() as f64);
        show(Figure::ConsoleLogins, self.logins.load(Ordering::Relaxed) as f64);
        show(Figure::ConsoleRefused, self.refused.load(Ordering::Relaxed) as f64);
    }
}
