//! Shard to shard: what travels on the mesh, and the mesh itself.

mod mesh;
mod message;

pub(crate) use mesh::{Mesh, connect};
pub(crate) use message::{
    Answer, Call, Caller, GroupAnswer, GroupCall, GroupRefused, GroupSend, Handoff, OwnedDraft,
    Refused, Reply, Request, ToMembers,
};
