//! One shard's thread: it turns the pure shard with what rings, sockets and the clock bring.
//!
//! [`Core`] holds everything of the shard; [`pump`](Core::pump) is one turn of its wheel: log events,
//! answers, the mesh, then what the shard asked for, then one write per link. See `FLOW.md`.

mod above;
#[cfg(feature = "cluster")]
mod abroad;
#[cfg(feature = "cluster")]
mod alone;
mod asks;
mod books;
mod change;
mod changing;
mod clock;
mod core;
mod deadline;
mod directory;
mod fanout;
#[cfg(feature = "cluster")]
mod from_back;
mod generations;
mod homes;
mod input;
mod io;
mod journal;
mod keys;
mod link_io;
#[cfg(any(feature = "cluster", feature = "testing"))]
mod memberships;
mod pulls;
mod pump;
mod quota;
mod reached;
mod thread;
mod trace;
mod unwanted;
mod waits;
mod wheel;

pub(crate) use self::above::{Above, Beside};
#[cfg(feature = "cluster")]
pub(crate) use self::abroad::{Comings, Gone, TokensAbroad, TokensChange};
#[cfg(feature = "cluster")]
pub(crate) use self::alone::ToGroup;
pub(crate) use self::asks::{ASKED_MAX, Asks, Workers};
pub(crate) use self::change::{Delete, Forget};
pub(crate) use self::changing::Changing;
pub(crate) use self::clock::{Clock, moment};
pub(crate) use self::core::{Core, Given, Here};
#[cfg(any(feature = "cluster", feature = "testing"))]
pub(crate) use self::memberships::GroupChanges;
pub(crate) use self::{above::Local, homes::Homes};
pub(crate) use directory::Turn;
pub(crate) use fanout::{Fanout, Promised};
#[cfg(feature = "cluster")]
pub(crate) use from_back::{FromBack, FromBacks};
pub(crate) use input::Input;
pub(crate) use io::Io;
pub(crate) use journal::{AskLinks, Journal};
pub(crate) use keys::Keys;
pub(crate) use link_io::{LinkIo, Minute};
pub(crate) use pulls::PULL_BYTES;
pub(crate) use reached::Told;
pub(crate) use thread::{Plan, spawn};
pub(crate) use unwanted::Unwanted;
pub(crate) use wheel::Wheel;
