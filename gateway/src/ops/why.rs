//! Why somebody did not get a message: finds the message, asks the journal of links, and has the reason decided.
//!
//! In: a user and a message by any of its names. Out: one reason. The message is looked for in the user's inbox, then in its
//! sender's; both are read like a pull, at their homes, some pages of each at most (the module `seek`). What the journal says
//! comes from its own thread. Never: waits longer than anybody waits for the stores, or changes anything.

use std::rc::Rc;
use std::time::{Duration, Instant};

use openim_record::{GroupId, SESSION_GROUP, Seq, UserId};
use openim_storage::port::NOT_RECEIVED;
use openim_why::{Asked, Facts, Fate, Found, Refusal, SendName, SendNote, Who, decide};
use openim_workers::links::Answer;
use tokio::sync::mpsc::Receiver;

use crate::bus::{GroupRoles, Inquiry, Named, Refused, Seek, Seen, Sought, Trace, WhyAsk, WhyTold};
use crate::driver::Core;

/// Within so long a message is looked for. `why.lookMessagesMax` ends it much sooner, but where the stores are slow.
const LOOK_TIME: Duration = Duration::from_secs(1);

mod list;
mod seek;

pub(crate) use list::{Listing, list};
pub(crate) use seek::seek;

/// Answers what operators ask, one question after the other, until nobody can ask any more.
pub(crate) async fn inquire(core: Rc<Core>, mut inquiries: Receiver<Inquiry>) {
    while let Some(Inquiry { ask, answer }) = inquiries.recv().await {
        // Who asked waits for no cause: it was logged where it arose.
        let _gone = answer.send(why(&core, ask).await.ok());
    }
}

/// At home: what the journal of links says.
pub(super) async fn trace(core: &Rc<Core>, ask: Trace) -> Result<Box<Answer>, Refused> {
    let Trace { uid, asked, send } = ask;
    core.ask_links(&uid, asked, send).await.map(Box::new)
}

/// The reason.
///
/// # Errors
/// The stores or the journal cannot be asked now, or there is no journal.
pub(crate) async fn why(core: &Rc<Core>, ask: WhyAsk) -> Result<WhyTold, Refused> {
    if core.links.is_none() {
        return Err(Refused::Unavailable);
    }
    let Place { found, seq, seen } = find(core, &ask).await?;
    let WhyAsk { uid, platform, named, sender, near_ms } = ask;
    let send = match &named {
        Named::Client(id) => {
            Some((SendName::new(id), sender.map(|sender| Who::new(sender.as_str()))))
        }
        Named::Seq(_) | Named::Server(..) => None,
    };
    let own = seen.as_ref().filter(|seen| seen.send_id == uid.as_str());
    let asked = Asked {
        who: Who::new(uid.as_str()),
        platform,
        seq,
        sent_ms: seen.as_ref().map_or(near_ms.unwrap_or(0), |seen| seen.sent_ms),
        origin: own.map(|seen| seen.origin_platform).filter(|platform| *platform > 0),
        uncopied: own.is_some_and(|seen| !seen.copied),
    };
    let who = asked.who;
    let Answer { trail, sends } = *core.at_home(Trace { uid, asked, send }).await?;
    let [refused, repeat, unnumbered] = sends;
    let refused = refused.and_then(|note| match note.fate {
        Fate::Refused { code, blocked } => Some(Refusal { code, at_ms: note.at_ms, blocked }),
        Fate::Repeat { .. } | Fate::WithoutHistory { .. } | Fate::Unwanted { .. } => None,
    });
    let sent_ms = seen.as_ref().map(|seen| seen.sent_ms);
    let found = match (found, unnumbered, repeat.zip(near_ms)) {
        (_, _, Some((note, near_ms))) if is_meant(&note, sent_ms, near_ms) => of_send(&note, who),
        (Found::Nowhere { .. }, Some(note), _) => of_send(&note, who),
        (found, ..) => found,
    };
    let reason = decide(&Facts { found, trail, refused });
    Ok(WhyTold { reason, seen, seq, known_from_ms: trail.known_from_ms })
}

/// Where a message is.
struct Place {
    found: Found,
    /// In the inbox of who is asked about; 0: not in there.
    seq: Seq,
    seen: Option<Seen>,
}

