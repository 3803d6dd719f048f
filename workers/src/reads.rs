//! A pool of threads that read: users' state and history.
//!
//! In: [`Read`] from a bounded channel. Out: [`Done`] into the asking shard's queue. A shard asks for
//! no more at once than its queue holds, so an answer always fits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use openim_record::{Message, Position, Seq, UserId, broken};
use openim_storage::port::{
    Directory, Entry, Groups, History, Preferences, Records, Relations, Remembered, Spot, Standing,
    StoreError, TokenCache, Tokens,
};

use crate::asking::{self, Asking};
use crate::done::answer;
use crate::{Damage, Done, Failed, Inbox, Outlet, Ranged, Reply, Ticket};

/// A question to the directory, in the words of its ports. It runs on a reader's thread and must be
/// short: one page of a list at most.
pub type Question = Box<dyn FnOnce(Arc<Sources>) -> Answering + Send>;

/// A question being asked; it stays on the thread where it was begun.
pub type Answering = Pin<Box<dyn Future<Output = Result<Reply, StoreError>>>>;

/// A question to the stores.
pub enum Read {
    /// The bounds of a user's inbox.
    Inbox(UserId),
    /// A user's newest tokens.
    Tokens(UserId),
    /// The records of a range of an inbox.
    Range {
        /// Who waits.
        ticket: Ticket,
        /// Whose inbox.
        user: UserId,
        /// First seq.
        from: Seq,
        /// Last seq.
        to: Seq,
        /// What its home has of the range that was not stored when it was asked, ascending: the end of it.
        unstored: Arc<[(Seq, Position)]>,
        /// Stop after the record that reaches this.
        bytes_max: usize,
    },
    /// Anything the directory knows.
    Ask(Ticket, Question),
}

/// The ports that the pool reads from.
pub struct Sources {
    /// Inboxes.
    pub history: Arc<dyn History>,
    /// What inboxes refer to, before the history has it; none where nobody is told of more than the history has.
    pub records: Option<Arc<dyn Records>>,
    /// Newest tokens.
    pub tokens: Arc<dyn Tokens>,
    /// What is remembered of them, where they are far away.
    pub token_cache: Option<Arc<dyn TokenCache>>,
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

impl Sources {
    /// A user's inbox as it is stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn inbox(&self, user: &UserId) -> Result<Inbox, StoreError> {
        let users = std::slice::from_ref(user);
        let bounds = self.history.bounds(users).await?.pop().unwrap_or_default();
        let access = match &self.token_cache {
            None => self.tokens.access(users).await?.pop().flatten(),
            Some(_) => self.tokens(user).await?.access.map(|access| *access),
        };
        Ok(Inbox { bounds, min: access.map_or(Seq(0), |access| access.min) })
    }

    /// What holds of a user's tokens, no older than this call. While the store is away, of those who are remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tokens(&self, user: &UserId) -> Result<Standing, StoreError> {
        let mut leave = None;
        if let Some(cache) = &self.token_cache {
            match cache.look(user).await {
                Ok(Remembered::Known(standing)) => return Ok(*standing),
                Ok(Remembered::Unknown(lease)) => leave = Some((cache, lease)),
                // Who is away is not waited for: the store has all there is.
                Ok(Remembered::Changing) | Err(_) => {}
            }
        }
        let users = std::slice::from_ref(user);
        let standing = self.stored_tokens(users).await?.pop().unwrap_or_default();
        if let Some((cache, lease)) = leave {
            // What it does not take is read again the next time.
            let _remembered = cache.remember(user, lease, &standing).await;
        }
        Ok(standing)
    }

    /// What holds of users' tokens by the store itself; same order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_tokens(&self, users: &[UserId]) -> Result<Vec<Standing>, StoreError> {
        let access = self.tokens.access(users).await?;
        let newest = self.tokens.newest(users).await?;
        let both = newest.into_iter().zip(access);
        Ok(both.map(|(newest, access)| Standing { newest, access: access.map(Box::new) }).collect())
    }
}

