//! Tips: what the server itself tells users about friends and groups, as messages through the same log
//! (spec, REST 1.9, 7.7, 7.10).

use std::rc::Rc;

use openim_protocol::errcode::ErrCode;
use openim_protocol::tip::{Generation, Tip};
use openim_record::{Draft, Message, Switches, UserId};
use openim_storage::port::User;

use super::send::{Carried, carry};
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
    /// Of a tip about members who were removed, to their group: whether they get it as well.
    pub(crate) to_removed: bool,
}

/// Sends a tip; it is durable when this returns.
///
/// # Errors
/// The code to answer with.
pub(crate) async fn tell(core: &Rc<Core>, tip: Tip, way: Way<'_>) -> Result<(), ErrCode> {
    let to_removed = way.to_removed;
    carry(core, Carried { to_removed, ..Carried::trusted(draft(&tip, way)) }).await.map(|_| ())
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
                            to_removed: true,
                        };
                        tell(&core, tip, way).await
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
