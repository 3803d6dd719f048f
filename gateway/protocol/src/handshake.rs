//! The HTTP heads around a websocket upgrade, for either side.
//!
//! In: the bytes of a new link, from its first. Out: an [`UpgradeRequest`] borrowed from them, and the
//! bytes of the answer. The order of the server's checks is: [`HeadReader`] (shape and size), then the
//! caller's authentication with what the query carries, then [`UpgradeRequest::upgrade`]. Never does
//! I/O, never knows who may log in.
#![warn(clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod answer;
mod client;
mod head;
mod query;
mod request;

pub use answer::{Accept, Refusal, write_refusal, write_switching};
pub use client::{ClientResponse, parse_client_response, write_client_request};
pub use head::HeadError;
pub use request::{Head, HeadReader, UpgradeRequest};
