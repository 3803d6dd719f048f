//! Who is told of a send.

use openim_record::Process;

pub use openim_record::{LogPartition, Source, Topic};

/// Who is told when a send is in its sender's inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReturnTo {
    /// The process that has produced the send.
    pub process: Process,
    /// Its number there.
    pub ticket: u64,
}
