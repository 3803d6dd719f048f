//! Registrations and tokens, gathered into durable batches.
//!
//! In: [`Write`] from a bounded channel. Out: [`Done`] into the asking shard's queue, after the batch
//! that holds it is durable.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use openim_storage::port::{Directory, IssuedToken, Registered, StoreError, Tokens, User};

use crate::{Done, Failed, Outlet, Ticket};

/// Writes of one durable batch.
const BATCH_MAX: usize = 1024;

/// Something to make durable.
#[derive(Debug)]
pub enum Write {
    /// A new user.
    Register(Ticket, Box<User>),
    /// A token for a registered user.
    Issue(Ticket, IssuedToken),
}

/// The ports that the loop writes to.
#[derive(Clone)]
pub struct Targets {
    /// Users.
    pub directory: Arc<dyn Directory>,
    /// Newest tokens.
    pub tokens: Arc<dyn Tokens>,
}

/// Writes until every asking end of the channel is gone.
pub fn run(asked: &Receiver<(u16, Write)>, targets: &Targets, outlet: &Outlet) {
    while let Ok(first) = asked.recv() {
        let mut registers = Vec::new();
        let mut issues = Vec::new();
        for (shard, write) in std::iter::once(first).chain(asked.try_iter()).take(BATCH_MAX) {
            match write {
                Write::Register(ticket, user) => registers.push((shard, ticket, *user)),
                Write::Issue(ticket, token) => issues.push((shard, ticket, token)),
            }
        }
        register(registers, targets.directory.as_ref(), outlet);
        issue(issues, targets, outlet);
    }
}

fn register(batch: Vec<(u16, Ticket, User)>, directory: &dyn Directory, outlet: &Outlet) {
    if batch.is_empty() {
        return;
    }
    let (waiting, users): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|(shard, ticket, user)| ((shard, ticket), user)).unzip();
    let outcome = directory.register(&users).map_err(|e| failed("register users", &e));
    for (index, (shard, ticket)) in waiting.into_iter().enumerate() {
        let result = match &outcome {
            Ok(registered) => registered.get(index).copied().ok_or(Failed),
            Err(failed) => Err(*failed),
        };
        answer(outlet, shard, Done::Registered(ticket, result));
    }
}

fn issue(batch: Vec<(u16, Ticket, IssuedToken)>, targets: &Targets, outlet: &Outlet) {
    if batch.is_empty() {
        return;
    }
    let (waiting, tokens): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|(shard, ticket, token)| ((shard, ticket), token)).unzip();
    let outcome = issue_known(tokens, targets).map_err(|e| failed("record tokens", &e));
    for (index, (shard, ticket)) in waiting.into_iter().enumerate() {
        let result = match &outcome {
            Ok(known) => known.get(index).copied().ok_or(Failed),
            Err(failed) => Err(*failed),
        };
        answer(outlet, shard, Done::Issued(ticket, result));
    }
}

/// Records the tokens of registered users; says of each whether its user is one.
fn issue_known(tokens: Vec<IssuedToken>, targets: &Targets) -> Result<Vec<bool>, StoreError> {
    let users: Vec<_> = tokens.iter().map(|token| token.user.clone()).collect();
    let known: Vec<bool> = targets.directory.users(&users)?.iter().map(Option::is_some).collect();
    let tokens: Vec<_> = tokens
        .into_iter()
        .zip(&known)
        .filter_map(|(token, &known)| known.then_some(token))
        .collect();
    if !tokens.is_empty() {
        targets.tokens.issue(&tokens)?;
    }
    Ok(known)
}

fn answer(outlet: &Outlet, shard: u16, done: Done) {
    let fits = outlet[usize::from(shard)].try_send(done);
    debug_assert!(fits.is_ok(), "a shard asks for no more than its queue holds");
}

fn failed(what: &str, cause: &StoreError) -> Failed {
    tracing::error!(%cause, "cannot {what}");
    Failed
}

/// Whether a registration made the user.
#[must_use]
pub const fn created(registered: Registered) -> bool {
    matches!(registered, Registered::Created)
}
