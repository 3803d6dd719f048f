//! The thread of a standby: takes, follows, applies, and promotes.
//!
//! In: the other server, and the file `promote` in the data directory. Out: how it ended. What cannot be had now is asked for
//! again; where the index takes nothing any more, all is closed and opened again; what else is wrong here ends it.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use openim_config::Config;
use openim_record::Pauses;
use openim_storage::embedded::Options;
use openim_storage::embedded::copy::{About, Source as _, SourceError};
use openim_storage::embedded::standby::{
    self, Held, Note, Stage, Standby, StandbyError, Standing, promote_again,
};
use openim_storage::port::{History as _, Spot, StoreError, wait};

use super::inboxes::Inboxes;
use super::status::Status;
use crate::copying::Remote;
use crate::promote::{self, Order};

/// What the other server may wait with an answer while it has nothing new.
const WAIT_MS: u64 = 400;
/// Between two questions while it has new things all the time: each costs it a connection and a look at the disk.
const PAUSE: Duration = Duration::from_millis(100);
/// Pause before it is asked again.
const AGAIN: Duration = Duration::from_millis(300);
/// Between two stores, and two settlements of the index: what a promotion has to do at most.
const STORE_EVERY: Duration = Duration::from_secs(1);
const SETTLE_EVERY: Duration = Duration::from_secs(3);
/// Between two looks whether the other server's log told of expired history, and between two steps while it did; what one
/// step may remove of inboxes.
const EXPIRE_EVERY: Duration = Duration::from_secs(5);
const EXPIRE_STEP: Duration = Duration::from_millis(50);
const EXPIRE_ENTRIES: usize = 10_000;
/// How soon somebody is heard while nothing is open.
const LOOK: Duration = Duration::from_millis(50);
/// Between two openings of what gave up; one that lasted so long is forgotten.
const OPENINGS: Pauses = Pauses::new(Duration::from_millis(100), Duration::from_secs(30));
const LASTED: Duration = Duration::from_secs(60);
/// What a promotion waits for the rest of a server that is still there.
const REST_TIME_MAX: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Follower {
    pub(super) of: String,
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) options: Options,
    pub(super) remote: Remote,
    pub(super) status: Arc<Status>,
    pub(super) stop: Arc<AtomicBool>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was told to.
    Stopped,
    /// The directory is to be served from.
    Promoted,
}

/// Why it does not go on with what is open.
enum Apart {
    End(End),
    /// All is here, and can be opened.
    Open,
    /// What was open gave up for this reason: it is opened again, and stays this process's meanwhile.
    Reopen(Held, String),
    /// Base and log are to be taken; `true`: all of the log, for it does not connect.
    Take(bool),
}

impl Follower {
    /// Follows until it is told to stop, or promoted.
    pub(super) fn run(mut self) -> anyhow::Result<End> {
        if let Some(begun) = promote_again(&self.dir, &self.options)? {
            tracing::info!(epoch = begun.number(), from = begun.from(), "promoted, at last");
            return Ok(End::Promoted);
        }
        if self.is_promoted()? {
            tracing::info!("this directory was promoted, and its server goes on");
            return Ok(End::Promoted);
        }
        promote::forget_accepted(&self.dir)?;
        let (mut openings, mut opened) = (OPENINGS, Instant::now());
        let mut next = Apart::Open;
        loop {
            next = match next {
                Apart::End(end) => return Ok(end),
                // What is open has the directory for itself: it is closed before anything is taken.
                Apart::Open => match Standby::open(&self.dir, &self.options)? {
                    Some(standby) => self.follow(standby)?,
                    None => Apart::Take(false),
                },
                Apart::Reopen(held, why) => {
                    if opened.elapsed() >= LASTED {
                        openings.start_over();
                    }
                    self.rest(&why, openings.failed());
                    let standby = self.reopen(held)?;
                    opened = Instant::now();
                    match standby {
                        Ok(standby) => self.follow(standby)?,
                        Err(apart) => apart,
                    }
                }
                Apart::Take(anew) => self.take(anew)?,
            };
        }
    }

