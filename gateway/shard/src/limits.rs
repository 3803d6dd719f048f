//! Bounds of one shard, the time it is told, and its answer to an offer.

/// Bounds and deadlines of one shard.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Sends of one link that may wait for the log; at least one.
    pub in_flight_per_link: u16,
    /// Bytes that may wait in one link's outbox after its socket was offered them.
    pub outbox_bytes_max: u32,
    /// Bytes that pushes may add to an outbox before its socket was offered any; where the driver
    /// bounds a turn itself, more than that bound.
    pub outbox_burst_bytes_max: u32,
    /// Frames per second of one link; 0 is off. Twice as many may come at once.
    pub frames_per_second: u32,
    /// A link that was silent this long is pinged; 0 is off.
    pub ping_s: u32,
    /// Unanswered pings before a link is closed.
    pub pings_missed_max: u8,
    /// A link whose socket took nothing this long is closed; 0 is off.
    pub write_stall_s: u32,
    /// A send that the log has not answered by then is refused, milliseconds.
    pub send_timeout_ms: u64,
    /// Duplicate window in milliseconds and in entries over all shards.
    pub duplicate_window_ms: i64,
    /// See `duplicate_window_ms`.
    pub duplicates_max: usize,
    /// Users whose state stays in memory without a link.
    pub users_max: usize,
    /// Committed records that may wait for users to be loaded.
    pub waiting_max: usize,
    /// Bytes of records that may wait for users, or for members of groups to have their turn.
    pub waiting_bytes_max: usize,
    /// Members of groups that stay in memory.
    pub group_members_max: usize,
}

/// The time, as the driver read it once for this turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Monotonic milliseconds since the shard started.
    pub mono_ms: u64,
    /// What the clock shows, unix nanoseconds: for what people are told.
    pub unix_ns: i64,
    /// What expiry goes by, unix milliseconds: the clock's time, or an estimate while the clock is in
    /// doubt.
    pub trusted_ms: i64,
}

impl Now {
    /// Monotonic seconds.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "a process runs less than 136 years")]
    pub const fn mono_s(self) -> u32 {
        (self.mono_ms / 1000) as u32
    }

    /// Unix milliseconds.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.unix_ns.div_euclid(1_000_000)
    }

    /// What the clock shows, unix seconds.
    #[must_use]
    pub const fn unix_s(self) -> i64 {
        self.unix_ns.div_euclid(1_000_000_000)
    }

    /// What expiry goes by, unix seconds.
    #[must_use]
    pub const fn trusted_s(self) -> i64 {
        self.trusted_ms.div_euclid(1_000)
    }
}

/// What became of a request that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Taken: the answer came or will come through [`crate::Effects`].
    Taken,
    /// Not taken: offer it again after [`crate::Effects::resume`] (a link) or
    /// [`crate::Effects::resume_calls`] (a call).
    Hold,
    /// Not taken: the log is overdue; answer with an error.
    Refused,
}
