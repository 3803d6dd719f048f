//! A server that runs, copied or followed beside it.
//!
//! In: positions. Out: what its origin has there, some at a time. Never: waits.

use std::sync::Arc;

use openim_storage::embedded::copy::{About, Origin, Part, Source, SourceError, Span};

/// See the module.
pub(crate) struct Beside {
    pub(crate) origin: Arc<Origin>,
    /// When it is, for it.
    pub(crate) now_ms: i64,
    /// No more than this at once, unless a batch is longer.
    pub(crate) bytes_max: u64,
}

impl Source for Beside {
    fn about(&mut self) -> Result<About, SourceError> {
        self.origin.about(self.now_ms)
    }

    fn log(
        &mut self,
        from: u64,
        bytes_max: u64,
        _: u64,
        into: &mut Vec<u8>,
    ) -> Result<Part, SourceError> {
        let most = bytes_max.min(self.bytes_max).max(bytes_max % (4 << 20));
        let (part, span) = self.origin.log(from, most, self.now_ms)?;
        Span::read_all(span, u64::MAX, into)?;
        Ok(part)
    }

    fn base(&mut self, through: u64, from: u64, into: &mut Vec<u8>) -> Result<(), SourceError> {
        Ok(Span::read_all(self.origin.base(through, from)?, self.bytes_max, into)?)
    }
}
