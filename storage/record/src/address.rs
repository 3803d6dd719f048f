//! For whom a record is: partitions, each as what. Which thread or process owns a partition is looked up by whoever
//! routes; a record never says.

use crate::{Heading, LogPartition, Message, PartitionId, Placement, Position, Topic};

/// Where a record lies, as seen from a partition: its log there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whose log.
    pub partition: PartitionId,
    /// Where in it.
    pub position: Position,
}

/// As what a partition gets a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addressee {
    /// For the inbox of the addressee.
    Receiver,
    /// For the inbox of the author; of a message to oneself the only one.
    Sender,
    /// As the home of a group: it knows which sends it has seen, and keeps no inbox.
    Group,
    /// For the inboxes of members of a group, who are listed beside the message.
    Members,
}

impl Addressee {
    /// The user or group that is at home in the partition; of members the group that they are of.
    #[must_use]
    pub const fn owner<'a>(self, message: &Message<'a>) -> &'a str {
        match self {
            Self::Receiver | Self::Group | Self::Members => message.recv_id,
            Self::Sender => message.send_id,
        }
    }
}

/// A partition, and as what it gets a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct To {
    /// Which partition.
    pub partition: PartitionId,
    /// As what.
    pub addressee: Addressee,
}

/// For whom a message is, besides members of a group: of a single chat for its receiver and its sender, of a message
/// to a group for the group's home. What is handed out to an owner of partitions holds those of the owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses([Option<To>; 2]);

impl Addresses {
    /// Nobody: it is for members of a group alone.
    pub const NONE: Self = Self([None; 2]);

    /// For whom a message is.
    #[must_use]
    pub fn of(message: &Message<'_>, placement: Placement) -> Self {
        Self::of_draft(&message.heading(), placement)
    }

    /// For whom the message of a draft is.
    #[must_use]
    pub fn of_draft(heading: &Heading<'_>, placement: Placement) -> Self {
        let Heading { send_id, recv_id, switches, .. } = *heading;
        let at = |id, addressee| Some(To { partition: placement.partition(id), addressee });
        if heading.is_to_group() {
            Self([at(recv_id, Addressee::Group), None])
        } else if send_id == recv_id || switches.unwanted {
            Self([at(send_id, Addressee::Sender), None])
        } else {
            Self([at(recv_id, Addressee::Receiver), at(send_id, Addressee::Sender)])
        }
    }

    /// Each of them; the receiver before the sender.
    pub fn iter(self) -> impl Iterator<Item = To> {
        self.0.into_iter().flatten()
    }

    /// Those whose partitions are `owned`.
    #[must_use]
    pub fn only(self, owned: impl Fn(PartitionId) -> bool) -> Self {
        Self(self.0.map(|to| to.filter(|to| owned(to.partition))))
    }

    /// The one who answers for the send, and for whom it was handed in: the sender's partition, or the group's.
    #[must_use]
    pub fn origin(self) -> Option<PartitionId> {
        let answers = |to: &To| matches!(to.addressee, Addressee::Sender | Addressee::Group);
        self.iter().find(answers).map(|to| to.partition)
    }

    /// Where the send lies in a cluster: in the partition of [`Self::origin`], of its topic.
    #[must_use]
    pub fn log_partition(self) -> Option<LogPartition> {
        self.iter().find_map(|To { partition, addressee }| match addressee {
            Addressee::Sender => Some(LogPartition { topic: Topic::Chat, partition }),
            Addressee::Group => Some(LogPartition { topic: Topic::Group, partition }),
            Addressee::Receiver | Addressee::Members => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Draft, SESSION_GROUP, own_message};

    fn addresses(send_id: &str, recv_id: &str, session_type: i32) -> Addresses {
        let message = Message { session_type, send_id, recv_id, ..Message::BLANK };
        Addresses::of(&message, Placement::new(256))
    }

    fn seen(addresses: Addresses) -> Vec<(u16, Addressee)> {
        addresses.iter().map(|to| (to.partition.0, to.addressee)).collect()
    }

    #[test]
    fn each_partition_is_told_as_what_it_gets_a_record() {
        use Addressee::{Group, Receiver, Sender};
        let chat = addresses("alice", "bob", 1);
        assert_eq!(seen(chat), [(188, Receiver), (237, Sender)]);
        assert_eq!(seen(addresses("alice", "alice", 1)), [(237, Sender)]);
        let group = addresses("alice", "bob", SESSION_GROUP);
        assert_eq!(seen(group), [(188, Group)]);
        let origins = [chat, group].map(|of| of.origin().map(|partition| partition.0));
        assert_eq!(origins, [Some(237), Some(188)]);
        let at = |topic, number| Some(LogPartition { topic, partition: PartitionId(number) });
        let logs = [at(Topic::Chat, 237), at(Topic::Group, 188)];
        assert_eq!([chat, group].map(Addresses::log_partition), logs);
    }

    /// What somebody does not want is their sender's alone, as it was decided: from the record as from the draft.
    #[test]
    fn what_is_turned_away_is_for_its_sender() {
        let message =
            Message { session_type: 1, send_id: "alice", recv_id: "bob", ..Message::BLANK };
        let mut draft = Draft::new(&message);
        let both = Addresses::of_draft(&draft.heading(), Placement::new(256));
        draft.turn_away(true);
        draft.turn_away(false);
        assert_eq!(Addresses::of_draft(&draft.heading(), Placement::new(256)), both);
        draft.turn_away(true);
        assert!(draft.switches().unwanted && draft.heading().switches.unwanted);
        let placement = Placement::new(256);
        let of_draft = Addresses::of_draft(&draft.heading(), placement);
        assert_eq!(seen(of_draft), [(237, Addressee::Sender)]);
        let key = draft.heading().key();
        assert_eq!(key, message.heading().key(), "a repeat is one all the same");
        let record = draft.seal(key, 7);
        assert_eq!(Addresses::of(&own_message(&record), placement), of_draft);
    }

    #[test]
    fn an_owner_gets_its_own() {
        let chat = addresses("alice", "bob", 1);
        let receivers = chat.only(|partition| partition == PartitionId(188));
        assert_eq!(seen(receivers), [(188, Addressee::Receiver)]);
        assert_eq!(receivers.origin(), None);
        assert_eq!(chat.only(|_| false), Addresses::NONE);
    }
}
