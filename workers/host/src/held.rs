//! A partition that this process owns: its owner, and what the host keeps beside it.
//!
//! Invariant: records reach the owner in log order without a gap. While it takes none, the log shows none; behind every
//! load it shows them from where the owner begins.

use std::collections::VecDeque;
use std::time::Instant;

use openim_cluster::mongo::Generation;
use openim_record::{LogPartition, Position};
use openim_transfer::{Life, Owner, Settings};

use crate::asks::Asks;
use crate::relays::Relayed;
use openim_cluster::kafka::Consumer;

/// Marks of append times that are kept for the lag, a tenth of a second each at least.
const MARKS_MAX: usize = 512;

/// Which stay of a partition here somebody asked for: lives of owners begin at the first again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) at: LogPartition,
    pub(crate) stay: u64,
}

#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) owner: Owner,
    pub(crate) asks: Asks,
    pub(crate) life: Life,
    /// What the owner has loaded from.
    pub(crate) generation: Option<Generation>,
    /// The life that waits to be loaded, and when it may be.
    pub(crate) to_load: Option<(Life, Instant)>,
    /// A load is under way, perhaps one of an earlier life.
    pub(crate) loading: bool,
    /// Loads since a checkpoint was written.
    pub(crate) loads: u32,
    /// Why it stands still until somebody has looked.
    pub(crate) alarm: Option<String>,
    /// The place that its log does not have: with another one it begins anew.
    pub(crate) refused: Option<Position>,
    pub(crate) relayed: Relayed,
    /// Whether the log shows nothing of it.
    paused: bool,
    /// Whether the log must be told where to go on.
    astray: bool,
    marks: VecDeque<(Position, i64)>,
    applied: Option<Position>,
    pub(crate) newest_ms: i64,
}

/// What became of a record that the log has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fed {
    /// The owner has it, and takes more.
    Taken,
    /// The owner has it, and takes no more for now.
    Full,
    /// It is shown again when the owner wants it.
    Dropped,
}

impl Held {
    pub(crate) fn new(key: Key, settings: Settings) -> Self {
        let mut asks = Asks::default();
        let owner = Owner::new(key.at, settings, &mut asks);
        Self {
            key,
            owner,
            asks,
            life: Life::default(),
            generation: None,
            to_load: None,
            loading: false,
            loads: 0,
            alarm: None,
            refused: None,
            relayed: Relayed::default(),
            paused: true,
            astray: true,
            marks: VecDeque::new(),
            applied: None,
            newest_ms: 0,
        }
    }

    /// The owner begins another life.
    pub(crate) fn begin_life(&mut self, life: Life) {
        self.life = life;
        self.generation = None;
        self.relayed = Relayed::default();
        self.astray = true;
        self.marks.clear();
    }

    /// Whether it can do anything at all.
    pub(crate) fn is_stopped(&self) -> bool {
        self.alarm.is_some() || self.owner.is_stopped()
    }

    /// Nothing of it is left to be done before this process ends.
    pub(crate) fn is_done(&self) -> bool {
        self.to_load.is_some() || self.loading || self.has_written()
    }

    /// Nothing that the log has shown of it is left to be written.
    pub(crate) fn has_written(&self) -> bool {
        self.is_stopped() || self.owner.is_idle()
    }

    /// Takes a record that the log shows.
    pub(crate) fn feed(&mut self, position: Position, append_ms: i64, record: &[u8]) -> Fed {
        let wanted = self.owner.wants().filter(|_| !self.astray && !self.is_stopped());
        let Some(wanted) = wanted else {
            self.astray = true;
            return Fed::Dropped;
        };
        if position < wanted {
            return Fed::Taken;
        }
        let mark_ms = self.marks.back().map_or(i64::MIN, |(_, ms)| *ms);
        if append_ms.saturating_sub(mark_ms) >= 100 && self.marks.len() < MARKS_MAX {
            self.marks.push_back((position, append_ms));
        }
        self.newest_ms = append_ms;
        self.owner.record(position, append_ms, record.into(), &mut self.asks);
        match self.owner.wants() {
            Some(_) => Fed::Taken,
            None => Fed::Full,
        }
    }

    /// Tells the log what the owner wants of it. `ending`: nothing any more. `may_resume`: to be let go on costs the log a
    /// fetch, so it is not asked for that at each change.
    pub(crate) fn steer(&mut self, consumer: &mut Consumer, ending: bool, may_resume: bool) {
        let wants = self.owner.wants().filter(|_| !ending && !self.is_stopped());
        if let Some(from) = wants {
            let begins = std::mem::take(&mut self.astray);
            if begins {
                consumer.begin(self.key.at, from);
            }
            if self.paused && (begins || may_resume) {
                self.paused = false;
                consumer.resume(self.key.at);
            }
        } else if !self.paused {
            self.paused = true;
            consumer.pause(self.key.at);
        }
        let checkpoint = self.owner.checkpoint();
        if checkpoint != self.applied
            && let Some(below) = checkpoint
        {
            self.applied = checkpoint;
            self.marks.retain(|(position, _)| *position >= below);
            consumer.applied(self.key.at, below);
        }
    }

    /// Append time of the oldest record that is read and below no checkpoint, about.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.marks.front().map(|(_, append_ms)| *append_ms)
    }
}
