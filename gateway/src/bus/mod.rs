//! Shard to shard: what travels on the mesh, and the mesh itself.

mod mesh;
mod message;
mod question;

pub(crate) use mesh::{Mesh, connect};
pub(crate) use message::{
    Authentic, Caller, GroupAnswer, GroupCall, GroupSend, Handoff, Receipt, Refused, Reply,
    Request, Sign, Snapshot, Telling, ToMembers,
};
pub(crate) use question::*;