    /// Whether this directory was promoted, and the other server has nothing newer.
    fn is_promoted(&mut self) -> anyhow::Result<bool> {
        let Some(note) = Note::read(&self.dir)? else { return Ok(false) };
        if !matches!(note.stage, Stage::Promoted | Stage::Serving) {
            return Ok(false);
        }
        match self.remote.about() {
            Ok(about) => Ok(standby::is_newer(&self.dir, &about)?),
            // Whom it was promoted over is away: that is what it was promoted for.
            Err(_) => Ok(note.of == self.of && standby::may_serve(&self.dir)?),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Takes base and log.
    fn take(&mut self, anew: bool) -> anyhow::Result<Apart> {
        loop {
            if self.stopped() {
                return Ok(Apart::End(End::Stopped));
            }
            if promote::is_ordered(&self.dir) {
                promote::refuse(&self.dir, "it has not got all of the other server's data yet")?;
            }
            let Self { dir, options, of, remote, status, stop, .. } = self;
            let mut told = |bytes| {
                status.taking(bytes);
                !stop.load(Ordering::Acquire)
            };
            match standby::take(dir, options, (of, anew), remote, &mut told) {
                Ok(_) => {}
                Err(error) => {
                    self.again(error)?;
                    continue;
                }
            }
            self.status.over();
            tracing::info!(of = self.of, "has base and log of the other server");
            return Ok(Apart::Open);
        }
    }

    /// Waits before what gave up is opened again; somebody who wants something is not kept waiting.
    fn rest(&self, why: &str, pause: Duration) {
        self.status.met(&format!("the index takes nothing, and is opened again: {why}"));
        let began = Instant::now();
        while began.elapsed() < pause && !self.stopped() && !promote::is_ordered(&self.dir) {
            std::thread::sleep(LOOK.min(pause.saturating_sub(began.elapsed())));
        }
    }

    /// Opens again what gave up, or says what comes instead. Whatever stands in the way may pass.
    fn reopen(&self, held: Held) -> anyhow::Result<Result<Standby, Apart>> {
        if self.stopped() {
            return Ok(Err(Apart::End(End::Stopped)));
        }
        Ok(match Standby::open_again(&held, &self.dir, &self.options) {
            Ok(standby) => standby.ok_or(Apart::Take(false)),
            Err(error) => {
                let why = error.to_string().replace('\n', " ");
                if promote::is_ordered(&self.dir) {
                    let why = format!("the index takes nothing, and cannot be opened again: {why}");
                    promote::refuse(&self.dir, &why)?;
                }
                Err(Apart::Reopen(held, why))
            }
        })
    }

    /// Follows with what is open, which is closed behind it. Where that gave up it is opened again, whatever that was met by.
    fn follow(&mut self, mut standby: Standby) -> anyhow::Result<Apart> {
        match (self.follow_with(&mut standby), standby.gave_up()) {
            (Ok(None), _) => self.promote(standby).map(Apart::End),
            (Ok(Some(Apart::End(end))), _) => Ok(Apart::End(end)),
            (_, Some(why)) => Ok(Apart::Reopen(standby.held(), why)),
            (Ok(Some(apart)), None) => Ok(apart),
            (Err(error), None) if may_pass(&error) => {
                Ok(Apart::Reopen(standby.held(), format!("{error:#}")))
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Follows until it cannot go on with what is open; `None`: an order to promote was taken.
    fn follow_with(&mut self, standby: &mut Standby) -> anyhow::Result<Option<Apart>> {
        let mut inboxes = Inboxes::open(&self.config, standby)?;
        self.status.opened(standby.at());
        tracing::info!(of = self.of, from = standby.at(), "follows");
        let (mut met, mut stored, mut settled) = (false, Instant::now(), Instant::now());
        let mut expires = Instant::now() + EXPIRE_EVERY;
        loop {
            if self.stopped() {
                let ended = self.settle(standby, &mut inboxes);
                // The log has what an index lacks that gave up.
                if standby.gave_up().is_none() {
                    ended?;
                }
                return Ok(Some(Apart::End(End::Stopped)));
            }
            if standby.gave_up().is_some() {
                return Ok(Some(Apart::Open));
            }
            if let Some(order) = promote::ordered(&self.dir)
                && let ControlFlow::Break(next) = self.obey(order, standby, &mut inboxes, met)?
            {
                return Ok(next);
            }
            let followed = match met {
                true => self.more(standby, &mut inboxes, WAIT_MS),
                false => self.meet(standby),
            };
            match followed {
                Ok(None) => {
                    met = true;
                    if self.status.is_level() {
                        std::thread::sleep(PAUSE);
                    }
                }
                Ok(Some(apart)) => return Ok(Some(apart)),
                Err(error) => {
                    met = false;
                    self.again(error)?;
                }
            }
            if stored.elapsed() >= STORE_EVERY {
                inboxes.store(standby)?;
                stored = Instant::now();
            }
            if settled.elapsed() >= SETTLE_EVERY {
                wait(standby.storage.history.settle()).context("cannot settle the index")?;
                settled = Instant::now();
            }
            if Instant::now() >= expires {
                expires = Instant::now() + self.expire(standby)?;
            }
        }
    }

    /// Takes away a little of what had expired at the other server; when to go on.
    fn expire(&self, standby: &Standby) -> anyhow::Result<Duration> {
        match standby.storage.history.retain_as_told(EXPIRE_ENTRIES) {
            Ok(report) if report.more => Ok(EXPIRE_STEP),
            Ok(_) => Ok(EXPIRE_EVERY),
            Err(cause @ StoreError::Unavailable { .. }) => {
                self.status.met(&cause.to_string());
                Ok(EXPIRE_EVERY)
            }
            Err(cause) => Err(cause).context("cannot take expired history away"),
        }
    }

    /// Asks the other server what it is.
    fn meet(&mut self, standby: &mut Standby) -> Result<Option<Apart>, StandbyError> {
        let about = self.remote.about()?;
        match self.stands_to(&about, standby)? {
            Standing::Part => Ok(None),
            // What to do, or what is wrong, is told there; up to where they part both have the same log.
            Standing::Beyond | Standing::Newer | Standing::Parted => Ok(Some(Apart::Take(false))),
        }
    }

    /// How the log here stands to that of the other server; from then on it is noted whom this one follows.
    fn stands_to(&self, about: &About, standby: &mut Standby) -> Result<Standing, StandbyError> {
        self.status.fenced(self.remote.fenced());
        let standing = standby.meet(about)?;
        if standing == Standing::Part {
            standby.follows(&self.of)?;
        }
        Ok(standing)
    }

    fn more(
        &mut self,
        standby: &mut Standby,
        inboxes: &mut Inboxes,
        wait_ms: u64,
    ) -> Result<Option<Apart>, StandbyError> {
        let reached = match standby.follow(&mut self.remote, wait_ms) {
            Err(StandbyError::Apart(why)) => {
                tracing::warn!("takes base and log anew: {why}");
                return Ok(Some(Apart::Take(true)));
            }
            reached => reached?,
        };
        self.status.fenced(self.remote.fenced());
        self.status.reached(reached.at, reached.durable);
        self.status.over();
        match inboxes.apply(standby) {
            Ok(()) => Ok(None),
            // A part of it may have been applied.
            Err(error) if may_pass(&error) => {
                Ok(Some(Apart::Reopen(standby.held(), format!("{error:#}"))))
            }
            Err(error) => {
                let place = Spot::Engine("applying what was followed".to_owned());
                let cause = format!("{error:#}").into();
                Err(StoreError::Corrupt { place, cause }.into())
            }
        }
    }

    /// What may pass is told and waited for; what is wrong here ends the standby.
    fn again(&self, error: StandbyError) -> anyhow::Result<()> {
        match error {
            StandbyError::Source(SourceError::Open(error)) => return Err(error.into()),
            StandbyError::Source(SourceError::Ahead { durable }) => self.status.met(&format!(
                "the log of {} ends at {durable}, and this one goes on behind that under the same epoch: it has lost its end, or \
                 is older data; promote this one, or begin it again with an empty directory",
                self.of
            )),
            StandbyError::Source(cause) => self.status.met(&cause.to_string()),
            StandbyError::Store(cause @ StoreError::Unavailable { .. }) => {
                self.status.met(&self.with_advice(&cause));
            }
            StandbyError::Wrong(what) => self.status.met(&what),
            _ if self.stopped() => {}
            StandbyError::Other(what) => bail!("{what}"),
            error => return Err(anyhow!(error)),
        }
        std::thread::sleep(AGAIN);
        Ok(())
    }

    /// What fails here, and what to do where room is all that lacks.
    fn with_advice(&self, cause: &StoreError) -> String {
        let causes = std::iter::successors(Some(cause as &dyn std::error::Error), |e| e.source());
        let is_full = |error: &std::io::Error| {
            matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        };
        match causes.filter_map(|error| error.downcast_ref()).any(is_full) {
            true => {
                format!(
                    "{cause}; free some space on the disk of {}: it goes on then",
                    self.dir.display()
                )
            }
            false => cause.to_string(),
        }
    }

    fn settle(&self, standby: &mut Standby, inboxes: &mut Inboxes) -> anyhow::Result<()> {
        inboxes.apply(standby)?;
        inboxes.store(standby)?;
        wait(standby.storage.history.settle()).context("cannot settle the index")
    }

    /// Follows the order unless something stands against it: then it is taken, and cannot be withdrawn any more. `Break`: what
    /// is open is not gone on with; `None`: it is promoted.
    fn obey(
        &mut self,
        order: Order,
        standby: &mut Standby,
        inboxes: &mut Inboxes,
        met: bool,
    ) -> anyhow::Result<ControlFlow<Option<Apart>>> {
        let apart = self.take_rest(order, standby, inboxes, met);
        if let Some(why) = self.remote.fenced().filter(|_| order == Order::Serve) {
            let why = format!(
                "{} is fenced ({why}): another server goes on in its place, and both would serve; have this one follow that \
                 one, or, if that one is lost for good, say --force",
                self.of
            );
            promote::refuse(&self.dir, &why)?;
        } else if apart.is_none() {
            // Before it is taken: where the index takes nothing any more it is followed when that is opened again.
            self.settle(standby, inboxes)?;
            // One that has not answered yet is the one to be told as well.
            standby.follows(&self.of).context("cannot note over whom it is promoted")?;
            if promote::accept(&self.dir)? {
                return Ok(ControlFlow::Break(None));
            }
        }
        Ok(apart.map_or(ControlFlow::Continue(()), |apart| ControlFlow::Break(Some(apart))))
    }

    /// Takes what the other server still has, which is worth a moment if it is there; what comes before a promotion, if
    /// something does.
    fn take_rest(
        &mut self,
        order: Order,
        standby: &mut Standby,
        inboxes: &mut Inboxes,
        met: bool,
    ) -> Option<Apart> {
        let until = Instant::now() + REST_TIME_MAX;
        let mut is_there = false;
        if met && let Ok(apart) = self.more(standby, inboxes, 0) {
            if apart.is_some() {
                return apart;
            }
            is_there = true;
        }
        // A question that the order cut short, or that was never asked, is asked: it may have been fenced meanwhile, or have
        // an epoch that this log goes on beyond. One that is silent is what a promotion is for.
        if !is_there && let Ok(about) = self.remote.about_within(REST_TIME_MAX) {
            if !matches!(self.stands_to(&about, standby), Ok(Standing::Part)) {
                // Taking refuses the order, and tells what is wrong.
                return (order == Order::Serve).then_some(Apart::Take(false));
            }
            is_there = true;
        }
        while is_there && Instant::now() < until {
            let at = standby.at();
            match self.more(standby, inboxes, 0) {
                Ok(None) => is_there = standby.at() > at,
                Ok(apart) => return apart,
                Err(_) => break,
            }
        }
        None
    }

    fn promote(&self, standby: Standby) -> anyhow::Result<End> {
        let begun = standby.promote().context("cannot promote")?;
        let (from, distance) = (begun.from(), self.status.distance());
        promote::tell(&self.dir, &format!("the log goes on here at {from}; {distance}"));
        tracing::info!(
            epoch = begun.number(),
            from,
            of = self.of,
            "promoted: the log goes on here; {distance}"
        );
        Ok(End::Promoted)
    }
}

/// Whether what is here fails in a way that it may not the next time.
fn may_pass(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::Unavailable { .. }))
}

/// The note of a directory that was promoted.
pub(in crate::boot) fn promoted(dir: &Path) -> anyhow::Result<Option<Note>> {
    let note = Note::read(dir)?;
    Ok(note.filter(|note| note.stage == Stage::Promoted))
}
