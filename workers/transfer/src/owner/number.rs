//! Each inbox gets its next seq, or has the record already (R4).
//!
//! Invariant: a record below what the store says is applied to a user is not numbered, only delivered again
//! under the seq it has; so it does not matter how far another owner has come. Guarded by the tests of the
//! owner and `tests/cluster.rs`.

use openim_record::{Message, Position, Seq, UserId, broken};

use super::Owner;
use super::decide::{Deciding, Recipient};
use crate::effects::Effects;
use crate::record::message;
use crate::values::{Content, Delivery, Document};

/// Users that one question to the store names, about.
const LOADS: usize = 256;

impl Owner {
    /// Gives the recipients of the record their turns; `false` when one must be loaded first.
    pub(super) fn number(&mut self, fx: &mut impl Effects) -> bool {
        let Some(mut deciding) = self.deciding.take() else { return true };
        if deciding.recipients.is_empty() {
            self.decided(&deciding);
            return true;
        }
        let bytes = deciding.message.clone();
        let Ok(message) = message(&bytes, deciding.sent_ms) else {
            broken("a record that was decided holds a message")
        };
        while let Some(recipient) = deciding.recipients.get(deciding.done) {
            let seq = match message.switches.history {
                false => Some(Seq(0)),
                true if !self.inboxes.knows(recipient.uid.as_str()) => {
                    self.ask_for(&deciding, fx);
                    self.deciding = Some(deciding);
                    return false;
                }
                true => self.seq(&recipient.uid, &deciding),
            };
            if let Some(seq) = seq
                && let Some(deliver) = deliver(&message, recipient, seq, &deciding)
            {
                self.open.deliver(deliver, message.switches.offline_push);
            }
            deciding.done += 1;
        }
        self.decided(&deciding);
        true
    }

    /// Whether this user's turn is next.
    pub(super) fn waits_for(&self, uid: &UserId) -> bool {
        let next = self.deciding.as_ref().and_then(|of| of.recipients.get(of.done));
        next.is_some_and(|recipient| recipient.uid == *uid)
    }

    /// The seq of the record in an inbox in memory; `None` when retention has taken it from there since.
    fn seq(&mut self, uid: &UserId, deciding: &Deciding) -> Option<Seq> {
        let position = deciding.position;
        let Ok(seq) = self.inboxes.number(uid.as_str(), position, deciding.append_ms) else {
            broken("a user is numbered when in memory")
        };
        let Some(seq) = seq else {
            let Some(above) = self.ahead.get(uid) else {
                broken("who has the record already is ahead")
            };
            let at = above.binary_search_by_key(&position, |(of, _)| *of).ok()?;
            return above.get(at).map(|(_, seq)| *seq);
        };
        self.ahead.remove(uid);
        let content = match deciding.body_of {
            Some(source) => {
                self.open.body(source, &deciding.message);
                Content::Group(source)
            }
            None => Content::Own(deciding.message.clone()),
        };
        let (user, sent_ms) = (uid.clone(), deciding.sent_ms);
        self.open.documents.push(Document { user, seq, position, sent_ms, content });
        Some(seq)
    }

    /// Asks for the users that the record needs, and those behind it.
    fn ask_for(&mut self, deciding: &Deciding, fx: &mut impl Effects) {
        let mut users: Vec<UserId> = Vec::new();
        let mut want = |uid: &str| {
            if users.len() < LOADS && !self.inboxes.knows(uid) && !self.loading.contains(uid) {
                let uid = UserId::new(uid);
                if !users.contains(&uid) {
                    users.push(uid);
                }
            }
        };
        let left = deciding.recipients.iter().skip(deciding.done);
        left.for_each(|recipient| want(recipient.uid.as_str()));
        // Not more than may be in memory: who was asked for in advance would push out who is needed.
        let ahead = LOADS.min(self.settings.users_max / 2);
        self.upcoming(ahead, want);
        if !users.is_empty() {
            self.loading.extend(users.iter().cloned());
            fx.load_users(self.life, users);
        }
    }

    fn decided(&mut self, deciding: &Deciding) {
        self.open.held_bytes += deciding.bytes;
        self.open.end = Position(deciding.position.0 + 1);
        self.open.settles.extend(deciding.settles);
    }
}

/// What goes out to the links of a recipient; `None`: nothing.
fn deliver(
    message: &Message<'_>,
    recipient: &Recipient,
    seq: Seq,
    deciding: &Deciding,
) -> Option<Delivery> {
    let sync = recipient.uid.as_str() == message.send_id;
    if sync && !message.copy_for_author(seq) {
        return None;
    }
    Some(Delivery {
        uid: recipient.uid.clone(),
        seq,
        sync,
        member: recipient.member,
        except_platform: if sync { message.origin_platform } else { 0 },
        sent_ms: deciding.sent_ms,
        message: deciding.message.clone(),
    })
}
