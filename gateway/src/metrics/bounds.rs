//! The bounds of the process that can be told as a number: how much there may be, is, and was at most, and how often the bound was
//! reached. One table for the metrics and for the console.
//!
//! In: the settings, and [`Sources`], looked at once a second. Out: [`Row`]s. What happens at a bound says ARCHITECTURE.md, "Everything is
//! bounded". Never: a question to a shard.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use openim_config::Config;
use openim_protocol::close::CloseReason;

use super::RefusedWith;
use super::exposition::Sources;
use super::process::{self, ProcessFigures};
use super::shard::ShardMetrics;
use crate::doors::FREE_GUESSES;
use crate::settings::Shares;
use crate::watched::Figure;

/// One bound.
struct Bound {
    name: &'static str,
    /// The setting, or where the number stands in the code.
    key: &'static str,
    /// 0: there is none.
    limit: fn(&Facts<'_>) -> f64,
    now: Option<fn(&Sources, &ProcessFigures) -> f64>,
    reached: Option<fn(&Sources) -> f64>,
}

/// What limits are worked out from.
struct Facts<'a> {
    config: &'a Config,
    shards: f64,
    shares: Shares,
    /// Links that open files and the setting allow.
    links_max: usize,
}

/// What one bound is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    /// `None`: there is none.
    pub(crate) limit: Option<f64>,
    /// Now, and at most since the start, of looks a second apart; `None` where only its being reached is counted.
    pub(crate) now: Option<f64>,
    pub(crate) highest: Option<f64>,
    pub(crate) reached: Option<f64>,
}

fn sum(sources: &Sources, of: impl Fn(&ShardMetrics) -> u64) -> f64 {
    sources.shards.iter().map(|shard| of(shard)).sum::<u64>() as f64
}

fn closed(sources: &Sources, why: CloseReason) -> f64 {
    sum(sources, |shard| shard.links_closed.of(why).get())
}

fn part(sources: &Sources, of: Figure) -> f64 {
    let mut found = 0.0;
    for part in sources.parts.parts() {
        part.figures(&mut |figure, value| found += if figure == of { value } else { 0.0 });
    }
    found
}

/// `Bound`s in few words: name, key, limit, what there is now, how often it was reached.
macro_rules! bounds {
    ($( $name:literal, $key:literal, |$facts:ident| $limit:expr, $now:expr, $reached:expr; )*) => {
        &[ $( Bound { name: $name, key: $key, limit: |$facts| $limit as f64, now: $now, reached: $reached }, )* ]
    };
}

const BOUNDS: &[Bound] = bounds! {
    "links", "longconnsvr.websocketMaxConnNum, ulimit -n", |f| f.links_max,
        Some(|s, _| sum(s, |of| of.links.get())),
        Some(|s| sum(s, |of| of.handshakes_refused.of(RefusedWith::Unavailable).get()));
    "handshakes", "limits.handshakesInFlightMax", |f| f.config.limits.handshakes_in_flight_max,
        Some(|s, _| sum(s, |of| of.handshakes_in_flight.get())), None;
    "rest_connections", "limits.restConnectionsMax", |f| f.config.limits.rest_connections_max,
        Some(|s, _| sum(s, |of| of.rest_connections.get())),
        Some(|s| sum(s, |of| of.rest_connections_refused.get()));
    "rest_answer_bytes", "limits.restAnswersBytesMax", |f| f.config.limits.rest_answers_bytes_max,
        Some(|s, _| sum(s, |of| of.rest_answer_bytes.get())),
        Some(|s| sum(s, |of| of.rest_answers_refused.get()));
    "outbox_of_a_link", "limits.outboxBytesMax", |f| f.config.limits.outbox_bytes_max,
        None, Some(|s| closed(s, CloseReason::OutboxFull));
    "stalled_writes", "limits.writeStallSeconds", |f| f.config.limits.write_stall_seconds,
        None, Some(|s| closed(s, CloseReason::WriteStalled));
    "outboxes", "limits.shardBytesMax", |f| f.shares.outboxes as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.outbox_bytes.get())), None;
    "lingering", "limits.shardBytesMax", |f| f.shares.lingering as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.lingering_bytes.get())), None;
    "input", "limits.shardBytesMax", |f| f.shares.input as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.input_bytes.get())), Some(|s| sum(s, |of| of.links_held.get()));
    "to_log", "limits.shardBytesMax", |f| f.shares.to_log as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.append_bytes.get())), Some(|s| sum(s, |of| of.links_held.get()));
    "from_log", "limits.shardBytesMax", |f| f.shares.from_log as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.event_bytes.get())), None;
    "mesh", "limits.shardBytesMax", |f| f.shares.mesh as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.mesh_bytes.get())), None;
    "waiting", "limits.shardBytesMax", |f| f.shares.waiting as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.waiting_bytes.get())), None;
    "pulls", "limits.pullsInFlight", |f| f.config.limits.pulls_in_flight as f64 * f.shards,
        Some(|s, _| sum(s, |of| of.pulls_in_flight.get())), None;
    "users", "limits.cachedUsersMax", |f| f.config.limits.cached_users_max,
        Some(|s, _| sum(s, |of| of.users_cached.get())), Some(|s| sum(s, |of| of.users_evicted.get()));
    "profiles", "limits.cachedProfilesMax", |f| f.config.limits.cached_profiles_max,
        Some(|s, _| sum(s, |of| of.profiles_cached.get())), None;
    "group_members", "limits.cachedGroupMembersMax", |f| f.config.limits.cached_group_members_max,
        Some(|s, _| sum(s, |of| of.group_members_cached.get())), None;
    "group_fanout", "limits.groupFanoutMax", |f| f.config.limits.group_fanout_max,
        Some(|s, _| sum(s, |of| of.fanning_members.get())),
        Some(|s| sum(s, |of| of.group_sends_refused.get()));
    "unwanted_conversations", "limits.unwantedMax", |f| f.config.limits.unwanted_max,
        Some(|s, _| sum(s, |of| of.unwanted.get())), Some(|s| sum(s, |of| of.unwanted_refused.get()));
    "duplicates", "duplicates.entriesMax", |f| f.config.duplicates.entries_max,
        Some(|s, _| sum(s, |of| of.duplicates_held.get())), None;
    "frames_a_second", "limits.framesPerSecond", |f| f.config.limits.frames_per_second,
        None, Some(|s| sum(s, |of| of.rate_limited.get()));
    "sends_a_second", "limits.sendsPerSecondPerUser", |f| f.config.limits.sends_per_second_per_user,
        None, Some(|s| sum(s, |of| of.sends_paced.get()));
    "waits_for_stores", "limits.storeTimeoutMs", |f| f.config.limits.store_timeout_ms,
        None, Some(|s| sum(s, |of| of.timeouts.all()));
    "guests_a_minute", "web.guestsPerMinute", |f| f.config.web.guests_per_minute,
        None, Some(|s| sum(s, |of| of.guests_refused.get()));
    "wrong_secrets", "gateway/src/doors/guesses.rs", |_f| FREE_GUESSES,
        None, Some(|s| sum(s, |of| of.secrets_slowed.get()));
    "log_lines_waiting", "gateway/src/logging.rs", |_f| crate::logging::WAITING_LINES_MAX,
        None, Some(|s| s.lines_lost.get() as f64);
    "audit_lines_waiting", "gateway/src/logging.rs", |_f| crate::logging::WAITING_LINES_MAX,
        None, Some(|s| s.audit.lines_lost() as f64);
    "audit_refusals_a_second", "gateway/src/audit.rs", |_f| crate::audit::REFUSALS_PER_SECOND,
        None, Some(|s| s.audit.refusals_unnoted() as f64);
    "console_sessions", "console.sessionsMax", |f| f.config.console.sessions_max,
        Some(|s, _| part(s, Figure::ConsoleSessions)), None;
    "console_streams", "console.streamsMax", |f| f.config.console.streams_max,
        Some(|s, _| part(s, Figure::ConsoleStreams)), None;
    "open_files", "ulimit -n", |_f| process::look().max_fds,
        Some(|_, process| process.open_fds), None;
};

