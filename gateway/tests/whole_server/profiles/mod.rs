//! What changes with `wire.profile` and `wire.timeUnit`.

mod may_profile_sends_108_copies_and_203_notices;
mod nanoseconds_are_the_same_everywhere;
