//! The partitions that a consumer owns, each with where it is; pure.

use openim_record::{LogPartition, PartitionId, Position, Topic, place};

/// A partition that was assigned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owned {
    /// Of the logs that were adopted, the one that its owner has begun.
    pub(super) epoch: u16,
    /// The offset that is shown next; `None` until its owner begins it, and when it is out of the log's range.
    pub(super) next: Option<i64>,
    /// Whether librdkafka has it, and fetches it unless it is paused.
    pub(super) fetched: bool,
    /// How librdkafka is brought there, if it must be.
    pub(super) bring: Bring,
    /// Whether its owner wants nothing now.
    pub(super) paused: bool,
    /// An offset that came in place of the next one.
    gap: Option<i64>,
    /// Below this one its owner has applied all.
    pub(super) applied: Option<i64>,
    /// What was committed of that.
    pub(super) committed: Option<i64>,
}

/// What must be done so that the next record comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Bring {
    #[default]
    Nothing,
    /// It looks elsewhere in what it fetches.
    Seek,
    /// It begins anew.
    Assign,
}

/// What is done with a record that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// It is the next one.
    Show,
    /// The next one, behind offsets that the log does not have, though asked twice.
    ShowBehindGap,
    /// It was shown, or fetched for somebody before.
    Drop,
}

impl Owned {
    pub(super) fn begin(&mut self, from: Position) {
        let (epoch, offset) = place(from);
        // An offset has 48 bits.
        (self.epoch, self.next) = (epoch, Some(offset.cast_signed()));
        self.gap = None;
        self.need_seek();
    }

    pub(super) fn need_seek(&mut self) {
        self.bring = match self.bring {
            Bring::Nothing | Bring::Seek if self.fetched => Bring::Seek,
            _ => Bring::Assign,
        };
    }

    /// librdkafka is there now.
    pub(super) fn brought(&mut self) {
        self.fetched = true;
        self.bring = Bring::Nothing;
    }

    /// Whether it is to be brought to its place now.
    pub(super) fn is_away(&self) -> bool {
        self.next.is_some() && !self.paused && self.bring != Bring::Nothing
    }

    /// A record has come. Whatever comes while the place is wrong is not what was asked for.
    pub(super) fn take(&mut self, offset: i64) -> Take {
        let Some(next) = self.next.filter(|_| !self.paused && self.bring == Bring::Nothing) else {
            return Take::Drop;
        };
        if offset < next {
            return Take::Drop;
        }
        let behind_gap = offset > next;
        // Fetched for a place before, perhaps: what is asked for again and comes again is what there is.
        if behind_gap && self.gap.replace(offset) != Some(offset) {
            self.need_seek();
            return Take::Drop;
        }
        self.gap = None;
        self.next = Some(offset + 1);
        if behind_gap { Take::ShowBehindGap } else { Take::Show }
    }
}

/// Those of one consumer, found by topic and number.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    chat: Vec<Option<Owned>>,
    group: Vec<Option<Owned>>,
}

impl Partitions {
    pub(super) fn get_mut(&mut self, at: LogPartition) -> Option<&mut Owned> {
        let place = usize::from(at.partition.0);
        self.topic(at.topic).get_mut(place)?.as_mut()
    }

    pub(super) fn insert(&mut self, at: LogPartition) {
        let place = usize::from(at.partition.0);
        let topic = self.topic(at.topic);
        if topic.len() <= place {
            topic.resize(place + 1, None);
        }
        topic[place] = Some(Owned::default());
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, at: LogPartition) -> bool {
        let place = usize::from(at.partition.0);
        self.topic(at.topic).get_mut(place).is_some_and(|owned| owned.take().is_some())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LogPartition, &mut Owned)> {
        let of = [(Topic::Chat, &mut self.chat), (Topic::Group, &mut self.group)];
        of.into_iter().flat_map(|(topic, partitions)| {
            (0_u16..).zip(partitions).filter_map(move |(number, owned)| {
                let at = LogPartition { topic, partition: PartitionId(number) };
                Some((at, owned.as_mut()?))
            })
        })
    }

    fn topic(&mut self, topic: Topic) -> &mut Vec<Option<Owned>> {
        match topic {
            Topic::Chat => &mut self.chat,
            Topic::Group => &mut self.group,
        }
    }
}

#[cfg(test)]
mod tests {
    use openim_record::position;

    use super::*;

    #[test]
    fn only_the_next_record_is_shown_and_none_is_passed_over() {
        let mut owned = Owned::default();
        assert_eq!(owned.take(7), Take::Drop, "nobody has begun it");
        owned.begin(Position(5));
        assert_eq!(owned.take(5), Take::Drop, "fetched before it was brought there");
        owned.brought();
        assert_eq!(
            [4, 5, 5, 6].map(|offset| owned.take(offset)),
            [Take::Drop, Take::Show, Take::Drop, Take::Show]
        );
        // One that was fetched for another place.
        assert_eq!(owned.take(90), Take::Drop);
        assert_eq!((owned.bring, owned.next), (Bring::Seek, Some(7)));
        owned.brought();
        assert_eq!(owned.take(7), Take::Show);
        // Offsets that the log does not have.
        assert_eq!(owned.take(10), Take::Drop);
        owned.brought();
        assert_eq!(owned.take(10), Take::ShowBehindGap);
        assert_eq!(owned.take(11), Take::Show);
        owned.begin(position(2, 12).expect("an offset"));
        assert_eq!(owned.epoch, 2);
        owned.brought();
        owned.paused = true;
        assert_eq!(owned.take(12), Take::Drop);
        assert_eq!(owned.next, Some(12));
    }

    #[test]
    fn partitions_are_found_by_topic_and_number() {
        let mut partitions = Partitions::default();
        let at = |topic, number| LogPartition { topic, partition: PartitionId(number) };
        for number in [3, 0] {
            partitions.insert(at(Topic::Group, number));
        }
        assert!(partitions.get_mut(at(Topic::Group, 2)).is_none());
        assert!(partitions.get_mut(at(Topic::Chat, 3)).is_none());
        let all: Vec<_> = partitions.iter_mut().map(|(at, _)| at).collect();
        assert_eq!(all, [at(Topic::Group, 0), at(Topic::Group, 3)]);
        assert!(partitions.remove(at(Topic::Group, 3)));
        assert!(!partitions.remove(at(Topic::Group, 3)));
    }
}