/// Looks in the user's inbox, and then in that of the sender, if it is known.
async fn find(core: &Rc<Core>, ask: &WhyAsk) -> Result<Place, Refused> {
    let WhyAsk { uid, named, sender, near_ms, .. } = ask;
    let look = Look { core, ask, end: Instant::now() + LOOK_TIME };
    let own = look.of(uid, *near_ms).await?;
    if let Named::Seq(seq) = *named {
        // It is in no other inbox under this number.
        let (found, seq) = match own.seen {
            Some(_) => (Found::Numbered, seq),
            None if seq > own.bounds.newest || seq.0 == 0 => {
                (Found::Nowhere { back_to_ms: 0, sender_unknown: false }, Seq(0))
            }
            None => (Found::Expired, seq),
        };
        return Ok(Place { found, seq, seen: own.seen });
    }
    if let Some(seen) = own.seen {
        return Ok(Place { found: Found::Numbered, seq: seen.seq, seen: Some(seen) });
    }
    let sender = sender.clone().or_else(|| sender_of(named));
    let sender_unknown = sender.is_none();
    let nowhere = |back_to_ms| {
        let found = Found::Nowhere { back_to_ms, sender_unknown };
        Place { found, seq: Seq(0), seen: None }
    };
    let Some(sender) = sender.filter(|sender| sender != uid) else {
        return Ok(nowhere(own.back_to_ms));
    };
    let theirs = look.of(&sender, *near_ms).await?;
    let Some(sent) = theirs.seen else { return Ok(nowhere(theirs.back_to_ms)) };
    // Now it is known when: it may lie further back in the user's inbox than was looked.
    let again = look.at(uid, Some(sent.sent_ms)).await?;
    let seq = again.seen.as_ref().map_or(Seq(0), |seen| seen.seq);
    let found = match &again.seen {
        Some(_) => Found::Numbered,
        None => match in_no_inbox(uid, &sent, &again)? {
            Found::ForOthers { group: true } if is_unwilling(core, uid, &sent.recv_id).await? => {
                Found::Unwanted { at_ms: sent.sent_ms }
            }
            found => found,
        },
    };
    Ok(Place { found, seq, seen: Some(sent) })
}

/// Whether a user is in a group and does not receive what is written there: now, for the log does not say who was left out.
async fn is_unwilling(core: &Rc<Core>, uid: &UserId, group: &str) -> Result<bool, Refused> {
    if core.shard.borrow().is_alone() {
        return Ok(false);
    }
    let (user, named) = (uid.clone(), [format!("group_{group}")]);
    let options = core.query(async move |sources| sources.preferences.get(&user, &named).await);
    if options.await?.first() != Some(&NOT_RECEIVED) {
        return Ok(false);
    }
    let (group, users) = (GroupId::new(group), vec![uid.clone()]);
    Ok(core.at_home(GroupRoles { group, users }).await?.first().is_some_and(Option::is_some))
}

/// Looks through inboxes.
struct Look<'a> {
    core: &'a Rc<Core>,
    ask: &'a WhyAsk,
    end: Instant,
}

impl Look<'_> {
    /// What one inbox has of it: about the time that is given first, which may be another one than was thought.
    async fn of(&self, uid: &UserId, near_ms: Option<i64>) -> Result<Sought, Refused> {
        if near_ms.is_some() {
            let near = self.at(uid, near_ms).await?;
            if near.seen.is_some() {
                return Ok(near);
            }
        }
        self.at(uid, None).await
    }

    async fn at(&self, uid: &UserId, near_ms: Option<i64>) -> Result<Sought, Refused> {
        let (named, sender) = (self.ask.named.clone(), self.ask.sender.clone());
        // Another inbox may have to be looked through after this one.
        let now = Instant::now();
        let until = now + self.end.saturating_duration_since(now) / 2;
        Ok(*self.core.at_home(Seek { uid: uid.clone(), named, sender, near_ms, until }).await?)
    }
}

/// Whether somebody who gives a time means the repeat of a message, and not that.
fn is_meant(repeat: &SendNote, sent_ms: Option<i64>, near_ms: i64) -> bool {
    sent_ms.is_none_or(|sent_ms| repeat.at_ms.abs_diff(near_ms) < sent_ms.abs_diff(near_ms))
}

/// Of a send that no inbox tells of.
const fn of_send(note: &SendNote, who: Who) -> Found {
    match note.fate {
        Fate::WithoutHistory { group, to } => {
            match group || to.0 == who.0 || note.sender.0 == who.0 {
                true => Found::WithoutHistory,
                false => Found::ForOthers { group },
            }
        }
        Fate::Unwanted { to } if to.0 == who.0 => Found::Unwanted { at_ms: note.at_ms },
        Fate::Unwanted { .. } if note.sender.0 == who.0 => Found::WithoutHistory,
        Fate::Unwanted { .. } => Found::ForOthers { group: false },
        Fate::Repeat { first_ms } => Found::Repeat { first_ms },
        Fate::Refused { .. } => Found::Nowhere { back_to_ms: 0, sender_unknown: false },
    }
}

fn sender_of(named: &Named) -> Option<UserId> {
    match named {
        Named::Server(sender, _) => Some(UserId::new(sender)),
        Named::Seq(_) | Named::Client(_) => None,
    }
}

/// Of a message that its sender's inbox has and the user's has not.
///
/// # Errors
/// It may be there where nobody has looked.
fn in_no_inbox(uid: &UserId, sent: &Seen, own: &Sought) -> Result<Found, Refused> {
    let group = sent.session_type == SESSION_GROUP;
    if !group && sent.recv_id != uid.as_str() {
        return Ok(Found::ForOthers { group });
    }
    if sent.unwanted {
        return Ok(Found::Unwanted { at_ms: sent.sent_ms });
    }
    // Whoever has anything of that time would have it, or was not meant.
    let gone = own.bounds.min.0 > 1 && own.oldest_ms.is_none_or(|oldest| sent.sent_ms < oldest);
    match (gone, own.complete, group) {
        (true, ..) => Ok(Found::Expired),
        (false, false, _) => {
            tracing::warn!(
                %uid,
                "more messages about the time of one that was asked for than are looked through: raise why.lookMessagesMax"
            );
            Err(Refused::Unavailable)
        }
        (false, true, true) => Ok(Found::ForOthers { group }),
        (false, true, false) => Ok(Found::Coming),
    }
}
