//! Copies of the data over the operators' port: what a running server gives ([`Copies`]), and who takes it ([`Remote`]).
//!
//! ```text
//! GET /copy/about                                      what there is, a line each
//! GET /copy/log?from=POSITION&max=BYTES&wait=MS        bytes of the log; `openim-part` says of which segment, and how far it goes
//! POST /copy/fence?epochs=LIST                         another server was promoted: this one takes nothing any more
//! GET /copy/base?through=POSITION&from=OFFSET          bytes of the base
//! ```
//! Every answer of a server that is fenced says so (`openim-fenced`): what follows it follows nobody.
//!
//! Each, and `GET /why`, with `authorization: Bearer SECRET`, which is `admin.secret`. `follow=NAME` at the log says that somebody goes on and
//! has everything before `from` durably. Away from the shards: nobody there waits for a copy.

mod commands;
mod followers;
mod remote;
mod sent;
mod serve;
mod why;

pub use commands::{From, backup, moment, restore, verify};
pub use remote::Remote;
pub(crate) use sent::Sent;
pub use serve::Copies;
pub(crate) use why::{PATH as WHY, read as read_why};

/// Says which part of the log an answer has, or where it goes on.
pub(crate) const PART: &str = "openim-part";
/// Says that the server is fenced, and by which epoch.
pub(crate) const FENCED: &str = "openim-fenced";
/// Answers that are another thing than bytes: removed, and longer than the log.
pub(crate) const GONE: u16 = 410;
pub(crate) const AHEAD: u16 = 416;