/// Answers until every asking end of the channel is gone.
pub fn run(asked: &Receiver<(u16, Read)>, sources: &Arc<Sources>, outlet: &Outlet) {
    let begin = |read| Box::pin(ask(Arc::clone(sources), read)) as Asking<'_>;
    asking::run(asked, begin, |shard, done| answer(outlet, shard, done));
}

async fn ask(sources: Arc<Sources>, read: Read) -> Done {
    match read {
        Read::Inbox(user) => {
            let inbox = sources.inbox(&user).await;
            Done::Inbox(user, told("load an inbox", inbox))
        }
        Read::Tokens(user) => {
            let tokens = sources.tokens(&user).await.map(Box::new);
            Done::Tokens(user, told("load tokens", tokens))
        }
        Read::Range { ticket, user, from, to, unstored, bytes_max } => {
            let found = range(&sources, &user, (from, to), &unstored, bytes_max).await;
            Done::Ranged(ticket, told("read history", found))
        }
        Read::Ask(ticket, question) => {
            let reply = question(Arc::clone(&sources)).await;
            Done::Asked(ticket, told("ask the directory", reply))
        }
    }
}

/// The records of a range: what is stored comes from the history, the rest from the log.
async fn range(
    sources: &Sources,
    user: &UserId,
    (from, to): (Seq, Seq),
    unstored: &[(Seq, Position)],
    bytes_max: usize,
) -> Result<Ranged, StoreError> {
    let mut found = Ranged::default();
    let mut bytes = 0;
    let stored_to = unstored.first().map_or(to, |(first, _)| Seq(first.0.saturating_sub(1)));
    if from <= stored_to {
        let range = sources.history.range(user, from, stored_to, bytes_max).await?;
        for Entry { seq, position, record } in range.entries {
            let record = record.and_then(|record| known(record, position));
            let record = whole(sources, position, record)?;
            bytes += record.len();
            found.records.push((seq, record));
        }
        found.next = range.next;
        if found.next.is_some() {
            return Ok(found);
        }
    }
    let mut read = Vec::new();
    for &(seq, position) in unstored.iter().filter(|(seq, _)| (from..=to).contains(seq)) {
        if bytes >= bytes_max && !found.records.is_empty() {
            found.next = Some(seq);
            break;
        }
        let Some(records) = &sources.records else {
            broken("what is not stored is named only where the log can be read")
        };
        let record = records.read(position, &mut read).await;
        let record = record.and_then(|()| known(read.as_slice().into(), position));
        let record = whole(sources, position, record)?;
        bytes += record.len();
        found.records.push((seq, record));
    }
    Ok(found)
}

/// A record that this version can read.
fn known(record: Box<[u8]>, position: Position) -> Result<Box<[u8]>, StoreError> {
    if Message::decode(&record).is_ok() {
        return Ok(record);
    }
    let place = Spot::Key(format!("the log at {position}"));
    let cause = "the record is whole, but is no message that this version knows".into();
    Err(StoreError::Corrupt { place, cause })
}

/// The record, empty where it is damaged: it will never be there again, and what is around it must not be lost
/// with it.
fn whole(
    sources: &Sources,
    position: Position,
    record: Result<Box<[u8]>, StoreError>,
) -> Result<Box<[u8]>, StoreError> {
    match record {
        Err(cause @ StoreError::Corrupt { .. }) => {
            if sources.damage.met(position, &cause) {
                tracing::error!(%cause, "a message is damaged: whoever pulls it gets a stand-in");
            }
            Ok(Box::default())
        }
        read => read,
    }
}

/// What came of a question. That a store is away is told by what stands around it, whoever asks; anything else is about
/// what was asked.
fn told<T>(what: &str, answer: Result<T, StoreError>) -> Result<T, Failed> {
    answer.map_err(|cause| {
        if !matches!(cause, StoreError::Unavailable { .. }) {
            tracing::error!(%cause, "cannot {what}");
        }
        Failed
    })
}