/// The limits, and what there was at most.
#[derive(Default)]
pub(crate) struct Bounds {
    limits: Vec<f64>,
    /// Bits of a number each, in the order of the table.
    highest: Vec<AtomicU64>,
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds").finish_non_exhaustive()
    }
}

impl Bounds {
    /// Of a process with these settings, shards, and links at most.
    pub(crate) fn of(config: &Config, shards: u16, links_max: usize) -> Self {
        let shares = Shares::of(config.limits.shard_bytes_max);
        let facts = Facts { config, shards: f64::from(shards), shares, links_max };
        Self {
            limits: BOUNDS.iter().map(|bound| (bound.limit)(&facts)).collect(),
            highest: BOUNDS.iter().map(|_| AtomicU64::default()).collect(),
        }
    }

    /// Looks at all of them; none where there are no limits.
    pub(crate) fn look(&self, sources: &Sources) -> Vec<Row> {
        let process = process::look();
        let rows = BOUNDS.iter().zip(&self.limits).zip(&self.highest);
        rows.map(|((bound, limit), highest)| {
            let now = bound.now.map(|now| now(sources, &process));
            let most = now.map(|now| raise(highest, now));
            Row {
                name: bound.name,
                key: bound.key,
                limit: (*limit > 0.0).then_some(*limit),
                now,
                highest: most,
                reached: bound.reached.map(|reached| reached(sources)),
            }
        })
        .collect()
    }
}

/// The higher one of both, which is kept.
fn raise(highest: &AtomicU64, now: f64) -> f64 {
    // Numbers that are not negative are in the order of their bits.
    let before = highest.fetch_max(now.max(0.0).to_bits(), Ordering::Relaxed);
    f64::from_bits(before).max(now)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::metrics::tests::sources;

    #[test]
    fn what_there_was_at_most_stays() {
        let bounds = Bounds::of(&Config::default(), 2, 960);
        let sources = sources(2);
        let links =
            |bounds: &Bounds| bounds.look(&sources).into_iter().find(|row| row.name == "links");
        sources.shards[0].links.set(3);
        sources.shards[1].links.set(4);
        assert_eq!(links(&bounds).and_then(|row| row.highest), Some(7.0));
        sources.shards[1].links.set(1);
        let row = links(&bounds).unwrap();
        assert_eq!((row.limit, row.now, row.highest), (Some(960.0), Some(4.0), Some(7.0)));
        assert!(Arc::new(Bounds::default()).look(&sources).is_empty());
    }

    #[test]
    fn each_has_a_name_of_its_own_and_a_key_that_is_there() {
        let names: BTreeSet<&str> = BOUNDS.iter().map(|bound| bound.name).collect();
        assert_eq!(names.len(), BOUNDS.len());
        let known = openim_config::variables();
        for bound in BOUNDS.iter().filter(|bound| !bound.key.contains([' ', '/'])) {
            assert!(known.iter().any(|(key, _)| key == bound.key), "{}", bound.key);
        }
    }
}
