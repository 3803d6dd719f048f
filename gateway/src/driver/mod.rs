//! One shard's thread: it turns the pure shard with what rings, sockets and the clock bring.
//!
//! [`Core`] holds everything of the shard; [`pump`](Core::pump) is one turn of its wheel: log events,
//! answers, the mesh, then what the shard asked for, then one write per link. See `FLOW.md`.

mod above;
mod change;
mod clock;
mod core;
mod deadline;
mod directory;
mod fanout;
mod generations;
mod homes;
mod input;
mod io;
mod link_io;
mod pulls;
mod pump;
mod quota;
mod thread;
mod trace;
mod waits;

pub(crate) use self::above::Above;
pub(crate) use self::change::{Delete, Forget};
pub(crate) use self::clock::moment;
pub(crate) use self::core::{ASKED_MAX, Core, CoreParts, Workers};
pub(crate) use directory::Turn;
pub(crate) use homes::OverMesh;
pub(crate) use input::Input;
pub(crate) use io::Io;
pub(crate) use link_io::LinkIo;
pub(crate) use pulls::PULL_BYTES;
pub(crate) use thread::{Plan, spawn};
