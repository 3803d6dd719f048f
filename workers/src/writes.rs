//! Registrations, tokens and changes to the directory, gathered into durable batches.
//!
//! In: [`Write`] from a bounded channel. Out: [`Done`] into the asking shard's queue, after the batch
//! that holds it is durable. Each kind is a batch of its own, in the order in which they came.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use openim_record::Told;
use openim_record::{Newest, UserId};
use openim_storage::port::{
    Added, Decision, DeviceChange, Directory, GroupChange, GroupChanged, GroupLimits, GroupOutcome,
    GroupRefused, Groups, IssuedToken, Member, PreferenceChange, Preferences, RelationChange,
    RelationOutcome, Relations, Spot, StoreError, Tokens, User, UserChange, wait,
};

use crate::done::answer;
use crate::{Done, Failed, Outlet, Ticket, Trouble, Wrote};

/// Writes of one durable batch.
const BATCH_MAX: usize = 1024;
/// Rows that one step of a walk over everybody's looks at; other writes wait meanwhile.
const FORGET_ROWS: usize = 1024;
/// How often it is looked whether something could be made durable, while nothing is asked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something to make durable.
#[derive(Debug)]
pub enum Write {
    /// A new user.
    Register(Ticket, Box<User>),
    /// A token for a registered user.
    Issue(Ticket, IssuedToken),
    /// A decision about a user's tokens.
    Decide(Ticket, Decision),
    /// A step of a walk that takes users out of what others have; so many rows, behind the key where
    /// the step before ended.
    Forget {
        /// Who waits.
        ticket: Ticket,
        /// Out of what.
        of: Walk,
        /// Whom.
        users: Arc<[UserId]>,
        /// Where the step before ended.
        after: Option<Vec<u8>>,
    },
    /// A profile.
    Update(Ticket, Box<UserChange>),
    /// A user's row.
    Delete(Ticket, UserId),
    /// Friends, requests, blacklists.
    Relation(Ticket, RelationChange, Option<Tell<RelationOutcome>>),
    /// A group; its home makes one change to it at a time.
    Group(Ticket, Box<GroupChange>, Option<Tell<GroupChanged>>),
    /// Receive options of one user.
    Prefer(Ticket, Vec<PreferenceChange>),
    /// A device that is told while its user is away.
    Device(Ticket, DeviceChange),
}

/// Says what tells of a change, once it is known what came of it: what is durable with it.
pub struct Tell<O>(Says<O>);

type Says<O> = Box<dyn FnOnce(&O) -> Option<Told> + Send>;

impl<O> Tell<O> {
    /// What `told` says.
    pub fn new(told: impl FnOnce(&O) -> Option<Told> + Send + 'static) -> Self {
        Self(Box::new(told))
    }
}

impl<O> std::fmt::Debug for Tell<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tell")
    }
}

/// What is asked for, and what is to tell of it.
type Telling<C, O> = (C, Option<Tell<O>>);

/// What deleted users are taken out of, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Everybody's friends, blacklists and requests to be friends.
    Relations,
    /// The requests to join groups.
    GroupRequests,
}

/// The ports that the loop writes to, and the bounds they keep.
#[derive(Clone)]
pub struct Targets {
    /// Users.
    pub directory: Arc<dyn Directory>,
    /// Newest tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Friends and blacklists.
    pub relations: Arc<dyn Relations>,
    /// Groups.
    pub groups: Arc<dyn Groups>,
    /// Receive options.
    pub preferences: Arc<dyn Preferences>,
    /// Friends, blocked users and requests of one user, each.
    pub relations_max: usize,
    /// Of groups.
    pub group_limits: GroupLimits,
    /// Receive options of one user.
    pub preferences_max: usize,
    /// Devices of one user.
    pub devices_max: usize,
}

/// Whom to forget, out of what, and where the step before ended.
type Forgetting = (Walk, Arc<[UserId]>, Option<Vec<u8>>);

/// Who waits for an outcome.
type Waiter = (u16, Ticket);

/// One batch, by kind.
#[derive(Default)]
struct Gathered {
    registers: Vec<(Waiter, User)>,
    issues: Vec<(Waiter, IssuedToken)>,
    decisions: Vec<(Waiter, Decision)>,
    forgets: Vec<(Waiter, Forgetting)>,
    updates: Vec<(Waiter, UserChange)>,
    deletes: Vec<(Waiter, UserId)>,
    relations: Vec<(Waiter, Telling<RelationChange, RelationOutcome>)>,
    groups: Vec<(Waiter, Telling<GroupChange, GroupChanged>)>,
    preferences: Vec<(Waiter, Vec<PreferenceChange>)>,
    devices: Vec<(Waiter, DeviceChange)>,
}

