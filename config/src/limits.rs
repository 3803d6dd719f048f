//! `limits`: bounds of everything that could grow; and how limits of all sections relate.

use crate::longconnsvr::FRAME_BYTES_FLOOR;
use crate::section::section;
use crate::setting::{list, number};
use crate::{Config, ConfigError, Engine, Network, cluster};
use std::collections::HashSet;

/// Bytes a ring between two shards needs to be of use.
const RING_BYTES_MIN: usize = 1_024;

const DAY_SECONDS: u64 = 86_400;
const COUNT_MAX: usize = 1_000_000_000;
const BYTES_MAX: usize = 1 << 30;

section! {
    /// Bounds of everything that could grow.
    pub struct Limits {
        /// Frames a link may send per second, twice that in a burst; above it reading pauses and nothing
        /// is dropped. 0: no limit.
        pub frames_per_second: u32 = 2_000, "framesPerSecond" => number(0..=1_000_000);
        /// Sends per second of one user over all links and REST, twice that in a burst; above it their links are
        /// not read and REST sends wait. 0: no limit.
        pub sends_per_second_per_user: u32 = 0, "sendsPerSecondPerUser" => number(0..=1_000_000);
        /// The same of sends to one user who does not have the sender as a friend. 0: no limit.
        pub sends_per_second_to_strangers: u32 = 0, "sendsPerSecondToStrangers" => number(0..=1_000_000);
        /// Changes of one profile per minute, twice that in a burst; each is a message to every friend. 0: no limit.
        pub profile_changes_per_minute: u32 = 60, "profileChangesPerMinute" => number(0..=1_000_000);
        /// Bytes waiting to be written to a link; more closes it as too slow.
        pub outbox_bytes_max: usize = 2 << 20, "outboxBytesMax" => number(1..=BYTES_MAX);
        /// Seconds a link may take nothing of what waits for it before it is closed as too slow.
        pub write_stall_seconds: u64 = 10, "writeStallSeconds" => number(1..=DAY_SECONDS);
        /// Seconds in which a frame or message that has begun must be whole, or grow by a KiB.
        pub frame_seconds: u64 = 30, "frameSeconds" => number(1..=DAY_SECONDS);
        /// Seconds between pings to a silent link; 0: none.
        pub ping_seconds: u64 = 25, "pingSeconds" => number(0..=DAY_SECONDS);
        /// Pings without an answer before a link is closed as dead.
        pub ping_misses_max: u32 = 2, "pingMissesMax" => number(1..=1_000);
        /// Handshakes under way at once in the process; above it the oldest unfinished one makes room.
        pub handshakes_in_flight_max: usize = 10_000, "handshakesInFlightMax" => number(1..=10_000_000);
        /// Links, and REST connections, from one address (IPv6: from one /64), each; 0: no limit.
        pub connections_per_address: usize = 0, "connectionsPerAddress" => number(0..=COUNT_MAX);
        /// Handshakes per second from one address; 0: no limit.
        pub handshakes_per_second_per_address: u32 = 0, "handshakesPerSecondPerAddress" => number(0..=1_000_000);
        /// REST requests per second from one address; 0: no limit.
        pub requests_per_second_per_address: u32 = 0, "requestsPerSecondPerAddress" => number(0..=1_000_000);
        /// Proxies whose `X-Forwarded-For` is believed.
        pub trusted_proxies: Vec<Network> = Vec::new(), "trustedProxies" => list(0, "addresses or blocks like 10.0.0.0/8");
        /// Bytes in the body of a REST request; more is refused with 413.
        pub request_body_bytes_max: usize = 1 << 20, "requestBodyBytesMax" => number(1_024..=BYTES_MAX);
        /// Bytes of all REST request bodies that are arriving; above it requests are refused with 500.
        pub request_bodies_bytes_max: usize = 64 << 20, "requestBodiesBytesMax" => number(1_024..=BYTES_MAX);
        /// Bytes of REST answers that are made and not yet taken by their clients; above it answers wait, then are refused with 500.
        pub rest_answers_bytes_max: usize = 64 << 20, "restAnswersBytesMax" => number(1 << 20..=BYTES_MAX);
        /// REST connections at once in the process; above it those that wait for their clients make room.
        pub rest_connections_max: usize = 10_000, "restConnectionsMax" => number(1..=10_000_000);
        /// Requests of one link under way at once; reading pauses at the bound.
        pub in_flight_per_link: usize = 256, "inFlightPerLink" => number(1..=65_536);
        /// Pulls under way at once on one shard.
        pub pulls_in_flight: usize = 64, "pullsInFlight" => number(1..=65_536);
        /// Messages in the answer to one pull.
        pub pull_messages_max: usize = 1_000_000, "pullMessagesMax" => number(1..=COUNT_MAX);
        /// Hours that the clock may be away from the log's newest record; above it nothing expires until the
        /// clock has kept still for hours or is confirmed. 0: every clock is believed.
        pub clock_jump_hours: u32 = 24, "clockJumpHours" => number(0..=87_600);
        /// Hours of history that may expire within one hour; 0: no limit.
        pub expiry_hours_per_hour: u32 = 24, "expiryHoursPerHour" => number(0..=87_600);
        /// Users whose inbox state is kept in memory, over all shards.
        pub cached_users_max: usize = 1_000_000, "cachedUsersMax" => number(1..=COUNT_MAX);
        /// Users whose profile is kept in memory, over all shards.
        pub cached_profiles_max: usize = 100_000, "cachedProfilesMax" => number(1..=COUNT_MAX);
        /// Members of groups that are kept in memory, over all shards.
        pub cached_group_members_max: usize = 1_000_000, "cachedGroupMembersMax" => number(1..=COUNT_MAX);
        /// Members of one group; above it nobody is let in.
        pub group_members_max: usize = 20_000, "groupMembersMax" => number(1..=100_000);
        /// Groups that one user may be in.
        pub groups_per_user_max: usize = 5_000, "groupsPerUserMax" => number(1..=1_000_000);
        /// Requests to join that are kept of one group; the oldest handled one makes room.
        pub group_requests_max: usize = 1_000, "groupRequestsMax" => number(1..=1_000_000);
        /// Deliveries of group messages under way at once in the process; above it a send to a group waits.
        pub group_fanout_max: usize = 200_000, "groupFanoutMax" => number(1_000..=COUNT_MAX);
        /// Friends, blocked users, requests received and requests sent that one user may have, each.
        pub friends_max: usize = 10_000, "friendsMax" => number(1..=1_000_000);
        /// Conversations with a receive option of their own that one user may have.
        pub conversations_max: usize = 10_000, "conversationsMax" => number(1..=1_000_000);
        /// Conversations that somebody does not receive (receive option 1), of all users: they are kept in memory. Above it none
        /// is added.
        pub unwanted_max: usize = 200_000, "unwantedMax" => number(1..=COUNT_MAX);
        /// Ids in the list of one REST request; more are refused with 400.
        pub ids_per_call_max: usize = 1_000, "idsPerCallMax" => number(1..=100_000);
        /// Bytes of the places of all rings between shards together; `limits.shardBytesMax` bounds what lies in them.
        pub ring_bytes_max: usize = 16 << 20, "ringBytesMax" => number(64 << 10..=BYTES_MAX);
        /// Bytes of messages that one shard holds at most: sent by links and not taken yet (2 of 16 parts), on their
        /// way to the log and back (2 each) and to other shards (1), waiting (2), in outboxes (3), those of ended
        /// links (1), and in pulls (3).
        pub shard_bytes_max: usize = 64 << 20, "shardBytesMax" => number(1 << 20..=BYTES_MAX);
        /// Milliseconds a send may wait before it is answered with an error. A flush of an idle disk takes tens.
        pub send_timeout_ms: u64 = 4_000, "sendTimeoutMs" => number(100..=600_000);
        /// Milliseconds anybody waits for the stores before an error is answered instead.
        pub store_timeout_ms: u64 = 5_000, "storeTimeoutMs" => number(100..=600_000);
        /// Seconds a REST connection is kept between two requests.
        pub keep_alive_seconds: u64 = 75, "keepAliveSeconds" => number(1..=DAY_SECONDS);
        /// Seconds the head of a REST request may take, and a new connection to begin one.
        pub head_seconds: u64 = 10, "headSeconds" => number(1..=DAY_SECONDS);
        /// Seconds the body of a REST request may take, and one more for each KiB of it that came.
        pub body_seconds: u64 = 10, "bodySeconds" => number(1..=DAY_SECONDS);
    }
}

