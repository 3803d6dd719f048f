//! How a push is written into the outbox of a link. In: a delivery. Out: the bytes of its frame, there.

use openim_protocol::push::{self, PushTemplate};
use openim_protocol::reply::TimeUnit;
use openim_protocol::shown::Shown;
use openim_record::{Deliver, Member};
use openim_shard::LinkId;

use super::{Io, TEMPLATES_MAX};

impl Io {
    /// A group's message is encoded once and stamped for each member.
    fn push_to_member(&mut self, link: LinkId, deliver: &Deliver<'_>, member: Member<'_>) -> usize {
        let message = deliver.message;
        let unit = self.unit(link);
        let name = (message.key, message.send_time_ns, deliver.sync(), unit);
        let at = match self.templates.iter().position(|(known, _)| *known == name) {
            Some(at) => at,
            None => {
                let template = self.template(deliver, unit);
                if self.templates.len() == TEMPLATES_MAX {
                    self.templates.pop_front();
                }
                self.templates.push_back((name, template));
                self.templates.len() - 1
            }
        };
        let seq = i64::try_from(deliver.seq.0).unwrap_or(i64::MAX);
        // Taken out while the outbox, which is beside it, is written.
        let Some((name, template)) = self.templates.remove(at) else { return 0 };
        let bytes = self.text(link, |out| template.stamp(out, member.uid, seq, member.emphasised));
        self.templates.push_back((name, template));
        bytes
    }

    /// Puts a push into a link's outbox, and counts it there.
    pub(super) fn write_push(&mut self, link: LinkId, deliver: &Deliver<'_>) -> usize {
        let message = deliver.message;
        let bytes = match deliver.member {
            Some(member) => self.push_to_member(link, deliver, member),
            None => {
                let mut server_id = std::mem::take(&mut self.scratch);
                server_id.clear();
                message.key.write_server_id(message.send_id, &mut server_id);
                let unit = self.unit(link);
                let shown = self.shown(deliver, &server_id, unit);
                let bytes = self.text(link, |out| push::push(out, &shown, false));
                self.scratch = server_id;
                bytes
            }
        };
        if bytes > 0 && deliver.ticket != 0 {
            self.written.add(deliver.ticket);
        }
        bytes
    }

    fn template(&self, deliver: &Deliver<'_>, unit: TimeUnit) -> PushTemplate {
        let message = deliver.message;
        let server_id = message.key.server_id(message.send_id);
        PushTemplate::new(&self.shown(deliver, &server_id, unit))
    }

    fn shown<'a>(
        &self,
        deliver: &Deliver<'a>,
        server_msg_id: &'a str,
        unit: TimeUnit,
    ) -> Shown<'a> {
        let mut message = *deliver.message;
        if let Some(number) = self.wire.sync_content_type.filter(|_| deliver.sync()) {
            message.content_type = number;
        }
        let seq = i64::try_from(deliver.seq.0).unwrap_or(i64::MAX);
        let send_time = unit.from_nanos(message.send_time_ns);
        Shown { message, server_msg_id, seq, send_time }
    }
}
