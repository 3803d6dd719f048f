//! JSON as bytes: a borrowing, non-recursive reader and an appending writer.
//!
//! In: the payload of a frame or the body of a REST call. Out: borrowed values, or text appended to a
//! buffer that the caller owns. There is no tree of values: each request reads the members it knows
//! and skips the rest, which is what keeps a message below half a microsecond.
//!
//! # Invariants
//! - Reading never recurses; nesting is bounded by [`DEPTH_MAX`] (`nesting_is_bounded`).
//! - Exactly the JSON grammar is accepted (`agrees_with_a_reference_parser`).
//! - Whatever string is written reads back as the same string (`written_strings_read_back`).

mod escape;
mod field;
mod object;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use field::{Fields, Keys, Nulls, keys};
pub(crate) use object::Object;
pub use read::{DEPTH_MAX, SyntaxError};
pub(crate) use read::{Got, Reader};
pub(crate) use write::escaped;
pub use write::{boolean, integer, string};
