//! Bounds of a front, and its answer to an offer.

/// Bounds and deadlines of one front.
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
    /// Users whose tokens stay in memory without a link.
    pub users_max: usize,
    /// Sends that were answered and are not settled yet, of which something is remembered.
    pub unsettled_max: usize,
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
    /// Not taken: the log is overdue, or the back is; answer with an error.
    Refused,
}