/// Raises what files of the original set too low to mean a limit.
pub(crate) fn raise(config: &mut Config, warnings: &mut Vec<String>) {
    let len = &mut config.longconnsvr.websocket_max_msg_len;
    if *len < FRAME_BYTES_FLOOR {
        warnings.push(format!(
            "longconnsvr.websocketMaxMsgLen: {len} is raised to {FRAME_BYTES_FLOOR}; it bounds a frame \
             here, and was the size of a buffer in the original"
        ));
        *len = FRAME_BYTES_FLOOR;
    }
}

/// Checks what one key alone cannot show.
pub(crate) fn conflicts(config: &Config) -> Vec<ConfigError> {
    let mut found = Conflicts(Vec::new());
    check_secret(config, &mut found);
    check_bytes(config, &mut found);
    check_shards(config, &mut found);
    check_times(config, &mut found);
    check_ports(config, &mut found);
    if config.engine == Engine::Cluster {
        cluster::check(config, &mut found);
    }
    found.0
}

/// What was found so far.
pub(crate) struct Conflicts(Vec<ConfigError>);

/// The wire limits the field that carries it (REST 1.6).
const SECRET_CHARACTERS_MAX: usize = 32;

fn check_secret(config: &Config, found: &mut Conflicts) {
    let characters = config.secret.expose().chars().count();
    found.require(
        characters <= SECRET_CHARACTERS_MAX,
        "secret",
        format!("{characters} characters long"),
        || format!("at most {SECRET_CHARACTERS_MAX}: no /auth call can carry more"),
    );
}

