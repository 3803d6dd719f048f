//! Why somebody did not get a message.
//!
//! In: what was found of the message ([`Found`]), and the notes of the journal of links ([`Note`]), which [`Trail`] goes
//! through. Out: one of twelve reasons ([`Reason`]), and what it says to people ([`Reason::text`]). Never: a store, a
//! socket, a clock.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::wildcard_enum_match_arm
    )
)]

mod decide;
mod note;
mod slot;
mod trail;
mod words;

pub use decide::{Facts, Found, Reason, Refusal, decide};
pub use note::{
    End, Ended, Fate, LinkName, LinkNote, Note, PullNote, Pushed, SendName, SendNote, Who,
};
pub use slot::{SLOT_BYTES, Slot, glance};
pub use trail::{Asked, Cut, Had, Taken, Trail};
pub use words::{Language, utc};
