//! Tips: what the server itself tells users about friends and groups, as messages through the same log
//! (spec, REST 1.9, 7.7, 7.10). Those about changes of friends and groups become durable with the change.

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::tip::{Generation, Tip};
use openim_record::{Addresses, Draft, GroupId, Message, Submission, Switches, Told, UserId};
use openim_storage::port::{GroupChanged, GroupOutcome, RelationChange, RelationOutcome, User};
use openim_workers::writes::Tell;

use super::send::{Carried, carry};
use crate::bus::{Refused, Telling};
use crate::driver::Core;

/// Friends told at once of a changed profile.
const AT_ONCE: usize = 32;
/// Friends read at a time.
const PAGE: usize = 256;

/// Whose numbers and texts tips have.
pub(crate) fn generation(core: &Core) -> Generation {
    if core.settings.wire.may { Generation::May } else { Generation::June }
}

/// From whom and to whom a tip goes.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) from: &'a str,
    /// A uid, or a group's id.
    pub(crate) to: &'a str,
    /// 1 single, 2 group.
    pub(crate) session_type: i32,
    /// Tells a tip from others of the same way: the same tip, sent again within the window, is one.
    pub(crate) client_msg_id: &'a str,
    /// Whose name and picture go with it.
    pub(crate) sender: Option<&'a User>,
    /// Whether the links of `from` get a copy at once.
    pub(crate) sender_sync: bool,
}

impl<'a> Way<'a> {
    /// To one user, about another, whose name does not go with it.
    pub(crate) fn plain(from: &'a UserId, to: &'a UserId, client_msg_id: &'a str) -> Self {
        let (from, to) = (from.as_str(), to.as_str());
        Self { from, to, session_type: 1, client_msg_id, sender: None, sender_sync: true }
    }
}

/// Sends a tip; it is durable when this returns.
///
/// # Errors
/// The code to answer with.
pub(crate) async fn tell(core: &Rc<Core>, tip: &Tip, way: Way<'_>) -> Result<(), ErrCode> {
    carry(core, Carried::trusted(draft(tip, way))).await.map(|_| ()).map_err(|why| why.code())
}

/// A tip about a group on its way to one that is told.
pub(crate) struct Said {
    tip: Tip,
    to: String,
    session_type: i32,
}

impl Said {
    /// To all members.
    pub(crate) fn to_group(group: &GroupId, tip: Tip) -> Self {
        Self { tip, to: group.as_str().to_owned(), session_type: 2 }
    }

    /// To one user.
    pub(crate) fn to_user(uid: &UserId, tip: Tip) -> Self {
        Self { tip, to: uid.as_str().to_owned(), session_type: 1 }
    }
}

/// Who tells of a change of a group, a time that the tips are later than, and whether those who were removed get what their group is told.
pub(crate) struct Speaker<'a> {
    pub(crate) uid: &'a UserId,
    pub(crate) after_ns: i64,
    pub(crate) to_removed: bool,
}

/// What `said` says of a change of a group when it is made, in the name of `by`.
pub(crate) fn telling(
    core: &Core,
    by: &Speaker<'_>,
    said: impl FnOnce(&GroupChanged) -> Vec<Said> + Send + 'static,
) -> Telling {
    let (from, id) = (by.uid.clone(), core.keys.next_id());
    let tips = Box::new(move |changed: &GroupChanged| {
        if matches!(changed.outcome, GroupOutcome::Refused(_)) {
            return Vec::new();
        }
        let draft = |(number, Said { tip, to, session_type }): (usize, Said)| {
            // Others of the same name would be its repeats.
            let client_msg_id = match number {
                0 => format!("tip-{}-{id}", tip.content_type),
                _ => format!("tip-{}-{id}-{number}", tip.content_type),
            };
            let way = Way {
                from: from.as_str(),
                to: &to,
                session_type,
                client_msg_id: &client_msg_id,
                sender: None,
                sender_sync: true,
            };
            draft(&tip, way)
        };
        said(changed).into_iter().enumerate().map(draft).collect()
    });
    Telling { tips, to_removed: by.to_removed, after_ns: by.after_ns }
}

/// Makes a change between users, and tells of it what `tip` says of its outcome: one is durable with the other, where
/// the log holds changes.
///
/// # Errors
/// Where the change was not made, or nobody knows.
pub(crate) async fn relate(
    core: &Rc<Core>,
    change: RelationChange,
    tip: impl FnOnce(&RelationOutcome) -> Option<Draft> + Send + 'static,
) -> Result<RelationOutcome, Refused> {
    #[cfg(feature = "cluster")]
    if core.is_alone() {
        let outcome = core.change_in_time((change, None)).await?;
        if let Some(tip) = tip(&outcome) {
            carry(core, Carried::trusted(tip)).await.map_err(|_| Refused::Unavailable)?;
        }
        return Ok(outcome);
    }
    let (placement, sent_ns) = (core.here.placement, core.shard.borrow_mut().stamp(core.now()));
    let tell = Tell::new(move |outcome: &RelationOutcome| {
        let mut tip = tip(outcome)?;
        let heading = tip.heading();
        let (key, to) = (heading.key(), Addresses::of_draft(&heading, placement));
        let record = tip.seal(key, sent_ns);
        let messages = vec![Submission { key, to, record, lists: Box::default() }];
        Some(Told { messages, change: None })
    });
    core.change_in_time((change, Some(tell))).await
}

/// A tip as a message.
pub(crate) fn draft(tip: &Tip, way: Way<'_>) -> Draft {
    let Way { from, to, session_type, client_msg_id, sender, sender_sync, .. } = way;
    Draft::new(&Message {
        send_id: from,
        recv_id: to,
        client_msg_id,
        switches: Switches { sender_sync, ..Switches::ON },
        msg_from: tip.msg_from,
        content_type: tip.content_type,
        session_type,
        sender_nick_name: sender.map_or("", |user| &user.name),
        sender_face_url: sender.map_or("", |user| &user.icon),
        offline_info: "{}",
        content: &tip.content,
        ..Message::BLANK
    })
}

/// Sends a tip to every friend of `user`, a bounded number at once.
///
/// # Errors
/// The code to answer with; some may have got it.
pub(crate) async fn tell_friends(core: &Rc<Core>, user: &User, tip: &Tip) -> Result<(), ErrCode> {
    let client_msg_id = format!("tip-{}-{}", tip.content_type, core.keys.next_id());
    let mut after: Option<UserId> = None;
    loop {
        let (owner, from) = (user.uid.clone(), after.take());
        let page = core
            .query(async move |sources| {
                sources.relations.friends(&owner, from.as_ref(), PAGE).await
            })
            .await
            .map_err(|_| ErrCode::Unavailable)?;
        for friends in page.chunks(AT_ONCE) {
            let told: Vec<_> = friends
                .iter()
                .map(|friend| {
                    let (core, tip, to) = (Rc::clone(core), tip.clone(), friend.uid.clone());
                    let (user, client_msg_id) = (user.clone(), client_msg_id.clone());
                    tokio::task::spawn_local(async move {
                        let way = Way {
                            from: user.uid.as_str(),
                            to: to.as_str(),
                            session_type: 1,
                            client_msg_id: &client_msg_id,
                            sender: Some(&user),
                            // One for each friend, and they know it already.
                            sender_sync: false,
                        };
                        tell(&core, &tip, way).await
                    })
                })
                .collect();
            for told in told {
                told.await.map_err(|_| ErrCode::Unavailable)??;
            }
        }
        if page.len() < PAGE {
            return Ok(());
        }
        after = page.into_iter().next_back().map(|friend| friend.uid);
    }
}
