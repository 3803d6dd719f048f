//! A pool of threads that read: users' state and history.
//!
//! In: [`Read`] from a bounded channel. Out: [`Done`] into the asking shard's queue. A shard asks for
//! no more at once than its queue holds, so an answer always fits.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use openim_auth::{Newest, NewestTokens, TokenId};
use openim_record::{Message, Position, Seq, UserId};
use openim_storage::port::{
    Directory, Groups, History, NewestToken, Place, Preferences, Relations, StoreError, Tokens,
};

use crate::done::answer;
use crate::{Damage, Done, Failed, Loaded, Outlet, Reply, Ticket};

/// A question to the directory, in the words of its ports. It runs on a reader's thread and must be
/// short: one page of a list at most.
pub type Question = Box<dyn FnOnce(&Sources) -> Result<Reply, StoreError> + Send>;

/// A question to the stores.
pub enum Read {
    /// Bounds and newest tokens of a user.
    Load(UserId),
    /// The stored positions of a range.
    Positions {
        /// Who waits.
        ticket: Ticket,
        /// Whose inbox.
        user: UserId,
        /// First seq.
        from: Seq,
        /// Last seq.
        to: Seq,
    },
    /// Anything the directory knows.
    Ask(Ticket, Question),
    /// The records at some positions.
    Fetch {
        /// Who waits.
        ticket: Ticket,
        /// Where they lie.
        positions: Vec<Position>,
        /// Stop after the record that reaches this; at least one is fetched.
        bytes_max: usize,
    },
}

/// The ports that the pool reads from.
#[derive(Clone)]
pub struct Sources {
    /// Inboxes.
    pub history: Arc<dyn History>,
    /// Newest tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Users.
    pub directory: Arc<dyn Directory>,
    /// Friends and blacklists.
    pub relations: Arc<dyn Relations>,
    /// Groups.
    pub groups: Arc<dyn Groups>,
    /// Receive options.
    pub preferences: Arc<dyn Preferences>,
    /// What was found damaged.
    pub damage: Arc<Damage>,
}

/// Answers until every asking end of the channel is gone.
pub fn run(asked: &Receiver<(u16, Read)>, sources: &Sources, outlet: &Outlet) {
    while let Ok((shard, read)) = asked.recv() {
        let done = match read {
            Read::Load(user) => {
                let loaded =
                    load(sources, &user).map(Box::new).map_err(|e| failed("load a user", &e));
                Done::Loaded(user, loaded)
            }
            Read::Positions { ticket, user, from, to } => {
                let mut out = Vec::new();
                let result = sources.history.positions(&user, from, to, &mut out);
                Done::Positions(
                    ticket,
                    result.map(|()| out).map_err(|e| failed("read history", &e)),
                )
            }
            Read::Ask(ticket, question) => {
                let reply = question(sources);
                Done::Asked(ticket, reply.map_err(|e| failed("ask the directory", &e)))
            }
            Read::Fetch { ticket, positions, bytes_max } => {
                let records = fetch(sources, &positions, bytes_max);
                Done::Fetched(ticket, records.map_err(|e| failed("read messages", &e)))
            }
        };
        answer(outlet, shard, done);
    }
}

fn load(sources: &Sources, user: &UserId) -> Result<Loaded, StoreError> {
    let users = std::slice::from_ref(user);
    let bounds = sources.history.bounds(users)?.pop().unwrap_or_default();
    let access = sources.tokens.access(users)?.pop().flatten();
    let [mobile, pc, other] = sources.tokens.newest(users)?.pop().unwrap_or_default();
    let [mobile, pc, other] = [mobile, pc, other].map(|token| token.map(newest));
    let tokens = NewestTokens { mobile, pc, other };
    Ok(Loaded { bounds, tokens, access: access.map(Box::new) })
}

fn newest(token: NewestToken) -> Newest {
    Newest {
        id: TokenId(token.id),
        issued_at: token.issued_at,
        expires_at: (token.expires_at != i64::MAX).then_some(token.expires_at),
    }
}

/// The records at `positions`. A damaged one is empty: it will never be there again, and what is around it
/// must not be lost with it.
fn fetch(
    sources: &Sources,
    positions: &[Position],
    bytes_max: usize,
) -> Result<Vec<Box<[u8]>>, StoreError> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut bytes = 0;
    for &position in positions {
        match fetch_message(sources.history.as_ref(), position, &mut record) {
            Err(cause @ StoreError::Corrupt { .. }) => {
                record.clear();
                if sources.damage.met(position, &cause) {
                    tracing::error!(%cause, "a message is damaged: whoever pulls it gets a stand-in");
                }
            }
            read => read?,
        }
        bytes += record.len();
        records.push(record.as_slice().into());
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(records)
}

fn fetch_message(
    history: &dyn History,
    position: Position,
    record: &mut Vec<u8>,
) -> Result<(), StoreError> {
    history.fetch(position, record)?;
    if Message::decode(record).is_err() {
        let place = Place::Key(format!("the log at {position}"));
        let cause = "the record is whole, but is no message that this version knows".into();
        return Err(StoreError::Corrupt { place, cause });
    }
    Ok(())
}

fn failed(what: &str, cause: &StoreError) -> Failed {
    tracing::error!(%cause, "cannot {what}");
    Failed
}