/// Figures that other threads see.
#[derive(Debug, Default)]
pub struct WriteStatus {
    /// Failed batches so far.
    pub failures: AtomicU64,
    /// Why nothing can be made durable now.
    pub trouble: Trouble,
    /// Nothing will ever be again, until a restart.
    pub failed: AtomicBool,
}

impl WriteStatus {
    /// Notes whether a login could be stored now.
    fn look(&self, targets: &Targets) {
        match wait(targets.tokens.check()) {
            Ok(()) => self.over(),
            Err(cause) => self.met(&cause),
        }
    }

    fn over(&self) {
        if self.trouble.over() {
            tracing::info!("logins and changes can be stored again");
        }
    }

    fn met(&self, cause: &StoreError) {
        if self.trouble.met(cause) {
            tracing::error!(%cause, "logins, registrations and changes cannot be stored");
        }
        // A damaged row keeps those back whom it is about, and nobody else.
        if matches!(cause, StoreError::Corrupt { place: Spot::Engine(_), .. }) {
            self.failed.store(true, Ordering::Release);
        }
    }
}

/// Writes until every asking end of the channel is gone.
pub fn run(
    asked: &Receiver<(u16, Write)>,
    targets: &Targets,
    outlet: &Outlet,
    status: &WriteStatus,
) {
    let mut next_look = Instant::now();
    loop {
        let first = match asked.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                // Nobody has to log in for it to be known that nobody could.
                status.look(targets);
                next_look = Instant::now() + LOOK_EVERY;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut gathered = Gathered::default();
        for (shard, write) in std::iter::once(first).chain(asked.try_iter()).take(BATCH_MAX) {
            gathered.add(shard, write);
        }
        let failures = status.failures.load(Ordering::Relaxed);
        gathered.write(targets, outlet, &status.failures);
        if failures != status.failures.load(Ordering::Relaxed) || Instant::now() >= next_look {
            status.look(targets);
            next_look = Instant::now() + LOOK_EVERY;
        }
    }
}

impl Gathered {
    fn add(&mut self, shard: u16, write: Write) {
        match write {
            Write::Register(ticket, user) => self.registers.push(((shard, ticket), *user)),
            Write::Issue(ticket, token) => self.issues.push(((shard, ticket), token)),
            Write::Decide(ticket, decision) => self.decisions.push(((shard, ticket), decision)),
            Write::Forget { ticket, of, users, after } => {
                self.forgets.push(((shard, ticket), (of, users, after)));
            }
            Write::Update(ticket, change) => self.updates.push(((shard, ticket), *change)),
            Write::Delete(ticket, uid) => self.deletes.push(((shard, ticket), uid)),
            Write::Relation(ticket, change, tell) => {
                self.relations.push(((shard, ticket), (change, tell)));
            }
            Write::Group(ticket, change, tell) => {
                self.groups.push(((shard, ticket), (*change, tell)));
            }
            Write::Prefer(ticket, changes) => self.preferences.push(((shard, ticket), changes)),
            Write::Device(ticket, change) => self.devices.push(((shard, ticket), change)),
        }
    }

    fn write(self, targets: &Targets, outlet: &Outlet, failures: &AtomicU64) {
        let Targets { directory, relations, .. } = targets;
        let outlet = (outlet, failures);
        let wrote = |ticket, outcome: Result<_, Failed>| Done::Wrote(ticket, outcome);
        // First: who registers under the uid of a deleted user must not come before what ends the other's
        // tokens and inbox.
        batch("decide about tokens", self.decisions, outlet, wrote, |decisions| {
            let now = wait(targets.tokens.decide(&decisions))?;
            Ok(now.into_iter().map(|access| Wrote::Access(Box::new(access))).collect())
        });
        batch("register users", self.registers, outlet, Done::Registered, |users| {
            wait(directory.register(&users))
        });
        batch("record tokens", self.issues, outlet, Done::Issued, |tokens| {
            issue_known(tokens, targets)
        });
        batch("change users", self.updates, outlet, wrote, |changes| {
            Ok(wait(directory.update(&changes))?.into_iter().map(Wrote::User).collect())
        });
        batch("delete users", self.deletes, outlet, wrote, |users| {
            Ok(wait(directory.delete(&users))?.into_iter().map(Wrote::Deleted).collect())
        });
        batch("change relations", self.relations, outlet, wrote, |changes| {
            let outcomes = relate_known(changes, targets)?;
            Ok(outcomes.into_iter().map(Wrote::Relation).collect())
        });
        batch("forget deleted users", self.forgets, outlet, wrote, |steps| {
            let step = |(of, users, after): Forgetting| {
                let after = after.as_deref();
                let next = match of {
                    Walk::Relations => wait(relations.forget(&users, after, FORGET_ROWS)),
                    Walk::GroupRequests => wait(targets.groups.forget(&users, after, FORGET_ROWS)),
                };
                next.map(Wrote::Forgotten)
            };
            steps.into_iter().map(step).collect()
        });
        batch("change groups", self.groups, outlet, wrote, |changes| {
            let outcomes = change_known(changes, targets)?;
            Ok(outcomes.into_iter().map(Wrote::Group).collect())
        });
        batch("set receive options", self.preferences, outlet, wrote, |changes| {
            prefer(changes, targets)
        });
        batch("name devices", self.devices, outlet, wrote, |changes| {
            wait(targets.preferences.set_devices(&changes, targets.devices_max))?;
            Ok(changes.iter().map(|_| Wrote::Device).collect())
        });
    }
}

