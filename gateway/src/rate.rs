//! How often somebody may do something: so many in a time, twice that in a burst.

/// See the module; nothing: without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    count: u32,
    ms: u32,
}

impl Rate {
    pub(crate) const fn per_second(count: u32) -> Self {
        Self { count, ms: 1_000 }
    }

    pub(crate) const fn per_minute(count: u32) -> Self {
        Self { count, ms: 60_000 }
    }

    /// Whether there is a limit.
    pub(crate) const fn limits(self) -> bool {
        self.count > 0
    }

    /// A whole budget.
    pub(crate) fn full(self) -> u64 {
        2 * u64::from(self.count) * self.cost()
    }

    /// What one act takes out of a budget.
    pub(crate) fn cost(self) -> u64 {
        self.ms.into()
    }

    /// What a time gives back.
    pub(crate) fn earned(self, ms: u64) -> u64 {
        ms.saturating_mul(self.count.into())
    }

    /// Milliseconds until so much is earned.
    pub(crate) fn wait_ms(self, missing: u64) -> u32 {
        let wait = missing.div_ceil(self.count.into()).max(1);
        u32::try_from(wait).unwrap_or(u32::MAX)
    }
}
