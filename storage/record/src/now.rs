//! The time, as pure code is told it: read once, by whoever has a clock.

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
