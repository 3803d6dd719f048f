//! What the shards need of the configuration: [`Settings`] hold from start to end, [`Live`] can be replaced
//! while they run.

use std::sync::Arc;
use std::time::Duration;

use openim_auth::LoginPolicy;
use openim_config::{
    ClientTips, Config, Engine, MessageCallback, Network, Secret, Tencent, TokenPlatform,
    WireProfile,
};
use openim_protocol::push::{KICK_CONTENT_JUNE, KICK_CONTENT_MAY, KICK_TYPE_JUNE, KICK_TYPE_MAY};
use openim_protocol::reply::TimeUnit;
use openim_shard::{BackLimits, FrontLimits, Limits};

use crate::page::Page;
use crate::rate::Rate;

/// `contentType` of a synced copy in the May profile (spec, websocket 3.2).
const SYNC_MAY: i32 = 108;
/// Records of one shard that may wait for users to be loaded.
const WAITING_MAX: usize = 4096;
/// What a record of the log has of a send besides its message and whom it names, at most.
pub(crate) const ENVELOPE_BYTES: usize = 64;

/// How the wire differs by profile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wire {
    /// `None`: what each device reads.
    pub(crate) time_unit: Option<TimeUnit>,
    /// What a synced copy's `contentType` becomes; `None` leaves it.
    pub(crate) sync_content_type: Option<i32>,
    pub(crate) kick_type: i32,
    pub(crate) kick_content: &'static str,
    /// The numbers and forms of May 2021.
    pub(crate) may: bool,
}

/// Rules of `policy`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) blacklist_blocks: bool,
    pub(crate) friends_only: bool,
    pub(crate) refuse_system: bool,
    /// A token is good on the platform it was issued for only.
    pub(crate) strict_platform: bool,
    pub(crate) public_profile: bool,
    /// Clients may send any tip.
    pub(crate) any_tip: bool,
}

/// What one user may do how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    pub(crate) sends: Rate,
    pub(crate) to_strangers: Rate,
    pub(crate) profile_changes: Rate,
}

/// What may change while the server runs. A shard has its own, and gets another one as a message.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) rules: Rules,
    pub(crate) frames_per_second: u32,
    pub(crate) quotas: Quotas,
    /// Limits of one address; 0 is off.
    pub(crate) connections_per_address: usize,
    pub(crate) handshakes_per_second_per_address: u32,
    pub(crate) requests_per_second_per_address: u32,
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whose object store clients may upload to.
    pub(crate) tencent: Tencent,
    /// How the app's backend is asked about messages, and what signs the questions.
    pub(crate) callback: MessageCallback,
    pub(crate) webhook_secret: Secret,
    /// Users whose steps are logged.
    pub(crate) trace_uids: Vec<String>,
}

impl Live {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            rules: Rules {
                blacklist_blocks: config.policy.blacklist_blocks,
                friends_only: config.policy.friends_only,
                refuse_system: config.policy.refuse_system_from_clients,
                strict_platform: config.policy.token_platform == TokenPlatform::Strict,
                public_profile: config.policy.public_profile,
                any_tip: config.policy.client_tips == ClientTips::Allow,
            },
            frames_per_second: limits.frames_per_second,
            quotas: Quotas {
                sends: Rate::per_second(limits.sends_per_second_per_user),
                to_strangers: Rate::per_second(limits.sends_per_second_to_strangers),
                profile_changes: Rate::per_minute(limits.profile_changes_per_minute),
            },
            connections_per_address: limits.connections_per_address,
            handshakes_per_second_per_address: limits.handshakes_per_second_per_address,
            requests_per_second_per_address: limits.requests_per_second_per_address,
            trusted_proxies: limits.trusted_proxies.clone(),
            tencent: config.credential.tencent.clone(),
            callback: config.messagecallback.clone(),
            webhook_secret: config.webhook.secret.clone(),
            trace_uids: config.log.trace_uids.clone(),
        }
    }

    /// Takes from `file` into `running` what [`Live`] and the log are made of: all that needs no restart.
    pub(crate) fn take(running: &mut Config, file: &Config) {
        let (to, from) = (&mut running.limits, &file.limits);
        to.frames_per_second = from.frames_per_second;
        to.sends_per_second_per_user = from.sends_per_second_per_user;
        to.sends_per_second_to_strangers = from.sends_per_second_to_strangers;
        to.profile_changes_per_minute = from.profile_changes_per_minute;
        to.connections_per_address = from.connections_per_address;
        to.handshakes_per_second_per_address = from.handshakes_per_second_per_address;
        to.requests_per_second_per_address = from.requests_per_second_per_address;
        to.trusted_proxies.clone_from(&from.trusted_proxies);
        running.policy.clone_from(&file.policy);
        running.credential.clone_from(&file.credential);
        running.messagecallback.clone_from(&file.messagecallback);
        running.webhook.secret.clone_from(&file.webhook.secret);
        running.push.clone_from(&file.push);
        running.log.level = file.log.level;
        running.log.trace_uids.clone_from(&file.log.trace_uids);
    }
}