/// Makes the writes of one kind durable and answers whoever waits for one of them.
fn batch<W, O>(
    what: &str,
    writes: Vec<(Waiter, W)>,
    (outlet, failures): (&Outlet, &AtomicU64),
    done: impl Fn(Ticket, Result<O, Failed>) -> Done,
    write: impl FnOnce(Vec<W>) -> Result<Vec<O>, StoreError>,
) {
    if writes.is_empty() {
        return;
    }
    let (waiting, writes): (Vec<Waiter>, Vec<W>) = writes.into_iter().unzip();
    let (mut outcomes, failed) = match write(writes) {
        Ok(outcomes) => (outcomes.into_iter(), false),
        Err(cause) => {
            // That a store is away is told by what stands around it.
            if !matches!(cause, StoreError::Unavailable { .. }) {
                tracing::error!(%cause, "cannot {what}");
            }
            failures.fetch_add(1, Ordering::Relaxed);
            (Vec::new().into_iter(), true)
        }
    };
    assert!(failed || outcomes.len() == waiting.len(), "each write has its own outcome: {what}");
    for (shard, ticket) in waiting {
        let outcome = outcomes.next().filter(|_| !failed).ok_or(Failed);
        answer(outlet, shard, done(ticket, outcome));
    }
}

/// Records the tokens of registered users; says of each as what, and `None` where its user is none.
fn issue_known(
    tokens: Vec<IssuedToken>,
    targets: &Targets,
) -> Result<Vec<Option<Newest>>, StoreError> {
    let users: Vec<_> = tokens.iter().map(|token| token.user.clone()).collect();
    let known: Vec<bool> =
        wait(targets.directory.users(&users))?.iter().map(Option::is_some).collect();
    let tokens: Vec<_> = tokens
        .into_iter()
        .zip(&known)
        .filter_map(|(token, &known)| known.then_some(token))
        .collect();
    let recorded = match tokens.is_empty() {
        true => Vec::new(),
        false => wait(targets.tokens.issue(&tokens))?,
    };
    let mut recorded = recorded.into_iter().map(|recorded| recorded.newest);
    Ok(known.into_iter().map(|known| if known { recorded.next() } else { None }).collect())
}

/// Changes relations, of which only registered users get new ones; blocking somebody is no relation of
/// theirs. Whoever asked has looked, but a user can have been deleted since, and nothing may come behind
/// the walk that forgets them.
fn relate_known(
    changes: Vec<Telling<RelationChange, RelationOutcome>>,
    targets: &Targets,
) -> Result<Vec<RelationOutcome>, StoreError> {
    let (mut changes, mut tells): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    let users = changes.iter().flat_map(related).flatten().cloned().collect();
    let gone = unregistered(users, targets)?;
    let refusal = |change: &RelationChange| {
        let concerned = related(change).into_iter().flatten().any(|uid| gone.contains(uid));
        concerned.then_some(match change {
            RelationChange::Request { .. } | RelationChange::Answer { .. } => {
                RelationOutcome::NoRequest
            }
            _ => RelationOutcome::Full,
        })
    };
    let refused: Vec<Option<RelationOutcome>> = changes.iter().map(refusal).collect();
    retain_others(&mut changes, &refused);
    retain_others(&mut tells, &refused);
    let (relations, max) = (&targets.relations, targets.relations_max);
    let made = match tells.iter().any(Option::is_some) {
        true => wait(relations.apply_and_tell(&changes, max, &mut told_by(&mut tells))),
        false => wait(relations.apply(&changes, max)),
    };
    let mut made = made?.into_iter();
    Ok(refused.into_iter().filter_map(|refused| refused.or_else(|| made.next())).collect())
}

/// Leaves those that were not refused.
fn retain_others<T, R>(all: &mut Vec<T>, refused: &[Option<R>]) {
    let mut refusals = refused.iter();
    all.retain(|_| refusals.next().is_some_and(Option::is_none));
}

/// What tells of each change, by its number.
fn told_by<O>(tells: &mut [Option<Tell<O>>]) -> impl FnMut(usize, &O) -> Option<Told> + Send {
    |number, outcome| tells.get_mut(number)?.take().and_then(|Tell(tell)| tell(outcome))
}