fn check_bytes(config: &Config, found: &mut Conflicts) {
    let frame = config.longconnsvr.websocket_max_msg_len;
    found.require(
        config.limits.outbox_bytes_max >= 2 * frame,
        "limits.outboxBytesMax",
        config.limits.outbox_bytes_max,
        || format!("at least {} (twice longconnsvr.websocketMaxMsgLen)", 2 * frame),
    );
    // A send ends up in one record of the log, and a record is never split over two files.
    let largest = frame.max(config.limits.request_body_bytes_max) as u64;
    found.require(
        config.embedded.segment_bytes >= 4 * largest,
        "embedded.segmentBytes",
        config.embedded.segment_bytes,
        || {
            format!(
                "at least {} (4 times the larger of longconnsvr.websocketMaxMsgLen and \
                 limits.requestBodyBytesMax)",
                4 * largest
            )
        },
    );
}

fn check_shards(config: &Config, found: &mut Conflicts) {
    let shards = config.gateway.shards;
    let (partitions, key) = match config.engine {
        Engine::Embedded => (config.embedded.partitions, "embedded.partitions"),
        Engine::Cluster => (config.cluster.partitions, "cluster.partitions"),
    };
    found.require(shards <= partitions, "gateway.shards", shards, || {
        format!("at most {partitions} ({key}), so that each shard owns one")
    });
    let rings_bytes_min = (shards as usize).pow(2) * RING_BYTES_MIN;
    found.require(
        config.limits.ring_bytes_max >= rings_bytes_min,
        "limits.ringBytesMax",
        config.limits.ring_bytes_max,
        || format!("at least {rings_bytes_min} for gateway.shards {shards}"),
    );
}

fn check_times(config: &Config, found: &mut Conflicts) {
    let expire = config.tokenpolicy.access_expire;
    found.require(expire != 0, "tokenpolicy.accessExpire", expire, || {
        "a number of seconds, or -1 for tokens that never expire".to_owned()
    });
    let window_ms = config.duplicates.window_seconds * 1_000;
    let send_ms = config.limits.send_timeout_ms;
    found.require(
        window_ms == 0 || window_ms >= 2 * send_ms,
        "duplicates.windowSeconds",
        config.duplicates.window_seconds,
        || {
            format!(
                "0 or at least {} (twice limits.sendTimeoutMs), so that a retry falls into it",
                (2 * send_ms).div_ceil(1_000)
            )
        },
    );
}

fn check_ports(config: &Config, found: &mut Conflicts) {
    let mut taken = HashSet::new();
    let admin = config.admin.listen;
    let server = config.server_ip.0;
    if server.is_unspecified() || admin.ip().is_unspecified() || server == admin.ip() {
        taken.insert(admin.port());
    }
    for (key, ports) in [
        ("api.openImApiPort", &config.api.port),
        ("longconnsvr.websocketPort", &config.longconnsvr.websocket_port),
    ] {
        for port in ports.iter().filter(|port| **port != 0) {
            found.require(taken.insert(*port), key, port, || {
                "a port that no other listener of this file has".to_owned()
            });
        }
    }
}

impl Conflicts {
    pub(crate) fn require(
        &mut self,
        holds: bool,
        key: &'static str,
        found: impl ToString,
        expected: impl FnOnce() -> String,
    ) {
        if !holds {
            let found = found.to_string();
            self.0.push(ConfigError::Conflict { key, found, expected: expected() });
        }
    }
}
