//! The cells of one shard, with their exported names.
//!
//! A new metric is one entry here and one line in `docs/metrics.md`. What shards count is exported as one
//! figure; `by_shard` behind the type keeps them apart, for what tells one shard from the others.

use openim_protocol::close::CloseReason;
use openim_record::Pair;
use openim_shard::Became;
use openim_workers::Latencies;

use super::cell::{By, Cells, Counter, Gauge, Join, Kind, Kinded, Labels, LongestS, ShortestMs};
use super::label::{
    CallbackOutcome, CredentialOutcome, Label, LoginFailed, Reached, RefusedWith, RequestKind,
    RestRoute, TlsFailed, TlsHandshake, Waited,
};

/// One exported name of the table.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) join: Join,
    pub(super) by_shard: bool,
    pub(super) cells: fn(&ShardMetrics) -> &dyn Cells,
}

macro_rules! by_shard {
    () => {
        false
    };
    (by_shard) => {
        true
    };
}

macro_rules! table {
    (
        $(#[$meta:meta])*
        pub struct $table:ident {
            $( #[doc = $help:literal] $field:ident: $type:ty $(, $scope:ident)? => $name:literal; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $table {
            $( #[doc = $help] pub $field: $type, )*
        }

        impl $table {
            pub(super) const FAMILIES: &[Family] = &[
                $( Family {
                    name: $name,
                    help: $help,
                    kind: <$type as Kinded>::KIND,
                    join: <$type as Kinded>::JOIN,
                    by_shard: by_shard!($($scope)?),
                    cells: |metrics| &metrics.$field,
                }, )*
            ];
        }
    };
}

table! {
    /// What one shard counts. Written by the shard's thread alone; on cache lines of its own.
    #[repr(align(128))]
    pub struct ShardMetrics {
        /// Links open now.
        links: Gauge, by_shard => "openim_links";
        /// Links opened.
        links_opened: Counter => "openim_links_opened_total";
        /// Links closed, by reason.
        links_closed: By<CloseReason, { CloseReason::NAMES.len() }> => "openim_links_closed_total";
        /// Handshakes refused, by HTTP status.
        handshakes_refused: By<RefusedWith, { RefusedWith::COUNT }> => "openim_handshakes_refused_total";
        /// Handshakes under way now.
        handshakes_in_flight: Gauge => "openim_handshakes_in_flight";
        /// Frames read from links.
        frames_in: Counter, by_shard => "openim_frames_in_total";
        /// Frames written to links.
        frames_out: Counter => "openim_frames_out_total";
        /// Bytes read from links.
        bytes_in: Counter => "openim_in_bytes_total";
        /// Bytes written to links.
        bytes_out: Counter => "openim_out_bytes_total";
        /// Requests on links, by kind.
        requests: By<RequestKind, { RequestKind::COUNT }> => "openim_requests_total";
        /// Sends answered with errCode 0.
        sends_acknowledged: Counter => "openim_sends_acknowledged_total";
        /// Sends answered with another errCode.
        sends_refused: Counter => "openim_sends_refused_total";
        /// Sends recognised as sent before and answered with the first receipt.
        sends_duplicate: Counter => "openim_sends_duplicate_total";
        /// Sends with history and persistent both off: delivered, never stored.
        sends_ephemeral: Counter => "openim_sends_ephemeral_total";
        /// Waits for the stores, or for another shard, that came to their end, by what was waited for.
        timeouts: By<Waited, { Waited::COUNT }> => "openim_store_timeouts_total";
        /// From taking a send to its being durable and answered.
        send_seconds: Latencies => "openim_send_seconds";
        /// Sends to groups taken.
        group_sends: Counter => "openim_group_sends_total";
        /// Members those sends went to.
        group_members: Counter => "openim_group_members_total";
        /// Sends to groups refused because too many members waited for their turn.
        group_sends_refused: Counter => "openim_group_sends_refused_total";
        /// Members of groups that wait for their turn.
        fanning_members: Gauge => "openim_group_members_waiting";
        /// From a group's message being durable to the turn of its last member on a shard.
        fanout_seconds: Latencies => "openim_group_fanout_seconds";
        /// Groups in memory.
        groups_cached: Gauge => "openim_groups_cached";
        /// Members of groups in memory.
        group_members_cached: Gauge => "openim_group_members_cached";
        /// Conversations that somebody does not receive (receive option 1).
        unwanted: Gauge => "openim_unwanted_conversations";
        /// Options to receive nothing that were refused: as many conversations as may be are not received.
        unwanted_refused: Counter => "openim_unwanted_conversations_refused_total";
        /// Profiles in memory.
        profiles_cached: Gauge => "openim_profiles_cached";
        /// Frames of clients v1.0.x, which speak gob: answered with an error that they cannot read.
        gob_frames: Counter => "openim_gob_frames_total";
        /// Users of whose devices it is remembered which unit of times they read.
        generations_cached: Gauge => "openim_client_generations_cached";
        /// Messages pushed to links.
        pushes: Counter => "openim_pushes_total";
        /// Kick notices sent.
        kicks: Counter => "openim_kicks_total";
        /// Pulls under way now.
        pulls_in_flight: Gauge => "openim_pulls_in_flight";
        /// Pulls answered with an error: the range holds too many messages, or history could not be read.
        pulls_refused: Counter => "openim_pulls_refused_total";
        /// From the turn of a pull to the last part of its answer.
        pull_seconds: Latencies => "openim_pull_seconds";
        /// Messages in the answers to pulls.
        pull_messages: Counter => "openim_pull_messages_total";
        /// Times a link stopped being read because something it needs was full.
        links_held: Counter => "openim_links_held_total";
        /// Times a link stopped being read because it sent faster than allowed.
        rate_limited: Counter => "openim_rate_limited_total";
        /// Times a send had to wait because its user sends more than allowed.
        sends_paced: Counter => "openim_sends_paced_total";
        /// Pings sent to find dead links.
        pings_sent: Counter => "openim_pings_sent_total";
        /// Users whose inbox state is in memory.
        users_cached: Gauge => "openim_users_cached";
        /// Users whose inbox state was let go to make room.
        users_evicted: Counter => "openim_users_evicted_total";
        /// Sends remembered to recognise repeated ones.
        duplicates_held: Gauge => "openim_duplicates_held";
        /// The duplicate window while the number of entries holds it below the configured one; 0: it has its full length.
        duplicate_window_shrunk: ShortestMs => "openim_duplicate_window_shrunk_seconds";
        /// Log records that wait for their user's state to be loaded.
        waiting_records: Gauge, by_shard => "openim_waiting_records";
        /// Inbox entries that history does not hold yet.
        unstored_entries: Gauge, by_shard => "openim_unstored_entries";
        /// REST connections open now.
        rest_connections: Gauge => "openim_rest_connections";
        /// REST connections refused with 503: there was no room, or their address has too many.
        rest_connections_refused: Counter => "openim_rest_connections_refused_total";
        /// Bytes of REST answers that are made and not yet taken by their clients.
        rest_answer_bytes: Gauge => "openim_rest_answer_bytes";
        /// REST answers refused or cut because those of others left no room in time.
        rest_answers_refused: Counter => "openim_rest_answers_refused_total";
        /// Connections that waited for their client and were closed to make room for newcomers.
        connections_displaced: Counter => "openim_connections_displaced_total";
        /// Handshakes of TLS, by kind.
        tls_handshakes: By<TlsHandshake, { TlsHandshake::COUNT }> => "openim_tls_handshakes_total";
        /// Connections that came to no TLS, by reason.
        tls_failed: By<TlsFailed, { TlsFailed::COUNT }> => "openim_tls_handshakes_failed_total";
        /// REST requests, by route and class of status.
        rest_requests: RestCounters => "openim_rest_requests_total";
        /// From a REST request that was read whole to its answer, or the first part of it.
        rest_seconds: Latencies => "openim_rest_request_seconds";
        /// Guests of the chat page who may register.
        guests: Counter => "openim_guests_total";
        /// Guests of the chat page refused because of web.guestsPerMinute.
        guests_refused: Counter => "openim_guests_refused_total";
        /// Registrations and logins that gave no token, by reason.
        logins_failed: By<LoginFailed, { LoginFailed::COUNT }> => "openim_logins_failed_total";
        /// Calls that had to wait because their address has given wrong secrets.
        secrets_slowed: Counter => "openim_secrets_slowed_total";
        /// Credentials asked of the object store's service, by outcome.
        credentials: By<CredentialOutcome, { CredentialOutcome::COUNT }> => "openim_credentials_total";
        /// Messages that the app's backend was asked about, by outcome.
        callbacks: By<CallbackOutcome, { CallbackOutcome::COUNT }> => "openim_callbacks_total";
        /// Messages that it is asked about now.
        callbacks_in_flight: Gauge => "openim_callbacks_in_flight";
        /// Bytes that wait to be written to links.
        outbox_bytes: Gauge, by_shard => "openim_outbox_bytes";
        /// Bytes that ended links have still to be written.
        lingering_bytes: Gauge, by_shard => "openim_lingering_bytes";
        /// Bytes that links have sent and that are kept: messages that are not whole or not taken yet.
        input_bytes: Gauge, by_shard => "openim_input_bytes";
        /// Bytes that are set aside for long pulls under way.
        pull_bytes: Gauge => "openim_pull_bytes";
        /// Bytes of messages on their way back from the log.
        event_bytes: Gauge => "openim_event_bytes";
        /// Bytes of messages on their way to the log.
        append_bytes: Gauge, by_shard => "openim_append_bytes";
        /// Bytes of messages on their way to other shards.
        mesh_bytes: Gauge, by_shard => "openim_mesh_bytes";
        /// Deliveries that the books found lost or doubled, by pair of accounts; the log names them.
        books_residue: By<Pair, { Pair::NAMES.len() }> => "openim_books_residue_total";
        /// Deliveries that the homes of users and groups took from the log, by what became of them.
        books_deliveries: By<Became, { Became::NAMES.len() }> => "openim_books_deliveries_total";
        /// Deliveries to users who may be connected, by whether a link got it at once.
        books_reached: By<Reached, { Reached::COUNT }> => "openim_books_reached_total";
        /// How long the books of a shard could not be compared with the log's, because something waits for its user; of several shards the longest.
        books_behind: LongestS => "openim_books_behind_seconds";
        /// Bytes of records that wait for users, or for members of groups to have their turn.
        waiting_bytes: Gauge, by_shard => "openim_waiting_bytes";
    }
}

const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];

/// REST requests by route and class of status.
#[derive(Debug)]
pub struct RestCounters([[Counter; CLASSES.len()]; RestRoute::COUNT]);

impl Default for RestCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }
}

impl RestCounters {
    /// Answers of a route that were no error.
    pub fn good(&self, route: RestRoute) -> u64 {
        self.0[route.index()][0].get()
    }

    /// Counts one answer. A status below 400 counts as 2xx.
    #[inline]
    pub fn add(&self, route: RestRoute, status: u16) {
        let class = match status {
            ..=399 => 0,
            400..=499 => 1,
            500.. => 2,
        };
        self.0[route.index()][class].add(1);
    }
}

impl Cells for RestCounters {
    fn samples(&self, each: &mut dyn FnMut(&'static str, Labels<'_>, f64)) {
        for (route, counters) in RestRoute::VALUES.iter().zip(&self.0) {
            for (class, counter) in CLASSES.iter().zip(counters) {
                each("", &[(RestRoute::KEY, route), ("status", class)], counter.get() as f64);
            }
        }
    }
}

impl Kinded for RestCounters {
    const KIND: Kind = Kind::Counter;
}
