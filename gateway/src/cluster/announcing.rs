//! The task of one shard that writes down where its links are (R7): what [`Desk`] wants is carried out on the threads of the
//! components' clients, one batch at a time, and the shard goes on meanwhile.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use openim_cluster::Runtime;
use openim_cluster::redis::{Event, Presence};
use openim_front::LinkId;
use openim_record::{Entry, Process, UserId};
use openim_shard::Shard;
use openim_storage::port::StoreError;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::desk::{Answer, Call, Desk, Links, Replaced};
use super::status::Status;
use super::tell::Tell;
use crate::driver::{Beside, Comings, Core};

/// What the task needs.
#[derive(Clone)]
pub(super) struct Announcing {
    pub(super) runtime: Runtime,
    pub(super) presence: Presence,
    /// Of the shard.
    pub(super) process: Process,
    pub(super) tell: Tell,
    pub(super) status: Arc<Status>,
}

impl Announcing {
    pub(super) fn task(self) -> Beside {
        Box::new(move |core| {
            core.note_comings();
            Box::pin(async move { run(&core, &self).await })
        })
    }
}

async fn run(core: &Rc<Core>, with: &Announcing) {
    let now_ms = || core.now().mono_ms;
    let mut desk = Desk::new(with.process, now_ms());
    loop {
        let asked_ms = now_ms();
        let calls = at_desk(core, |links, comings| desk.next(links, comings, asked_ms));
        with.status.marked(core.here.index, desk.is_marked());
        if calls.is_empty() {
            tokio::select! {
                () = core.comings() => {}
                () = sleep(Duration::from_millis(desk.idle_ms(asked_ms))) => {}
            }
            continue;
        }
        let answers = {
            let mut answers = pin!(carry_out(with, core.here.index, calls));
            let no_mark = Duration::from_millis(desk.stands_ms(asked_ms));
            match timeout(no_mark, answers.as_mut()).await {
                Ok(answers) => answers,
                // Nobody waits for calls that are late any longer than for the mark.
                Err(_) => {
                    at_desk(core, |_, comings| desk.late(comings, now_ms()));
                    answers.await
                }
            }
        };
        let times = (asked_ms, now_ms());
        let replaced =
            at_desk(core, |links, comings| desk.answered(answers, links, comings, times));
        tell(core, with, replaced);
    }
}

/// Gives the desk the links of the shard, and those that came and went.
fn at_desk<T>(core: &Core, work: impl FnOnce(&Shard, &mut Comings) -> T) -> T {
    let comings = core.io.borrow_mut().comings.take();
    let mut comings = comings.unwrap_or_default();
    let done = work(&core.shard.borrow(), &mut comings);
    core.io.borrow_mut().comings = Some(comings);
    done
}

impl Links for Shard {
    fn all(&self) -> Vec<LinkId> {
        self.front().links().collect()
    }

    fn receiving(&self, link: LinkId) -> Option<(UserId, u8)> {
        let uid = self.front().uid(link)?;
        let (_, platform) = self.front().links_of(uid.as_str()).find(|(id, _)| *id == link)?;
        Some((uid.clone(), platform))
    }
}

/// Ends the links of this shard that are replaced, and tells others of theirs.
fn tell(core: &Rc<Core>, with: &Announcing, replaced: Replaced) {
    for entry in replaced.elsewhere {
        with.tell.event(Event::Replaced(entry));
    }
    if !replaced.here.is_empty() {
        core.with(|shard, io| replaced.here.into_iter().for_each(|link| shard.replaced(link, io)));
        core.end_turn(core.now());
    }
}

/// Makes calls at once, and gives each with its answer.
async fn carry_out(with: &Announcing, shard: u16, calls: Vec<Call>) -> Vec<(Call, Answer)> {
    let (presence, process, status) = (with.presence.clone(), with.process, with.status.clone());
    let otherwise = calls.iter().map(|call| (call.clone(), none(call))).collect();
    let begun = with.runtime.begin(async move {
        let mut under_way = JoinSet::new();
        for call in calls {
            let presence = presence.clone();
            under_way.spawn(async move {
                let answer = carry_out_one(&presence, process, &call).await;
                (call, answer)
            });
        }
        let mut answers = Vec::new();
        let mut trouble = None;
        for (call, answer) in under_way.join_all().await {
            let answer = answer.unwrap_or_else(|error| {
                trouble = Some(error);
                none(&call)
            });
            answers.push((call, answer));
        }
        status.presence(shard, trouble.as_ref());
        answers
    });
    // With the clients' threads the process ends.
    begun.answer().await.unwrap_or(otherwise)
}

async fn carry_out_one(
    presence: &Presence,
    process: Process,
    call: &Call,
) -> Result<Answer, StoreError> {
    match call {
        Call::Write { uid, platform, link, epoch, .. } => {
            let entry = Entry { process, link: *link, epoch: *epoch };
            let written = presence.write(uid, *platform, entry).await?;
            Ok(Answer::Write(Some(written)))
        }
        Call::Remove(gone) => {
            presence.remove(&gone.uid, gone.platform, process, gone.link).await?;
            Ok(Answer::Done(true))
        }
        Call::Begin(pass) => {
            let begins = openim_record::Announced::Writing(*pass);
            presence.announce(process, begins).await?;
            Ok(Answer::Done(true))
        }
        Call::End(pass) => Ok(Answer::Ended(Some(presence.complete(process, *pass).await?))),
        Call::Look { keeps } => {
            Ok(Answer::Looked(Some(presence.announced(process, *keeps).await?)))
        }
    }
}

/// The answer to a call that was not carried out, or of which nobody knows whether it was.
const fn none(call: &Call) -> Answer {
    match call {
        Call::Write { .. } => Answer::Write(None),
        Call::Remove(_) | Call::Begin(_) => Answer::Done(false),
        Call::End(_) => Answer::Ended(None),
        Call::Look { .. } => Answer::Looked(None),
    }
}
