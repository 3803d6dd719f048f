//! Shard to shard: what travels on the mesh, and the mesh itself.

mod mesh;
mod message;
mod question;
mod why;

pub(crate) use mesh::{Mesh, connect};
pub(crate) use message::{
    Authentic, Caller, GroupAnswer, GroupCall, GroupSend, Handoff, OptionSet, Receipt, Refused,
    Reply, Request, Sign, Snapshot, Telling, ToMembers,
};
pub(crate) use question::*;
pub(crate) use why::{Inquiry, Named, Seen, Sought, WhyAsk, WhyTold, has_number};
