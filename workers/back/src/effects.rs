//! What the back asks of the world around it.

use openim_record::{Deliver, Settled};

/// The back's surroundings: whoever takes what is to reach people. Calls must not re-enter the back.
pub trait Effects {
    /// A message is to go to a user's links; how many bytes wait for them now that did not before, as far
    /// as that is known here.
    fn deliver(&mut self, deliver: &Deliver<'_>) -> usize;

    /// A record is with the partition that it was handed in for.
    fn settled(&mut self, settled: Settled);
}