/// How `limits.shardBytesMax` is shared out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) to_log: usize,
    pub(crate) from_log: usize,
    pub(crate) mesh: usize,
    pub(crate) waiting: usize,
    pub(crate) input: usize,
    pub(crate) outboxes: usize,
    pub(crate) lingering: usize,
    pub(crate) pulls: usize,
}

impl Shares {
    pub(crate) const fn of(whole: usize) -> Self {
        let part = whole / 16;
        Self {
            to_log: 2 * part,
            from_log: 2 * part,
            mesh: part,
            waiting: 2 * part,
            input: 2 * part,
            outboxes: 3 * part,
            lingering: part,
            pulls: 3 * part,
        }
    }
}

/// Everything else that a shard reads at run time.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) wire: Wire,
    pub(crate) policy: LoginPolicy,
    pub(crate) limits: Limits,
    pub(crate) shares: Shares,
    pub(crate) message_bytes_max: u32,
    /// What the log takes as one record; where that is a bound of its own.
    #[cfg(feature = "cluster")]
    pub(crate) record_bytes_max: usize,
    /// What is left of that for a send: its message and whom it names besides.
    pub(crate) send_bytes_max: usize,
    pub(crate) frame_ms: u64,
    pub(crate) handshake_time: Duration,
    pub(crate) handshakes_max: usize,
    pub(crate) write_stall: Duration,
    pub(crate) pulls_max: usize,
    pub(crate) pull_messages_max: usize,
    pub(crate) body_bytes_max: usize,
    pub(crate) bodies_bytes_max: usize,
    pub(crate) answers_bytes_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) head_time: Duration,
    pub(crate) body_time: Duration,
    pub(crate) rest_connections_max: usize,
    pub(crate) profiles_max: usize,
    pub(crate) group_fanout_max: usize,
    pub(crate) ids_per_call_max: usize,
    /// Uids that may act for others.
    pub(crate) managers: Vec<String>,
    pub(crate) drain: Duration,
    /// How long anybody waits for the stores.
    pub(crate) store_time: Duration,
    pub(crate) closes_per_second: u32,
    /// Whether something is pushed to terminals that are away.
    pub(crate) pushes: bool,
    /// Whether devices that may be told are kept.
    pub(crate) keeps_devices: bool,
    /// Messages of an inbox that are looked through for one.
    pub(crate) look_messages_max: u64,
    /// The `secret` of `/auth` calls.
    pub(crate) secret: String,
    /// The chat page, if there is one.
    pub(crate) page: Option<Arc<Page>>,
}

impl Settings {
    /// Whether `uid` may act for others (`manager.appManagerUid`).
    pub(crate) fn is_manager(&self, uid: &str) -> bool {
        self.managers.iter().any(|manager| manager == uid)
    }