/// Who must be registered for a change of relations.
const fn related(change: &RelationChange) -> [Option<&UserId>; 2] {
    match change {
        RelationChange::Request { from, to, .. }
        | RelationChange::Answer { from, to, flag: 1, .. } => [Some(from), Some(to)],
        RelationChange::Befriend { owner, friend, .. } => [Some(owner), Some(friend)],
        RelationChange::Block { owner, .. } => [Some(owner), None],
        _ => [None, None],
    }
}

/// Those of `users` who are nobody.
fn unregistered(users: Vec<UserId>, targets: &Targets) -> Result<HashSet<UserId>, StoreError> {
    let rows = wait(targets.directory.users(&users))?;
    Ok(users.into_iter().zip(rows).filter_map(|(uid, row)| row.is_none().then_some(uid)).collect())
}

/// Changes groups, into which only registered users come. Whoever asked has looked, but a user can have been
/// deleted since: the groups they leave then are those of the moment after their row went.
fn change_known(
    changes: Vec<Telling<GroupChange, GroupChanged>>,
    targets: &Targets,
) -> Result<Vec<GroupChanged>, StoreError> {
    let (mut changes, mut tells): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    let (groups, limits) = (&targets.groups, targets.group_limits);
    let make = |changes: &[GroupChange], tells: &mut [Option<Tell<GroupChanged>>]| match tells
        .iter()
        .any(Option::is_some)
    {
        true => wait(groups.apply_and_tell(changes, limits, &mut told_by(tells))),
        false => wait(groups.apply(changes, limits)),
    };
    let gone = unregistered(changes.iter().flat_map(coming).cloned().collect(), targets)?;
    if gone.is_empty() {
        return make(&changes, &mut tells);
    }
    // Of each change what it is answered instead, or which of its members do not come.
    let mut refused = Vec::with_capacity(changes.len());
    let mut left_out = Vec::with_capacity(changes.len());
    for change in &mut changes {
        let concerned = coming_of(change, &gone);
        refused.push(match change {
            GroupChange::Create { .. } if concerned => Some(GroupRefused::Unfit),
            GroupChange::Request(_) if concerned => Some(GroupRefused::NoGroup),
            GroupChange::Handle { .. } if concerned => Some(GroupRefused::NoRequest),
            _ => None,
        });
        left_out.push(match change {
            GroupChange::Add { members, .. } => {
                let out = members.iter().map(|member| gone.contains(&member.uid)).collect();
                members.retain(|member| !gone.contains(&member.uid));
                out
            }
            _ => Vec::new(),
        });
    }
    retain_others(&mut changes, &refused);
    retain_others(&mut tells, &refused);
    let mut made = make(&changes, &mut tells)?.into_iter();
    let outcomes = refused.into_iter().zip(left_out).filter_map(|(refused, out)| match refused {
        None => made.next().map(|changed| with_places(changed, out)),
        // The version is not asked for: nothing was done.
        Some(why) => Some(GroupChanged {
            outcome: GroupOutcome::Refused(why),
            version: 0,
            members: Vec::new(),
        }),
    });
    Ok(outcomes.collect())
}

/// What came of an addition, with those who were left out in their places.
fn with_places(changed: GroupChanged, left_out: Vec<bool>) -> GroupChanged {
    let GroupOutcome::Added(added) = changed.outcome else { return changed };
    let mut added = added.into_iter();
    let all = left_out.into_iter().map(|out| match out {
        true => Added::Full,
        false => added.next().unwrap_or(Added::Full),
    });
    GroupChanged { outcome: GroupOutcome::Added(all.collect()), ..changed }
}

fn coming_of(change: &GroupChange, gone: &HashSet<UserId>) -> bool {
    coming(change).any(|uid| gone.contains(uid))
}

/// Who comes into a group by a change, or asks to.
fn coming(change: &GroupChange) -> impl Iterator<Item = &UserId> {
    let (members, applicant): (&[Member], _) = match change {
        GroupChange::Create { members, .. } | GroupChange::Add { members, .. } => (members, None),
        GroupChange::Request(request) => (&[], Some(&request.from)),
        GroupChange::Handle { from, agree: true, .. } => (&[], Some(from)),
        _ => (&[], None),
    };
    members.iter().map(|member| &member.uid).chain(applicant)
}

/// Sets the options of several users in one batch.
fn prefer(
    changes: Vec<Vec<PreferenceChange>>,
    targets: &Targets,
) -> Result<Vec<Wrote>, StoreError> {
    let all: Vec<PreferenceChange> = changes.iter().flatten().cloned().collect();
    let mut fits = wait(targets.preferences.set(&all, targets.preferences_max))?.into_iter();
    let of_each = changes.into_iter().map(|of_one| of_one.into_iter().zip(fits.by_ref()).collect());
    Ok(of_each.map(Wrote::Preferences).collect())
}
