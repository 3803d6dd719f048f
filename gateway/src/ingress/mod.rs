//! How the world comes in: listeners, handshakes, links, REST.

mod addresses;
mod doors;
mod forwarded;
mod guesses;
mod handshake;
pub(crate) mod link;
mod listener;
mod permit;
mod ports;
pub(crate) mod rest;
mod waiting;

pub(crate) use addresses::Addresses;
pub(crate) use doors::{Doors, REFUSALS_MAX};
pub(crate) use guesses::{Crowded, Guesses};
pub(crate) use handshake::{admit, credentials, refused_token};
pub(crate) use listener::{accept_websockets, bind_alone};
pub(crate) use permit::{Permit, Permits};
pub(crate) use ports::{Listeners, listen_all};