    /// Of one shard among `shards`: limits of the whole process are divided.
    pub(crate) fn new(config: &Config, secret: String, shards: u16) -> Self {
        let limits = &config.limits;
        let shards_n = usize::from(shards).max(1);
        let share = |whole: usize| whole.div_ceil(shards_n).max(1);
        let window_ms = i64::try_from(config.duplicates.window_seconds).unwrap_or(600) * 1000;
        let record_bytes_max = match config.engine {
            Engine::Cluster => config.kafka.record_bytes_max,
            Engine::Embedded => usize::MAX,
        };
        Self {
            wire: wire(config),
            policy: LoginPolicy::from_switches(
                config.multiloginpolicy.one_terminal,
                config.multiloginpolicy.mobile_and_pc,
                config.multiloginpolicy.all_terminals,
            ),
            limits: Limits {
                front: front_limits(limits, share(limits.cached_users_max)),
                back: BackLimits {
                    duplicate_window_ms: window_ms,
                    duplicates_max: config.duplicates.entries_max,
                    users_max: share(limits.cached_users_max),
                    waiting_max: WAITING_MAX,
                    waiting_bytes_max: Shares::of(limits.shard_bytes_max).waiting,
                    group_members_max: share(limits.cached_group_members_max),
                },
            },
            shares: Shares::of(limits.shard_bytes_max),
            message_bytes_max: u32::try_from(config.longconnsvr.websocket_max_msg_len)
                .unwrap_or(u32::MAX),
            #[cfg(feature = "cluster")]
            record_bytes_max,
            send_bytes_max: record_bytes_max.saturating_sub(ENVELOPE_BYTES),
            frame_ms: limits.frame_seconds * 1_000,
            handshake_time: Duration::from_secs(config.longconnsvr.websocket_time_out.max(1)),
            handshakes_max: share(limits.handshakes_in_flight_max),
            write_stall: Duration::from_secs(limits.write_stall_seconds),
            pulls_max: limits.pulls_in_flight,
            pull_messages_max: limits.pull_messages_max,
            body_bytes_max: limits.request_body_bytes_max,
            bodies_bytes_max: share(limits.request_bodies_bytes_max)
                .max(limits.request_body_bytes_max),
            answers_bytes_max: share(limits.rest_answers_bytes_max).max(crate::doors::SUM_MIN),
            rest_connections_max: share(limits.rest_connections_max),
            keep_alive: Duration::from_secs(limits.keep_alive_seconds),
            head_time: Duration::from_secs(limits.head_seconds),
            body_time: Duration::from_secs(limits.body_seconds),
            profiles_max: share(limits.cached_profiles_max),
            group_fanout_max: limits.group_fanout_max,
            ids_per_call_max: limits.ids_per_call_max,
            managers: config.manager.app_manager_uid.clone(),
            drain: Duration::from_secs(config.gateway.drain_seconds),
            store_time: Duration::from_millis(limits.store_timeout_ms),
            keeps_devices: config.engine == Engine::Embedded,
            pushes: config.push.offline_push && config.engine == Engine::Embedded,
            look_messages_max: config.why.look_messages_max,
            closes_per_second: (config.gateway.close_per_second / u32::from(shards.max(1))).max(1),
            secret,
            page: None,
        }
    }

    /// The same with a chat page.
    pub(crate) fn with(self, page: Option<Arc<Page>>) -> Self {
        Self { page, ..self }
    }
}

/// How the wire differs by profile.
fn wire(config: &Config) -> Wire {
    let may = config.wire.profile == WireProfile::May2021;
    Wire {
        time_unit: match config.wire.time_unit {
            openim_config::TimeUnit::Auto => None,
            openim_config::TimeUnit::Seconds => Some(TimeUnit::Seconds),
            openim_config::TimeUnit::Nanoseconds => Some(TimeUnit::Nanoseconds),
        },
        sync_content_type: may.then_some(SYNC_MAY),
        kick_type: if may { KICK_TYPE_MAY } else { KICK_TYPE_JUNE },
        kick_content: if may { KICK_CONTENT_MAY } else { KICK_CONTENT_JUNE },
        may,
    }
}

fn front_limits(limits: &openim_config::Limits, users_max: usize) -> FrontLimits {
    FrontLimits {
        in_flight_per_link: u16::try_from(limits.in_flight_per_link).unwrap_or(u16::MAX),
        outbox_bytes_max: u32::try_from(limits.outbox_bytes_max).unwrap_or(u32::MAX),
        // A turn ends at `TURN_BYTES`, so that sockets are offered what waits in time.
        outbox_burst_bytes_max: u32::MAX,
        frames_per_second: limits.frames_per_second,
        ping_s: u32::try_from(limits.ping_seconds).unwrap_or(u32::MAX),
        pings_missed_max: u8::try_from(limits.ping_misses_max).unwrap_or(u8::MAX),
        write_stall_s: u32::try_from(limits.write_stall_seconds).unwrap_or(u32::MAX),
        send_timeout_ms: limits.send_timeout_ms,
        users_max,
        // More than can wait for users of theirs.
        unsettled_max: 2 * WAITING_MAX,
    }
}
