//! What the operator endpoints ask of parts of the process that judge themselves: the roles of a cluster.
//!
//! In: parts, added as they start. Out: what is missing, what is wrong, figures. Never: asks a component; a part says what
//! it has met.

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::RwLock;

/// A part of the process.
pub trait Watched: Send + Sync + Debug {
    /// Why nobody should rely on it now, a line each.
    fn missing(&self) -> Vec<String>;

    /// What is wrong and keeps nobody out, a line each.
    fn troubles(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why only a restart helps, if so.
    fn beyond_help(&self) -> Option<String> {
        None
    }

    /// Shows its figures, each once.
    fn figures(&self, show: &mut dyn FnMut(Figure, f64));
}

/// The parts that are there.
#[derive(Clone, Debug, Default)]
pub struct Watching(Arc<RwLock<Vec<Arc<dyn Watched>>>>);

impl Watching {
    /// Asks this one, too, from now on.
    pub fn add(&self, part: Arc<dyn Watched>) {
        self.0.write().push(part);
    }

    /// Those that are there now.
    pub fn parts(&self) -> Vec<Arc<dyn Watched>> {
        self.0.read().clone()
    }
}

macro_rules! figures {
    ($( $figure:ident, $kind:ident, $name:literal, $help:literal; )*) => {
        /// What a part may count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Figure {
            $( #[doc = $help] $figure, )*
        }

        impl Figure {
            /// All of them: each with its name in metrics, whether it only grows, and what it means.
            pub(crate) const ALL: &[(Self, &'static str, bool, &'static str)] =
                &[ $( (Self::$figure, $name, figures!(@$kind), $help), )* ];
        }
    };
    (@counter) => { true };
    (@gauge) => { false };
}

figures! {
    Partitions, gauge, "openim_transfer_partitions", "Partitions that this transfer owns.";
    Loading, gauge, "openim_transfer_partitions_loading", "Partitions of it that are being loaded.";
    Stopped, gauge, "openim_transfer_partitions_stopped", "Partitions of it that stand still until somebody has looked.";
    Behind, gauge, "openim_transfer_behind_seconds", "Age of the oldest record that is read and not below a checkpoint.";
    RelaysWaiting, gauge, "openim_transfer_relays_waiting", "Relays and notices that are handed out and not yet in the log.";
    Records, counter, "openim_transfer_records_total", "Records handed to owners of partitions.";
    Relays, counter, "openim_transfer_relays_total", "Relays to other partitions that the log has.";
    Notices, counter, "openim_transfer_notices_total", "Notices towards push that the log has.";
    Stores, counter, "openim_transfer_stores_total", "Batches of inboxes stored.";
    Checkpoints, counter, "openim_transfer_checkpoints_total", "Checkpoints written.";
    Deliveries, counter, "openim_transfer_deliveries_total", "Deliveries handed to gateways.";
    Settled, counter, "openim_transfer_settled_total", "Sends whose origin was told that their sender's inbox has them.";
    LoadsAgain, counter, "openim_transfer_loads_again_total", "Times that a partition had to be loaded again.";
    Failures, counter, "openim_transfer_failures_total", "Calls of components that failed; each is made again.";
    DeadLetters, counter, "openim_transfer_dead_letters_total", "Records set aside because they are none.";
    Archived, counter, "openim_archive_records_total", "Records read for the archive.";
    ArchiveStopped, gauge, "openim_archive_partitions_stopped", "Partitions whose log is not archived until somebody has looked.";
    ArchiveFailures, counter, "openim_archive_failures_total", "Writes into the archive that failed; each is made again.";
    ArchiveBehind, gauge, "openim_archive_behind_seconds", "Age of the oldest record that is read and not in the archive.";
    Lanes, gauge, "openim_lanes", "Processes that deliveries can go to.";
    LanesConnected, gauge, "openim_lanes_connected", "Processes of these whose stream stands.";
    LaneBytes, gauge, "openim_lane_waiting_bytes", "Bytes that wait to be sent to them.";
    LanesBroken, counter, "openim_lanes_broken_total", "Streams to them that stood and broke.";
    LanesRefused, counter, "openim_lanes_refused_total", "Calls to them that found no room in their lane.";
    LanesLate, counter, "openim_lanes_late_total", "Calls to them that had no answer in time.";
    Streams, gauge, "openim_delivery_streams", "Streams of transfers that stand here.";
    Strangers, counter, "openim_delivery_strangers_total", "Connections for deliveries that were refused: no stream, another secret, or too many.";
    Unmarked, gauge, "openim_shards_unmarked", "Shards whose links are not all written down: they are sent everything.";
    Sweeps, counter, "openim_token_sweeps_total", "Times that all links were held against the newest tokens.";
    TokensCompared, counter, "openim_tokens_compared_total", "Users with links whose tokens were compared with those in MySQL.";
    TokensAmiss, counter, "openim_tokens_amiss_total", "Users of these of whom MySQL had something that this process had not heard.";
    TokensKnown, counter, "openim_tokens_known_total", "Times that a user's tokens were known to Redis.";
    TokensFailed, counter, "openim_tokens_looks_failed_total", "Times that Redis did not answer that, and they were read in MySQL.";
    TokensUnknown, counter, "openim_tokens_unknown_total", "Times that they were not, and were read in MySQL.";
    BackupFollowers, gauge, "openim_backup_followers", "Followers of the log (openim backup --follow, openim standby) that asked in the last ten seconds.";
    BackupBehind, gauge, "openim_backup_behind_seconds", "Age of what the follower lacks that is furthest behind, also of one that has gone less than an hour ago.";
    LinkNotes, counter, "openim_link_notes_total", "Notes that the journal of links has taken.";
    LinkNotesLost, counter, "openim_link_notes_lost_total", "Notes for which it had no room, or which could not be written.";
    LinkSlots, gauge, "openim_link_slots", "Notes that the journal of links has room for (why.journalBytesMax).";
    LinkSlotsUsed, gauge, "openim_link_slots_used", "Of them used; when all are, the oldest go.";
    LinksKnown, gauge, "openim_link_notes_kept_seconds", "For so long the journal of links is whole.";
    LinkQuestions, counter, "openim_why_questions_total", "Questions that the journal of links has answered.";
    EventsBehind, gauge, "openim_events_behind_seconds", "Age of the oldest event that the app's backend has not taken.";
    EventsBehindBytes, gauge, "openim_events_behind_bytes", "Bytes of the log that webhook events have not been made of yet.";
    EventsPosted, counter, "openim_events_total", "Events that the app's backend took.";
    EventsFailed, counter, "openim_events_failed_total", "Posts of events that it did not take; each is made again.";
    EventsGaps, counter, "openim_events_gaps_total", "Parts of the log that were gone, or not readable, before they were told.";
    EventsUnread, counter, "openim_events_unread_total", "Changes in the log that this version cannot read, and that were not told.";
    BackupBytes, counter, "openim_backup_bytes_total", "Bytes of log and base that were given to copies.";
    ConsoleSessions, gauge, "openim_console_sessions", "Logins to the console that are good.";
    ConsoleStreams, gauge, "openim_console_streams", "Open pages of the console that are told each second what happens.";
    ConsoleQuestions, gauge, "openim_console_questions", "Questions and acts of the console that shards have under way.";
    ConsoleLogins, counter, "openim_console_logins_total", "Logins to the console.";
    ConsoleRefused, counter, "openim_console_refused_total", "Logins and questions to the console that were refused: a wrong password, too many wrong ones, no login, another site, or a viewer who may not.";
    CertificateEnds, gauge, "openim_tls_certificate_expires_seconds", "Unix time at which the certificate of tls.certFile in use ends.";
    AcmeTemporary, gauge, "openim_acme_temporary", "1 while clients find a certificate that nobody has signed, as none was had by ACME yet.";
    AcmeHad, counter, "openim_acme_certificates_total", "Certificates that were had by ACME.";
    AcmeFailures, counter, "openim_acme_failures_total", "Times that none was had by ACME; each is tried again, behind a pause.";
    Epoch, gauge, "openim_epoch", "Number of the epoch of the log: promotions and restores before.";
    Fenced, gauge, "openim_fenced", "1 when another server was promoted in the place of this one.";
    IndexAway, gauge, "openim_index_away", "1 while the index takes nothing and is being opened again.";
    IndexTakenUp, counter, "openim_index_taken_up_total", "Times that the index is in use again after it took nothing.";
    StandbyFollowed, gauge, "openim_standby_position", "Position of the log up to which a standby has followed it, durably.";
    StandbyLacks, gauge, "openim_standby_lacking_bytes", "Bytes of the log that the other server had durably at its last answer and the standby has not.";
    StandbyBehind, gauge, "openim_standby_behind_seconds", "Time since the standby lacked nothing that the other server had durably.";
    PushBehind, gauge, "openim_push_behind_bytes", "Bytes of the log that offline push has not read yet.";
    PushWaiting, gauge, "openim_push_waiting", "Notices that wait: to be asked about again, for a service, or to be tried again.";
    PushAsked, counter, "openim_push_asked_total", "Messages about which a receiver's home was asked whether a mobile terminal has them.";
    PushReached, counter, "openim_push_reached_total", "Notices that nobody needed: a mobile terminal had the message, or got it meanwhile.";
    PushUnwanted, counter, "openim_push_unwanted_total", "Notices that the receiver wants not (options 1 and 2 of a conversation).";
    PushUnreachable, counter, "openim_push_unreachable_total", "Notices to users whom no service that is set reaches.";
    PushAbsent, counter, "openim_push_absent_total", "Messages that the receiver's inbox has not.";
    PushOld, counter, "openim_push_old_total", "Messages and notices dropped because they were older than push.maxAgeSeconds.";
    PushSent, counter, "openim_push_sent_total", "Notices that a service took.";
    PushRetried, counter, "openim_push_retried_total", "Tries that failed and are followed by another.";
    PushFailed, counter, "openim_push_failed_total", "Notices dropped because every try failed.";
    PushCredentials, counter, "openim_push_credentials_total", "Notices dropped because the service took our credentials for none.";
    PushRefused, counter, "openim_push_refused_total", "Notices that a service refused.";
    PushGone, counter, "openim_push_gone_total", "Devices that a service knows no more, and that are forgotten.";
    PushFull, counter, "openim_push_full_total", "Notices dropped because push.waitingMax wait for a service that does not answer.";
    Lacking, gauge, "openim_history_partitions_lacking", "Partitions whose inboxes are not read: the store may have lost some of them, and they are not stored again yet.";
}
